"""The unit of work: a mutation or job locks what it reads, says what changes, and all of it is written at its end.

One statement writes, one commit ends it, and only then Redis hears of it. `commit` stands in this file alone.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
import sqlalchemy as sa

from infra.ids import new_id
from infra.postgres import Unavailable
from infra.rows import Model, State, row, state_of, table_of
from infra.statements import Prepared, prepare
from infra.writing import parts_of, written
from models import Base, JobRow, JobState

POOL_WAIT_SECONDS = 2
# What another unit may cause that came at the wrong moment; trying again may help.
RETRIED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Job:
    """What happens later. A subclass is a frozen dataclass of ids and plain values, named by an imperative.

    Options stand beside the class: `retries` is how often a failure is tried again before the job is given up,
    `longest_wait` the most seconds between two tries, `delay` how many seconds pass before the first.
    """

    __slots__ = ()
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


class Unit:
    """One transaction. What is said here is written when it ends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.now = now()
        self.jobs: list[tuple[Any, dt.datetime]] = []  # ids to wake, and when they are due
        self.channels: dict[str, str] = {}  # what to publish, by channel
        self._fresh: list[State] = []
        self._changed: dict[Hashable, State] = {}
        self._deleted: dict[Hashable, State] = {}
        self._translations: dict[str, Exception] = {}

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

    async def read_all(self, build: Callable[..., sa.Select[Model]], *arguments: Any) -> list[Model]:
        """All rows that it selects, as they are now."""
        return await self._rows(build, arguments)

    async def run(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of any statement, run at once within the transaction; for what touches many rows by one rule."""
        _, records = await self._fetched(build, arguments)
        return records

    async def _rows(self, build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False) -> list[Any]:
        prepared, records = await self._fetched(build, arguments, lock=lock)
        return [row(prepared.model, record) for record in records]

    async def _fetched(
        self, build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False
    ) -> tuple[Prepared, list[Any]]:
        prepared, values = prepare(build, arguments, lock=lock)
        records = await self._connection.fetch(prepared.statement.text, *prepared.statement.arguments(values))
        return prepared, records

    def insert(self, model: type[Model], **values: Any) -> Model:
        """A new row, with an id of its own unless one is given. Columns that are left out get the table's default."""
        if "id" in table_of(model).c and "id" not in values:
            values["id"] = new_id()
        made = row(model, values, fresh=True)
        self._fresh.append(state_of(made))
        return made

    def change(self, of: Base, **values: Any) -> None:
        """These columns of a locked or inserted row get these values; a later change of one wins."""
        found = state_of(of)
        if found.fresh:
            found.values |= values
        else:
            found.changes |= values
            # The same row may have been read twice, and one statement may change it once.
            first = self._changed.setdefault(found.identity(), found)
            if first is not found:
                first.changes |= values

    def delete(self, of: Base) -> None:
        """The locked row goes."""
        found = state_of(of)
        self._changed.pop(found.identity(), None)
        self._deleted[found.identity()] = found

    def enqueue(self, job: Job, *, delay: float | None = None) -> None:
        """The job happens after the commit, `delay` seconds later (default: as its class says)."""
        due_at = self.now + dt.timedelta(seconds=job.delay if delay is None else delay)
        made = self.insert(
            JobRow,
            kind=type(job).__name__,
            payload=orjson.loads(orjson.dumps(job)),
            state=JobState.QUEUED,
            attempts=0,
            due_at=due_at,
            last_error=None,
            created_at=self.now,
            settled_at=None,
        )
        self.jobs.append((made.id, due_at))

    def publish(self, channel: str, message: str = "") -> None:
        """Whoever listens to the channel hears of it after the commit. A message carries ids, no state."""
        self.channels[channel] = message

    def translate(self, constraint: str, refusal: Exception) -> None:
        """When this unique constraint stands in the way of what is written, that is what the caller hears."""
        self._translations[constraint] = refusal

    async def flush(self) -> None:
        """Write everything that was said so far, in one statement."""
        parts = parts_of(self._fresh, self._changed.values(), self._deleted.values())
        if not parts:
            return
        statement, values = written(parts)
        self._fresh, self._changed, self._deleted = [], {}, {}
        try:
            await self._connection.execute(statement.text, *statement.arguments(values))
        except asyncpg.UniqueViolationError as error:
            if refusal := self._translations.get(error.constraint_name or ""):
                raise refusal from error
            raise


def now() -> dt.datetime:
    """This moment in UTC, cut to milliseconds as every instant that is stored."""
    moment = dt.datetime.now(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


AfterCommit = Callable[[list[tuple[Any, dt.datetime]], dict[str, str]], Coroutine[Any, Any, None]]


class Writes:
    """Opens units over a pool of connections. Whatever they leave the session as they found it, so nothing is reset."""

    def __init__(self, pool: "asyncpg.Pool[Any]", after_commit: AfterCommit) -> None:
        self._pool, self._after_commit = pool, after_commit
        self._telling: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, url: str, after_commit: AfterCommit, *, size: int) -> "Writes":
        """A pool of at most `size` connections, of which the first is opened when it is needed."""
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=size,
            reset=_keep,
            server_settings={
                "application_name": "deskwire-write",
                "timezone": "UTC",
                "statement_timeout": "15s",
                "lock_timeout": "5s",
                "idle_in_transaction_session_timeout": "20s",
            },
        )
        return cls(pool, after_commit)

    async def close(self) -> None:
        """Tell Redis what it has not heard yet, then close the connections."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=3)
        await self._pool.close()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Unit]:
        """A unit, committed when the block ends well and undone when it raises.

        Raises Unavailable when no connection can be had within 2 seconds.
        """
        try:
            connection = await self._pool.acquire(timeout=POOL_WAIT_SECONDS)
        except (TimeoutError, OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            raise Unavailable from error
        try:
            await connection.execute("BEGIN")
            unit = Unit(connection)
            try:
                yield unit
                await unit.flush()
            except BaseException:
                if not connection.is_closed():
                    await asyncio.shield(connection.execute("ROLLBACK"))
                raise
            # Whether it is committed must not depend on who still listens.
            await asyncio.shield(connection.execute("COMMIT"))
        except (asyncpg.ConnectionDoesNotExistError, ConnectionError) as error:
            raise Unavailable from error
        finally:
            await self._pool.release(connection)
        self._tell(unit)

    def _tell(self, unit: Unit) -> None:
        if unit.jobs or unit.channels:
            task = asyncio.create_task(self._after_commit(unit.jobs, unit.channels))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


async def _keep(_connection: Any) -> None:
    """Nothing to reset: every statement here leaves the session as it found it."""
