"""Who asks, and what is theirs alone, as the API shows it."""

from typing import Annotated

import strawberry

import models
from domain import access, api_tokens, notifications, preferences, views
from domain.access import Permission, Viewer
from planner.fields import argument, planned
from planner.nodes import stored
from planner.pages import Connection, PageArguments
from schema.api_tokens import ApiToken
from schema.enums import described
from schema.notifications import Notification, NotificationPreference, UnreadCount
from schema.people import Person
from schema.views import TicketView

described(
    Permission,
    "A right that doesn't depend on one object.",
    SUBMIT_TICKETS="Submit a ticket for oneself.",
    SUBMIT_TICKETS_FOR_OTHERS="Submit a ticket in a customer's name.",
    WORK_TICKETS="Work on tickets: see the queue, comment internally, assign, resolve.",
    WRITE_ARTICLES="Write and revise articles.",
    PUBLISH_ARTICLES="Publish and archive articles.",
    ANNOUNCE_MAINTENANCE="Announce maintenance.",
    SEE_METRICS="See metrics of whole departments with each agent.",
    MANAGE_PEOPLE="Invite people and change their roles.",
    MANAGE_SETTINGS="Change categories, rules, SLA policies, calendars and templates.",
    OPERATE="See the audit log and settle dead letters.",
)


@stored(models.Person, "vwr", node=False)
@strawberry.type(name="Viewer", description="Who asks, and what is theirs alone.")
class ViewerType:
    id: strawberry.ID = strawberry.field(description="Id of this view, for client caches; not a Node.")

    @planned("The viewer as others see them.")
    def person(row: models.Person, viewer: Viewer) -> Person:
        return row

    @planned("What the viewer may do in general, for showing and hiding parts of a screen.")
    def can(row: models.Person, viewer: Viewer) -> list[Permission]:
        return access.permissions(viewer)

    @planned("The viewer's notifications, newest first.")
    def notifications(
        row: models.Person,
        viewer: Viewer,
        page: PageArguments,
        unread_only: Annotated[bool, argument("Only those not read yet; default false.")] = False,
    ) -> Connection[Notification]:
        rows = notifications.visible(viewer)
        if unread_only:
            rows = rows.where(models.Notification.read_at.is_(None))
        return page.of(rows, order=[models.Notification.seq.desc()])

    @planned("How many notifications are not read.")
    def unread(row: models.Person, viewer: Viewer) -> UnreadCount:
        return notifications.unread_of(viewer, row.id)

    @planned(
        "What the viewer is notified of, and how: one entry for each kind and channel that concerns their role.",
        most=30,
    )
    def notification_preferences(row: models.Person, viewer: Viewer) -> list[NotificationPreference]:
        return preferences.listed(viewer, row.id)

    @planned("The viewer's saved views and those shared with them, in their order. Staff; empty for customers.")
    def ticket_views(row: models.Person, viewer: Viewer, page: PageArguments) -> Connection[TicketView]:
        return page.of(views.visible(viewer), order=[views.place(viewer, models.TicketView), models.TicketView.id])

    @planned("The viewer's tokens for programs, newest first; at most 50.", most=api_tokens.MOST_TOKENS)
    def api_tokens(row: models.Person, viewer: Viewer) -> list[ApiToken]:
        return api_tokens.own(viewer, row.id)
