"""Performing jobs: the row is claimed, performed and settled in PostgreSQL; arq and Redis only say when to look."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import time
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
import structlog
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from infra import tracing
from infra.auditing import acting
from infra.desk import Desk
from infra.faults import told
from infra.letters import Later
from infra.logs import report
from infra.pool import to_the_end
from infra.postgres import Unavailable
from infra.unit import Job, Unit, now
from models import DeadLetter, DeadLetterKind, DeadLetterStatus, JobRow, JobState

log = structlog.get_logger(__name__)

LEASE = dt.timedelta(seconds=30)  # more than the longest job may take
JOB_SECONDS = 20
MOST_LOST = 5  # workers that one job may take with it
MOST_ERROR = 2000  # characters
RELAY_SECONDS = 2.0
RELAY_BATCH = 1000
GRACE = dt.timedelta(seconds=1)  # the commit's own wake-up goes first
# What happens to good jobs on bad days: nobody need be told before the job is given up.
EXPECTED = (Later, Unavailable)

AJob = TypeVar("AJob", bound=Job)


class LostClaim(Exception):
    """Somebody else performs this job now, since its lease had ended."""


class NoPerformer(Exception):
    """Nobody here performs jobs of this kind."""

    def __init__(self, kind: str) -> None:
        self.told = f"No performer of {kind} here: workers are to be deployed before what asks for their jobs."
        super().__init__(self.told)


@dataclasses.dataclass(slots=True)
class Work(Generic[AJob]):
    """A job that this worker has claimed. Its changes and its end are one transaction: open it with `settle`."""

    desk: Desk
    job: AJob
    row_id: UUID
    attempt: int
    last_attempt: bool
    settled: bool = False

    @asynccontextmanager
    async def settle(self) -> AsyncIterator[Unit]:
        """A unit that also ends the job. Raises LostClaim when it is no longer ours, and then nothing is written."""
        async with self.desk.writes.begin() as unit:
            row = await unit.lock(_claimed, self.row_id, self.attempt)
            if row is None:
                raise LostClaim(self.row_id)
            unit.change(row, state=JobState.DONE, settled_at=unit.now)
            yield unit
        self.settled = True


_performers: dict[type[Job], Callable[[Any], Awaitable[None]]] = {}


def performs(
    kind: type[AJob],
) -> Callable[[Callable[[Work[AJob]], Awaitable[None]]], Callable[[Work[AJob]], Awaitable[None]]]:
    """Declare who performs jobs of this kind."""

    def register(perform: Callable[[Work[AJob]], Awaitable[None]]) -> Callable[[Work[AJob]], Awaitable[None]]:
        if kind in _performers:
            raise TypeError(f"{kind.__name__} has a performer already.")
        _performers[kind] = perform
        return perform

    return register


def performers() -> dict[type[Job], Callable[[Any], Awaitable[None]]]:
    """Who performs what, for checking that nothing is missing."""
    return dict(_performers)


def _due(moment: Any) -> sa.ColumnElement[bool]:
    return sa.and_(JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]), JobRow.due_at <= moment)


def _claim(row_id: Any, grace: Any, lease: Any) -> sa.Update:
    # By one clock for all, PostgreSQL's, or a machine whose own is ahead would take jobs from those who perform them.
    return (
        sa.update(JobRow)
        .where(JobRow.id == row_id, _due(sa.func.now() + grace))
        .values(
            state=JobState.RUNNING,
            attempts=JobRow.attempts + 1,
            lost=JobRow.lost + sa.case((JobRow.state == JobState.RUNNING, 1), else_=0),
            due_at=sa.func.now() + lease,
        )
        .returning(JobRow.kind, JobRow.payload, JobRow.attempts, JobRow.lost, JobRow.trace)
    )


def _claimed(row_id: Any, attempt: Any) -> sa.Select[JobRow]:
    return sa.select(JobRow).where(JobRow.id == row_id, JobRow.attempts == attempt, JobRow.state == JobState.RUNNING)


async def perform(desk: Desk, row_id: UUID) -> bool:
    """Claim the row and perform its job. False when there was nothing to do: done, not due, or somebody else's.

    A failure is recorded and tried again later, at last given up; it is not raised.
    """
    structlog.contextvars.bind_contextvars(job_id=str(row_id))
    began = time.time_ns()
    try:
        # What a commit just made due may lie a moment ahead, by the clock of another machine.
        found = await desk.writes.alone(_claim, row_id, GRACE, LEASE)
        if not found:
            return False
        kind, payload, attempt, lost, trace = found[0]
        structlog.contextvars.bind_contextvars(job=kind, attempt=attempt)
        if lost > MOST_LOST:
            said = f"Whoever performed it was lost {lost} times."
            said += f" ({report(LostClaim(said), dead=True)})"
            await _failed(desk, row_id, attempt, said, dead=said)
            return False
        with _span(row_id, kind, attempt, trace, began):
            return await _performed(desk, row_id, kind, payload, attempt)
    except Unavailable as error:  # its row says what is owed: the relay comes back to it
        log.warning("job_without_database", error=told(error.__cause__ or error))
        return False
    finally:
        structlog.contextvars.unbind_contextvars("job", "job_id", "attempt")


def _span(row_id: UUID, kind: str, attempt: int, trace: str | None, began: int) -> AbstractContextManager[Any]:
    """The job's, in the trace of whatever asked for it."""
    about: tracing.Attributes = {
        "messaging.operation.type": "process",
        "messaging.destination.name": "jobs",
        "messaging.message.id": str(row_id),
        "deskwire.job.kind": kind,
        "deskwire.job.attempt": attempt,
    }
    return tracing.begun(f"process {kind}", SpanKind.CONSUMER, about, parent=trace, at=began)


