"""People: who may see whom, and how one is added."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from domain import access, attempts, availability, departments, links, messages, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, InvalidInput, Problems
from domain.wording import Wording
from infra.desk import Desk
from infra.settings import Settings
from infra.unit import Unit
from models import (
    AvailabilityStatus,
    Department,
    Event,
    Inbox,
    Membership,
    MessageKind,
    Person,
    Role,
    Ticket,
    Watcher,
)
from models.full_text import CONFIGURATION
from models.people import WORDS_OF_PERSON

MOST_DEPARTMENTS = 20
ERASED = "erased.invalid"  # the domain of the addresses of those who were erased

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[Person]:
    """The people that this viewer may know of: staff all, customers themselves and those on their tickets."""
    rows = select(Person)
    if viewer.role is None:
        return rows.where(sa.false())
    if viewer.is_staff:
        return rows
    return rows.where(sa.or_(Person.id == viewer.id, Person.id.in_(_on_tickets_of(viewer))))


def _on_tickets_of(viewer: Viewer) -> Any:
    """Ids of the people on a customer's tickets, found from the customer: who asked, who works on them or did something
    there that customers see, and which other customers watch.
    """
    ticket, watcher, watching = aliased(Ticket), aliased(Watcher), aliased(Person)
    if viewer.ticket_id is not None:
        mine: Any = select(ticket.id).where(ticket.id == viewer.ticket_id, ticket.requester_id == viewer.id)
    else:
        watched = select(watcher.ticket_id).where(watcher.person_id == viewer.id)
        mine = sa.union(select(ticket.id).where(ticket.requester_id == viewer.id), watched)
    tickets = mine.subquery("tickets_of_viewer")
    of_ticket = Ticket.id == tickets.c.id
    return sa.union(
        select(Ticket.requester_id).join(tickets, of_ticket),
        select(Ticket.assignee_id).join(tickets, of_ticket).where(Ticket.assignee_id.is_not(None)),
        select(Event.actor_id)
        .join(tickets, Event.ticket_id == tickets.c.id)
        .where(Event.public_seq.is_not(None), Event.actor_id.is_not(None)),
        select(Watcher.person_id)
        .join(tickets, Watcher.ticket_id == tickets.c.id)
        .join(watching, watching.id == Watcher.person_id)
        .where(watching.role == Role.CUSTOMER),
    )


def one(viewer: Viewer, person_id: Any) -> Select[Person]:
    """The person, if the viewer may know of them."""
    return visible(viewer).where(Person.id == person_id)


def known(viewer: Viewer, person_id: Any) -> Select[Person]:
    """The same, for whoever is signed in. Raises Unauthenticated."""
    access.sign_in_required(viewer)
    return one(viewer, person_id)


class PersonOrderField(enum.Enum):
    """What people can be ordered by."""

    NAME = enum.auto()
    CREATED_AT = enum.auto()
    LAST_SEEN_AT = enum.auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which people to list: all that is given must hold."""

    text: Any = None
    roles: Sequence[Role] | None = None
    department_ids: Any = None
    availability: list[AvailabilityStatus] | None = None
    active: bool = True


def says_something(text: str) -> bool:
    """Whether there is anything to look for in a text."""
    return any(map(str.isalnum, text))


def listed(viewer: Viewer, asked: Conditions) -> Select[Person]:
    """The people for whom all conditions hold, for staff. Raises NotAllowed."""
    access.require(viewer, Role.AGENT)
    rows = select(Person).where(Person.active if asked.active else ~Person.active)
    if asked.text is not None:
        words_in = sa.func.to_tsvector(CONFIGURATION, sa.func.translate(asked.text, "@.-_+", "     "))
        lexemes = sa.func.unnest(words_in).table_valued("lexeme", "positions", "weights").render_derived(name="said")
        beginnings = sa.func.string_agg(sa.func.quote_literal(lexemes.c.lexeme).concat(":*"), " & ")
        query = select(sa.func.to_tsquery(CONFIGURATION, beginnings)).select_from(lexemes).scalar_subquery()
        rows = rows.where(sa.literal_column(WORDS_OF_PERSON).op("@@")(query))
    if asked.roles is not None:
        rows = rows.where(Person.role.in_(asked.roles))
    if asked.department_ids is not None:
        theirs = select(Membership.person_id).where(Membership.department_id == sa.func.any(asked.department_ids))
        rows = rows.where(Person.id.in_(theirs))
    if asked.availability is not None:
        rows = rows.where(availability.is_one_of(Person, asked.availability))
    return rows


def order(by: PersonOrderField, *, descending: bool) -> list[Any]:
    """What people are ordered by; who was never seen was seen first."""
    never: Any = sa.literal_column("'-infinity'::timestamptz")
    first: Any = {
        PersonOrderField.NAME: Person.name,
        PersonOrderField.CREATED_AT: Person.created_at,
        PersonOrderField.LAST_SEEN_AT: sa.func.coalesce(Person.last_seen_at, never),
    }[by]
    return [first.desc(), Person.id.desc()] if descending else [first, Person.id]


def self_of(viewer: Viewer) -> Select[Person]:
    """The viewer's own row; none when nobody is signed in."""
    if viewer.role is None:
        return select(Person).where(sa.false())
    return select(Person).where(Person.id == viewer.id)


def self_for(viewer: Viewer, _person_id: Any) -> Select[Person]:
    """Who has just signed in: the viewer from then on."""
    return self_of(viewer)


def departments_of(person: Any) -> Select[Department]:
    """The departments that somebody works in, by name."""
    return (
        select(Department)
        .join(Membership, Membership.department_id == Department.id)
        .where(Membership.person_id == person.id)
        .order_by(Department.name)
        .limit(MOST_DEPARTMENTS)
    )


