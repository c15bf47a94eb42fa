"""Saved lists of tickets as the API shows them."""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterator
from typing import Annotated, Any, Union

import orjson
import sqlalchemy as sa
import strawberry

import models
from domain import views
from domain.access import Viewer
from domain.tickets.lists import TicketOrderField
from infra.desk import Desk
from planner.arguments import keep_to
from planner.errors import BadRequest
from planner.fields import CONFIG, LIMITS, Computed, Later, Limits, Payload, attribute, computed, payload, planned
from planner.nodes import Node, stored
from planner.pages import PageArguments
from planner.scalars import JSON
from schema.departments import Department
from schema.inputs import optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound
from schema.tickets import TicketConnection, TicketFilter, TicketOrder
from schema.times import OrderDirection


def _read(_desk: Desk, text: str) -> Any:
    """As every other value is written: PostgreSQL's own text of it has spaces."""
    return orjson.loads(text)


@stored(models.TicketView, "tvw")
@strawberry.type(description="A saved list of tickets. Staff.")
class TicketView(Node):
    name: str = attribute("Its name.")
    owner: Person = attribute("Whose it is.")
    department: Department | None = attribute("The department that it's shared with; null when it isn't.")

    @computed("The TicketFilter as it was saved, with the same field names: send it back as the filter.")
    def filter(view: models.TicketView, viewer: Viewer) -> JSON:
        return Computed(_read, sa.cast(view.filter, sa.Text()))

    order_field: TicketOrderField | None = attribute("By what it's ordered; null: last changed first.")
    order_direction: OrderDirection | None = attribute("Which way it's ordered; null: last changed first.")

    @planned("Place among the views, from 0.")
    def position(view: models.TicketView, viewer: Viewer) -> int:
        return views.place(viewer, view)

    @planned("Its tickets.")
    def tickets(view: models.TicketView, viewer: Viewer, page: PageArguments) -> TicketConnection:
        field: Any = view.order_field
        direction = view.order_direction
        order = sa.func.jsonb_build_object("field", field, "direction", direction)
        return Later("tickets", filter=view.filter, orderBy=sa.case((field.is_not(None), order)))


# --- Saving -----------------------------------------------------------------------------------------------------------


def written(value: Any) -> Any:
    """A filter as it can be sent again: what was given of it, as JSON."""
    if dataclasses.is_dataclass(value):
        return {name: written(item) for name, item, _ in _given(value)}
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    return value.isoformat() if isinstance(value, dt.datetime) else value


def faults(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a filter, but for ids that are none: the field's path and a sentence."""
    for name, item, limits in _given(value):
        where = f"{path}.{name}"
        if dataclasses.is_dataclass(item):
            yield from faults(item, where)
            continue
        try:
            keep_to(limits._replace(plain=False), item, "")
        except BadRequest as refusal:
            yield where, str(refusal).removeprefix(": ").capitalize()


def _given(value: Any) -> Iterator[tuple[str, Any, Limits]]:
    """Of an input object what is neither left out nor null: its name in the API, the value, its limits."""
    for field in type(value).__strawberry_definition__.fields:
        item = getattr(value, field.python_name)
        if item is not None and item is not strawberry.UNSET:
            yield CONFIG.name_converter.from_field(field), item, field.metadata.get(LIMITS) or Limits()


@strawberry.input(description="What saveTicketView needs.")
class SaveTicketViewInput:
    ticket_view_id: strawberry.ID | None = optional("The view to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    filter: TicketFilter = required("Which tickets.")
    order_by: TicketOrder | None = optional("In which order; default: last changed first.")
    department_id: strawberry.ID | None = optional("Department to share it with; default: none.")
    position: int | None = optional("Place among the views, from 0; default: the end.")


@strawberry.type(description="Saved.")
class SaveTicketViewSuccess:
    ticket_view: Payload[TicketView] = payload("The view.", views.one)


SaveTicketViewResult = Annotated[
    Union[SaveTicketViewSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveTicketViewResult", description="What saveTicketView answers."),
]


@strawberry.input(description="What deleteTicketView needs.")
class DeleteTicketViewInput:
    ticket_view_id: strawberry.ID = required("The view.")


@strawberry.type(description="Deleted.")
class DeleteTicketViewSuccess:
    deleted_id: strawberry.ID = strawberry.field(description="Id of what was deleted.")


DeleteTicketViewResult = Annotated[
    Union[DeleteTicketViewSuccess, NotFound, NotAllowed],
    strawberry.union("DeleteTicketViewResult", description="What deleteTicketView answers."),
]
