"""How a ticket moves from one state to another, whoever moves it."""

import datetime as dt
from uuid import UUID

from domain import history, sla
from domain.happenings import StatusChanged, TicketReopened
from domain.tickets import assigning
from infra.unit import Unit
from models import Ticket, TicketStatus

UNRESOLVED = (TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.ON_HOLD)


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
    """Open a resolved or closed ticket again."""
    unit.change(ticket, status=TicketStatus.OPEN, resolved_at=None, closed_at=None, waiting_since=unit.now)
    unit.change(ticket, escalates_since=unit.now)
    history.record(unit, actor_id, ticket, TicketReopened(reason))
    await assigning.replace_absent(unit, ticket)
    await sla.follow(unit, ticket)
