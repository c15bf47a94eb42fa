"""How a ticket comes in: checked, routed, written down, confirmed and announced."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, attachments, attempts, categories, history, routing, services, sla, words
from domain.access import Viewer
from domain.happenings import TicketRouted, TicketSubmitted
from domain.refusals import InvalidInput, NotAllowed, Problems
from domain.tickets import assigning, rerouting, search
from infra.unit import Unit
from models import (
    Category,
    Person,
    Role,
    Ticket,
    TicketChannel,
    TicketPriority,
    TicketStatus,
)


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
    by_email: bool = False  # then nobody was asked for a topic


async def submit(unit: Unit, viewer: Viewer, said: Submission) -> UUID:
    """Open a ticket and route it; what is recorded has it confirmed and announced.

    Raises InvalidInput, NotFound for what it names, NotAllowed for what is for staff, RateLimited.
    """
    access.require_account(viewer)
    _require_fields(viewer, said)
    problems = Problems()
    subject, body, topic, tags = _checked(problems, said)
    at_work = viewer.is_staff and not said.by_email  # by mail they ask for themselves, or a program does in their name
    limit = attempts.SUBMIT_BY_STAFF if at_work else attempts.SUBMIT_BY_CUSTOMER
    tried = attempts.Attempts(unit, limit, str(viewer.id))
    [usable, people, found, *asked, rules] = await unit.read_together(
        (categories.usable, viewer, said.category_id),
        (_customer, said.requester_id or viewer.id),
        tried.so_far,
        *sla.at_first(said.category_id),
        (routing.active,),
    )
    if usable and not said.by_email:
        _check_topic(problems, usable[0], topic)
    problems.refuse()
    category: Category = access.found(next(iter(usable), None), "categoryId", "category")
    if said.service_id is not None:
        access.found(await unit.read(services.usable, viewer, said.service_id), "serviceId", "service")
    requester = _requester(viewer, next(iter(people), None))
    uploads = await attachments.finished(unit, viewer, list(said.upload_ids))
    tried.add(found)

    wanted = said.priority or category.default_priority
    text = "\n".join(filter(None, (subject, body, topic)))
    decision = routing.decide(rules, routing.Facts(category.id, wanted, said.service_id, text, requester.email))
    department_id = await rerouting.place_of(unit, decision, category)
    if department_id != category.department_id:
        asked = await unit.read_together(*sla.at_first(category.id, department_id))
    priority = decision.priority or wanted
    suggested = await unit.run(categories.nearest, text) if category.is_other else []

    ticket = unit.insert(
        Ticket,
        subject=subject,
        body=body,
        body_html=await words.beside(words.html, body),
        status=TicketStatus.OPEN,
        priority=priority,
        priority_rank=priority.value,
        category_id=category.id,
        department_id=department_id,
        requester_id=requester.id,
        assignee_id=None,
        service_id=said.service_id,
        tags=list(dict.fromkeys([*tags, *decision.tags]))[: words.MOST_TAGS],
        channel=_channel(viewer, said, requester),
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
    search.index(unit, ticket.id, ticket, body)
    if ticket.tags:
        search.index(unit, ticket.id, ticket, ", ".join(ticket.tags), internal=True)
    _record(unit, viewer, ticket, decision, policy_id=sla.begin(unit, ticket, asked))
    assigning.hand(unit, None, ticket, await assigning.choose(unit, ticket, decision.assignee_id))
    attachments.attach(unit, ticket, uploads)
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


def _checked(problems: Problems, said: Submission) -> tuple[str, str, str | None, list[str]]:
    subject = words.line(problems, "subject", said.subject, most=words.MOST_SUBJECT, what="The subject")
    body = words.body(problems, "body", said.body)
    topic = words.optional_line(problems, "otherTopic", said.other_topic, most=words.MOST_TOPIC, what="The topic")
    tags = words.tags(problems, "tags", said.tags or [])
    return subject, body, topic, tags


def _channel(viewer: Viewer, said: Submission, requester: Person) -> TicketChannel:
    if said.by_email:
        return TicketChannel.EMAIL
    if viewer.scope is not None:
        return TicketChannel.API
    return TicketChannel.PORTAL if requester.id == viewer.id else TicketChannel.AGENT


def _check_topic(problems: Problems, category: Category, topic: str | None) -> None:
    if category.is_other and topic is None:
        problems.add("otherTopic", "Say in a few words what it is about.")
    if not category.is_other and topic is not None:
        problems.add("otherTopic", "A topic goes only with the category for everything else.")


def _customer(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


def _requester(viewer: Viewer, found: Person | None) -> Person:
    requester = access.found(found, "requesterId", "person")
    if requester.id != viewer.id and requester.role is not Role.CUSTOMER:
        raise InvalidInput(("requesterId", "This is not a customer."))
    return requester


def _record(unit: Unit, viewer: Viewer, ticket: Ticket, decision: routing.Decision, *, policy_id: UUID | None) -> None:
    submitted = TicketSubmitted(
        subject=ticket.subject,
        initial_priority=ticket.priority,
        initial_category_id=ticket.category_id,
        initial_requester_id=ticket.requester_id,
        initial_service_id=ticket.service_id,
        initial_tags=ticket.tags,
        initial_policy_id=policy_id,
        channel=ticket.channel,
    )
    history.record(unit, viewer.id, ticket, submitted)
    by_rule = decision.rule_id if decision.department_id == ticket.department_id else None
    history.record(unit, None, ticket, TicketRouted(None, ticket.department_id, by_rule))
