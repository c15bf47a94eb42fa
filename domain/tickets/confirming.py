"""Resolved tickets that wait for their customers: each is reminded of once, and closed when the time is over."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from domain import messages
from domain.jobs import RemindOfResolution
from domain.tickets import statuses
from infra.unit import Unit
from models import MessageKind, Person, Resolution, ResolutionState, Ticket, TicketStatus


def _awaiting(ticket_ids: Any) -> Select[Resolution]:
    rows = select(Resolution).where(Resolution.ticket_id == func.any(ticket_ids))
    return rows.where(Resolution.state == ResolutionState.AWAITING).order_by(Resolution.id)


async def look(unit: Unit, found: list[Ticket]) -> dict[UUID, dt.datetime]:
    """Remind customers once, halfway, of what they may confirm; close what nobody did. Says when to look again."""
    resolved = {ticket.id: ticket for ticket in found if ticket.status is TicketStatus.RESOLVED}
    if not resolved:
        return {}
    waiting: dict[UUID, dt.datetime] = {}
    for resolution in await unit.lock_all(_awaiting, list(resolved)):
        ticket, until = resolved[resolution.ticket_id], resolution.confirm_by
        if until is None:
            continue
        if until <= unit.now:
            unit.change(resolution, state=ResolutionState.EXPIRED, confirm_by=None)
            await statuses.close(unit, None, ticket, expired=True)
            continue
        halfway = resolution.resolved_at + (until - resolution.resolved_at) / 2
        if resolution.reminded_at is None and halfway <= unit.now:
            unit.change(resolution, reminded_at=unit.now)
            unit.enqueue(RemindOfResolution(resolution.id))
        waiting[ticket.id] = until if resolution.reminded_at is not None else halfway
    return waiting


def _resolution(resolution_id: Any) -> Select[Resolution]:
    return select(Resolution).where(Resolution.id == resolution_id)


def _ticket_of(resolution_id: Any) -> Select[Ticket]:
    its = select(Resolution.ticket_id).where(Resolution.id == resolution_id)
    return select(Ticket).where(Ticket.id == its.scalar_subquery())


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


async def remind(unit: Unit, resolution_id: UUID) -> None:
    """Mail the requester that a ticket of theirs waits for them, unless it does not any more."""
    ticket = await unit.lock(_ticket_of, resolution_id)
    resolution = await unit.read(_resolution, resolution_id)
    if ticket is None or resolution is None or resolution.state is not ResolutionState.AWAITING:
        return
    person = await unit.read(_person, ticket.requester_id)
    if person is not None and person.active:
        messages.write_about(unit, ticket, MessageKind.TICKET_RESOLVED, person.id, person.email)
