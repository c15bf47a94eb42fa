"""When the clock must look at a ticket, and what it then does.

Each ticket has one instant at which the clock looks at it next: `timer_at`. Whatever may make something fall due sooner
sets it to now (`Happening.wakes`); looking sets it to the next instant that anything waits for. So every deadline is
found by one index, and what falls due while no worker runs is done when one does.
"""

import datetime as dt
import math
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, select

from domain.escalations import looking as escalations
from domain.sla import looking as sla
from domain.tickets import confirming, statuses
from infra.desk import Desk
from infra.logs import report
from infra.postgres import Unavailable
from infra.unit import Unit
from models import Ticket, TicketStatus

log = structlog.get_logger(__name__)

BATCH = 200
CROWD = dt.timedelta(seconds=10)  # what happens to a crowd within so long is told together
AFTER_A_FAULT = dt.timedelta(minutes=5)

Instants = dict[UUID, dt.datetime]  # when to look next, by ticket
# Does what is due for these locked tickets, and says when it wants to look at which of them again.
Look = Callable[[Unit, list[Ticket]], Awaitable[Instants]]


async def resume(unit: Unit, tickets: list[Ticket]) -> Instants:
    """Open tickets on hold whose time has come."""
    waiting: Instants = {}
    for ticket in tickets:
        if ticket.status is not TicketStatus.ON_HOLD or ticket.resumes_at is None:
            continue
        if ticket.resumes_at <= unit.now:
            await statuses.move(unit, None, ticket, TicketStatus.OPEN)
        else:
            waiting[ticket.id] = ticket.resumes_at
    return waiting


# In this order: what one does, the next one sees.
LOOKS: tuple[Look, ...] = (resume, confirming.look, sla.look, escalations.look)


def _due(moment: Any, most: int) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.timer_at <= moment).order_by(Ticket.timer_at).limit(most)
    return rows.with_for_update(skip_locked=True, key_share=True)


def _this(moment: Any, ticket_id: Any) -> Select[Ticket]:
    rows = select(Ticket).where(Ticket.id == ticket_id, Ticket.timer_at <= moment)
    return rows.with_for_update(skip_locked=True, key_share=True)


async def sweep(desk: Desk) -> None:
    """Look at every ticket whose time has come, a batch in each transaction; other workers take other batches.

    After an outage that is a crowd, of which its people are told together, in one email each.
    """
    found, crowd = BATCH, False
    told_at = dt.datetime.min.replace(tzinfo=dt.UTC)
    while found == BATCH:
        try:
            async with desk.writes.begin() as unit:
                tickets = await unit.read_all(_due, unit.now, BATCH)
                crowd = crowd or len(tickets) == BATCH
                told_at = told_at if told_at > unit.now else _later(unit.now)
                unit.gathered_due = told_at if crowd else None
                found = await _look(unit, tickets)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 # one ticket's fault must not hold up the others
            report(error)
            found = await _one_by_one(desk)


def _later(moment: dt.datetime) -> dt.datetime:
    """When a crowd is told of that is looked at now: the same for all workers that begin with it."""
    whole = CROWD.total_seconds() / 2
    return dt.datetime.fromtimestamp(math.ceil((moment + CROWD).timestamp() / whole) * whole, dt.UTC)


async def _look(unit: Unit, tickets: list[Ticket]) -> int:
    if not tickets:
        return 0
    before = {ticket.id: ticket.last_seq for ticket in tickets}
    instants: list[Instants] = [await look(unit, tickets) for look in LOOKS]
    for ticket in tickets:
        nexts = [found[ticket.id] for found in instants if ticket.id in found]
        # What was done may make something else fall due at once.
        again = unit.now if ticket.last_seq != before[ticket.id] else min(nexts, default=None)
        unit.change(ticket, timer_at=again)
    return len(tickets)


async def _one_by_one(desk: Desk) -> int:
    """Look at each ticket of a batch by itself; one that fails is put off, so that it can't hold up the others."""
    async with desk.writes.begin() as unit:
        ids = [ticket.id for ticket in await unit.read_all(_due, unit.now, BATCH)]
    for ticket_id in ids:
        try:
            async with desk.writes.begin() as unit:
                await _look(unit, await unit.read_all(_this, unit.now, ticket_id))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 # as above
            report(error, ticket=str(ticket_id))
            async with desk.writes.begin() as unit:
                if ticket := await unit.lock(_ticket, ticket_id):
                    unit.change(ticket, timer_at=unit.now + AFTER_A_FAULT)
    return len(ids)


def _ticket(ticket_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id)
