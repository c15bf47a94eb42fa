"""Having the clock look at tickets again, when what it decides by has changed for many of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import ARRAY

from domain.jobs import LookAgain
from domain.ranges import FIRST
from infra.unit import Unit
from models import Ticket

BATCH = 500


def wake(unit: Unit, *, department_ids: Sequence[UUID] = (), priorities: Sequence[str] = ()) -> None:
    """The clock looks at the unresolved tickets of these departments and priorities, soon. Empty: any."""
    places = sorted({str(key) for key in department_ids})
    unit.enqueue(LookAgain(FIRST, places, sorted(set(priorities))))


def _woken(moment: Any, after: Any, department_ids: Any = None, priorities: Any = None) -> sa.Update:
    """Has the timers of the next unresolved tickets run out."""
    # As the index has it, whatever PostgreSQL knows of parameters.
    unresolved = sa.literal_column("tickets.status IN ('OPEN', 'PENDING', 'ON_HOLD')", sa.Boolean())
    rows = select(Ticket.id).where(unresolved, Ticket.id > after)
    if department_ids is not None:
        rows = rows.where(Ticket.department_id == sa.any_(sa.cast(department_ids, ARRAY(sa.Uuid()))))
    if priorities is not None:
        rows = rows.where(Ticket.priority == sa.any_(priorities))
    # Locked in their order, so that two of these can't wait for each other.
    locked = rows.order_by(Ticket.id).limit(BATCH).with_for_update(key_share=True).cte("locked")
    at = sa.func.least(sa.func.coalesce(Ticket.timer_at, moment), moment)
    return sa.update(Ticket).where(Ticket.id.in_(select(locked.c.id))).values(timer_at=at).returning(Ticket.id)


async def wake_next(unit: Unit, job: LookAgain) -> None:
    """Wake the next 500 tickets, and ask for the rest."""
    records = await unit.run(_woken, unit.now, job.after, job.department_ids or None, job.priorities or None)
    if len(records) == BATCH:
        last = max(record[0] for record in records)
        unit.enqueue(LookAgain(last, job.department_ids, job.priorities))
