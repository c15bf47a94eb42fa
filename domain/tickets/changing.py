"""What is known about a ticket, and how it changes: by its desk, and its subject by its requester."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, attempts, categories, history, services, sla, tickets, words
from domain.access import Viewer
from domain.happenings import (
    CategoryChanged,
    PriorityChanged,
    RequesterChanged,
    ServiceChanged,
    SubjectChanged,
    TagsChanged,
    TicketTriaged,
)
from domain.refusals import InvalidInput, NotAllowed, Problems
from domain.tickets import actions, conflicts, rerouting, search
from domain.tickets.actions import TicketAction
from infra.unit import Unit
from models import Category, Person, Role, Ticket, TicketPriority

# What can't be empty, by the field's name in the API.
NEEDED = {
    "subject": "subject",
    "priority": "priority",
    "category_id": "categoryId",
    "department_id": "departmentId",
    "requester_id": "requesterId",
    "status": "status",
}


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to change: only what is named in `wanted` does; None empties it."""

    wanted: Mapping[str, Any]
    subject: str | None = None
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def checked(wanted: Mapping[str, Any]) -> Changes:
    """The changes, tidied. Raises InvalidInput."""
    problems = Problems()
    for name, path in NEEDED.items():
        if name in wanted and wanted[name] is None:
            problems.add(path, "This can't be empty.")
    subject = wanted.get("subject")
    if subject is not None:
        subject = words.line(problems, "subject", subject, most=words.MOST_SUBJECT, what="The subject")
    added = words.tags(problems, "addTags", wanted.get("add_tags") or [])
    removed = words.tags(problems, "removeTags", wanted.get("remove_tags") or [], most=words.MOST_REMOVED)
    if both := set(added) & set(removed):
        problems.add("removeTags", f"{min(both)} can't be added and removed at once.")
    problems.refuse()
    return Changes(wanted, subject, added, removed)


