"""Notifications: marking them."""

from typing import Any

import models
from domain import notifications
from infra.unit import Unit
from resolvers.writing import key_of, keys_of, mutation
from schema.context import Context
from schema.notifications import (
    MarkNotificationsReadInput,
    MarkNotificationsReadResult,
    MarkNotificationsReadSuccess,
    NotificationChoice,
)


def _which(choice: NotificationChoice) -> dict[str, Any]:
    if choice.ids:
        return {"ids": keys_of(choice.ids.value, models.Notification, "which.ids")}
    if choice.ticket_id:
        return {"ticket_id": key_of(choice.ticket_id.value, models.Ticket, "which.ticketId")}
    return {"up_to": choice.up_to.value}  # type: ignore[union-attr] # one of the three is given


@mutation("Marks notifications of the viewer as read.")
async def mark_notifications_read(
    unit: Unit, context: Context, input: MarkNotificationsReadInput
) -> MarkNotificationsReadResult:
    which = _which(input.which)
    await notifications.mark(unit, context.viewer, which, read=input.read)
    return MarkNotificationsReadSuccess(unread=context.viewer.id, notifications=which.get("ids", []))
