"""How much waits where, now and live."""

from typing import Annotated

import models
from domain import history, queues
from domain.access import Viewer
from planner.fields import argument, planned
from planner.live import Live, live, subscription
from planner.nodes import NodeId
from schema.queues import Queue

WHICH = argument("Only this department's; default: all that the viewer can see together.")


@planned("How much waits where. Staff.")
def queue(viewer: Viewer, department_id: Annotated[NodeId | None, WHICH] = None) -> Queue | None:
    return queues.one(viewer, department_id.of(models.Department) if department_id else None)


@subscription("How much waits in a queue, now and after every change, at most once a second. Staff.")
def queue_updated(viewer: Viewer, department_id: Annotated[NodeId | None, WHICH] = None) -> Live[Queue]:
    key = department_id.of(models.Department) if department_id else None
    channel = history.DEPARTMENTS if key is None else (history.DEPARTMENT, key)
    return live(channel, queues.one(viewer, key), pause=1)
