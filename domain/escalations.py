"""The raising of tickets to higher levels."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import history
from domain.happenings import EscalationEnded
from infra.unit import Unit
from models import Escalation, Ticket


def in_force(ticket_id: Any) -> Select[Escalation]:
    """The escalation of a ticket that has not ended."""
    return select(Escalation).where(Escalation.ticket_id == ticket_id, Escalation.ended_at.is_(None))


async def end_in_force(unit: Unit, actor_id: UUID | None, ticket: Ticket, reason: str | None = None) -> None:
    """End the escalation of a locked ticket, if there is one."""
    if not ticket.escalation_rank:
        return
    escalation = await unit.lock(in_force, ticket.id)
    unit.change(ticket, escalation_rank=0)
    if escalation is None:
        return
    unit.change(escalation, ended_at=unit.now)
    history.record(unit, actor_id, ticket, EscalationEnded(escalation.id, reason))
