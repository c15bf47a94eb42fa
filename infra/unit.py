"""The unit of work: a mutation or job locks what it reads, says what changes, and all of it is written at its end.

One statement writes, one commit ends it, and only then Redis hears of it.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy as sa

from infra import tracing
from infra.auditing import Trail
from infra.ids import new_id
from infra.postgres import Overtaken
from infra.rows import Model, State, has_id, row, row_of, state_of
from infra.statements import VERSION, Prepared, prepare, prepare_together
from infra.transactions import UNKNOWN, Transaction
from infra.writing import Verb, parts_of, written
from models import AuditEntry, Base, JobRow, JobState

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

    def __init__(self, transaction: Transaction) -> None:
        """`transaction`: its own, which may begin when it must."""
        self._transaction = transaction
        self.now = now()
        self.trail = Trail()  # for the audit log
        self.jobs: list[Wake] = []
        self.channels: dict[str, str] = {}  # what to publish, by channel
        self._fresh: dict[int, State] = {}  # by what Python tells objects apart by: they may have no key yet
        self._changed: dict[Hashable, State] = {}
        self._deleted: dict[Hashable, State] = {}
        self._counted: list[State] = []
        self._read: list[Any] = []  # rows that came alone
        self._translations: dict[str, Exception] = {}
        self._gathered: dict[Callable[[list[Any]], Job], list[Any]] = {}
        # When the jobs that are gathered happen; None: as their classes say.
        self.gathered_due: dt.datetime | None = None

    @property
    def begun(self) -> bool:
        """Whether its transaction has begun, so that what it locks stays so until the end."""
        return self._transaction.begun

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

    async def read_together(self, *asked: tuple[Any, ...]) -> list[list[Any]]:
        """The rows of several reads, each given as a build and its arguments, by one statement.

        Only the last may give more than one row. One that gives no rows of a model gives tuples.
        """
        return await self._together(asked)

    async def guard(self, *asked: tuple[Any, ...]) -> list[list[Any]]:
        """The same, of which the last gives at most one row, of a model: nobody else changes it until the end.

        It is locked if the transaction has begun. If not, what this unit writes raises Overtaken when somebody did. So
        whoever decides by what others change under the row's lock without changing it has to `hold` it before.
        """
        transaction = self._transaction
        if transaction.guarded is not None:
            await transaction.begin()
        begun = transaction.begun
        found = await self._together(asked, lock=begun, versions=not begun)
        if found[-1] and not begun:
            transaction.guarded = state = state_of(found[-1][0])
            state.version = state.values.pop(VERSION)
        return found

    async def hold(self) -> None:
        """Lock what is guarded. Raises Overtaken when it has changed."""
        await self._transaction.begin()

    async def _together(self, asked: tuple[Any, ...], *, lock: bool = False, versions: bool = False) -> list[list[Any]]:
        together, values = prepare_together(asked, lock=lock, versions=versions)
        records = await self._transaction.fetch(together.statement.text, together.statement.arguments(values))
        return [
            found if part.model is None else self._known([row(part.model, values) for values in found])
            for part, found in zip(together.parts, together.found(records), strict=True)
        ]

    async def run(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of any statement, run at once within the transaction; for what touches many rows by one rule."""
        await self._transaction.begin()
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
        if prepared.locks:  # also of its own accord, such as what skips what others have locked
            await self._transaction.begin()
        return prepared, await self._transaction.fetch(prepared.statement.text, prepared.statement.arguments(values))

    def insert(self, model: type[Model], **values: Any) -> Model:
        """A new row, with an id of its own unless one is given. Columns that are left out get the table's default."""
        if "id" not in values and has_id(model):
            values["id"] = new_id()
        state = State(model, values, fresh=True)
        self._fresh[id(state)] = state
        made: Model = row_of(state)
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

    def count(self, model: type[Base], column: str, most: int, **key: Any) -> None:
        """One more in this column of the row with this key, which is made where there is none.

        If that were more than `most`, since others have counted meanwhile, nothing is written, and it raises Overtaken.
        """
        state = State(model, {**key, column: 1}, fresh=True)
        state.changes[column] = most
        self._counted.append(state)

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
        await self._transaction.execute("SAVEPOINT part")
        try:
            yield
            await self.flush()
        except BaseException:
            self._forget()
            self.jobs, self.channels, self._gathered, self._read = jobs, channels, gathered, []
            self.trail.back_to(noted)
            await self._transaction.execute("ROLLBACK TO SAVEPOINT part")
            raise
        await self._transaction.execute("RELEASE SAVEPOINT part")

    async def end(self) -> None:
        """Ask for what was gathered, and write what is not written yet, with what the audit log says of it all.

        A transaction that has not begun and need not writes when it is committed.
        """
        for kind, items in self._gathered.items():
            self.enqueue(kind(items), delay=self.gathered_wait)
        self._gathered = {}
        self._note()
        for entry in self.trail.entries(self.now):
            self.insert(AuditEntry, **entry)
        if self._transaction.begun:
            await self._write()
        elif self._said() and not self._is_guarded():
            raise Overtaken

    async def commit(self) -> None:
        """What this unit has said stays. Raises as what it says may; Unavailable, when nobody knows."""
        if self._transaction.begun:
            await self._transaction.commit()
        else:
            await self._write(UNKNOWN)

    async def flush(self) -> None:
        """Write everything that was said so far, in one statement."""
        self._note()
        await self._transaction.begin()
        await self._write()

    def _is_guarded(self) -> bool:
        """Whether what is written without a lock tells what it was read from: of old rows only the guarded one.

        Of another reading of the same row nobody knows the version.
        """
        guarded = self._transaction.guarded
        return not self._deleted and list(self._changed.values()) == ([] if guarded is None else [guarded])

    def _said(self) -> bool:
        return bool(self._fresh or self._changed or self._deleted or self._counted)

    def _forget(self) -> None:
        self._fresh, self._changed, self._deleted, self._counted = {}, {}, {}, []

    def _note(self) -> None:
        written = (Verb.INSERT, self._fresh), (Verb.CHANGE, self._changed), (Verb.DELETE, self._deleted)
        for verb, states in written:
            for state in states.values():
                self.trail.note(verb, state)

    async def _write(self, message: str | None = None) -> None:
        if not self._said():
            return
        parts = parts_of(self._fresh.values(), self._changed.values(), self._deleted.values(), self._counted)
        text, arguments = written(parts)
        self._forget()
        try:
            await self._transaction.fetch(text, arguments, message=message)
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
