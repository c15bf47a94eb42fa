"""Tickets: who sees which, and how one comes in."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select

from domain import access, attachments, attempts, categories, history, messages, routing, services, words
from domain.access import Viewer
from domain.history import MessageSent, TicketAssigned, TicketRouted, TicketSubmitted
from domain.jobs import AnnounceTicket
from domain.refusals import InvalidInput, NotAllowed, Problems
from infra.unit import Unit
from models import (
    Category,
    Department,
    Event,
    MessageChannel,
    MessageKind,
    NotificationKind,
    Person,
    Role,
    Ticket,
    TicketChannel,
    TicketPriority,
    TicketStatus,
    Watcher,
)

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[Ticket]:
    """The tickets that this viewer may know of. Raises Unauthenticated when nobody is signed in."""
    access.sign_in_required(viewer)
    rows = select(Ticket)
    if viewer.ticket_id is not None:
        return rows.where(Ticket.id == viewer.ticket_id, Ticket.requester_id == viewer.id)
    if viewer.has(Role.DIRECTOR):
        return rows
    mine = sa.or_(Ticket.requester_id == viewer.id, access.watched_by(viewer, Ticket))
    works = access.works_on(viewer, Ticket)
    return rows.where(mine if isinstance(works, bool) else sa.or_(works, mine))


def one(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket, if the viewer may know of it."""
    return visible(viewer).where(Ticket.id == ticket_id)


