"""What becomes of the tickets of somebody who works here no more."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, sla
from domain.jobs import Unassign
from domain.ranges import FIRST
from domain.tickets import assigning, watching
from infra.unit import Job, Unit
from models import UNRESOLVED, Person, Ticket, Watcher

BATCH = 500
LATEST_SECONDS = 10  # in so long has come what was on its way to somebody when they left


def _here(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, access.works_here(Person))


def _theirs(person_id: Any, after: Any, most: int) -> Select[Ticket]:
    has = select(Ticket.id).where(Ticket.assignee_id == person_id, Ticket.status.in_(UNRESOLVED), Ticket.id > after)
    follows = select(Watcher.ticket_id).where(Watcher.person_id == person_id, Watcher.ticket_id > after)
    ids = sa.union(has.order_by(Ticket.id).limit(most), follows.order_by(Watcher.ticket_id).limit(most)).subquery()
    return select(Ticket).where(Ticket.id.in_(select(ids.c.id))).order_by(Ticket.id).limit(most)


def leave(unit: Unit, actor_id: UUID | None, person_id: UUID) -> None:
    """Have their unresolved tickets put back, which may be many, and those that they follow followed no more: as
    a customer they would go on seeing them. Those that open again find somebody else by then.

    It is done once more for what was on its way to them just now.
    """
    enqueue_twice(unit, Unassign(person_id, actor_id, FIRST))


def enqueue_twice(unit: Unit, job: Job) -> None:
    """The job happens after the commit, and once more for what was on its way to somebody when they left."""
    for delay in (0, LATEST_SECONDS):
        unit.enqueue(job, delay=delay)


async def unassign(unit: Unit, job: Unassign) -> None:
    """Put back one batch, and ask for the next. Somebody who is here again keeps what is left."""
    if await unit.read(_here, job.person_id) is not None:
        return
    tickets = await unit.lock_all(_theirs, job.person_id, job.after, BATCH)
    await watching.leave(unit, job.actor_id, tickets, job.person_id)
    for ticket in tickets:
        if ticket.assignee_id == job.person_id and ticket.status in UNRESOLVED:
            assigning.hand(unit, job.actor_id, ticket, None)
            await sla.follow(unit, ticket)
    if len(tickets) == BATCH:
        unit.enqueue(Unassign(job.person_id, job.actor_id, tickets[-1].id))
