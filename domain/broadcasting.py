"""Who is told of maintenance: in the app and by email, in batches, each of what happened once; and what came of it."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import inboxes, maintenance, messages, preferences
from domain.access import Viewer
from domain.jobs import SendMaintenance, TellMaintenance
from domain.ranges import FIRST
from infra.unit import Unit
from models import (
    DeliveryStatus,
    HappeningKind,
    MaintenanceAudience,
    MaintenanceHappening,
    MaintenanceNotice,
    MaintenanceRecipient,
    MaintenanceService,
    MaintenanceSeverity,
    MaintenanceStatus,
    Message,
    MessageChannel,
    MessageKind,
    Notification,
    NotificationKind,
    NotificationPreference,
    Person,
)

KIND = NotificationKind.MAINTENANCE
BATCH = 500

# --- Before it is sent ------------------------------------------------------------------------------------------------


def reach(viewer: Viewer, audience: MaintenanceAudience, service_ids: Any) -> Select[*tuple[Any, ...]]:
    """How many people a notice would reach now, and by which ways. Raises Unauthenticated, NotAllowed."""
    maintenance.require_manager(viewer)
    people = select(Person).where(Person.id.in_(maintenance.meant(audience, service_ids)))
    reads = ~messages.nobody_reads_in(Person.email)
    by_mail, in_app = (~_unwanted(Person, channel) for channel in (MessageChannel.EMAIL, MessageChannel.IN_APP))
    return people.with_only_columns(
        func.count().label("person_count"),
        func.count().filter(sa.and_(by_mail, reads)).label("email_count"),
        func.count().filter(in_app).label("in_app_count"),
        maintain_column_froms=True,
    )


def _unwanted(person: Any, channel: MessageChannel) -> Any:
    own = NotificationPreference
    return sa.exists().where(
        own.person_id == person.id, own.kind == KIND, own.channel == channel, own.enabled.is_(False)
    )


# --- Telling ----------------------------------------------------------------------------------------------------------


def _happening(happening_id: Any) -> Select[MaintenanceHappening]:
    return select(MaintenanceHappening).where(MaintenanceHappening.id == happening_id)


def _notice(notice_id: Any) -> Select[MaintenanceNotice]:
    return select(MaintenanceNotice).where(MaintenanceNotice.id == notice_id)


def _people(
    audience: MaintenanceAudience,
    notice_id: Any,
    kind: HappeningKind,
    after: Any,
    most: Any,
) -> Select[*tuple[Any, ...]]:
    """Those whom it means now, and, but for a reminder, those who were told before: the next ones by their keys."""
    services = select(MaintenanceService.service_id).where(MaintenanceService.notice_id == notice_id)
    those: ColumnElement[bool] = Person.id.in_(maintenance.meant(audience, func.array(services.scalar_subquery())))
    if audience is MaintenanceAudience.SUBSCRIBERS and kind is not HappeningKind.REMINDED:
        told = select(MaintenanceRecipient.person_id).where(MaintenanceRecipient.notice_id == notice_id)
        those = sa.or_(those, Person.id.in_(told))
    rows = select(Person.id, Person.email, preferences.said_by(Person).label("said"))
    return rows.where(Person.active, Person.id > after, those).order_by(Person.id).limit(most)


def _kept(notice_id: Any, person_ids: Any) -> Any:
    person_id = func.unnest(person_ids).column_valued("person_id")
    made = insert(MaintenanceRecipient).from_select(["notice_id", "person_id"], select(notice_id, person_id))
    return made.on_conflict_do_nothing().returning(MaintenanceRecipient.person_id)


def is_over(notice_status: MaintenanceStatus, kind: HappeningKind, status: MaintenanceStatus) -> bool:
    """Whether what happened need not be told any more: the maintenance was cancelled since, or what a reminder is of
    has begun. `status`: from then on.
    """
    if kind is HappeningKind.REMINDED:
        return notice_status is not MaintenanceStatus.SCHEDULED
    return notice_status is MaintenanceStatus.CANCELLED and status is not MaintenanceStatus.CANCELLED


async def tell(unit: Unit, happening_id: UUID, after: UUID | None) -> None:
    """Tell a batch of people what happened, those after this one; once in the unit that ends the job for it.

    Nobody turns off what is CRITICAL. A cancellation ends what was told before it, and the beginning ends reminders.
    """
    happening = await unit.lock(_happening, happening_id)
    if happening is None or happening.told_at is not None:
        return
    notice = await unit.read(_notice, happening.notice_id)
    if notice is None or is_over(notice.status, happening.kind, happening.status):
        unit.change(happening, told_at=unit.now)
        return
    people = await unit.run(_people, notice.audience, notice.id, happening.kind, after or FIRST, BATCH)
    critical = notice.severity is MaintenanceSeverity.CRITICAL
    wanted = dict.fromkeys(MessageChannel, people) if critical else preferences.by_channel(people, KIND)
    by_channel = {channel: those for channel, those in wanted.items() if channel.name in notice.channels}
    in_app, by_mail = by_channel.get(MessageChannel.IN_APP), by_channel.get(MessageChannel.EMAIL)
    if people:
        await unit.run(_kept, notice.id, [each["id"] for each in people])
    if in_app is not None:
        # Who did it is not for customers to know.
        await inboxes.tell(unit, [inboxes.News(each["id"], KIND, happening.id) for each in in_app])
        unit.change(happening, unwanted_in_app=happening.unwanted_in_app + len(people) - len(in_app))
    if by_mail is not None:
        await _write(unit, happening, by_mail)
        unit.change(happening, unwanted_emails=happening.unwanted_emails + len(people) - len(by_mail))
        if after is None:
            unit.enqueue(SendMaintenance(happening.id))
    if len(people) == BATCH:
        unit.enqueue(TellMaintenance(happening.id, people[-1]["id"]))
    else:
        unit.change(happening, told_at=unit.now)


async def _write(unit: Unit, happening: MaintenanceHappening, people: list[Any]) -> None:
    """Queue the emails to these people."""
    those: dict[DeliveryStatus, list[UUID]] = {DeliveryStatus.QUEUED: [], DeliveryStatus.SKIPPED: []}
    for each in people:
        unread = messages.nobody_reads(each["email"])
        those[DeliveryStatus.SKIPPED if unread else DeliveryStatus.QUEUED].append(each["id"])
    for status, person_ids in those.items():
        if person_ids:
            await unit.run(messages.alike, MessageKind.MAINTENANCE, happening.id, person_ids, status, unit.now)


# --- What became of it ------------------------------------------------------------------------------------------------

OF_MAINTENANCE: Any = sa.literal_column(f"'{KIND.name}'")  # as the indexes have it
ITS_HAPPENING = Message.event_ids[sa.literal_column("1", sa.Integer())]


def waiting(happening_id: Any, most: int) -> Select[*tuple[Any, ...]]:
    """Emails about it that are to be sent."""
    rows = select(Message.id, Message.not_before).where(
        Message.kind == OF_MAINTENANCE,
        happening_id == ITS_HAPPENING,
        Message.status == DeliveryStatus.QUEUED,
    )
    return rows.order_by(Message.not_before, Message.id).limit(most)


def over(stand: Any) -> bool:
    """The same of a row of `stand_of`, or of `saying.of`."""
    status, notice_status = (MaintenanceStatus[stand[name]] for name in ("status", "notice_status"))
    return is_over(notice_status, HappeningKind[stand["kind"]], status)


def stand_of(happening_id: Any) -> Select[*tuple[Any, ...]]:
    """When it happened, how far it was told, and what `over` is told by."""
    rows = select(
        MaintenanceHappening.at,
        MaintenanceHappening.told_at,
        sa.cast(MaintenanceHappening.kind, sa.Text).label("kind"),
        sa.cast(MaintenanceHappening.status, sa.Text).label("status"),
        sa.cast(MaintenanceNotice.status, sa.Text).label("notice_status"),
    )
    rows = rows.join(MaintenanceNotice, MaintenanceNotice.id == MaintenanceHappening.notice_id)
    return rows.where(MaintenanceHappening.id == happening_id)


def skipped(message_ids: Any) -> Any:
    """None of these emails is to be sent any more."""
    rows = sa.update(Message).where(Message.id == func.any(message_ids), Message.status == DeliveryStatus.QUEUED)
    return rows.values(status=DeliveryStatus.SKIPPED).returning(Message.id)


def deliveries_of(notice: Any) -> Select[*tuple[Any, ...]]:
    """What became of a notice's messages, a row for each channel that it uses."""
    way = sa.values(sa.column("channel", sa.Text()), name="way", literal_binds=True).data(
        [(channel.name,) for channel in MessageChannel]
    )
    happenings = select(MaintenanceHappening.id).where(MaintenanceHappening.notice_id == notice.id)
    by_mail = way.c.channel == sa.literal_column("'EMAIL'")

    def letters(status: DeliveryStatus) -> Any:
        rows = select(func.count()).where(
            Message.kind == OF_MAINTENANCE, ITS_HAPPENING.in_(happenings), Message.status == status
        )
        return rows.scalar_subquery()

    def entries(*conditions: Any) -> Any:
        rows = select(func.count()).where(
            Notification.kind == OF_MAINTENANCE, Notification.cause_id.in_(happenings), *conditions
        )
        return rows.scalar_subquery()

    def unwanted(column: Any) -> Any:
        rows = select(func.coalesce(func.sum(column), 0)).where(MaintenanceHappening.notice_id == notice.id)
        return rows.scalar_subquery()

    emails, in_app = unwanted(MaintenanceHappening.unwanted_emails), unwanted(MaintenanceHappening.unwanted_in_app)
    return (
        select(
            way.c.channel.label("channel"),
            sa.case((by_mail, letters(DeliveryStatus.QUEUED)), else_=0).label("queued_count"),
            sa.case((by_mail, letters(DeliveryStatus.SENT)), else_=entries()).label("sent_count"),
            sa.case((by_mail, letters(DeliveryStatus.FAILED)), else_=0).label("failed_count"),
            sa.case((by_mail, letters(DeliveryStatus.SKIPPED) + emails), else_=in_app).label("skipped_count"),
            sa.case((by_mail, sa.null()), else_=entries(Notification.read_at.is_not(None))).label("read_count"),
        )
        .where(way.c.channel == func.any(notice.channels))
        .order_by(way.c.channel)
    )
