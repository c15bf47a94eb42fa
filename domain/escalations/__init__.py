"""The raising of tickets to higher levels: who reads what of it, and how it ends."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, history
from domain.access import Viewer
from domain.happenings import EscalationEnded
from infra.unit import Unit
from models import Escalation, EscalationRule, Person, Ticket

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, ticket: Any) -> Select[Escalation]:  # noqa: ARG001 # whoever sees the ticket sees them all
    """All escalations of a ticket that the viewer sees."""
    return select(Escalation).where(Escalation.ticket_id == ticket.id)


def in_force(ticket_id: Any) -> Select[Escalation]:
    """The escalation of a ticket that has not ended."""
    return select(Escalation).where(Escalation.ticket_id == ticket_id, Escalation.ended_at.is_(None))


def all_in_force(ticket_ids: Any) -> Select[Escalation]:
    """Those of these tickets that have not ended."""
    rows = select(Escalation).where(Escalation.ticket_id == sa.any_(ticket_ids), Escalation.ended_at.is_(None))
    return rows.order_by(Escalation.id)


def works_on_its_ticket(viewer: Viewer, escalation: Any) -> access.Works:
    """Whether the viewer works on the ticket of an escalation; plain where the role decides."""
    works = access.works_on(viewer, Ticket)
    if isinstance(works, bool):
        return works
    return select(Ticket.id).where(Ticket.id == escalation.ticket_id, works).exists()


def escalated_to(viewer: Viewer, escalation: Any) -> Select[Person]:
    """Whom it was raised to, by name; nobody for those who don't work on the ticket."""
    works = works_on_its_ticket(viewer, escalation)
    people = select(Person).where(Person.id == sa.any_(escalation.escalated_to_ids))
    return people.where(sa.literal(works) if isinstance(works, bool) else works).order_by(Person.name, Person.id)


def rule_of(escalation: Any) -> Select[EscalationRule]:
    """The rule that raised it, if it is still there."""
    return select(EscalationRule).where(EscalationRule.id == escalation.rule_id)


# --- Ending -----------------------------------------------------------------------------------------------------------


async def end_in_force(unit: Unit, actor_id: UUID | None, ticket: Ticket, reason: str | None = None) -> None:
    """End the escalation of a locked ticket, if there is one; rules count anew from now on."""
    if not ticket.escalation_rank:
        return
    escalation = await unit.lock(in_force, ticket.id)
    unit.change(ticket, escalation_rank=0, escalates_since=unit.now)
    if escalation is None:
        return
    unit.change(escalation, ended_at=unit.now)
    history.record(unit, actor_id, ticket, EscalationEnded(escalation.id, reason))
