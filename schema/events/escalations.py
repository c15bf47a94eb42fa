"""Events of how a ticket went up, and how that ended."""

import strawberry

import models
from domain import history
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.escalations import Escalation
from schema.events import TicketEvent, named


@stored(models.Event, "evt", kind="TicketEscalated")
@strawberry.type(description="The ticket was escalated.")
class TicketEscalated(TicketEvent):
    @planned("The escalation.")
    def escalation(event: models.Event, viewer: Viewer) -> Escalation:
        return named(event, "escalation_id", models.Escalation)


@stored(models.Event, "evt", kind="EscalationAcknowledged")
@strawberry.type(description="Someone acknowledged the escalation.")
class EscalationAcknowledged(TicketEvent):
    @planned("The escalation.")
    def escalation(event: models.Event, viewer: Viewer) -> Escalation:
        return named(event, "escalation_id", models.Escalation)


@stored(models.Event, "evt", kind="EscalationEnded")
@strawberry.type(description="The escalation ended.")
class EscalationEnded(TicketEvent):
    @planned("The escalation.")
    def escalation(event: models.Event, viewer: Viewer) -> Escalation:
        return named(event, "escalation_id", models.Escalation)

    @planned("Why, in words; null when nothing was said. Staff.")
    def end_reason(event: models.Event, viewer: Viewer) -> str | None:
        return history.reason_of(viewer, event, "end_reason")
