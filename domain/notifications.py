"""What people are told in the app: who is told, what they see of it, and what they have read."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, tickets
from domain.access import Viewer
from domain.refusals import InvalidInput
from infra.ids import new_id
from infra.unit import Unit
from models import Event, Inbox, Membership, Notification, NotificationKind, Person, Ticket

# What a notification says; %s is the ticket's number.
TITLES = {
    NotificationKind.TICKET_RECEIVED: "We have received your ticket #%s",
    NotificationKind.TICKET_SUBMITTED: "New ticket #%s",
    NotificationKind.TRIAGE_NEEDED: "Ticket #%s needs its category found",
    NotificationKind.TICKET_ASSIGNED: "Ticket #%s was assigned to you",
    NotificationKind.COMMENT_ADDED: "New comment on ticket #%s",
    NotificationKind.MENTIONED: "You were mentioned on ticket #%s",
}

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[Notification]:
    """The viewer's own notifications. A session for one ticket has none."""
    rows = select(Notification)
    if viewer.role is None or viewer.ticket_id is not None:
        return rows.where(sa.false())
    return rows.where(Notification.person_id == viewer.id)


def one(viewer: Viewer, notification_id: Any) -> Select[Notification]:
    """The notification, if it is the viewer's."""
    return visible(viewer).where(Notification.id == notification_id)


def unread_of(viewer: Viewer, person_id: Any) -> Select[*tuple[Any, ...]]:
    """How many notifications this person has not read. A session for one ticket has none."""
    inbox = select(Inbox.unread_count).where(Inbox.person_id == person_id)
    if viewer.ticket_id is not None:
        inbox = inbox.where(sa.false())
    return select(func.coalesce(inbox.scalar_subquery(), 0).label("count"))


def unread_about(viewer: Viewer, ticket: Any) -> Any:
    """How many of them about this ticket are not read."""
    rows = visible(viewer).where(Notification.ticket_id == ticket.id, Notification.read_at.is_(None))
    return rows.with_only_columns(func.count(), maintain_column_froms=True).scalar_subquery()


def subject_of(viewer: Viewer, notification: Any) -> Select[Ticket]:
    """The ticket that it is about, while the viewer can see it."""
    return tickets.visible(viewer).where(Ticket.id == notification.ticket_id)


def body(viewer: Viewer, notification: Any) -> Any:
    """The ticket's subject, while the viewer can see it."""
    return subject_of(viewer, notification).with_only_columns(Ticket.subject).scalar_subquery()


def title(notification: Any) -> Any:
    """One line about it."""
    number = select(Ticket.number).where(Ticket.id == notification.ticket_id).scalar_subquery()
    words = sa.case(*((notification.kind == kind, text) for kind, text in TITLES.items()), else_="")
    return func.format(words, number)


# --- Writing ----------------------------------------------------------------------------------------------------------


def channel(person_id: Any) -> str:
    """Where it is told that somebody has news."""
    return f"person:{person_id}"


def _told(person_ids: Any, cause_id: Any, kind: NotificationKind) -> Select[*tuple[Any, ...]]:
    return select(Notification.person_id).where(
        Notification.person_id == func.any(person_ids), Notification.cause_id == cause_id, Notification.kind == kind
    )


def _counted(person_ids: Any) -> Any:
    people = func.unnest(person_ids).table_valued("id").render_derived(name="p", with_types=False)
    fresh = insert(Inbox).from_select(
        ["person_id", "last_seq", "unread_count"], select(people.c.id, sa.literal(1), sa.literal(1))
    )
    return fresh.on_conflict_do_update(
        index_elements=[Inbox.person_id],
        set_={"last_seq": Inbox.last_seq + 1, "unread_count": Inbox.unread_count + 1},
    ).returning(Inbox.person_id, Inbox.last_seq)


@dataclass(frozen=True, slots=True)
class News:
    """What people are told of: an event of a ticket."""

    cause_id: UUID
    ticket_id: UUID
    actor_id: UUID | None


