"""Deadlines that come near: SLA targets, and the time to confirm. The history knows nothing of it, so jobs tell it."""

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Select, select

from domain import announcing
from infra.unit import Unit
from models import Membership, Person, Resolution, ResolutionState, Role, SlaClock, SlaTargetKind, Ticket

LEADS = (Role.TEAM_LEAD, Role.MANAGER, Role.DIRECTOR, Role.ADMIN)


async def warn(unit: Unit, ticket_id: UUID, target: SlaTargetKind) -> None:
    """Tell who is responsible for the ticket that this target is due within the hour.

    That is its assignee, or without an active one the leads of its department.
    Each is told once of each instant at which it was due. Nobody is, once it is done, rests, or was missed.
    """
    clock = await unit.read(_running, ticket_id, target)
    ticket = await unit.lock(_ticket, ticket_id)
    if clock is None or clock.due_at is None or clock.due_at <= unit.now or ticket is None:
        return
    responsible = await unit.run(_assignee, ticket.assignee_id) or await unit.run(_leads, ticket.department_id)
    await announcing.warn(unit, ticket, [record[0] for record in responsible], cause_of(clock))


def cause_of(clock: SlaClock) -> UUID:
    """What stands in an event's place for those who are warned: one for each instant at which a target was due."""
    due_at = "" if clock.due_at is None else clock.due_at.isoformat()
    return uuid5(NAMESPACE_URL, f"deskwire:sla:{clock.ticket_id}:{clock.target.name}:{due_at}")


def _running(ticket_id: Any, target: SlaTargetKind) -> Select[SlaClock]:
    rows = select(SlaClock).where(SlaClock.ticket_id == ticket_id, SlaClock.target == target)
    return rows.where(SlaClock.running_since.is_not(None), SlaClock.breached_at.is_(None))


def _ticket(ticket_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id)


def _assignee(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Person.id).where(Person.id == person_id, Person.active)


def _leads(department_id: Any) -> Select[*tuple[Any, ...]]:
    rows = select(Person.id).join(Membership, Membership.person_id == Person.id)
    return rows.where(Membership.department_id == department_id, Person.active, Person.role.in_(LEADS))


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
