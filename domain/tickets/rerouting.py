"""Sending a ticket where it belongs when its category or department has changed."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import departments, routing, sla
from domain.access import Viewer
from domain.escalations import raising
from domain.happenings import TicketRouted
from domain.jobs import LeaveArchived
from domain.tickets import assigning
from infra.unit import Unit
from models import UNRESOLVED, Category, Department, Person, Ticket

BATCH = 500


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _department_in_use(department_id: Any) -> Select[Department]:
    return select(Department).where(Department.id == department_id, Department.archived_at.is_(None))


def _category_in_use(category_id: Any) -> Select[Category]:
    """The category, or once it is archived the one for everything else."""
    rows = select(Category).where(Category.archived_at.is_(None))
    return rows.where(sa.or_(Category.id == category_id, Category.is_other)).order_by(Category.is_other).limit(1)


def _unresolved_in(department_id: Any, after: Any, most: int) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.department_id == department_id, Ticket.status.in_(UNRESOLVED), Ticket.id > after)
    return rows.order_by(Ticket.id).limit(most)


async def send(unit: Unit, viewer: Viewer, ticket: Ticket, department_id: UUID, *, assigns: bool = True) -> None:
    """Send the ticket to a department that the viewer chose; not `assigns`: they say themselves who has it there.

    Raises NotFound.
    """
    department = await departments.in_use(unit, viewer, department_id)
    decision = routing.Decision(department_id=department.id)
    await _arrive(unit, viewer.id, ticket, decision, department.id, assigns=assigns)


async def route(unit: Unit, ticket: Ticket, category: Category, *, assigns: bool = True) -> None:
    """Send the ticket where the rules, or else its category, say. Priority and tags stay as they are.

    Not `assigns`: who has it there is said elsewhere.
    """
    requester = await unit.read(_person, ticket.requester_id)
    rules = await unit.read_all(routing.active)
    text = "\n".join(filter(None, (ticket.subject, ticket.body, ticket.topic)))
    email = requester.email if requester is not None else ""
    facts = routing.Facts(category.id, ticket.priority, ticket.service_id, text, email)
    decision = routing.decide(rules, facts)
    await _arrive(unit, None, ticket, decision, await place_of(unit, decision, category), assigns=assigns)


async def place_of(unit: Unit, decision: routing.Decision, category: Category) -> UUID:
    """The rule's department unless it was archived since, else the category's, which can't be."""
    wanted = decision.department_id
    if wanted is None or await unit.read(_department_in_use, wanted) is None:
        return category.department_id
    return wanted


async def leave_archived(unit: Unit, ticket: Ticket) -> None:
    """Send a ticket where new ones of its category go, if its department is in use no more."""
    if await unit.read(_department_in_use, ticket.department_id) is None:
        category = await unit.read(_category_in_use, ticket.category_id)
        if category is not None:
            await route(unit, ticket, category)


async def empty(unit: Unit, job: LeaveArchived) -> None:
    """Send on one batch of what came into an archived department all the same, and ask for the next."""
    tickets = await unit.lock_all(_unresolved_in, job.department_id, job.after, BATCH)
    for ticket in tickets:
        await leave_archived(unit, ticket)
        await sla.follow(unit, ticket)
        await unit.flush()  # whoever got it has one more when the next one looks for an agent
    if len(tickets) == BATCH:
        unit.enqueue(LeaveArchived(job.department_id, tickets[-1].id))


async def _arrive(
    unit: Unit,
    actor_id: UUID | None,
    ticket: Ticket,
    decision: routing.Decision,
    department_id: UUID,
    *,
    assigns: bool,
) -> None:
    """The ticket is in this department now, with its agent if they work there, else with none; if it `assigns`, with
    whoever has it there.
    """
    before = ticket.department_id
    if department_id != before:
        unit.change(ticket, department_id=department_id)
        by_rule = decision.rule_id if decision.department_id == department_id else None
        await raising.go_along(unit, actor_id, ticket, TicketRouted(before, department_id, by_rule))
    has_it = ticket.assignee_id
    if has_it is None and not assigns:
        return
    if has_it is not None and (
        department_id == before or await unit.read(routing.agent_of, has_it, department_id) is not None
    ):
        return
    chosen = await assigning.choose(unit, ticket, decision.assignee_id) if assigns else None
    assigning.hand(unit, None, ticket, chosen)
