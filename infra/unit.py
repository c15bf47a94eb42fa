"""The unit of work: a mutation or job locks what it reads, says what changes, and all of it is written at its end.

One statement writes, one commit ends it, and only then Redis hears of it. `commit` stands in this file alone.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy as sa

from infra import tracing
from infra.auditing import Trail
from infra.ids import new_id
from infra.pool import FAULTS, WAIT_SECONDS, Pool, answering, to_the_end
from infra.pulse import Pulse
from infra.rows import Model, State, has_id, row, row_of, state_of
from infra.slots import Slots
from infra.statements import Prepared, prepare, prepare_together
from infra.writing import Verb, parts_of, written
from models import AuditEntry, Base, JobRow, JobState

TELL_SECONDS = 3  # for what Redis has not heard yet when the process ends
UNKNOWN = "The database went away, and nobody knows whether this was done. Look, or repeat it with its idempotency key."
# What another unit may cause that came at the wrong moment; trying again may help.
RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

Wake = tuple[UUID | str, dt.datetime]  # a job's row, or a kind of which many are performed at once; and when it is due


class Job:
    """What happens later. A subclass is a frozen dataclass of ids and plain values, named by an imperative.

    Options stand beside the class: `retries` is how often a failure is tried again before the job is given up,
    `longest_wait` the most seconds between two tries, `delay` how many seconds pass before the first. `together` is how
    many of its kind a worker performs as one, if they are due at once and none was tried before.
    """

    __slots__ = ()
    together = 1
    retries = 8
    longest_wait = 900.0
    delay = 0.0
    kinds: dict[str, type["Job"]] = {}  # noqa: RUF012 # filled by the subclasses, one dict for all

    def __init_subclass__(cls, **options: float) -> None:
        super().__init_subclass__()
        # A dataclass with slots is made twice, the second time without options: then those of the first stay.
        for name, value in options.items():
            setattr(cls, name, value)
        Job.kinds[cls.__name__] = cls


def joins(kind: str, attempts: int, trace: str | None) -> bool:
    """Whether a job may be performed together with others, of its class and as it stands.

    What failed once, or was lost with its worker, takes no others with it; what is traced stays in its own trace.
    """
    return Job.kinds.get(kind, Job).together > 1 and not attempts and not tracing.is_sampled(trace)


class Unit:
    """One transaction. What is said here is written when it ends."""

    def __init__(self, driver: asyncpg.Connection, pulse: Pulse) -> None:
        """`driver`: in a transaction. `pulse`: of its server."""
        self._driver, self._pulse = driver, pulse
        self.now = now()
        self.trail = Trail()  # for the audit log
        self.jobs: list[Wake] = []
        self.channels: dict[str, str] = {}  # what to publish, by channel
        self._fresh: dict[int, State] = {}  # by what Python tells objects apart by: they may have no key yet
        self._changed: dict[Hashable, State] = {}
        self._deleted: dict[Hashable, State] = {}
        self._read: list[Any] = []  # rows that came alone
        self._translations: dict[str, Exception] = {}
        self._gathered: dict[Callable[[list[Any]], Job], list[Any]] = {}
        self.gathered_due: dt.datetime | None = None  # when the jobs that are gathered happen; None: at once

    async def lock(self, build: Callable[..., sa.Select[Model]], *arguments: Any) -> Model | None:
        """The row that `build(*arguments)` selects, locked against others until the end; None if there is none."""
        rows = await self._rows(build, arguments, lock=True)
        return rows[0] if rows else None

    async def lock_all(self, build: Callable[..., sa.Select[Model]], *arguments: Any) -> list[Model]:
        """All rows that it selects, locked in its order: by id, so that two units can't wait for each other."""
        return await self._rows(build, arguments, lock=True)

    async def read(self, build: Callable[..., sa.Select[Model]], *arguments: Any) -> Model | None:
        """The row that it selects, as it is now; None if there is none."""
        rows = await self._rows(build, arguments)
        return rows[0] if rows else None

    async def get(self, model: type[Model], row_id: UUID) -> Model | None:
        """The row with this id, as this unit has last read it alone, or else as it is now; None if there is none."""
        for found in reversed(self._read):
            state = state_of(found)
            if state.model is model and state.values["id"] == row_id:
                known: Model = self._as_said([found])[0]
                return known
        return await self.read(_with_id, model, row_id)

    async def read_all(self, build: Callable[..., sa.Select[Model]], *arguments: Any) -> list[Model]:
        """All rows that it selects, as they are now."""
        return await self._rows(build, arguments)

    async def read_together(self, *asked: tuple[Any, ...], lock: bool = False) -> list[list[Any]]:
        """The rows of several reads, each given as a build and its arguments, by one statement. `lock`: rows of models.

        Only the last may give more than one row. One that gives no rows of a model, which may also be a statement that
        writes and returns, gives tuples.
        """
        together, values = prepare_together(asked, lock=lock)
        with answering(self._driver, self._pulse):
            records = await self._driver.fetch(together.statement.text, *together.statement.arguments(values))
        return [
            found if part.model is None else self._known([row(part.model, values) for values in found])
            for part, found in zip(together.parts, together.found(records), strict=True)
        ]

    async def run(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of any statement, run at once within the transaction; for what touches many rows by one rule."""
        _, records = await self._fetched(build, arguments)
        return records

    def row(self, model: type[Model], record: Any) -> Model:
        """The row that a statement of this unit, run by `run`, wrote and returned whole; it is locked until the end."""
        found: Model = self._known([row(model, record)])[0]
        return found

    async def _rows(self, build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False) -> list[Any]:
        prepared, records = await self._fetched(build, arguments, lock=lock)
        return self._known([row(prepared.model, record) for record in records])

    def _known(self, rows: list[Any]) -> list[Any]:
        """The rows, with what was said of them before. One that comes alone is remembered."""
        if len(rows) == 1:
            self._read += rows
        return self._as_said(rows)

    def _as_said(self, rows: list[Any]) -> list[Any]:
        if self._changed:
            for state in map(state_of, rows):
                if first := self._changed.get(state.identity()):
                    state.changes = first.changes  # what was said of it before holds for every reading of it
        return rows

    async def _fetched(
        self, build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False
    ) -> tuple[Prepared, list[Any]]:
        prepared, values = prepare(build, arguments, lock=lock)
        with answering(self._driver, self._pulse):
            records = await self._driver.fetch(prepared.statement.text, *prepared.statement.arguments(values))
        return prepared, records

    def insert(self, model: type[Model], **values: Any) -> Model:
        """A new row, with an id of its own unless one is given. Columns that are left out get the table's default."""
        if "id" not in values and has_id(model):
            values["id"] = new_id()
        made = row(model, values, fresh=True)
        state = state_of(made)
        self._fresh[id(state)] = state
        return made

    def made(self, model: type[Model]) -> list[Model]:
        """The rows of this model that this unit inserts and has not written yet, which no read finds."""
        return [row_of(state) for state in self._fresh.values() if state.model is model]

    def change(self, of: Base, **values: Any) -> None:
        """These columns of a locked or inserted row get these values; a later change of one wins."""
        found = state_of(of)
        if id(found) in self._fresh:
            found.values |= values
            return
        # The same row may have been read twice, and one statement may change it once.
        first = self._changed.setdefault(found.identity(), found)
        first.changes |= values
        found.changes = first.changes

    def delete(self, of: Base) -> None:
        """The locked or inserted row goes."""
        found = state_of(of)
        if self._fresh.pop(id(found), None) is not None:
            return
        self._changed.pop(found.identity(), None)
        self._deleted[found.identity()] = found

    def enqueue(self, job: Job, *, delay: float | None = None) -> None:
        """The job happens after the commit, `delay` seconds later (default: as its class says)."""
        due_at = self.now + dt.timedelta(seconds=job.delay if delay is None else delay)
        trace = tracing.carried()
        made = self.insert(
            JobRow,
            **({} if trace is None else {"trace": trace}),  # a column that costs nothing where nothing is traced
            kind=type(job).__name__,
            payload=orjson.loads(orjson.dumps(job, default=str)),  # keys that asyncpg read are of a class of its own
            state=JobState.QUEUED,
            attempts=0,
            due_at=due_at,
            last_error=None,
            created_at=self.now,
            settled_at=None,
        )
        self.jobs.append((made.kind if joins(made.kind, 0, trace) else made.id, due_at))

    @property
    def gathered_wait(self) -> float | None:
        """In how many seconds the jobs that are gathered happen; None: as their classes say."""
        return None if self.gathered_due is None else max(0.0, (self.gathered_due - self.now).total_seconds())

    def gather(self, kind: Callable[[list[Any]], Job], item: Any) -> None:
        """At its end the unit enqueues one job of this kind, which is made of all the items in their order."""
        self._gathered.setdefault(kind, []).append(item)

    def publish(self, channel: str, message: str = "") -> None:
        """Whoever listens to the channel hears of it after the commit. A message carries ids, no state.

        What several calls say stands in one message, between commas.
        """
        said = self.channels.get(channel)
        self.channels[channel] = f"{said},{message}" if said and message else said or message

    def translate(self, constraint: str, refusal: Exception) -> None:
        """When this unique constraint stands in the way of what is written, that is what the caller hears."""
        self._translations[constraint] = refusal

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        """What is said in the block is written at its end, or undone when it raises; what was said before stays.

        Rows that were read in the block are not to be used after it.
        """
        await self.flush()
        jobs, channels = list(self.jobs), dict(self.channels)
        gathered = {kind: list(items) for kind, items in self._gathered.items()}
        noted = self.trail.mark()
        await self._execute("SAVEPOINT part")
        try:
            yield
            await self.flush()
        except BaseException:
            self._fresh, self._changed, self._deleted = {}, {}, {}
            self.jobs, self.channels, self._gathered, self._read = jobs, channels, gathered, []
            self.trail.back_to(noted)
            await self._execute("ROLLBACK TO SAVEPOINT part")
            raise
        await self._execute("RELEASE SAVEPOINT part")

    async def _execute(self, command: str) -> None:
        with answering(self._driver, self._pulse):
            await self._driver.execute(command)

    async def end(self) -> None:
        """Ask for what was gathered, and write what is not written yet, with what the audit log says of it all."""
        for kind, items in self._gathered.items():
            self.enqueue(kind(items), delay=self.gathered_wait)
        self._gathered = {}
        self._note()
        for entry in self.trail.entries(self.now):
            self.insert(AuditEntry, **entry)
        await self._write()

    async def flush(self) -> None:
        """Write everything that was said so far, in one statement."""
        self._note()
        await self._write()

    def _note(self) -> None:
        written = (Verb.INSERT, self._fresh), (Verb.CHANGE, self._changed), (Verb.DELETE, self._deleted)
        for verb, states in written:
            for state in states.values():
                self.trail.note(verb, state)

    async def _write(self) -> None:
        parts = parts_of(self._fresh.values(), self._changed.values(), self._deleted.values())
        if not parts:
            return
        text, arguments = written(parts)
        self._fresh, self._changed, self._deleted = {}, {}, {}
        try:
            with answering(self._driver, self._pulse):
                await self._driver.fetch(text, *arguments)  # which costs less than `execute`
        except asyncpg.UniqueViolationError as error:
            if refusal := self._translations.get(error.constraint_name or ""):
                raise refusal from error
            raise


def _with_id(model: Any, row_id: Any) -> Any:
    return sa.select(model).where(model.id == row_id)


def now() -> dt.datetime:
    """This moment in UTC, cut to milliseconds as every instant that is stored."""
    moment = dt.datetime.now(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


AfterCommit = Callable[[list[Wake], dict[str, str]], Coroutine[Any, Any, None]]


class Writes:
    """Opens units, each over a connection of its own."""

    def __init__(self, pool: Pool, after_commit: AfterCommit) -> None:
        self._pool, self._after_commit = pool, after_commit
        self._telling: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, url: str, after_commit: AfterCommit, *, size: int) -> "Writes":
        """Over at most `size` connections, of which the first is opened when it is needed."""
        return cls(Pool(url, size=size), after_commit)

    @property
    def slots(self) -> Slots:
        """Its connections, as they are taken."""
        return self._pool.slots

    async def close(self) -> None:
        """Tell Redis what it has not heard yet, then close the connections."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=TELL_SECONDS)
        await self._pool.close()

    async def alone(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of one statement that is a transaction by itself: a third of what a unit of one costs.

        Raises Unavailable; then nobody knows whether it was done.
        """
        prepared, values = prepare(build, arguments)
        driver = await self._pool.take(None)
        try:
            with answering(driver, self._pool.pulse, UNKNOWN):
                return await driver.fetch(prepared.statement.text, *prepared.statement.arguments(values))
        except BaseException:
            driver.terminate()
            raise
        finally:
            self._pool.give_back(driver)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Unit]:
        """A unit, committed when the block ends well and undone when it raises.

        Raises Unavailable when no connection can be had within 2 seconds, or the one that was had breaks.
        """
        driver = await self._pool.take("BEGIN")
        unit = Unit(driver, self._pool.pulse)
        try:
            try:
                yield unit
                await unit.end()
            except BaseException:
                await to_the_end(_undo(driver))
                raise
            # Whether it is committed must not depend on who still listens.
            await to_the_end(self._commit(unit, driver))
        finally:
            self._pool.give_back(driver)

    async def _commit(self, unit: Unit, driver: asyncpg.Connection) -> None:
        with answering(driver, self._pool.pulse, UNKNOWN):
            status = await driver.execute("COMMIT")
        if status != "COMMIT":
            raise RuntimeError("A statement of this unit had failed, which was not let through: nothing is written.")
        if unit.jobs or unit.channels:
            task = asyncio.create_task(self._after_commit(unit.jobs, unit.channels))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


async def _undo(driver: asyncpg.Connection) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await driver.execute("ROLLBACK")
    except FAULTS:  # it ends with its connection
        driver.terminate()
