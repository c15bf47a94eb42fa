"""Who is told of what: from the events that were recorded to notifications and emails."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import audiences, inboxes, messages, preferences
from domain.audiences import (
    About,
    Audience,
    Known,
    assignee,
    but_assignee,
    came_along,
    department,
    if_moved_away,
    leads,
    mentioned,
    named,
    of_bad_rating,
    of_later,
    requester,
    responsible,
    unless_alike,
    unless_assigned,
    unless_passed,
    watchers,
)
from domain.happenings import (
    CommentAdded,
    CommentEdited,
    Happening,
    RequesterChanged,
    ResolutionConfirmed,
    SlaBreached,
    StatusChanged,
    TicketAssigned,
    TicketClosed,
    TicketEscalated,
    TicketMerged,
    TicketReopened,
    TicketResolved,
    TicketRouted,
    TicketSubmitted,
)
from infra.unit import Unit
from models import Event, MessageChannel, MessageKind, NotificationKind, Person, Role, Ticket

# Of several things that one email tells, its kind is the first of these.
WEIGHT = (
    NotificationKind.TICKET_RESOLVED,
    NotificationKind.TICKET_ESCALATED,
    NotificationKind.SLA_BREACHED,
    NotificationKind.MENTIONED,
    NotificationKind.COMMENT_ADDED,
    NotificationKind.TICKET_RECEIVED,
    NotificationKind.TICKET_ASSIGNED,
    NotificationKind.TICKET_REOPENED,
    NotificationKind.RESOLUTION_CONFIRMED,
    NotificationKind.STATUS_CHANGED,
    NotificationKind.TRIAGE_NEEDED,
    NotificationKind.TICKET_SUBMITTED,
)

# --- The table --------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """Who is told of an event, and what that is to them."""

    kind: NotificationKind
    audience: Audience
    mail: bool = True  # whether by email too, if they want it
    author: bool = False  # whether also whoever did it


NEWCOMER = NotificationKind.TICKET_SUBMITTED  # or TRIAGE_NEEDED, as the ticket is
RECEIVED = Told(NotificationKind.TICKET_RECEIVED, requester, author=True)
STATUS = [Told(NotificationKind.STATUS_CHANGED, audience) for audience in (requester, assignee, watchers)]
COMMENT = NotificationKind.COMMENT_ADDED
REOPENED = NotificationKind.TICKET_REOPENED
CONFIRMED = NotificationKind.RESOLUTION_CONFIRMED
ESCALATED = NotificationKind.TICKET_ESCALATED
EMAIL, IN_APP = MessageChannel.EMAIL, MessageChannel.IN_APP

# Whoever stands in several rows of an event hears of it as the first of them says. What has no row is told to nobody.
TABLE: dict[type[Happening], list[Told]] = {
    # Whoever has it by now hears of that by its own event.
    TicketSubmitted: [RECEIVED, Told(NEWCOMER, but_assignee(department))],
    TicketRouted: [Told(ESCALATED, named), Told(NEWCOMER, of_later(but_assignee(department)))],
    TicketAssigned: [Told(NotificationKind.TICKET_ASSIGNED, named)],
    RequesterChanged: [RECEIVED],
    CommentAdded: [
        Told(NotificationKind.MENTIONED, mentioned),
        *(Told(COMMENT, audience) for audience in (requester, assignee, watchers)),
        Told(COMMENT, unless_assigned(department), mail=False),
    ],
    CommentEdited: [Told(NotificationKind.MENTIONED, named)],
    StatusChanged: STATUS,
    TicketResolved: [Told(NotificationKind.TICKET_RESOLVED, requester), *STATUS],
    TicketClosed: STATUS,
    TicketMerged: [
        *(Told(each.kind, if_moved_away(each.audience)) for each in STATUS),
        Told(NotificationKind.STATUS_CHANGED, came_along),
    ],
    TicketReopened: [
        *(Told(REOPENED, audience) for audience in (requester, assignee, watchers)),
        Told(REOPENED, unless_assigned(department), mail=False),
    ],
    ResolutionConfirmed: [
        *(Told(CONFIRMED, audience) for audience in (unless_alike(named), assignee)),
        Told(CONFIRMED, of_bad_rating(leads)),
    ],
    TicketEscalated: [Told(ESCALATED, unless_passed(each)) for each in (named, assignee, requester, watchers)],
    SlaBreached: [
        Told(NotificationKind.SLA_BREACHED, audience) for audience in (assignee, unless_assigned(responsible))
    ],
}
ROWS = {kind.__name__: rows for kind, rows in TABLE.items()}
# Events that may concern the whole department; only then are its people looked up.
WIDE = frozenset(
    kind.__name__
    for kind in (TicketSubmitted, TicketRouted, CommentAdded, TicketReopened, ResolutionConfirmed, SlaBreached)
)

# --- Announcing -------------------------------------------------------------------------------------------------------


class Item(NamedTuple):
    """What one person is told of one event."""

    person: Known
    about: About
    told: Told
    kind: NotificationKind


async def announce(unit: Unit, saves: list[list[UUID]]) -> None:
    """Tell those whom the events concern, in the app and by email, each of one event once; `saves`: what came together.

    Nobody hears of what they did, or may not see, or do not want to hear of. One email tells somebody all that a save
    is news of on a ticket; staff who hear of several tickets by it get one email for all. What the clock did to many
    tickets is one save, in however many batches.
    """
    abouts = await audiences.found(unit, [event_id for event_ids in saves for event_id in event_ids], WIDE)
    told = [list(_items([about for about in abouts if about.id in its])) for its in map(set, saves)]
    letters = _together([_once(item for item in items if _has_mail(item) and _wants(item, EMAIL)) for items in told])
    # Their histories tell of the letters. They are held for no longer than it takes to write that.
    its = list({item.about.ticket.id for items in letters for item in items})
    held = {ticket.id: ticket for ticket in await unit.lock_all(audiences.tickets, its)} if its else {}
    for about in abouts:
        about.ticket = held.get(about.ticket.id, about.ticket)
    await inboxes.tell(
        unit,
        [
            inboxes.News(item.person.id, item.kind, item.about.id, item.about.ticket.id, item.about.actor_id)
            for items in told
            for item in _once((item for item in items if _wants(item, IN_APP)), in_app=True)
        ],
    )
    for items in letters:
        _mail(unit, items)
    for item in filter(_is_missed, itertools.chain.from_iterable(told)):
        message = messages.queue(
            unit,
            MessageKind[item.kind.name],
            item.person.id,
            ticket_id=item.about.ticket.id,
            comment_id=item.about.comment_id,
            event_ids=[item.about.id],
            wanted=False,
        )
        await messages.tell(unit, message)


def _together(letters: list[list[Item]]) -> list[list[Item]]:
    """What nobody did, but the clock, as if it had come together."""
    ours, others = [], []
    for items in letters:
        if all(item.about.actor_id is None for item in items):
            ours += items
        else:
            others.append(items)
    return [*others, ours]


def _items(abouts: list[About]) -> Iterator[Item]:
    """Each person once for each event; and of what several events of a ticket come to, only comments more than once."""
    known: set[Any] = set()
    for about in abouts:
        for told in ROWS[about.kind]:
            kind = told.kind
            if kind is NEWCOMER and about.ticket.triage_pending:
                kind = NotificationKind.TRIAGE_NEEDED
            for person_id in told.audience(about):
                person = about.people.get(person_id) if person_id else None
                if person is None or not _may_hear(person, about, told):
                    continue
                of_event = (about.id, person.id)
                of_ticket = (about.ticket.id, person.id, kind, about.comment_id)
                if of_event not in known and of_ticket not in known:
                    known |= {of_event, of_ticket}
                    yield Item(person, about, told, kind)


def _may_hear(person: Known, about: About, told: Told) -> bool:
    if person.id == about.actor_id and not told.author:
        return False
    if person.role is Role.CUSTOMER and told.kind in preferences.STAFF_ALONE:
        return False
    mine = person.watches or person.id == about.ticket.requester_id
    return person.works or (mine and not about.internal)


def _has_mail(item: Item) -> bool:
    return item.told.mail and not (item.kind is COMMENT and item.about.internal)


def _once(items: Iterable[Item], *, in_app: bool = False) -> list[Item]:
    """These without what somebody hears of by other news of the same: that a ticket is closed, by its customer's word
    that it is solved; and in the app a comment that says why it was opened again, of which an email is made of both.
    """
    told = list(items)
    confirmed = {_of(item) for item in told if item.kind is CONFIRMED}
    reopened = {_of(item) for item in told if in_app and item.about.reasoned}
    return [
        item
        for item in told
        if not (item.about.kind == TicketClosed.__name__ and _of(item) in confirmed)
        and not (item.kind is COMMENT and _of(item) in reopened)
    ]


def _of(item: Item) -> tuple[UUID, UUID]:
    return item.person.id, item.about.ticket.id


def _wants(item: Item, channel: MessageChannel) -> bool:
    return preferences.wanted(item.person.said, item.kind, channel)


def _is_missed(item: Item) -> bool:
    """Whether whoever wrote to the requester is to know that these don't want it by email."""
    to_requester = item.kind is COMMENT and item.person.id == item.about.ticket.requester_id
    return to_requester and _has_mail(item) and not _wants(item, EMAIL)


