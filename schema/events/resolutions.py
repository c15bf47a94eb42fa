"""Events of how a ticket ends, and begins again."""

import strawberry

import models
from domain import history
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.events import TicketEvent


@stored(models.Event, "evt", kind="TicketReopened")
@strawberry.type(description="The ticket was opened again.")
class TicketReopened(TicketEvent):
    @planned("Why, in words.")
    def reason(event: models.Event, viewer: Viewer) -> str | None:
        return history.words_of(event, "reason")
