"""Maintenance notices as the API shows them."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import broadcasting, maintenance
from domain.access import Viewer
from domain.maintenance import announcing, saying
from planner.fields import Computed, Payload, attribute, computed, input_field, payload, planned
from planner.nodes import Node, NodeIds, stored
from planner.pages import Connection, PageArguments
from schema.enums import described
from schema.inputs import KEY, given, optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound
from schema.services import Service
from schema.times import TimeRange, span

described(
    models.MaintenanceSeverity,
    "How much maintenance hinders.",
    INFO="Nothing will be noticed.",
    MINOR="Some things are slower or missing.",
    MAJOR="Important things don't work.",
    CRITICAL="Nothing works.",
)
described(
    models.MaintenanceStatus,
    "The state of maintenance.",
    SCHEDULED="To come.",
    IN_PROGRESS="Going on.",
    COMPLETED="Done.",
    CANCELLED="Won't happen, or was broken off.",
)
described(
    models.MaintenanceAudience,
    "Who is notified of maintenance and can see its notice. The status of a service shows it to everyone, unless it is "
    "for STAFF. A change or an end is told to those who were told before, even if they have unsubscribed since, and to "
    "those who are meant now.",
    SUBSCRIBERS="Those who are subscribed to one of the services, and staff.",
    EVERYONE="All customers and staff.",
    STAFF="Staff.",
)


@stored(models.MaintenanceHappening, "mup")
@strawberry.type(description="One update posted in the course of maintenance.")
class MaintenanceUpdate(Node):
    message: str | None = attribute("Markdown; null when only the status changed.")
    message_html: str | None = attribute("The message as HTML; null when only the status changed.")
    status: models.MaintenanceStatus = attribute("State from then on.")
    at: dt.datetime = attribute("When.")

    @planned("Who posted it; null when it came by itself. Staff; null for others.")
    def author(update: models.MaintenanceHappening, viewer: Viewer) -> Person | None:
        return update.author if viewer.is_staff else None


@strawberry.type(description="What became of the messages of one channel.")
class ChannelDelivery:
    channel: models.MessageChannel = attribute("The channel.")
    queued_count: int = attribute("Waiting.")
    sent_count: int = attribute("Sent, or shown in the feed.")
    failed_count: int = attribute("Given up; to be found among the dead letters.")
    skipped_count: int = attribute("Not sent, since the people don't want it.")
    read_count: int | None = attribute("Read, as far as the channel tells; null for email.")


@stored(models.MaintenanceNotice, "mnt")
@strawberry.type(description="Planned maintenance, announced.")
class MaintenanceNotice(Node):
    title: str = attribute("Title, 1 to 200 characters.")
    severity: models.MaintenanceSeverity = attribute("How much it hinders.")
    status: models.MaintenanceStatus = attribute("Its state.")
    audience: models.MaintenanceAudience = attribute("Who is notified.")
    channels: list[models.MessageChannel] = attribute(
        "How they are notified, except where a person has turned it off; CRITICAL can't be turned off."
    )
    starts_at: dt.datetime = attribute("Planned beginning.")
    ends_at: dt.datetime = attribute("Planned end.")
    started_at: dt.datetime | None = attribute("When it began; null before that.")
    ended_at: dt.datetime | None = attribute("When it was completed or cancelled; null before that.")
    remind_before_seconds: int | None = attribute(
        "How long before the beginning people are reminded, in seconds; null: not."
    )
    automatic: bool = attribute("Whether it begins and ends by itself as planned.")
    created_at: dt.datetime = attribute("When it was announced.")

    @computed("What happens and what it means for the reader, in own words, Markdown.")
    def message(notice: models.MaintenanceNotice, viewer: Viewer) -> str:
        return Computed(saying.message_of, *saying.facts(viewer, notice))

    @computed("The message as HTML.")
    def message_html(notice: models.MaintenanceNotice, viewer: Viewer) -> str:
        return Computed(saying.html_of, *saying.facts(viewer, notice))

    @planned("Services concerned, 1 to 50.", most=announcing.MOST_SERVICES)
    def services(notice: models.MaintenanceNotice, viewer: Viewer) -> list[Service]:
        return maintenance.services_of(notice)

    @planned("Updates posted since, newest first.")
    def updates(notice: models.MaintenanceNotice, viewer: Viewer, page: PageArguments) -> Connection[MaintenanceUpdate]:
        happening = models.MaintenanceHappening
        return page.of(maintenance.updates_of(notice), order=[happening.at.desc(), happening.id.desc()])

    @planned("What became of its messages, one entry for each channel used. Managers; null for others.", most=2)
    def deliveries(notice: models.MaintenanceNotice, viewer: Viewer) -> list[ChannelDelivery] | None:
        return broadcasting.deliveries_of(notice) if viewer.has(models.Role.MANAGER) else None

    @planned("Who announced it. Staff; null for others.")
    def created_by(notice: models.MaintenanceNotice, viewer: Viewer) -> Person | None:
        return notice.created_by if viewer.is_staff else None


@strawberry.type(description="Whom a notice would reach.")
class MaintenanceReach:
    person_count: int = attribute("People in the audience.")
    email_count: int = attribute("Of these, by email.")
    in_app_count: int = attribute("Of these, in the front ends.")


@strawberry.input(description="Which notices to list. All conditions given must hold; lists of at most 50.")
class MaintenanceFilter:
    statuses: list[models.MaintenanceStatus] | None = input_field(
        "In one of these states; default: scheduled and in progress.", most=50
    )
    severities: list[models.MaintenanceSeverity] | None = input_field("Of one of these severities.", most=50)
    service_ids: NodeIds | None = input_field("Concerning one of these services.", most=50)
    window: TimeRange | None = input_field("Touching this span of time.")

    def conditions(self) -> maintenance.Conditions:
        """The conditions that are given."""
        services = given(self.service_ids)
        since, until = span(self.window)
        return maintenance.Conditions(
            statuses=given(self.statuses),
            severities=given(self.severities),
            service_ids=None if services is None else services.of(models.Service),
            since=since,
            until=until,
        )


def _both() -> list[models.MessageChannel]:
    return [models.MessageChannel.EMAIL, models.MessageChannel.IN_APP]


@strawberry.input(description="What scheduleMaintenance needs.")
class ScheduleMaintenanceInput:
    title: str = required("Title, 1 to 200 characters.")
    message: str = required(
        "In own words, Markdown, 1 to 10,000 characters; {{startsAt}}, {{endsAt}} and {{services}} are filled in for "
        "each reader."
    )
    severity: models.MaintenanceSeverity = required("How much it hinders.")
    service_ids: list[strawberry.ID] = required("Services concerned, 1 to 50.")
    starts_at: dt.datetime = required("Beginning, not in the past.")
    ends_at: dt.datetime = required("End, after the beginning, at most 30 days later.")
    audience: models.MaintenanceAudience = strawberry.field(
        description="Who is notified.", default=models.MaintenanceAudience.SUBSCRIBERS
    )
    channels: list[models.MessageChannel] = strawberry.field(
        description="How they are notified, at least one way.", default_factory=_both
    )
    remind_before_seconds: int | None = optional(
        "How long before the beginning to remind, in seconds, 600 to 604800; default: not."
    )
    automatic: bool = strawberry.field(description="Begin and end by itself as planned.", default=True)
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Announced.")
class ScheduleMaintenanceSuccess:
    notice: Payload[MaintenanceNotice] = payload("The notice.", maintenance.one)


ScheduleMaintenanceResult = Annotated[
    Union[ScheduleMaintenanceSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("ScheduleMaintenanceResult", description="What scheduleMaintenance answers."),
]


@strawberry.input(description="What updateMaintenance needs.")
class UpdateMaintenanceInput:
    notice_id: strawberry.ID = required("The notice.")
    title: str | None = optional("Title.")
    message: str | None = optional("Message, Markdown.")
    severity: models.MaintenanceSeverity | None = optional("Severity.")
    service_ids: list[strawberry.ID] | None = optional("Services concerned, all of them.")
    starts_at: dt.datetime | None = optional("Beginning; only while scheduled.")
    ends_at: dt.datetime | None = optional("End.")
    remind_before_seconds: int | None = optional("How long before the beginning to remind, in seconds; null: not.")
    automatic: bool | None = optional("Begin and end by itself as planned.")
    notify: bool = strawberry.field(description="Notify the audience of the change.", default=True)


@strawberry.type(description="Changed.")
class UpdateMaintenanceSuccess:
    notice: Payload[MaintenanceNotice] = payload("The notice.", maintenance.one)


UpdateMaintenanceResult = Annotated[
    Union[UpdateMaintenanceSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("UpdateMaintenanceResult", description="What updateMaintenance answers."),
]


@strawberry.input(description="What postMaintenanceUpdate needs.")
class PostMaintenanceUpdateInput:
    notice_id: strawberry.ID = required("The notice.")
    status: models.MaintenanceStatus | None = optional("Status from now on; default: as it is.")
    message: str | None = optional("Markdown, at most 10,000 characters; default: only the status.")
    notify: bool = strawberry.field(description="Notify the audience.", default=True)
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Posted.")
class PostMaintenanceUpdateSuccess:
    notice: Payload[MaintenanceNotice] = payload("The notice.", maintenance.one)
    update: Payload[MaintenanceUpdate] = payload("The update.", maintenance.update)


PostMaintenanceUpdateResult = Annotated[
    Union[PostMaintenanceUpdateSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("PostMaintenanceUpdateResult", description="What postMaintenanceUpdate answers."),
]