async def tell(unit: Unit, people: list[UUID], kind: NotificationKind, news: News) -> None:
    """Tell these people, each once however often this is called for the same cause."""
    if not people:
        return
    told = {record[0] for record in await unit.run(_told, people, news.cause_id, kind)}
    # In one order, so that two who tell the same people can't wait for each other.
    left = sorted(set(people) - told)
    if not left:
        return
    for person_id, seq in await unit.run(_counted, left):
        unit.insert(
            Notification,
            id=new_id(),
            person_id=person_id,
            seq=seq,
            kind=kind,
            cause_id=news.cause_id,
            ticket_id=news.ticket_id,
            actor_id=news.actor_id,
            at=unit.now,
            read_at=None,
        )
        unit.publish(channel(person_id))


def _ticket(ticket_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id)


def _submission(ticket_id: Any) -> Select[Event]:
    return select(Event).where(Event.ticket_id == ticket_id, Event.seq == 1)


def _staff_of(department_id: Any) -> Select[*tuple[Any, ...]]:
    return (
        select(Membership.person_id)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.department_id == department_id, Person.active)
    )


async def announce_ticket(unit: Unit, ticket_id: UUID) -> None:
    """Tell the requester, the department's agents and the one it was given to that a ticket came in."""
    ticket = await unit.read(_ticket, ticket_id)
    event = await unit.read(_submission, ticket_id)
    if ticket is None or event is None:
        return
    news = News(event.id, ticket.id, event.actor_id)
    await tell(unit, [ticket.requester_id], NotificationKind.TICKET_RECEIVED, news)
    if ticket.assignee_id is not None:
        await tell(unit, [ticket.assignee_id], NotificationKind.TICKET_ASSIGNED, news)
    staff = {record[0] for record in await unit.run(_staff_of, ticket.department_id)}
    kind = NotificationKind.TRIAGE_NEEDED if ticket.triage_pending else NotificationKind.TICKET_SUBMITTED
    await tell(unit, list(staff - {event.actor_id, ticket.requester_id, ticket.assignee_id}), kind, news)


def _inbox(person_id: Any) -> Select[Inbox]:
    return select(Inbox).where(Inbox.person_id == person_id)


def _mark(person_id: Any, moment: Any, condition: Any, *, read: bool) -> sa.Update:
    unread = Notification.read_at.is_(None)
    return (
        sa.update(Notification)
        .where(Notification.person_id == person_id, unread if read else sa.not_(unread), condition)
        .values(read_at=moment if read else None)
        .returning(Notification.id)
    )


def _mark_some(person_id: Any, moment: Any, ids: Any, read: bool) -> sa.Update:  # noqa: FBT001 # a builder's arguments stand in order
    return _mark(person_id, moment, Notification.id == func.any(ids), read=read)


def _mark_of_ticket(person_id: Any, moment: Any, ticket_id: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.ticket_id == ticket_id, read=read)


def _mark_up_to(person_id: Any, moment: Any, up_to: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.at <= up_to, read=read)


MOST_IDS = 100


async def mark(unit: Unit, viewer: Viewer, which: dict[str, Any], *, read: bool) -> None:
    """Mark the viewer's notifications as read, or not read again: `ids`, all of a `ticket_id`, or all `up_to` a moment.

    Ids that are not the viewer's change nothing, and look like those that never were.
    """
    access.require_account(viewer)
    ((choice, value),) = which.items()
    if choice == "ids":
        if len(value) > MOST_IDS:
            raise InvalidInput(("which.ids", f"At most {MOST_IDS} are possible."))
        if not value:
            return
    build = {"ids": _mark_some, "ticket_id": _mark_of_ticket, "up_to": _mark_up_to}[choice]
    inbox = await unit.lock(_inbox, viewer.id)
    if inbox is None:  # nothing was ever told them
        return
    count = len(await unit.run(build, viewer.id, unit.now, value, read))
    if count:
        unit.change(inbox, unread_count=inbox.unread_count + (-count if read else count))
        unit.publish(channel(viewer.id))
