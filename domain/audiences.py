"""Whom an event of a ticket may concern: everybody with what they are to the ticket, read for many events at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from domain import access, history, mentions, preferences
from domain.happenings import SAYING, CommentAdded, TicketReopened
from infra.unit import Unit
from models import Comment, Escalation, EscalationLevel, Event, Membership, Person, Resolution, Role, Ticket, Watcher

BAD_RATING = 2  # from here down, leads are told


class Known(NamedTuple):
    """Somebody who may hear of a ticket, and what they are to it."""

    id: UUID
    email: str
    role: Role
    works: bool  # on the ticket
    watches: bool
    member: bool  # of its department's staff
    said: list[str]  # of what they want to be told


@dataclass(slots=True)
class About:
    """An event with what decides who hears of it."""

    id: UUID
    kind: str
    internal: bool
    actor_id: UUID | None
    data: dict[str, Any]
    ticket: Ticket
    comment: str | None  # its words, unless it was deleted
    named: list[UUID]  # people whom the event names, or what it names does
    again: bool  # whether the customer answers a solution that they had answered before
    reasoned: bool  # whether somebody said why it was opened again
    people: dict[UUID, Known] = field(default_factory=dict)  # of the ticket
    mentioned: list[UUID] = field(default_factory=list)

    @property
    def comment_id(self) -> UUID | None:
        """The comment that was added, or that calls somebody by now, if one does."""
        return UUID(self.data["comment_id"]) if self.kind in SAYING else None


# --- Audiences --------------------------------------------------------------------------------------------------------

Audience = Callable[[About], Iterable[UUID | None]]


def requester(about: About) -> Iterable[UUID | None]:
    return [about.ticket.requester_id]


def assignee(about: About) -> Iterable[UUID | None]:
    return [about.ticket.assignee_id]


def watchers(about: About) -> Iterable[UUID | None]:
    return [person.id for person in about.people.values() if person.watches]


def department(about: About) -> Iterable[UUID | None]:
    return [person.id for person in about.people.values() if person.member]


def leads(about: About) -> Iterable[UUID | None]:
    return [p.id for p in about.people.values() if p.member and _leads(p)]


def _leads(person: Known) -> bool:
    return person.role.value >= Role.TEAM_LEAD.value


def responsible(about: About) -> Iterable[UUID | None]:
    """The leads of its department; where it has none, all who work there."""
    return leads(about) or department(about)


def named(about: About) -> Iterable[UUID | None]:
    return about.named


def mentioned(about: About) -> Iterable[UUID | None]:
    return about.mentioned


def unless_assigned(audience: Audience) -> Audience:
    """These, when nobody has the ticket."""
    return lambda about: () if about.ticket.assignee_id else audience(about)


def but_assignee(audience: Audience) -> Audience:
    """These without whoever has the ticket."""
    return lambda about: (each for each in audience(about) if each != about.ticket.assignee_id)


def of_bad_rating(audience: Audience) -> Audience:
    """These, when the customer was not happy."""
    return lambda about: audience(about) if (about.data["rating"] or BAD_RATING + 1) <= BAD_RATING else ()


def unless_alike(audience: Audience) -> Audience:
    """These; but of another rating not those who may not read it, to whom it would say what the first one did."""

    def reads(about: About, person_id: UUID | None) -> bool:
        person = about.people.get(person_id) if person_id else None
        return person is not None and (person_id == about.ticket.assignee_id or _leads(person))

    return lambda about: (each for each in audience(about) if not about.again or reads(about, each))


def of_later(audience: Audience) -> Audience:
    """These, unless the ticket has just come in: then its submission has told them."""
    return lambda about: audience(about) if about.data["from_department_id"] else ()


def if_moved_away(audience: Audience) -> Audience:
    """These, when this is the ticket that went into the other."""
    return lambda about: () if about.data["took_in"] else audience(about)


def came_along(about: About) -> Iterable[UUID | None]:
    """Those who followed the ticket that went into this one, and follow this one since."""
    return [UUID(person_id) for person_id in about.data.get("follower_ids", ())]


def unless_passed(audience: Audience) -> Audience:
    """These, unless the ticket went on to a higher level at once, as nobody was there: that is told as its own news."""
    last = EscalationLevel.DIRECTOR.name
    return lambda about: audience(about) if about.named or about.data["level"] == last else ()


# --- Reading ----------------------------------------------------------------------------------------------------------


def tickets(ticket_ids: Any) -> Select[Ticket]:
    """These tickets, in one order, so that two who lock them can't wait for each other."""
    return select(Ticket).where(Ticket.id == func.any(ticket_ids)).order_by(Ticket.id)


