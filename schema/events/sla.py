"""Events of SLA targets."""

import datetime as dt

import sqlalchemy as sa
import strawberry

import models
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.events import TicketEvent, named, said
from schema.sla import SlaPolicy


@stored(models.Event, "evt", kind="SlaPolicyChanged")
@strawberry.type(description="Another SLA policy applies.")
class SlaPolicyChanged(TicketEvent):
    @planned("Before; null when none.")
    def from_policy(event: models.Event, viewer: Viewer) -> SlaPolicy | None:
        return named(event, "from_policy_id", models.SlaPolicy)

    @planned("After; null when none.")
    def to_policy(event: models.Event, viewer: Viewer) -> SlaPolicy | None:
        return named(event, "to_policy_id", models.SlaPolicy)


@stored(models.Event, "evt", kind="SlaBreached")
@strawberry.type(description="An SLA target was missed.")
class SlaBreached(TicketEvent):
    @planned("Which one.")
    def target(event: models.Event, viewer: Viewer) -> models.SlaTargetKind:
        return said(event, "target")

    @planned("When it was due.")
    def due_at(event: models.Event, viewer: Viewer) -> dt.datetime:
        return sa.cast(said(event, "due_at"), sa.DateTime(timezone=True))