def by_email_for_anyone(email: Any) -> Select[Person]:
    """Whoever has this address, active or not. Nothing of it may be told."""
    return select(Person).where(Person.email == email)


def is_erased(person: Person) -> bool:
    """Whether they were erased: for good, whoever else they are said to be."""
    return person.email.endswith(f"@{ERASED}")


def _spoken_to(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Person.locale, Person.time_zone).where(Person.id == person_id)


async def wording(desk: Desk, person_id: UUID) -> Wording:
    """How this person is spoken to; somebody who is not known, in the desk's own language."""
    found = await desk.read(_spoken_to, person_id)
    return Wording(*found[0]) if found else Wording(None)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What is said of somebody who is added."""

    name: str
    email: str
    role: Role
    department_ids: list[UUID]
    locale: str | None
    invite: bool
    password_hash: str | None = None


async def create(unit: Unit, viewer: Viewer, newcomer: Newcomer) -> UUID:
    """Add a person. Staff add customers, admins anyone. Raises Conflict TAKEN for a known address.

    An invitation is mail to anybody, with any name in it: who is no admin and has sent very many is RateLimited.
    """
    access.require_person(viewer)
    access.require(viewer, Role.AGENT)
    if newcomer.role is not Role.CUSTOMER or newcomer.department_ids:
        access.require(viewer, Role.ADMIN)
    person_id = await add(unit, newcomer)
    await departments.require_in_use(unit, viewer, newcomer.department_ids)
    if newcomer.invite and not viewer.has(Role.ADMIN):
        await attempts.count(unit, attempts.INVITATION_BY_STAFF, str(viewer.id))
    return person_id


async def known_or_added(unit: Unit, newcomer: Newcomer) -> Person:
    """Whoever has the address, active or not; else somebody new, who is written at once. Of several who come with the
    same address at the same moment it is one.
    """
    if (known := await unit.read(by_email_for_anyone, newcomer.email)) is not None:
        return known
    try:
        async with unit.part():
            return await add_row(unit, newcomer)
    except Conflict:
        if (known := await unit.read(by_email_for_anyone, newcomer.email)) is None:
            raise
        return known


async def add(unit: Unit, newcomer: Newcomer) -> UUID:
    """Add a person for whoever may; the caller has made sure of that."""
    return (await add_row(unit, newcomer)).id


async def add_row(unit: Unit, newcomer: Newcomer) -> Person:
    """The same, for whoever goes on with the row."""
    problems = Problems()
    name = words.line(problems, "name", newcomer.name, most=words.MOST_NAME, what="The name")
    email = words.email(problems, "email", newcomer.email)
    locale = words.locale(problems, "locale", newcomer.locale)
    check_departments(problems, newcomer.role, newcomer.department_ids)
    problems.refuse()
    taken = Conflict(ConflictReason.TAKEN, "Somebody with this email address is known already.")
    unit.translate("people_email_key", taken)
    if await unit.read(by_email_for_anyone, email) is not None:
        raise taken
    person = unit.insert(
        Person,
        name=name,
        email=email,
        role=newcomer.role,
        locale=locale,
        time_zone=None,
        password_hash=newcomer.password_hash,
        active=True,
        last_seen_at=None,
        created_at=unit.now,
    )
    unit.insert(Inbox, person_id=person.id, last_seq=0, unread_count=0)
    for department_id in dict.fromkeys(newcomer.department_ids):
        unit.insert(Membership, person_id=person.id, department_id=department_id)
    if newcomer.invite:
        links.send(unit, person.id, MessageKind.INVITATION)
    return person


def check_departments(problems: Problems, role: Role, department_ids: list[UUID]) -> None:
    """Adds a problem where somebody of this role can't work in so many departments: customers work in none."""
    if department_ids and role is Role.CUSTOMER:
        problems.add("departmentIds", "Customers don't work in departments.")
    if len(department_ids) > MOST_DEPARTMENTS:
        problems.add("departmentIds", f"At most {MOST_DEPARTMENTS} departments are possible.")


async def invite(settings: Settings, email: str, role: str) -> str:
    """Add somebody with this role and mail them an invitation; who has it already gets a new one. Gives what to say:
    the link itself, where no mail goes out.

    For whoever operates the desk: this is how its first admin comes in. Raises InvalidInput.
    """
    if role not in Role.__members__:
        raise InvalidInput(("role", f"There is no role {role}: it is one of {', '.join(Role.__members__)}."))
    async with Desk.open(settings) as desk, desk.writes.begin() as unit:
        known = await unit.read(by_email_for_anyone, email.strip().lower())
        if known is None:
            name = email.partition("@")[0]
            person_id = await add(unit, Newcomer(name, email, Role[role], [], None, invite=False))
            said = f"{email} is invited as {role}"
        else:
            if not known.active:
                raise InvalidInput(("email", f"{email} was shut out."))
            if known.role is not Role[role]:
                other = "an admin gives them another role, by `updatePerson`; or invite another address"
                raise InvalidInput(("role", f"{email} is {known.role.name} already: {other}."))
            person_id, said = known.id, f"{email} is {known.role.name} already"
        link = links.send(unit, person_id, MessageKind.INVITATION)
        url = messages.sign_in_link(settings, desk.signer, link, unit.now)
    if settings.smtp_url is None:
        return (
            f"{said}. Mail waits, since SMTP_URL is not set. Whoever opens this link in seven days is signed in:\n{url}"
        )
    return f"{said}; a link is on its way by email."
