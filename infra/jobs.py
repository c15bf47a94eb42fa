"""Performing jobs: the row is claimed, performed and settled in PostgreSQL; arq and Redis only say when to look."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import time
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
import structlog
from opentelemetry.trace import SpanKind

from infra import tracing
from infra.auditing import acting
from infra.desk import Desk
from infra.faults import told
from infra.letters import Later
from infra.logs import report
from infra.pool import to_the_end
from infra.postgres import Unavailable
from infra.unit import Job, Unit, joins, now
from models import DeadLetter, DeadLetterKind, DeadLetterStatus, JobRow, JobState

log = structlog.get_logger(__name__)

LEASE = dt.timedelta(seconds=30)  # more than the longest job may take
JOB_SECONDS = 20
GOES_ON_SECONDS = 4  # with sets of a kind, of which the last may take as long as any job
MOST_LOST = 5  # workers that one job may take with it
MOST_ERROR = 2000  # characters
GRACE = dt.timedelta(seconds=1)  # the commit's own wake-up goes first

AJob = TypeVar("AJob", bound=Job)


class LostClaim(Exception):
    """Somebody else performs this job now, since its lease had ended."""


class NoPerformer(Exception):
    """Nobody here performs jobs of this kind."""

    def __init__(self, kind: str) -> None:
        self.told = f"No performer of {kind} here: workers are to be deployed before what asks for their jobs."
        super().__init__(self.told)


# Of good jobs on bad days, and of those that another version alone knows: nobody is told until they are given up.
EXPECTED = (Later, Unavailable, NoPerformer)


@dataclasses.dataclass(slots=True)
class Work(Generic[AJob]):
    """Jobs of one kind that this worker has claimed: one, unless its class says that many are performed together.

    Their changes and their end are one transaction: open it with `settle`.
    """

    desk: Desk
    jobs: dict[UUID, AJob]  # by their rows; those alone that are still ours
    attempt: int
    last_attempt: bool
    left: set[UUID]  # that are neither settled nor failed
    failed: bool = False  # one of them

    @property
    def job(self) -> AJob:
        """The job, for a kind that is performed one by one."""
        (job,) = self.jobs.values()
        return job

    @property
    def row_id(self) -> UUID:
        """Its row."""
        (row_id,) = self.jobs
        return row_id

    @asynccontextmanager
    async def settle(self, *row_ids: UUID) -> AsyncIterator[Unit]:
        """A unit that also ends the jobs, or these of them. In it `jobs` are without those that were lost to others.

        Raises LostClaim when all of them were, and then nothing is written.
        """
        ended = list(row_ids or self.left)
        async with self.desk.writes.begin() as unit:
            rows = await unit.lock_all(_claimed, ended, self.attempt)
            for row_id in {*ended}.difference([row.id for row in rows]):
                log.warning("job_claim_lost", job_id=str(row_id))
                del self.jobs[row_id]
                self.left.discard(row_id)
                self.failed = True
            if not rows:
                raise LostClaim
            for row in rows:
                unit.change(row, state=JobState.DONE, settled_at=unit.now)
            yield unit
        self.left.difference_update(ended)

    async def put_off(self, seconds: float) -> None:
        """None of the jobs can be performed yet, for a reason that is nobody's fault: they are tried again later.

        However often that happens it counts for no attempt, and they stand there as of when they were asked for.
        """
        rows = set(self.left)
        self.left.clear()  # whoever performs them looks at this very set
        self.failed = True
        wait = dt.timedelta(seconds=seconds)
        await _failed(self.desk, rows, self.attempt, "Put off.", wait=wait, tried=self.attempt - 1)

    async def fail(self, row_id: UUID, error: Exception) -> None:
        """One of the jobs has failed, and will be tried again by itself, unless it is given up."""
        self.left.discard(row_id)
        self.failed = True
        await _fail(self.desk, type(self.jobs[row_id]), [row_id], self.attempt, error)


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


def due(moment: Any) -> sa.ColumnElement[bool]:
    """Whether a job is to be performed at this moment, for the first time or again."""
    return sa.and_(JobRow.state.in_([JobState.QUEUED, JobState.RUNNING]), JobRow.due_at <= moment)


def _claim(row_id: Any, grace: Any, lease: Any) -> sa.Update:
    # By one clock for all, PostgreSQL's, or a machine whose own is ahead would take jobs from those who perform them.
    return (
        sa.update(JobRow)
        .where(JobRow.id == row_id, due(sa.func.now() + grace))
        .values(
            state=JobState.RUNNING,
            attempts=JobRow.attempts + 1,
            lost=JobRow.lost + sa.case((JobRow.state == JobState.RUNNING, 1), else_=0),
            due_at=sa.func.now() + lease,
        )
        .returning(JobRow.kind, JobRow.payload, JobRow.attempts, JobRow.lost, JobRow.trace)
    )


def _claim_together(kind: Any, most: Any, grace: Any, lease: Any) -> sa.Update:
    """As many as are due and may be performed together: which do, `joins` says, too."""
    fresh = sa.text("state = 'QUEUED' AND attempts = 0")  # in the words of their index
    traced = sa.func.coalesce(JobRow.trace, "").endswith(tracing.SAMPLED)
    rows = sa.select(JobRow.id).where(JobRow.kind == kind, fresh, ~traced, JobRow.due_at <= sa.func.now() + grace)
    rows = rows.order_by(JobRow.due_at).limit(most).with_for_update(skip_locked=True)
    return (
        sa.update(JobRow)
        .where(JobRow.id == sa.func.any(sa.func.array(rows.scalar_subquery())))
        .values(state=JobState.RUNNING, attempts=1, due_at=sa.func.now() + lease)
        .returning(JobRow.id, JobRow.payload)
    )


def _claimed(row_ids: Any, attempt: Any) -> sa.Select[JobRow]:
    its_own = sa.and_(JobRow.attempts == attempt, JobRow.state == JobState.RUNNING)
    return sa.select(JobRow).where(JobRow.id == sa.func.any(row_ids), its_own).order_by(JobRow.id)


async def perform_together(desk: Desk, kind: str) -> None:
    """Perform what is due of a kind and was not tried before, as many at once as its class says.

    What is left after some seconds is woken again.
    """
    most, until = Job.kinds[kind].together, time.monotonic() + GOES_ON_SECONDS
    structlog.contextvars.bind_contextvars(job=kind, attempt=1)
    try:
        full = True
        while full and time.monotonic() < until:
            began = time.time_ns()
            found = await desk.writes.alone(_claim_together, kind, most, GRACE, LEASE)
            full = len(found) == most
            if found:
                with _span(kind, 1, None, began, {"messaging.batch.message_count": len(found)}):
                    # PostgreSQL gives them in any order; people are to hear of things in that in which they happened.
                    await _performed(desk, dict(sorted(found)), kind, 1)
        if full:
            await desk.bus.tell([(kind, now())], {})
    except Unavailable as error:
        log.warning("job_without_database", error=told(error.__cause__ or error))
    finally:
        structlog.contextvars.unbind_contextvars("job", "attempt")


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
            await _failed(desk, [row_id], attempt, said, dead=said)
            return False
        with _span(kind, attempt, trace, began, {"messaging.message.id": str(row_id)}):
            return await _performed(desk, {row_id: payload}, kind, attempt)
    except Unavailable as error:  # its row says what is owed: the relay comes back to it
        log.warning("job_without_database", error=told(error.__cause__ or error))
        return False
    finally:
        structlog.contextvars.unbind_contextvars("job", "job_id", "attempt")


def _span(
    kind: str, attempt: int, trace: str | None, began: int, which: tracing.Attributes
) -> AbstractContextManager[Any]:
    """The job's, in the trace of whatever asked for it."""
    about: tracing.Attributes = {
        "messaging.operation.type": "process",
        "messaging.destination.name": "jobs",
        "deskwire.job.kind": kind,
        "deskwire.job.attempt": attempt,
        **which,
    }
    return tracing.begun(f"process {kind}", SpanKind.CONSUMER, about, parent=trace, at=began)


