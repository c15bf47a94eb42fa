"""What becomes of the tickets of somebody who works here no more."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import sla
from domain.jobs import Unassign
from domain.ranges import FIRST
from domain.tickets import assigning
from infra.unit import Unit
from models import UNRESOLVED, Person, Role, Ticket

BATCH = 500


def _here(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active, Person.role != Role.CUSTOMER)


def _theirs(person_id: Any, after: Any, most: int) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.assignee_id == person_id, Ticket.status.in_(UNRESOLVED), Ticket.id > after)
    return rows.order_by(Ticket.id).limit(most)


def leave(unit: Unit, actor_id: UUID | None, person_id: UUID) -> None:
    """Have their unresolved tickets put back, which may be many. Those that open again find somebody else by then."""
    unit.enqueue(Unassign(person_id, actor_id, FIRST))


async def unassign(unit: Unit, job: Unassign) -> None:
    """Put back one batch, and ask for the next. Somebody who is here again keeps what is left."""
    if await unit.read(_here, job.person_id) is not None:
        return
    tickets = await unit.lock_all(_theirs, job.person_id, job.after, BATCH)
    for ticket in tickets:
        assigning.hand(unit, job.actor_id, ticket, None)
        await sla.follow(unit, ticket)
    if len(tickets) == BATCH:
        unit.enqueue(Unassign(job.person_id, job.actor_id, tickets[-1].id))
