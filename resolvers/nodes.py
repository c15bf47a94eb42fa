"""Anything by its id."""

import functools
from typing import Annotated

from domain import access
from domain.access import Viewer
from planner.errors import BadRequest
from planner.fields import argument, planned
from planner.nodes import Node, NodeId, NodeIds
from schema.nodes import LOOKUPS


@planned("One object by its id; null when the viewer can see none.")
def node(viewer: Viewer, id: Annotated[NodeId, argument("The object's id.")]) -> Node | None:
    access.sign_in_required(viewer)
    if id.model not in LOOKUPS:
        raise BadRequest("This is not an id.")
    return LOOKUPS[id.model](viewer, id.key)


@planned("Objects by their ids, in the same order, null where the viewer can see none.")
def nodes(viewer: Viewer, ids: Annotated[NodeIds, argument("At most 100 ids.", most=100)]) -> list[Node | None]:
    access.sign_in_required(viewer)
    if not LOOKUPS.keys() >= ids.models:
        raise BadRequest("One of these is not an id.")
    wanted = {model: lookup for model, lookup in LOOKUPS.items() if model in ids.models}
    return ids.each({model: functools.partial(lookup, viewer) for model, lookup in wanted.items()})
