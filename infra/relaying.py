"""What is owed is woken again, whatever became of Redis and the workers; and what was done long ago is forgotten."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError

from infra.desk import Desk
from infra.faults import told
from infra.jobs import GRACE, due
from infra.logs import report
from infra.postgres import Unavailable
from infra.unit import joins, now
from models import JobRow, JobState

log = structlog.get_logger(__name__)

RELAY_SECONDS = 2.0
RELAY_BATCH = 1000
KEPT = dt.timedelta(days=7)


def _owed(grace: Any) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(JobRow.id, JobRow.kind, JobRow.attempts, JobRow.trace)
        .where(due(sa.func.now() - grace))
        .order_by(JobRow.due_at)
        .limit(RELAY_BATCH)
        .with_for_update(skip_locked=True)
    )


def _wakes(owed: list[Any]) -> tuple[list[tuple[UUID, int]], set[str]]:
    """Rows to wake, and kinds of which what is fresh is performed together."""
    rows, kinds = [], set()
    for row_id, kind, attempts, trace in owed:
        if joins(kind, attempts, trace):
            kinds.add(kind)
        else:
            rows.append((row_id, attempts))
    return rows, kinds


async def relay_forever(desk: Desk) -> None:
    """Wake again what is owed: what Redis lost, what it never heard of, and what a killed worker left."""
    while True:
        await asyncio.sleep(RELAY_SECONDS)
        try:
            async with desk.writes.begin() as unit:
                owed = await unit.run(_owed, GRACE)
            if owed:
                await desk.bus.relay(*_wakes(owed))
        except (RedisError, OSError, Unavailable) as error:
            log.warning("relay_waits", error=told(error))
        except Exception as error:  # noqa: BLE001 # it must go on as long as the worker lives
            report(error)


def _old(moment: Any) -> sa.Delete:
    return sa.delete(JobRow).where(JobRow.state == JobState.DONE, JobRow.settled_at < moment)


async def sweep(desk: Desk) -> None:
    """Forget jobs that were done a week ago. What was given up stays until somebody decides."""
    await desk.writes.forget(_old, now() - KEPT)
