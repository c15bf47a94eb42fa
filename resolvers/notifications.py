"""Notifications: following them, marking them, and what somebody wants to be told of."""

from typing import Annotated, Any

import models
from domain import access, inboxes, notifications, preferences
from domain.access import Viewer
from domain.preferences import Wish
from infra.unit import Unit
from planner.fields import argument
from planner.live import Live, feed, live, subscription
from planner.pages import Edge
from resolvers.writing import key_of, keys_of, mutation
from schema.context import Context
from schema.notifications import (
    MarkNotificationsReadInput,
    MarkNotificationsReadResult,
    MarkNotificationsReadSuccess,
    Notification,
    NotificationChoice,
    NotificationPreference,
    SetNotificationPreferencesInput,
    SetNotificationPreferencesResult,
    SetNotificationPreferencesSuccess,
    UnreadCount,
)


@subscription("The viewer's notifications, item by item.", name="notifications")
def notifications_(
    viewer: Viewer,
    after: Annotated[
        str | None, argument("Go on after the notification with this cursor; default: begin with the oldest.")
    ] = None,
) -> Live[Edge[Notification]]:
    access.require_account(viewer)
    rows = notifications.visible(viewer)
    return feed(inboxes.CHANNEL, viewer.id, rows=rows, order=[models.Notification.seq], after=after)


@subscription("How many notifications the viewer has not read, now and after every change, on whichever device.")
def unread_count_updated(viewer: Viewer) -> Live[UnreadCount]:
    access.require_account(viewer)
    return live(inboxes.CHANNEL, viewer.id, notifications.unread_of(viewer, viewer.id))


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
    await inboxes.mark(unit, context.viewer, which, read=input.read)
    return MarkNotificationsReadSuccess(unread=context.viewer.id, notifications=which.get("ids", []))


@mutation("Sets what the viewer is notified of, and how. What isn't named stays.")
async def set_notification_preferences(
    unit: Unit, context: Context, input: SetNotificationPreferencesInput
) -> SetNotificationPreferencesResult:
    wishes = [Wish(each.kind, each.channel, each.enabled) for each in input.preferences]
    left = await preferences.wish(unit, context.viewer, wishes)
    return SetNotificationPreferencesSuccess(preferences=[NotificationPreference(**each) for each in left])
