"""How people escalate tickets by hand, and settle an escalation: acknowledge it or end it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, escalations, history, tickets, words
from domain.access import Viewer
from domain.escalations import raising
from domain.escalations.raising import ROLES, Raise
from domain.happenings import EscalationAcknowledged
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from infra.unit import Unit
from models import Escalation, EscalationLevel, Role, Ticket, TicketStatus

MOST_REASON = 500
SETTLED_BY = "It is settled by those it was escalated to, and by those above them."


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be escalated."""

    ticket_id: UUID
    level: EscalationLevel | None  # None: the next one
    reason: str


async def escalate(unit: Unit, viewer: Viewer, wish: Wish) -> Escalation:
    """Raise a ticket to a higher level, past those where nobody is, and give what is in force from now on.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.require(viewer, Role.AGENT)
    problems = Problems()
    reason = words.line(problems, "reason", wish.reason, most=MOST_REASON, what="The reason")
    problems.refuse()
    ticket = await tickets.locked_to_work_on(unit, viewer, wish.ticket_id)
    level = _level(ticket, wish.level)
    before = await unit.lock(escalations.in_force, ticket.id)
    raised = Raise(ticket, level, reason, actor_id=viewer.id)
    [escalation] = await raising.to_higher_levels(unit, [raised], {} if before is None else {ticket.id: before})
    return escalation


def _level(ticket: Ticket, wanted: EscalationLevel | None) -> EscalationLevel:
    """The level that the ticket goes to. Raises Conflict where there is none above the one in force."""
    if ticket.status in {TicketStatus.RESOLVED, TicketStatus.CLOSED}:
        message = "This ticket is resolved. Reopen it, then escalate it."
        raise Conflict(ConflictReason.WRONG_STATE, message, current=(Ticket, ticket.id))
    rank = ticket.escalation_rank
    if rank == EscalationLevel.DIRECTOR.value or (wanted is not None and wanted.value <= rank):
        message = "This ticket is escalated to this level, or to a higher one, already."
        raise Conflict(ConflictReason.ALREADY_DONE, message, current=(Ticket, ticket.id))
    return wanted or EscalationLevel(rank + 1)


async def acknowledge(unit: Unit, viewer: Viewer, escalation_id: UUID) -> UUID:
    """Say that somebody sees to it, so that rules raise it no further. Raises NotFound, NotAllowed, Conflict."""
    ticket, escalation = await _settled_by(unit, viewer, escalation_id)
    current = (Escalation, escalation.id)
    if escalation.acknowledged_at is not None:
        message = "This escalation was acknowledged already."
        raise Conflict(ConflictReason.ALREADY_DONE, message, current=current)
    if escalation.ended_at is not None:
        raise Conflict(ConflictReason.WRONG_STATE, "This escalation has ended.", current=current)
    unit.change(escalation, acknowledged_at=unit.now, acknowledged_by_id=viewer.id)
    history.record(unit, viewer.id, ticket, EscalationAcknowledged(escalation.id))
    return escalation.id


async def end(unit: Unit, viewer: Viewer, escalation_id: UUID, *, reason: str | None) -> UUID:
    """End the escalation in force; rules count anew. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    problems = Problems()
    said = words.optional_line(problems, "reason", reason, most=MOST_REASON, what="The reason")
    problems.refuse()
    ticket, escalation = await _settled_by(unit, viewer, escalation_id)
    if escalation.ended_at is not None:
        message = "This escalation has ended already."
        raise Conflict(ConflictReason.ALREADY_DONE, message, current=(Escalation, escalation.id))
    await escalations.end_in_force(unit, viewer.id, ticket, said)
    return escalation.id


def _seen(viewer: Viewer, escalation_id: Any) -> Select[Escalation]:
    """The escalation, if the viewer may know of its ticket."""
    those = tickets.visible(viewer).with_only_columns(Ticket.id)
    return select(Escalation).where(Escalation.id == escalation_id, Escalation.ticket_id.in_(those))


def _one(escalation_id: Any) -> Select[Escalation]:
    return select(Escalation).where(Escalation.id == escalation_id)


async def _settled_by(unit: Unit, viewer: Viewer, escalation_id: UUID) -> tuple[Ticket, Escalation]:
    """The ticket and its escalation, locked in this order, for those who may settle it: who it was escalated to, and
    everyone above them.
    """
    access.sign_in_required(viewer)
    if not viewer.is_staff:
        raise NotAllowed(SETTLED_BY)
    seen = access.found(await unit.read(_seen, viewer, escalation_id), "escalationId", "escalation")
    ticket = access.found(await unit.lock(tickets.one, viewer, seen.ticket_id), "escalationId", "escalation")
    escalation = access.found(await unit.lock(_one, escalation_id), "escalationId", "escalation")
    if not await tickets.is_worked_on(unit, viewer, ticket):
        raise NotAllowed(SETTLED_BY)
    if viewer.has(Role.DIRECTOR) or viewer.id in escalation.escalated_to_ids:
        return ticket, escalation
    above = viewer.role is not None and viewer.role.value > ROLES[escalation.level].value
    if not above or await unit.read(access.membership, viewer.id, ticket.department_id) is None:
        raise NotAllowed(SETTLED_BY)
    return ticket, escalation
