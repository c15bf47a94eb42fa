"""Notifications as the API shows them."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import notifications
from domain.access import Viewer
from planner.fields import Computed, Payload, attribute, computed, payload, planned
from planner.nodes import Node, OneOf, stored
from schema.article_reviews import ArticleReview
from schema.enums import described
from schema.inputs import required
from schema.maintenance import MaintenanceNotice
from schema.people import Person
from schema.refusals import InvalidInput, NotAllowed
from schema.tickets import Ticket

described(
    models.NotificationKind,
    "What people are notified of.",
    TICKET_RECEIVED="A ticket of yours came in. Its requester.",
    TICKET_SUBMITTED="A ticket came in. Agents of its department.",
    TRIAGE_NEEDED="A ticket needs its category found. Agents of its department.",
    TICKET_ASSIGNED="A ticket was assigned to you.",
    COMMENT_ADDED="A comment was added to a ticket of yours.",
    MENTIONED="You were named in an internal comment.",
    STATUS_CHANGED="A ticket of yours changed its status.",
    TICKET_RESOLVED="A ticket of yours is solved; please confirm. Its requester.",
    RESOLUTION_CONFIRMED="The customer confirmed or rated a resolution of yours; "
    "leads: a rating of 1 or 2 in their department.",
    TICKET_REOPENED="A ticket of yours was opened again.",
    TICKET_ESCALATED="A ticket was escalated to you, or one of yours was escalated.",
    SLA_AT_RISK="An SLA target of a ticket of yours is due within the hour.",
    SLA_BREACHED="An SLA target of a ticket of yours was missed.",
    REVIEW_REQUESTED="You are to review an article.",
    MAINTENANCE="Maintenance was announced, changed or moved on.",
)

NotificationSubject = Annotated[
    Union[Ticket, ArticleReview, MaintenanceNotice],
    strawberry.union("NotificationSubject", description="What a notification can be about."),
]


@stored(models.Notification, "ntf")
@strawberry.type(description="One entry of the viewer's in-app notifications.")
class Notification(Node):
    kind: models.NotificationKind = attribute("About what.")
    actor: Person | None = attribute("Who caused it; null when Deskwire did.")
    at: dt.datetime = attribute("When.")
    read_at: dt.datetime | None = attribute("When the viewer read it; null before that.")

    @computed("One line, plain text.")
    def title(notification: models.Notification, viewer: Viewer) -> str:
        number, locale = notifications.number(notification), notifications.locale(viewer)
        own = notifications.own_words(viewer, notification, models.MessageTemplate.subject)
        facts = notifications.facts(viewer, notification, own)
        told = notifications.told(viewer, notification)
        return Computed(notifications.title_of, notification.kind, number, locale, own, facts, told)

    @computed("More in short, plain text; null when the title says it all.")
    def body(notification: models.Notification, viewer: Viewer) -> str | None:
        locale = notifications.locale(viewer)
        own = notifications.own_words(viewer, notification, models.MessageTemplate.body)
        happened = notifications.happened(viewer, notification, own)
        facts, told = notifications.facts(viewer, notification, own), notifications.told(viewer, notification)
        zone = notifications.zone(viewer)
        return Computed(notifications.body_of, notification.kind, happened, locale, own, facts, told, zone)

    @planned("What it's about; null when the viewer can't see it any more.")
    def subject(notification: models.Notification, viewer: Viewer) -> NotificationSubject | None:
        return OneOf(
            {
                models.Ticket: notifications.subject_of(viewer, notification),
                models.ArticleReview: notifications.review_of(viewer, notification),
                models.MaintenanceNotice: notifications.notice_of(viewer, notification),
            }
        )


@strawberry.type(description="How many notifications are not read.")
class UnreadCount:
    count: int = strawberry.field(description="All kinds together.")


@strawberry.input(one_of=True, description="Which notifications: exactly one of these.")
class NotificationChoice:
    ids: strawberry.Maybe[list[strawberry.ID]] = strawberry.field(description="These, at most 100.")
    ticket_id: strawberry.Maybe[strawberry.ID] = strawberry.field(description="All about this ticket.")
    up_to: strawberry.Maybe[dt.datetime] = strawberry.field(description="All up to this moment.")


@strawberry.input(description="What markNotificationsRead needs.")
class MarkNotificationsReadInput:
    which: NotificationChoice = required("Which.")
    read: bool = strawberry.field(description="False marks them as not read again.", default=True)


@strawberry.type(description="Marked.")
class MarkNotificationsReadSuccess:
    unread: Payload[UnreadCount] = payload("How many are left.", notifications.unread_of)
    notifications: list[Payload[Notification]] = payload(
        "Those named by ids, as they are now; empty for other choices.", notifications.one
    )


MarkNotificationsReadResult = Annotated[
    Union[MarkNotificationsReadSuccess, InvalidInput],
    strawberry.union("MarkNotificationsReadResult", description="What markNotificationsRead answers."),
]


@strawberry.type(description="Whether the viewer is notified of one kind by one channel.")
class NotificationPreference:
    kind: models.NotificationKind = strawberry.field(description="The kind.")
    channel: models.MessageChannel = strawberry.field(description="The channel.")
    enabled: bool = strawberry.field(description="Whether they are notified.")
    locked: bool = strawberry.field(description="True when it can't be turned off.")


@strawberry.input(description="Whether to be notified of one kind by one channel.")
class NotificationPreferenceInput:
    kind: models.NotificationKind = required("The kind.")
    channel: models.MessageChannel = required("The channel.")
    enabled: bool = required("Whether to be notified.")


@strawberry.input(description="What setNotificationPreferences needs.")
class SetNotificationPreferencesInput:
    preferences: list[NotificationPreferenceInput] = required("Those to change, 1 to 50.")


@strawberry.type(description="Set.")
class SetNotificationPreferencesSuccess:
    preferences: list[NotificationPreference] = strawberry.field(description="All preferences.")


SetNotificationPreferencesResult = Annotated[
    Union[SetNotificationPreferencesSuccess, InvalidInput, NotAllowed],
    strawberry.union("SetNotificationPreferencesResult", description="What setNotificationPreferences answers."),
]
