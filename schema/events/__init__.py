"""The history of a ticket as the API shows it: what all kinds of events have in common."""

import datetime as dt
from typing import Any

import strawberry
from sqlalchemy import select

import models
from domain import history
from domain.access import Viewer
from planner.fields import attribute, planned
from planner.nodes import Node
from schema.people import Person
from schema.tickets import Ticket


def named(event: models.Event, name: str, model: Any) -> Any:
    """The row of this model that the event names."""
    return select(model).where(model.id == history.id_in(event, name))


def said(event: models.Event, name: str) -> Any:
    """The number or enum that the event tells."""
    return event.data[name].astext


@strawberry.interface(
    description="Something that happened to a ticket. The history only grows; replaying it gives every state that the "
    "ticket was in. Fields of different kinds have different names, so fragments never clash."
)
class TicketEvent(Node):
    at: dt.datetime = attribute("When it happened.")
    actor: Person | None = attribute("Who did it; null when Deskwire did it by itself.")
    ticket: Ticket = attribute("The ticket it happened to.")

    @planned(
        "Place in the history as the viewer's side sees it: 1, 2, 3, without a gap. "
        "Staff and customers have a count each, so that no gap tells of what is hidden."
    )
    def seq(event: models.Event, viewer: Viewer) -> int:
        return history.seq(viewer, event)
