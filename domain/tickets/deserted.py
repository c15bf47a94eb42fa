"""What becomes of tickets that were escalated to somebody who is not there any more: nobody else knows of it."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from domain import access
from domain.escalations import all_in_force, raising
from domain.jobs import RaiseDeserted
from domain.ranges import FIRST
from domain.tickets import leaving
from infra.unit import Unit
from models import Escalation, Person, Ticket

BATCH = 500


def _deserted(person_id: Any, after: Any, most: int) -> Select[Ticket]:
    """Tickets that were escalated to this person, where nobody has acknowledged it and none of them works any more."""
    in_force, of = Escalation.ended_at.is_(None), aliased(Ticket)
    theirs = select(Escalation.ticket_id).where(
        in_force, Escalation.acknowledged_at.is_(None), person_id == sa.any_(Escalation.escalated_to_ids)
    )
    there = select(of.id).join(Escalation, Escalation.ticket_id == of.id)
    there = there.join(Person, Person.id == sa.any_(Escalation.escalated_to_ids))
    there = there.where(of.id == Ticket.id, in_force, access.works_in(Person, of.department_id))
    rows = select(Ticket).where(access.among(Ticket.id, theirs), ~there.exists(), Ticket.id > after)
    return rows.order_by(Ticket.id).limit(most)


def leave(unit: Unit, person_id: UUID) -> None:
    """Somebody is shut out, or has another role or other departments: what was escalated to them alone is raised anew.

    It is done once more for what was on its way to them just now.
    """
    leaving.enqueue_twice(unit, RaiseDeserted(person_id, FIRST))


async def look(unit: Unit, job: RaiseDeserted) -> None:
    """Raise one batch anew, to those who are of its level by now or else to a higher one, and ask for the next."""
    tickets = await unit.lock_all(_deserted, job.person_id, job.after, BATCH)
    if not tickets:
        return
    found = await unit.lock_all(all_in_force, [ticket.id for ticket in tickets])
    await raising.anew(unit, tickets, {escalation.ticket_id: escalation for escalation in found})
    if len(tickets) == BATCH:
        unit.enqueue(RaiseDeserted(job.person_id, tickets[-1].id))