def _events(event_ids: Any) -> Select[*tuple[Any, ...]]:
    """The events, ticket by ticket, with what they name."""
    return (
        select(
            Event.id,
            Event.ticket_id,
            Event.kind,
            Event.public_seq,
            Event.actor_id,
            sa.cast(Event.data, sa.Text).label("data"),
            Comment.body.label("comment"),
            Escalation.escalated_to_ids,
            Resolution.resolved_by_id,
            func.coalesce(Resolution.answered_at < Event.at, sa.false()).label("again"),
            sa.case((Event.kind == TicketReopened.__name__, history.words_of(Event, "reason").is_not(None))).label(
                "reasoned"
            ),
        )
        .outerjoin(Comment, Comment.id == history.id_in(Event, "comment_id"))
        .outerjoin(Escalation, Escalation.id == history.id_in(Event, "escalation_id"))
        .outerjoin(Resolution, Resolution.id == history.id_in(Event, "resolution_id"))
        .where(Event.id == func.any(event_ids))
        .order_by(Event.ticket_id, Event.seq)
    )


def _people(ticket_ids: Any, wide_ids: Any, named_tickets: Any, named_people: Any) -> Select[*tuple[Any, ...]]:
    """Who may hear of the tickets: requesters, assignees, watchers, whom events name, and of some the department."""
    of = aliased(Ticket)
    its, wide = of.id == func.any(ticket_ids), of.id == func.any(wide_ids)
    columns = (sa.cast(each, sa.ARRAY(sa.Uuid())) for each in (named_tickets, named_people))
    pairs = func.unnest(*columns).table_valued("ticket_id", "id").render_derived(name="named")
    concerned = sa.union(
        select(of.id.label("ticket_id"), of.requester_id.label("id")).where(its),
        select(of.id, of.assignee_id).where(its, of.assignee_id.is_not(None)),
        select(Watcher.ticket_id, Watcher.person_id).where(Watcher.ticket_id == func.any(ticket_ids)),
        select(of.id, Membership.person_id).join(Membership, Membership.department_id == of.department_id).where(wide),
        select(pairs.c.ticket_id, pairs.c.id),
    ).subquery("concerned")
    member = sa.exists().where(Membership.person_id == Person.id, Membership.department_id == Ticket.department_id)
    watches = sa.exists().where(Watcher.ticket_id == Ticket.id, Watcher.person_id == Person.id)
    return (
        select(
            Ticket.id.label("ticket_id"),
            Person.id,
            Person.email,
            sa.cast(Person.role, sa.Text).label("role"),
            access.worked_on_by(Person, Ticket).label("works"),
            watches.label("watches"),
            sa.and_(member, Person.role != Role.CUSTOMER).label("member"),
            preferences.said_by(Person).label("said"),
        )
        .select_from(concerned)
        .join(Ticket, Ticket.id == concerned.c.ticket_id)
        .join(Person, Person.id == concerned.c.id)
        .where(Person.active)
        .order_by(Ticket.id, Person.id)
    )


async def found(unit: Unit, event_ids: list[UUID], wide: Collection[str]) -> list[About]:
    """The events in order, with all that decides who hears of them.

    `wide`: kinds of events that may concern a whole department; only then are its people looked up.
    """
    records = await unit.run(_events, event_ids)
    its = list({record["ticket_id"] for record in records})
    by_id = {ticket.id: ticket for ticket in await unit.read_all(tickets, its)}
    abouts = [
        About(
            id=record["id"],
            kind=record["kind"],
            internal=record["public_seq"] is None,
            actor_id=record["actor_id"],
            data=(data := orjson.loads(record["data"])),
            ticket=by_id[record["ticket_id"]],
            comment=record["comment"],
            named=[
                *([UUID(assignee_id)] if (assignee_id := data.get("to_assignee_id")) else ()),
                *(record["escalated_to_ids"] or ()),
                *([record["resolved_by_id"]] if record["resolved_by_id"] else ()),
                *map(UUID, data.get("mentioned_ids", ())),
            ],
            again=record["again"],
            reasoned=bool(record["reasoned"]),
        )
        for record in records
        if record["kind"] not in SAYING or record["comment"] is not None
    ]
    if not abouts:
        return []
    named_tickets = [about.ticket.id for about in abouts for _ in about.named]
    named_people = [person_id for about in abouts for person_id in about.named]
    whole = [about.ticket.id for about in abouts if about.kind in wide]
    people: dict[UUID, dict[UUID, Known]] = defaultdict(dict)
    for record in await unit.run(_people, its, whole, named_tickets, named_people):
        ticket_id, person_id, email, role, *rest = record
        people[ticket_id][person_id] = Known(person_id, email, Role[role], *rest)
    for about in abouts:
        about.people = people[about.ticket.id]
        if about.kind == CommentAdded.__name__ and about.internal and about.actor_id is not None:  # no stranger's words
            await _mention(unit, about)
    return abouts


async def _mention(unit: Unit, about: About) -> None:
    """Find whom an internal comment names of those who work on the ticket."""
    (about.mentioned,) = await mentions.of(unit, about.ticket.id, about.comment or "")
    missing = [person_id for person_id in about.mentioned if person_id not in about.people]
    if missing:
        for record in await unit.run(_people, [], [], [about.ticket.id] * len(missing), missing):
            _, person_id, email, role, *rest = record
            about.people[person_id] = Known(person_id, email, Role[role], *rest)
