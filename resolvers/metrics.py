"""How the desk does, now and live."""

from typing import Annotated

from domain.access import Viewer
from domain.metrics import counting, figures
from models import Role
from planner.fields import argument, planned
from planner.live import Live, live, subscription
from schema.metrics import Metrics, MetricsFilter

PAUSE_SECONDS = 5


@planned(
    "How the desk does. Agents: their own numbers and their departments' totals; "
    "leads and managers: their departments with each agent; directors and admins: all.",
    name="metrics",
)
def metrics_(viewer: Viewer, filter: Annotated[MetricsFilter, argument("Which tickets, and when.")]) -> Metrics | None:
    return figures.one(viewer, filter.asked())


@subscription("Metrics, now and after every change, at most once in 5 seconds. The same rights as Query.metrics.")
def metrics_updated(
    viewer: Viewer,
    filter: Annotated[MetricsFilter, argument("Which tickets, and when; without an end, the time up to now.")],
) -> Live[Metrics]:
    channel = counting.CHANNEL if viewer.has(Role.DIRECTOR) else (counting.CHANNEL, viewer.id)
    return live(channel, figures.one(viewer, filter.asked()), pause=PAUSE_SECONDS)
