"""Resolved tickets that wait for their customers: each is reminded of once, and closed when the time is over."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from domain.jobs import RemindOfResolution
from domain.tickets import statuses
from infra.unit import Unit
from models import Resolution, ResolutionState, Ticket, TicketStatus


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
