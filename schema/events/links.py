"""Events of how a ticket belongs with others."""

import strawberry

import models
from domain import history, tickets
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.events import TicketEvent, said
from schema.tickets import Ticket


@stored(models.Event, "evt", kind="TicketMerged")
@strawberry.type(description="This ticket was merged with another.")
class TicketMerged(TicketEvent):
    @planned("The other ticket; null when the viewer can't see it.")
    def other(event: models.Event, viewer: Viewer) -> Ticket | None:
        return tickets.one(viewer, history.id_in(event, "other_id"))

    @planned("True when this one took the other in, false when it went into the other.")
    def took_in(event: models.Event, viewer: Viewer) -> bool:
        return event.data["took_in"].as_boolean()


@stored(models.Event, "evt", kind="TicketLinked")
@strawberry.type(description="The ticket was linked to another.")
class TicketLinked(TicketEvent):
    @planned("What the other is to this one.")
    def link_kind(event: models.Event, viewer: Viewer) -> models.TicketLinkKind:
        return said(event, "link_kind")

    @planned("The other ticket; null when the viewer can't see it.")
    def other(event: models.Event, viewer: Viewer) -> Ticket | None:
        return tickets.one(viewer, history.id_in(event, "other_id"))


@stored(models.Event, "evt", kind="TicketUnlinked")
@strawberry.type(description="A link to another ticket was removed.")
class TicketUnlinked(TicketEvent):
    @planned("What the other was to this one.")
    def link_kind(event: models.Event, viewer: Viewer) -> models.TicketLinkKind:
        return said(event, "link_kind")

    @planned("The other ticket; null when the viewer can't see it.")
    def other(event: models.Event, viewer: Viewer) -> Ticket | None:
        return tickets.one(viewer, history.id_in(event, "other_id"))
