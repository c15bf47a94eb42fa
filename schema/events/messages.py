"""Events of who was told."""

import strawberry
from sqlalchemy import select

import models
from domain import history
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.events import TicketEvent, named, said
from schema.people import Person


@stored(models.Event, "evt", kind="MessageSent")
@strawberry.type(description="A person was notified about the ticket. Staff.")
class MessageSent(TicketEvent):
    @planned("Whom.")
    def recipient(event: models.Event, viewer: Viewer) -> Person:
        return named(event, "recipient_id", models.Person)

    @planned("How.")
    def message_channel(event: models.Event, viewer: Viewer) -> models.MessageChannel:
        return said(event, "message_channel")

    @planned("About what.")
    def message_kind(event: models.Event, viewer: Viewer) -> models.NotificationKind:
        return said(event, "message_kind")

    @planned("What became of it, as of now.")
    def delivery_status(event: models.Event, viewer: Viewer) -> models.DeliveryStatus:
        message = history.id_in(event, "message_id")
        return select(models.Message.status).where(models.Message.id == message).scalar_subquery()