async def _performed(desk: Desk, row_id: UUID, kind: str, payload: str, attempt: int) -> bool:
    known = Job.kinds.get(kind)
    try:
        if known is None or known not in _performers:
            raise NoPerformer(kind)
        work = Work(desk, loads(known, payload), row_id, attempt, attempt > known.retries)
        async with asyncio.timeout(JOB_SECONDS):
            with acting(f"{kind[0].lower()}{kind[1:]}"):
                await _performers[known](work)
        if not work.settled:
            async with work.settle():
                pass
    except LostClaim:
        log.warning("job_claim_lost")
        return False
    except asyncio.CancelledError:
        # The worker is told to stop: somebody else may begin at once.
        with contextlib.suppress(Unavailable):
            await to_the_end(_failed(desk, row_id, attempt, "The worker was stopped."))
        raise
    except Exception as error:  # noqa: BLE001 # whatever it is, the row must tell, and the next job go on
        dead, open_to_see = attempt > (known or Job).retries, None
        said = told(error)  # what it says itself may quote anybody
        tracing.failed(error)
        if isinstance(error, EXPECTED) and not dead:
            log.warning("job_tried_again_later", error=said)
        else:
            fault = report(error, dead=dead)
            said += f" ({fault})"
            open_to_see = f"{type(error).__name__}: the log has more under {fault}." if dead else None
        await _failed(desk, row_id, attempt, said, dead=open_to_see, wait=_back_off(known or Job, attempt))
        return False
    return True


def _back_off(kind: type[Job], attempt: int) -> dt.timedelta:
    return dt.timedelta(seconds=min(2.0 ** min(attempt, 12), kind.longest_wait))


async def _failed(
    desk: Desk,
    row_id: UUID,
    attempt: int,
    error: str,
    *,
    dead: str | None = None,
    wait: dt.timedelta = dt.timedelta(0),
) -> None:
    """`dead`: it is given up, and that is what is said of it to whoever decides."""
    async with desk.writes.begin() as unit:
        row = await unit.lock(_claimed, row_id, attempt)
        if row is None:
            return
        error = storable(error)
        if dead is not None:
            unit.change(row, state=JobState.DEAD, settled_at=unit.now, last_error=error)
            ticket_id = row.payload.get("ticket_id")
            unit.insert(
                DeadLetter,
                kind=DeadLetterKind.JOB,
                source_id=row_id,
                name=row.kind,
                recipient_id=None,
                ticket_id=ticket_id and UUID(ticket_id),
                attempt_count=attempt,
                error=dead,
                first_tried_at=row.created_at,
                failed_at=unit.now,
                status=DeadLetterStatus.WAITING,
                settled_by_id=None,
                settled_at=None,
            )
        else:
            due_at = unit.now + wait
            unit.change(row, state=JobState.QUEUED, due_at=due_at, last_error=error)
            unit.jobs.append((row_id, due_at))


def storable(error: str) -> str:
    """The text of an error as PostgreSQL can keep it: it may quote anything, of any length."""
    return error[:MOST_ERROR].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def loads(kind: type[AJob], payload: str | bytes | dict[str, Any]) -> AJob:
    """A job out of its row. Its fields are ids and plain values."""
    data = payload if isinstance(payload, dict) else orjson.loads(payload)
    return kind(**{name: read(data[name]) for name, read in _readers(kind).items()})  # type: ignore[arg-type] # a class can be hashed


@functools.cache
def _readers(kind: Any) -> dict[str, Callable[[Any], Any]]:
    """How each field of a job is read."""
    readers: dict[Any, Callable[[Any], Any]] = {
        UUID: UUID,
        UUID | None: lambda value: value and UUID(value),
        list[UUID]: lambda values: list(map(UUID, values)),
    }
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return {name: readers.get(hints[name], lambda value: value) for name in names}


def _owed(grace: Any) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(JobRow.id, JobRow.attempts)
        .where(_due(sa.func.now() - grace))
        .order_by(JobRow.due_at)
        .limit(RELAY_BATCH)
        .with_for_update(skip_locked=True)
    )


async def relay_forever(desk: Desk) -> None:
    """Wake again what is owed: what Redis lost, what it never heard of, and what a killed worker left."""
    while True:
        await asyncio.sleep(RELAY_SECONDS)
        try:
            async with desk.writes.begin() as unit:
                owed = [(record[0], record[1]) for record in await unit.run(_owed, GRACE)]
            if owed:
                await desk.bus.relay(owed)
        except (RedisError, OSError, Unavailable) as error:
            log.warning("relay_waits", error=told(error))
        except Exception as error:  # noqa: BLE001 # it must go on as long as the worker lives
            report(error)


KEPT = dt.timedelta(days=7)


def _old(moment: Any) -> sa.Delete:
    return sa.delete(JobRow).where(JobRow.state == JobState.DONE, JobRow.settled_at < moment)


async def sweep(desk: Desk) -> None:
    """Forget jobs that were done a week ago. What was given up stays until somebody decides."""
    async with desk.writes.begin() as unit:
        await unit.run(_old, now() - KEPT)
