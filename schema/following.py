"""Changes of a list of tickets, as the API shows them."""

from typing import Any

import strawberry

import models
from domain.access import Viewer
from domain.tickets import following
from domain.tickets.following import TicketChangeKind
from planner.fields import attribute, planned
from planner.nodes import IdOf, stored
from schema.enums import described
from schema.tickets import Ticket

described(
    TicketChangeKind,
    "What happened to a list of tickets.",
    ENTERED="The ticket now belongs to it.",
    UPDATED="The ticket belongs to it and has changed.",
    LEFT="The ticket no longer belongs to it, or the viewer can't see it any more. Sent only to those who could see it "
    "before the change; it may name a ticket that was not in the list.",
)


@stored(models.Ticket, None, node=False)
@strawberry.type(description="A change in a list of tickets.")
class TicketChange:
    kind: TicketChangeKind = attribute("What happened to the list.")

    @planned("The ticket's id.")
    def ticket_id(change: Any, viewer: Viewer) -> strawberry.ID:
        return IdOf(models.Ticket, change.key)

    @planned("The ticket as it is now; null when it left the list.")
    def ticket(change: Any, viewer: Viewer) -> Ticket | None:
        return following.one(viewer, change)
