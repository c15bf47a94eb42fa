"""What the desk's clock does for SLA targets: warns of one that is soon due, and records one that was missed."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import history
from domain.jobs import WarnOfSla
from domain.sla.clocks import AHEAD, breach, next_look
from infra.unit import Unit
from models import SlaClock, Ticket


def clocks_of(ticket_ids: Any) -> Select[SlaClock]:
    """The clocks of these tickets."""
    return select(SlaClock).where(SlaClock.ticket_id == sa.func.any(ticket_ids)).order_by(SlaClock.ticket_id)


async def look(unit: Unit, tickets: list[Ticket]) -> dict[UUID, dt.datetime]:
    """Do what is due for these locked tickets, and say when to look at which of them again."""
    by_id = {ticket.id: ticket for ticket in tickets}
    with_clocks = [ticket.id for ticket in tickets if ticket.due_at is not None]
    waiting: dict[UUID, dt.datetime] = {}
    for clock in await unit.read_all(clocks_of, with_clocks) if with_clocks else []:
        _look(unit, by_id[clock.ticket_id], clock)
        again = next_look(clock)
        if again is not None:
            waiting[clock.ticket_id] = min(again, waiting.get(clock.ticket_id, again))
    return waiting


def _look(unit: Unit, ticket: Ticket, clock: SlaClock) -> None:
    if next_look(clock) is None or clock.due_at is None:
        return
    if clock.due_at <= unit.now:
        breach(unit, ticket, clock, clock.due_at)
    elif clock.warned_at is None and clock.due_at - AHEAD <= unit.now:
        unit.change(clock, warned_at=unit.now)
        history.tell_departments(unit, ticket.department_id, ticket_id=ticket.id)  # whose queue counts it from now on
        unit.enqueue(WarnOfSla(ticket.id, clock.target.name), delay=unit.gathered_wait)