async def update(
    unit: Unit, viewer: Viewer, ticket_id: UUID, wanted: Mapping[str, Any], if_seq: int | None = None
) -> UUID:
    """Change what is named. Another category or department routes the ticket anew; what is as it was makes no event.

    Raises InvalidInput, NotFound for what it names, NotAllowed, Conflict, RateLimited.
    """
    access.require_account(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    if not works and wanted.keys() - {"subject"}:
        raise NotAllowed("Only the desk changes this.")
    actions.require(viewer, ticket, TicketAction.UPDATE, works=works, now=unit.now)
    changes = checked(wanted)
    await conflicts.require_unchanged(unit, viewer, ticket, if_seq, works=works)
    if await apply(unit, viewer, ticket, changes):
        await sla.follow(unit, ticket)
        if not works:
            await attempts.count(unit, attempts.CHANGE_BY_CUSTOMER, str(viewer.id))
    return ticket.id


async def apply(unit: Unit, viewer: Viewer, ticket: Ticket, changes: Changes) -> bool:
    """Change a locked ticket, for a viewer who may; gives whether anything has changed. Where an agent is named, the
    caller gives it to them: elsewhere no other one is looked for.
    """
    before = ticket.last_seq
    wanted = changes.wanted
    if changes.subject is not None:
        await _subject(unit, viewer, ticket, changes.subject)
    if "priority" in wanted:
        set_priority(unit, viewer, ticket, wanted["priority"])
    if "service_id" in wanted:
        await _service(unit, viewer, ticket, wanted["service_id"])
    if "requester_id" in wanted:
        await _requester(unit, viewer, ticket, wanted["requester_id"])
    if changes.added or changes.removed:
        await _tags(unit, viewer, ticket, changes)
    await _place(unit, viewer, ticket, wanted)
    return ticket.last_seq != before


async def _place(unit: Unit, viewer: Viewer, ticket: Ticket, wanted: Mapping[str, Any]) -> None:
    """Category and department. Whoever gives another category to a ticket that waits for its own has found it."""
    category, assigns = None, wanted.get("assignee_id") is None
    if "category_id" in wanted and wanted["category_id"] != ticket.category_id:
        category = await found_category(unit, viewer, wanted["category_id"])
        if ticket.triage_pending:
            settle_triage(unit, viewer, ticket, category)
        set_category(unit, viewer, ticket, category)
    if "department_id" not in wanted:
        if category is not None:
            await rerouting.route(unit, ticket, category, assigns=assigns)
    elif wanted["department_id"] != ticket.department_id:
        await rerouting.send(unit, viewer, ticket, wanted["department_id"], assigns=assigns)


async def triage(
    unit: Unit,
    viewer: Viewer,
    ticket_id: UUID,
    category_id: UUID,
    *,
    department_id: UUID | None,
    priority: TicketPriority | None,
) -> UUID:
    """Say which category a ticket of the one for everything else belongs to, and route it anew.

    Raises NotFound for what it names, NotAllowed, Conflict WRONG_STATE.
    """
    access.require_account(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    actions.require(viewer, ticket, TicketAction.TRIAGE, works=works, now=unit.now)
    category = await found_category(unit, viewer, category_id)
    settle_triage(unit, viewer, ticket, category)
    set_category(unit, viewer, ticket, category)
    if priority is not None:
        set_priority(unit, viewer, ticket, priority)
    if department_id is not None:
        await rerouting.send(unit, viewer, ticket, department_id)
    else:
        await rerouting.route(unit, ticket, category)
    await sla.follow(unit, ticket)
    return ticket.id


async def found_category(unit: Unit, viewer: Viewer, category_id: UUID) -> Category:
    """The category, if tickets can be of it. Raises NotFound."""
    return access.found(await unit.read(categories.usable, viewer, category_id), "categoryId", "category")


def settle_triage(unit: Unit, viewer: Viewer, ticket: Ticket, category: Category) -> None:
    """A person has found the category."""
    unit.change(ticket, triage_pending=False, triaged_at=unit.now, triaged_by_id=viewer.id)
    history.record(unit, viewer.id, ticket, TicketTriaged(category.id))


def set_category(unit: Unit, viewer: Viewer, ticket: Ticket, category: Category) -> None:
    """The ticket is of this category; the caller routes it."""
    before = ticket.category_id
    if before != category.id:
        unit.change(ticket, category_id=category.id)
        history.record(unit, viewer.id, ticket, CategoryChanged(before, category.id))


def set_priority(unit: Unit, viewer: Viewer, ticket: Ticket, priority: TicketPriority) -> None:
    """The ticket is as urgent as this; the caller has its SLA follow."""
    before = ticket.priority
    if before is not priority:
        unit.change(ticket, priority=priority, priority_rank=priority.value)
        history.record(unit, viewer.id, ticket, PriorityChanged(before, priority))


async def _subject(unit: Unit, viewer: Viewer, ticket: Ticket, subject: str) -> None:
    before = ticket.subject
    if before != subject:
        unit.change(ticket, subject=subject)
        await search.reword(unit, ticket)
        history.record(unit, viewer.id, ticket, SubjectChanged(before, subject))


async def _service(unit: Unit, viewer: Viewer, ticket: Ticket, service_id: UUID | None) -> None:
    before = ticket.service_id
    if before == service_id:
        return
    if service_id is not None:
        access.found(await unit.read(services.usable, viewer, service_id), "serviceId", "service")
    unit.change(ticket, service_id=service_id)
    history.record(unit, viewer.id, ticket, ServiceChanged(before, service_id))


def _active(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


async def _requester(unit: Unit, viewer: Viewer, ticket: Ticket, requester_id: UUID) -> None:
    before = ticket.requester_id
    if before == requester_id:
        return
    person = access.found(await unit.read(_active, requester_id), "requesterId", "person")
    if person.role is not Role.CUSTOMER:
        raise InvalidInput(("requesterId", "This is not a customer."))
    unit.change(ticket, requester_id=person.id)
    history.record(unit, viewer.id, ticket, RequesterChanged(before, person.id))


async def _tags(unit: Unit, viewer: Viewer, ticket: Ticket, changes: Changes) -> None:
    before = ticket.tags
    kept = [tag for tag in before if tag not in changes.removed]
    added = [tag for tag in changes.added if tag not in kept]
    if len(kept) + len(added) > words.MOST_TAGS:
        raise InvalidInput(("addTags", f"With those there, at most {words.MOST_TAGS} tags are possible."))
    removed = [tag for tag in before if tag in changes.removed]
    if not added and not removed:
        return
    unit.change(ticket, tags=[*kept, *added])
    await search.retag(unit, ticket)
    history.record(unit, viewer.id, ticket, TagsChanged(added, removed))
