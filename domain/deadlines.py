"""Deadlines that come near: SLA targets, and the time to confirm. The history knows nothing of it, so jobs tell it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Select, func, select

from domain import access, announcing
from infra.unit import Unit
from models import Membership, Person, Resolution, ResolutionState, Role, SlaClock, SlaTargetKind, Ticket

LEADS = (Role.TEAM_LEAD, Role.MANAGER, Role.DIRECTOR, Role.ADMIN)


async def warn(unit: Unit, targets: Sequence[tuple[UUID, SlaTargetKind]]) -> None:
    """Tell who is responsible for these tickets that these targets are due within the hour, in one email each.

    That is a ticket's assignee, or without one who works here the leads of its department, or else all who work there.
    Each is told once of each instant at which it was due, and of a ticket of which several are by the first of them.
    Nobody is, once it is done, rests, or was missed.
    """
    wanted, ticket_ids = set(targets), sorted({ticket_id for ticket_id, _ in targets})
    found = {ticket.id: ticket for ticket in await unit.lock_all(_tickets, ticket_ids)}
    if not found:
        return
    agents = [ticket.assignee_id for ticket in found.values() if ticket.assignee_id]
    here = {record[0] for record in await unit.run(_here, agents)}
    leads, others = defaultdict[UUID, list[UUID]](list), defaultdict[UUID, list[UUID]](list)
    places = list({ticket.department_id for ticket in found.values()})
    for department_id, person_id, is_lead in await unit.run(_staff, places):
        (leads if is_lead else others)[department_id].append(person_id)
    warnings: dict[UUID, announcing.Warned] = {}
    for clock in await unit.read_all(_running, ticket_ids):
        ticket = found.get(clock.ticket_id)
        due = clock.due_at is not None and clock.due_at > unit.now and (clock.ticket_id, clock.target) in wanted
        if ticket is None or not due or ticket.id in warnings:
            continue
        agent_id = ticket.assignee_id
        its = leads[ticket.department_id] or others[ticket.department_id]
        people = [agent_id] if agent_id and agent_id in here else its
        warnings[ticket.id] = announcing.Warned(ticket, people, cause_of(clock))
    await announcing.warn(unit, list(warnings.values()))


def cause_of(clock: SlaClock) -> UUID:
    """What stands in an event's place for those who are warned: one for each instant at which a target was due."""
    due_at = "" if clock.due_at is None else clock.due_at.isoformat()
    return uuid5(NAMESPACE_URL, f"deskwire:sla:{clock.ticket_id}:{clock.target.name}:{due_at}")


def _running(ticket_ids: Any) -> Select[SlaClock]:
    rows = select(SlaClock).where(SlaClock.ticket_id == func.any(ticket_ids))
    rows = rows.where(SlaClock.running_since.is_not(None), SlaClock.breached_at.is_(None))
    return rows.order_by(SlaClock.ticket_id, SlaClock.due_at, SlaClock.target)


def _tickets(ticket_ids: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == func.any(ticket_ids)).order_by(Ticket.id)


def _here(person_ids: Any) -> Select[*tuple[Any, ...]]:
    return select(Person.id).where(Person.id == func.any(person_ids), access.works_here(Person))


def _staff(department_ids: Any) -> Select[*tuple[Any, ...]]:
    is_lead = Person.role.in_(LEADS)
    rows = select(Membership.department_id, Person.id, is_lead).join(Person, Person.id == Membership.person_id)
    rows = rows.where(Membership.department_id == func.any(department_ids), access.works_here(Person))
    return rows.order_by(Membership.department_id, Person.id)


def _resolution(resolution_id: Any) -> Select[Resolution]:
    return select(Resolution).where(Resolution.id == resolution_id)


def _ticket_of(resolution_id: Any) -> Select[Ticket]:
    its = select(Resolution.ticket_id).where(Resolution.id == resolution_id)
    return select(Ticket).where(Ticket.id == its.scalar_subquery())


async def remind(unit: Unit, resolution_id: UUID) -> None:
    """Mail the requester that a ticket of theirs waits for them, unless it does not any more."""
    ticket = await unit.lock(_ticket_of, resolution_id)
    resolution = await unit.read(_resolution, resolution_id)
    if ticket is None or resolution is None or resolution.state is not ResolutionState.AWAITING:
        return
    await announcing.remind(unit, ticket, resolution_id)
