"""Where units of work begin and end: over a few connections, and Redis hears of what was committed."""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine
from typing import Any

import sqlalchemy as sa

from infra.pool import Pool, answering, to_the_end
from infra.postgres import Overtaken
from infra.slots import Slots
from infra.statements import prepare
from infra.transactions import UNKNOWN, Transaction
from infra.unit import Unit, Wake

TELL_SECONDS = 3  # for what Redis has not heard yet when the process ends
MOST_FORGOTTEN = 10_000  # rows by one statement

AfterCommit = Callable[[list[Wake], dict[str, str]], Coroutine[Any, Any, None]]


class Writes:
    """Opens units, each over a connection of its own."""

    def __init__(self, url: str, after_commit: AfterCommit, *, size: int) -> None:
        """`url`: of the database; `size`: most connections at once, of which the first is opened when it is needed."""
        self._pool, self._after_commit = Pool(url, size=size), after_commit
        self._telling: set[asyncio.Task[None]] = set()

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
        return await self._records(build, arguments, message=UNKNOWN)

    async def read(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of one statement that only reads, here where nothing is behind. Raises Unavailable."""
        try:
            return await self._records(build, arguments, stale=True)
        except Overtaken:  # the connection was lost while nobody used it
            return await self._records(build, arguments, first="SELECT")

    async def _records(
        self,
        build: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        first: str | None = None,
        message: str | None = None,
        stale: bool = False,
    ) -> list[Any]:
        prepared, values = prepare(build, arguments)
        driver = await self._pool.take(first)
        try:
            with answering(driver, self._pool.pulse, message, stale=stale):
                return await driver.fetch(prepared.statement.text, *prepared.statement.arguments(values))
        except BaseException:
            driver.terminate()
            raise
        finally:
            self._pool.give_back(driver)

    async def forget(self, old: Callable[[Any], sa.Delete], moment: dt.datetime) -> None:
        """Delete what `old(moment)` would, some rows at a time: after however long a time, no statement takes long."""
        while len(await self.alone(_some, old, moment, MOST_FORGOTTEN)) == MOST_FORGOTTEN:
            pass

    def begin(self, *, late: bool = False) -> "Begun":
        """A unit, as a block: committed when the block ends well and undone when it raises.

        `late`: its transaction begins when it must, for whoever begins another unit when this one was Overtaken. Raises
        Unavailable when no connection can be had within 2 seconds, or the one that was had breaks.
        """
        return Begun(self, Transaction(self._pool), late=late)

    async def commit(self, unit: Unit) -> None:
        """What the unit has said stays, and Redis is told of it. Raises as `Unit.commit` does."""
        await unit.commit()
        if unit.jobs or unit.channels:
            task = asyncio.create_task(self._after_commit(unit.jobs, unit.channels))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


class Begun:
    """A unit from its beginning to its end; whether it is committed does not depend on who still listens.

    A class, since a generator costs twice as much.
    """

    __slots__ = ("_late", "_transaction", "_unit", "_writes")

    def __init__(self, writes: Writes, transaction: Transaction, *, late: bool) -> None:
        self._writes, self._transaction, self._unit, self._late = writes, transaction, Unit(transaction), late

    async def __aenter__(self) -> Unit:
        if not self._late:
            try:
                await self._transaction.begin()
            except BaseException as error:
                await self._undo(error)
                raise
        return self._unit

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None:
            await self._undo(error)
            return
        try:
            await self._unit.end()
        except BaseException as fault:
            await self._undo(fault)
            raise
        try:
            await to_the_end(self._writes.commit(self._unit))
        finally:
            self._transaction.give_back()

    async def _undo(self, error: BaseException) -> None:
        try:
            await to_the_end(self._transaction.undo(error))
        finally:
            self._transaction.give_back()


def _some(old: Callable[[Any], sa.Delete], moment: Any, most: Any) -> Any:
    """As many of them, found by where they lie: another version of one that is changed meanwhile lies elsewhere."""
    deletion: Any = old(moment)
    table = deletion.table
    place: Any = sa.literal_column(f"{table.name}.ctid")
    rows = sa.select(place).select_from(table).where(deletion.whereclause).limit(most).correlate(None)
    found = sa.func.array(rows.scalar_subquery())
    return sa.delete(table).where(place == sa.func.any(found)).returning(sa.literal_column("1"))
