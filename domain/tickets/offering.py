"""Tickets that found no agent as they came in: offered again, once somebody of their department is free."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import history, sla
from domain.happenings import TicketAssigned
from domain.tickets import assigning, handling
from infra.desk import Desk
from infra.unit import Unit
from models import AssignmentMethod, Department, Event, Person, Ticket

LOOKED_AT = 200  # of a department, in the order in which agents would take them
MISSES = 3  # in a row: a ticket may suit nobody who is free, since they asked for it themselves


def _departments() -> Select[*tuple[Any, ...]]:
    automatic = Department.assignment != AssignmentMethod.MANUAL
    return select(Department.id).where(automatic, Department.archived_at.is_(None)).order_by(Department.id)


def _waiting(department_id: Any, most: Any) -> Select[*tuple[Any, ...]]:
    """The tickets that nobody has had who is still here: what was put back by hand stays there."""
    place = sa.func.row_number().over(order_by=handling.order()).label("place")
    its = select(Ticket.id, place).where(Ticket.department_id == department_id, *handling.takeable())
    first = its.order_by(place).limit(most).subquery()
    had = (
        select(Event)
        .join(Person, Person.id == history.id_in(Event, "from_assignee_id"))
        .where(Event.ticket_id == first.c.id, Event.kind == TicketAssigned.__name__, Person.active)
    )
    return select(first.c.id).where(sa.not_(had.exists())).order_by(first.c.place)


def _one(ticket_id: Any) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.id == ticket_id, *handling.takeable())
    return rows.with_for_update(skip_locked=True, key_share=True)


async def sweep(desk: Desk) -> None:
    """Give each automatic department's waiting tickets to whoever is free, those first that should be worked on next.

    Each in a transaction of its own: how many an agent has is counted anew for each.
    """
    async with desk.writes.begin() as unit:
        waiting = [
            [record[0] for record in await unit.run(_waiting, department[0], LOOKED_AT)]
            for department in await unit.run(_departments)
        ]
    for ticket_ids in waiting:
        misses = 0
        for ticket_id in ticket_ids:
            async with desk.writes.begin() as unit:
                misses = 0 if await _offer(unit, ticket_id) else misses + 1
            if misses == MISSES:
                break


async def _offer(unit: Unit, ticket_id: UUID) -> bool:
    """Whether the ticket has found somebody, or does not wait any more."""
    ticket = await unit.read(_one, ticket_id)
    if ticket is None:
        return True
    agent_id = await assigning.choose(unit, ticket)
    if agent_id is None:
        return False
    assigning.hand(unit, None, ticket, agent_id)
    await sla.follow(unit, ticket)
    return True