async def _performed(desk: Desk, rows: dict[UUID, str], kind: str, attempt: int) -> bool:
    """Whether none of them failed."""
    known, left = Job.kinds.get(kind), set(rows)
    try:
        if known is None or known not in _performers:
            raise NoPerformer(kind)
        jobs = {row_id: loads(known, payload) for row_id, payload in rows.items()}
        work = Work(desk, jobs, attempt, attempt > known.retries, left)
        async with asyncio.timeout(JOB_SECONDS):
            with acting(f"{kind[0].lower()}{kind[1:]}"):
                await _performers[known](work)
        if left:
            async with work.settle():
                pass
    except LostClaim:
        return False
    except asyncio.CancelledError:
        # The worker is told to stop: somebody else may begin at once.
        with contextlib.suppress(Unavailable):
            await to_the_end(_failed(desk, left, attempt, "The worker was stopped."))
        raise
    except Exception as error:  # noqa: BLE001 # whatever it is, the row must tell, and the next job go on
        await _fail(desk, known or Job, left, attempt, error)
        return False
    return not work.failed


async def _fail(desk: Desk, kind: type[Job], row_ids: Collection[UUID], attempt: int, error: Exception) -> None:
    dead, open_to_see = attempt > kind.retries, None
    said = told(error)  # what it says itself may quote anybody
    tracing.failed(error)
    if isinstance(error, EXPECTED) and not dead:
        log.warning("job_tried_again_later", error=said)
    else:
        fault = report(error, dead=dead)
        said += f" ({fault})"
        open_to_see = f"{type(error).__name__}: the log has more under {fault}." if dead else None
    await _failed(desk, row_ids, attempt, said, dead=open_to_see, wait=_back_off(kind, attempt))


def _back_off(kind: type[Job], attempt: int) -> dt.timedelta:
    return dt.timedelta(seconds=min(2.0 ** min(attempt, 12), kind.longest_wait))


async def _failed(
    desk: Desk,
    row_ids: Collection[UUID],
    attempt: int,
    error: str,
    *,
    dead: str | None = None,
    wait: dt.timedelta = dt.timedelta(0),
    tried: int | None = None,
) -> None:
    """`dead`: they are given up, and that is what is said of it to whoever decides. `tried`: how often, if not as often
    as they were claimed.
    """
    error, tried = storable(error), attempt if tried is None else tried
    async with desk.writes.begin() as unit:
        for row in await unit.lock_all(_claimed, list(row_ids), attempt):
            if dead is None:
                due_at = unit.now + wait
                unit.change(row, state=JobState.QUEUED, attempts=tried, due_at=due_at, last_error=error)
                unit.jobs.append((row.kind if joins(row.kind, tried, row.trace) else row.id, due_at))
                continue
            unit.change(row, state=JobState.DEAD, settled_at=unit.now, last_error=error)
            ticket_id = row.payload.get("ticket_id")
            unit.insert(
                DeadLetter,
                kind=DeadLetterKind.JOB,
                source_id=row.id,
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