def _mail(unit: Unit, items: list[Item]) -> None:
    """One email for each person and ticket; for staff who hear of several tickets, one in all."""
    letters: dict[UUID, dict[UUID, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        letters[item.person.id][item.about.ticket.id].append(item)
    for by_ticket in letters.values():
        person = next(iter(by_ticket.values()))[0].person
        parts = list(by_ticket.values())
        if len(parts) > 1 and person.role is not Role.CUSTOMER:
            _write(unit, person, parts)
        else:
            for part in parts:
                _write(unit, person, [part])


def _write(unit: Unit, person: Known, parts: list[list[Item]]) -> None:
    """Queue one email with the news of these tickets, and have the history of each tell so."""
    comments = [item.about.comment_id for part in parts for item in part if item.about.comment_id]
    messages.write_about(
        unit,
        person.id,
        person.email,
        [messages.Part(part[0].about.ticket, _main(part), [item.about.id for item in part]) for part in parts],
        kind=_main([item for part in parts for item in part]),
        comment_id=comments[0] if comments else None,
    )


def _main(items: list[Item]) -> NotificationKind:
    return min((item.kind for item in items), key=WEIGHT.index)


# --- What no event tells ----------------------------------------------------------------------------------------------


def _resolved(ticket_id: Any, resolution_id: Any) -> Select[*tuple[Any, ...]]:
    named_by = Event.data["resolution_id"].astext == sa.cast(resolution_id, sa.Text)
    rows = select(Event.id).where(Event.ticket_id == ticket_id, Event.kind == TicketResolved.__name__, named_by)
    return rows.order_by(Event.seq).limit(1)


def _firsts(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    return select(Event.ticket_id, Event.id).where(Event.ticket_id == func.any(ticket_ids), Event.seq == 1)


def _wishes(person_ids: Any) -> Select[*tuple[Any, ...]]:
    rows = select(Person.id, Person.email, preferences.said_by(Person).label("said"))
    return rows.where(Person.id == func.any(person_ids), Person.active).order_by(Person.id)


async def remind(unit: Unit, ticket: Ticket, resolution_id: UUID) -> None:
    """Ask the requester of a locked ticket once more, by email, whether it is solved for them."""
    kind, found = NotificationKind.TICKET_RESOLVED, await unit.run(_resolved, ticket.id, resolution_id)
    for record in await unit.run(_wishes, [ticket.requester_id]) if found else []:
        part = messages.Part(ticket, kind, [found[0]["id"]])
        messages.write_about(unit, record["id"], record["email"], [part], kind=kind)


class Warned(NamedTuple):
    """That a target of a locked ticket is due within the hour: who is to know, and what it is told once of."""

    ticket: Ticket
    people: Sequence[UUID]
    cause_id: UUID


async def warn(unit: Unit, warnings: Sequence[Warned]) -> None:
    """Warn people, in the app once for each cause, and by one email for all tickets."""
    kind = NotificationKind.SLA_AT_RISK
    concerned = sorted({person_id for warning in warnings for person_id in warning.people})
    wishes = {record["id"]: record for record in await unit.run(_wishes, concerned)}

    def wanted(person_id: UUID, channel: MessageChannel) -> bool:
        return person_id in wishes and preferences.wanted(wishes[person_id]["said"], kind, channel)

    await inboxes.tell(
        unit,
        [
            inboxes.News(person_id, kind, warning.cause_id, warning.ticket.id)
            for warning in warnings
            for person_id in warning.people
            if wanted(person_id, IN_APP)
        ],
    )
    letters: dict[UUID, dict[UUID, Ticket]] = defaultdict(dict)
    for warning in warnings:
        for person_id in warning.people:
            if wanted(person_id, EMAIL):
                letters[person_id][warning.ticket.id] = warning.ticket
    # The letter says when a ticket is due; the event only leads to it.
    told = [warning.ticket.id for warning in warnings]
    firsts = {record["ticket_id"]: record["id"] for record in await unit.run(_firsts, told)} if letters else {}
    for person_id, tickets in letters.items():
        parts = [messages.Part(ticket, kind, [firsts[ticket.id]]) for ticket in tickets.values()]
        messages.write_about(unit, person_id, wishes[person_id]["email"], parts, kind=kind)
