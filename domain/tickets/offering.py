"""Tickets that found no agent where they came in or were sent: offered again, once somebody there is free."""

from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import aliased

from domain import access, history, sla
from domain.happenings import Happening, TicketAssigned, TicketRouted
from domain.tickets import assigning, handling
from infra.desk import Desk
from infra.logs import report
from infra.postgres import Unavailable
from infra.unit import Unit
from models import AssignmentMethod, Department, Event, Person, Ticket

LOOKED_AT = 200  # of a department, in the order in which agents would take them
MISSES = 3  # in a row: a ticket may suit nobody who is free, since they asked for it themselves


def _waiting(most: Any) -> Select[*tuple[Any, ...]]:
    """The tickets, by automatic department, that nobody has and nobody has put back there."""
    automatic = Department.assignment != AssignmentMethod.MANUAL
    places = select(Department.id).where(automatic, Department.archived_at.is_(None)).subquery("places")
    place = sa.func.row_number().over(order_by=handling.order()).label("place")
    its = select(Ticket.id, place).where(Ticket.department_id == places.c.id, *handling.takeable())
    its = its.where(sa.not_(_put_back()))
    first = its.order_by(*handling.order()).limit(most).correlate(places).lateral("first")
    rows = select(places.c.id, first.c.id).join_from(places, first, sa.true())
    return rows.order_by(places.c.id, first.c.place)


def _put_back() -> ColumnElement[bool]:
    """Whether somebody has last put the ticket back by hand, since it came to its department: then it stays until it is
    taken, unless whoever had it works here no more.
    """
    assigned, routed = _kind(TicketAssigned), _kind(TicketRouted)
    last = select(Event.seq, Event.actor_id, history.id_in(Event, "from_assignee_id").label("from_id"))
    last = last.where(Event.ticket_id == Ticket.id, Event.kind == assigned).order_by(Event.seq.desc()).limit(1)
    turn, later = last.correlate(Ticket).subquery("turn"), aliased(Event)
    moved = sa.exists().where(later.ticket_id == Ticket.id, later.kind == routed, later.seq > turn.c.seq)
    here = sa.exists().where(Person.id == turn.c.from_id, access.works_here(Person))
    return select(turn.c.seq).where(turn.c.actor_id.is_not(None), here, sa.not_(moved)).exists()


def _kind(happening: type[Happening]) -> ColumnElement[str]:
    return sa.literal_column(f"'{happening.__name__}'", sa.Text())  # as the index has it


def _one(ticket_id: Any) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.id == ticket_id, *handling.takeable())
    return rows.with_for_update(skip_locked=True, key_share=True)


async def sweep(desk: Desk) -> None:
    """Give each automatic department's waiting tickets to whoever is free, those first that should be worked on next.

    Each in a transaction of its own: how many an agent has is counted anew for each.
    """
    async with desk.writes.begin() as unit:
        waiting = await unit.run(_waiting, LOOKED_AT)
    for _, its in groupby(waiting, key=itemgetter(0)):
        misses = 0
        for _, ticket_id in its:
            try:
                async with desk.writes.begin() as unit:
                    misses = 0 if await _offer(unit, ticket_id) else misses + 1
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 # one ticket's fault must not hold up the others
                report(error, ticket=str(ticket_id))
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