def submitted(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket as its submission is answered: to staff even when it went where they don't see it from then on."""
    if not viewer.is_staff:
        return one(viewer, ticket_id)
    theirs = sa.exists().where(Event.ticket_id == Ticket.id, Event.seq == 1, Event.actor_id == viewer.id)
    return select(Ticket).where(Ticket.id == ticket_id, theirs)


def numbered(viewer: Viewer, number: Any) -> Select[Ticket]:
    """The ticket of this number."""
    return visible(viewer).where(Ticket.number == number)


def mine(viewer: Viewer) -> ColumnElement[bool]:
    """Whether it was requested by, is assigned to or watched by the viewer."""
    return sa.or_(Ticket.requester_id == viewer.id, Ticket.assignee_id == viewer.id, access.watched_by(viewer, Ticket))


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which tickets to list: all that is given must hold. Lists of ids are arrays, the rest of a list is plain."""

    statuses: Sequence[TicketStatus] | None = None
    priorities: Sequence[TicketPriority] | None = None
    channels: Sequence[TicketChannel] | None = None
    any_of: Mapping[str, Any] = field(default_factory=dict)  # arrays of ids, by column
    tags: Any = None
    unassigned: bool | None = None
    mine: bool | None = None
    needs_triage: bool | None = None
    created: tuple[Any, Any] = (None, None)  # from, itself included; to, itself not
    updated: tuple[Any, Any] = (None, None)


def filtered(viewer: Viewer, asked: Conditions) -> Select[Ticket]:
    """The tickets that the viewer sees and for which all conditions hold."""
    rows = visible(viewer)
    for column, values in (
        (Ticket.status, asked.statuses),
        (Ticket.priority, asked.priorities),
        (Ticket.channel, asked.channels),
    ):
        if values is not None:
            rows = rows.where(column.in_(values))
    for name, ids in asked.any_of.items():
        rows = rows.where(getattr(Ticket, name) == sa.func.any(ids))
    if asked.tags is not None:
        rows = rows.where(_tagged(viewer, asked.tags))
    for wanted, condition in (
        (asked.unassigned, Ticket.assignee_id.is_(None)),
        (asked.mine, mine(viewer)),
        (asked.needs_triage, Ticket.triage_pending.is_(sa.true())),
    ):
        if wanted is not None:
            rows = rows.where(condition if wanted else condition.is_not(sa.true()))  # what is unknown counts as not
    for moment, (start, end) in (
        (Ticket.created_at, asked.created),
        (history.updated_at(viewer, Ticket), asked.updated),
    ):
        if start is not None:
            rows = rows.where(moment >= start)
        if end is not None:
            rows = rows.where(moment < end)
    return rows


def _tagged(viewer: Viewer, tags: Any) -> ColumnElement[bool]:
    """Whether it has one of these tags, as far as the viewer may know: to customers, tickets have none."""
    works = access.works_on(viewer, Ticket)
    overlap = Ticket.tags.op("&&", return_type=sa.Boolean())(tags)
    return (overlap if works else sa.false()) if isinstance(works, bool) else sa.and_(overlap, works)


def watchers(viewer: Viewer, ticket: Any) -> Select[Person]:
    """Who watches the ticket; only customers for whoever does not work on it."""
    rows = select(Person).join(Watcher, Watcher.person_id == Person.id).where(Watcher.ticket_id == ticket.id)
    return rows.where(access.unless_internal(viewer, ticket, Person.role == Role.CUSTOMER))


class TicketOrderField(enum.Enum):
    """What tickets can be ordered by."""

    CREATED_AT = enum.auto()
    UPDATED_AT = enum.auto()
    PRIORITY = enum.auto()
    WAITING_SINCE = enum.auto()


def order(viewer: Viewer, field: TicketOrderField, *, descending: bool) -> list[Any]:
    """What to order by. Equal ones stand in order of submission, and who waits for nothing comes last."""
    match field:
        case TicketOrderField.CREATED_AT:
            first: Any = Ticket.created_at
        case TicketOrderField.UPDATED_AT:
            first = Ticket.updated_at if viewer.is_staff else Ticket.public_updated_at
        case TicketOrderField.PRIORITY:
            first = Ticket.priority_rank
        case TicketOrderField.WAITING_SINCE:
            never = "-infinity" if descending else "infinity"
            first = sa.func.coalesce(Ticket.waiting_since, sa.literal_column(f"'{never}'::timestamptz"))
    return [first.desc() if descending else first, Ticket.id]


def _customer(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


# --- Submitting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """What is said of a new ticket."""

    subject: str
    body: str
    category_id: UUID
    other_topic: str | None = None
    priority: TicketPriority | None = None
    service_id: UUID | None = None
    requester_id: UUID | None = None
    upload_ids: tuple[UUID, ...] = ()
    tags: list[str] | None = None


async def submit(unit: Unit, viewer: Viewer, said: Submission) -> UUID:
    """Open a ticket, route it, and have it confirmed and announced.

    Raises InvalidInput, NotFound for what it names, NotAllowed for what is for staff, RateLimited.
    """
    access.require_account(viewer)
    _require_fields(viewer, said)
    subject, body, topic, tags = _checked(said)
    category = access.found(await unit.read(categories.usable, viewer, said.category_id), "categoryId", "category")
    _check_topic(category, topic)
    if said.service_id is not None:
        access.found(await unit.read(services.usable, viewer, said.service_id), "serviceId", "service")
    requester = await _requester(unit, viewer, said.requester_id)
    uploads = await attachments.finished(unit, viewer, list(said.upload_ids))
    await attempts.count(unit, attempts.SUBMIT_BY_PERSON, str(viewer.id))

    wanted = said.priority or category.default_priority
    text = "\n".join(filter(None, (subject, body, topic)))
    decision = await routing.decide(unit, routing.Facts(category.id, wanted, said.service_id, text, requester.email))
    department_id = await _department(unit, decision, category)
    priority = decision.priority or wanted
    suggested = await unit.run(categories.nearest, text) if category.is_other else []

    ticket = unit.insert(
        Ticket,
        subject=subject,
        body=body,
        body_html=words.html(body),
        status=TicketStatus.OPEN,
        priority=priority,
        priority_rank=priority.value,
        category_id=category.id,
        department_id=department_id,
        requester_id=requester.id,
        assignee_id=None,
        service_id=said.service_id,
        tags=list(dict.fromkeys([*tags, *decision.tags]))[: words.MOST_TAGS],
        channel=TicketChannel.PORTAL if requester.id == viewer.id else TicketChannel.AGENT,
        topic=topic,
        triage_pending=True if category.is_other else None,
        suggested_category_id=suggested[0][0] if suggested else None,
        triaged_at=None,
        triaged_by_id=None,
        created_at=unit.now,
        updated_at=unit.now,
        public_updated_at=unit.now,
        last_seq=0,
        public_seq=0,
        first_responded_at=None,
        waiting_since=unit.now,
        resumes_at=None,
        closed_at=None,
    )
    _record(unit, viewer, ticket, decision)
    await _assign(unit, ticket, decision.assignee_id)
    attachments.attach(unit, ticket, uploads)
    _confirm(unit, ticket, requester)
    unit.enqueue(AnnounceTicket(ticket.id))
    return ticket.id


def _require_fields(viewer: Viewer, said: Submission) -> None:
    if viewer.is_staff:
        return
    if said.requester_id is not None and said.requester_id != viewer.id:
        raise NotAllowed("Only staff submit tickets for others.")
    if said.tags is not None:
        raise NotAllowed("Only staff set tags.")
    if said.priority is TicketPriority.URGENT:
        raise NotAllowed("Only staff set this priority.")


def _checked(said: Submission) -> tuple[str, str, str | None, list[str]]:
    problems = Problems()
    subject = words.line(problems, "subject", said.subject, most=words.MOST_SUBJECT, what="The subject")
    body = words.body(problems, "body", said.body)
    topic = words.optional_line(problems, "otherTopic", said.other_topic, most=words.MOST_TOPIC, what="The topic")
    tags = words.tags(problems, "tags", said.tags or [])
    problems.refuse()
    return subject, body, topic, tags


def _check_topic(category: Category, topic: str | None) -> None:
    if category.is_other and topic is None:
        raise InvalidInput(("otherTopic", "Say in a few words what it is about."))
    if not category.is_other and topic is not None:
        raise InvalidInput(("otherTopic", "A topic goes only with the category for everything else."))


async def _requester(unit: Unit, viewer: Viewer, requester_id: UUID | None) -> Person:
    requester = access.found(await unit.read(_customer, requester_id or viewer.id), "requesterId", "person")
    if requester.id != viewer.id and requester.role is not Role.CUSTOMER:
        raise InvalidInput(("requesterId", "This is not a customer."))
    return requester


async def _department(unit: Unit, decision: routing.Decision, category: Category) -> UUID:
    """The rule's department unless it was archived since; a category's can't be."""
    if decision.department_id is not None:
        department = await unit.read(_department_in_use, decision.department_id)
        if department is not None:
            return department.id
    return category.department_id


def _department_in_use(department_id: Any) -> Select[Department]:
    return select(Department).where(Department.id == department_id, Department.archived_at.is_(None))


def _record(unit: Unit, viewer: Viewer, ticket: Ticket, decision: routing.Decision) -> None:
    submitted = TicketSubmitted(
        subject=ticket.subject,
        initial_priority=ticket.priority,
        initial_category_id=ticket.category_id,
        initial_requester_id=ticket.requester_id,
        initial_service_id=ticket.service_id,
        initial_tags=ticket.tags,
        channel=ticket.channel,
    )
    history.record(unit, viewer.id, ticket, submitted)
    by_rule = decision.rule_id if decision.department_id == ticket.department_id else None
    history.record(unit, None, ticket, TicketRouted(None, ticket.department_id, by_rule))


async def _assign(unit: Unit, ticket: Ticket, assignee_id: UUID | None) -> None:
    """Give it to the rule's agent, unless they have left or don't work in the department any more."""
    if assignee_id is None or await unit.read(routing.agent_of, assignee_id, ticket.department_id) is None:
        return
    unit.change(ticket, assignee_id=assignee_id)
    history.record(unit, None, ticket, TicketAssigned(None, assignee_id))


def _confirm(unit: Unit, ticket: Ticket, requester: Person) -> None:
    message = messages.queue(
        unit, MessageKind.TICKET_RECEIVED, requester.id, ticket_id=ticket.id, address=requester.email
    )
    sent = MessageSent(requester.id, MessageChannel.EMAIL, NotificationKind.TICKET_RECEIVED, message.id)
    history.record(unit, None, ticket, sent)
