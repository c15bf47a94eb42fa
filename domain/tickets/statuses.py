"""How a ticket moves from one state to another, whoever moves it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import escalations, history, sla
from domain.happenings import StatusChanged, TicketClosed, TicketReopened
from domain.tickets import assigning, rerouting
from infra.unit import Unit
from models import EscalationLevel, Resolution, ResolutionState, Ticket, TicketStatus


async def move(
    unit: Unit,
    actor_id: UUID | None,
    ticket: Ticket,
    status: TicketStatus,
    *,
    reason: str | None = None,
    resumes_at: dt.datetime | None = None,
) -> None:
    """Move an unresolved ticket between open, pending and on hold; `actor_id` None: Deskwire itself."""
    before = ticket.status
    unit.change(ticket, status=status, resumes_at=resumes_at)
    history.record(unit, actor_id, ticket, StatusChanged(before, status, reason, resumes_at))
    await sla.follow(unit, ticket)


async def reopen(unit: Unit, actor_id: UUID | None, ticket: Ticket, reason: str | None) -> None:
    """Open a resolved or closed ticket again; its resolution is rejected, unless the customer had confirmed it, also
    after its time.
    """
    resolution = await unit.lock(last_resolution, ticket.id) if ticket.resolved_at is not None else None
    if resolution is not None and resolution.answered_at is None:
        unit.change(resolution, state=ResolutionState.REJECTED, confirm_by=None, answered_at=unit.now)
    unit.change(ticket, status=TicketStatus.OPEN, resolved_at=None, closed_at=None, waiting_since=unit.now)
    unit.change(ticket, escalates_since=unit.now)
    history.record(unit, actor_id, ticket, TicketReopened(reason))
    await rerouting.leave_archived(unit, ticket)
    await assigning.replace_absent(unit, ticket)
    await sla.follow(unit, ticket)


async def close(
    unit: Unit, actor_id: UUID | None, ticket: Ticket, *, expired: bool = False, reason: str | None = None
) -> None:
    """Close a ticket for good; `expired`: since the time to confirm that it is solved had run out."""
    unit.change(ticket, status=TicketStatus.CLOSED, closed_at=unit.now, resumes_at=None, waiting_since=None)
    history.record(unit, actor_id, ticket, TicketClosed(expired, reason))
    await escalations.end_in_force(unit, actor_id, ticket)
    await sla.follow(unit, ticket)


async def give_up_waiting(unit: Unit, ticket: Ticket) -> None:
    """Nobody waits any more for what the customer says to the resolution of a locked ticket."""
    resolution = await unit.lock(last_resolution, ticket.id)
    if resolution is not None and resolution.state is ResolutionState.AWAITING:
        unit.change(resolution, state=ResolutionState.EXPIRED, confirm_by=None)


def last_resolution(ticket_id: Any) -> Select[Resolution]:
    """The last resolution of a ticket."""
    return select(Resolution).where(Resolution.ticket_id == ticket_id).order_by(Resolution.id.desc()).limit(1)


def level_of(ticket: Ticket) -> EscalationLevel | None:
    """The level that the ticket is raised to now; None when to none."""
    return EscalationLevel(ticket.escalation_rank) if ticket.escalation_rank else None
