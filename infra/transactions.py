"""The transaction of a unit of work, which begins when it must.

Until then each statement is a transaction by itself, which sees what it would see within one (read committed): a unit
that ends without has written all in one statement, and two round trips less. What it must not be overtaken by is
guarded: a row is read with the transaction that wrote it last (`xmin`), and what is written looks whether it still is.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa

from infra.driver import FAULTS
from infra.pool import WAIT_SECONDS, Pool, answering
from infra.postgres import Overtaken, Said
from infra.rows import State, key_columns, table_of
from infra.statements import prepare, version_of

UNKNOWN = "The database went away, and nobody knows whether this was done. Look, or repeat it with its idempotency key."


class Transaction:
    """What a unit reads and writes by, over a connection that is taken when it is first needed."""

    __slots__ = ("_driver", "_pool", "begun", "guarded")

    def __init__(self, pool: Pool, driver: asyncpg.Connection | None = None) -> None:
        """`pool`: where the connection is from. `driver`: another one, which has begun a transaction."""
        self._pool = pool
        self._driver: Any = driver  # None until it is needed
        self.begun = driver is not None
        self.guarded: State | None = None  # the row that is to stay as it was read; locked once this has begun

    async def begin(self) -> None:
        """Be a transaction from here on. Raises Overtaken when the guarded row has changed, Unavailable."""
        if self.begun:
            return
        self.begun = True
        if self._driver is None:
            self._driver = await self._pool.take("BEGIN")
            return
        await self.execute("BEGIN")
        if (row := self.guarded) is not None:
            prepared, values = prepare(_as_it_was, (row.model, row.version, *row.key().values()), lock=True)
            row.version = None
            if not await self.fetch(prepared.statement.text, prepared.statement.arguments(values)):
                raise Overtaken

    async def fetch(self, text: str, arguments: Sequence[Any], *, message: str | None = None) -> list[Any]:
        """The records of a statement. `message`: for a client, when the database is lost meanwhile.

        Raises Unavailable; Overtaken where trying all again may help.
        """
        stale = self._driver is None and message is None
        if self._driver is None:
            self._driver = await self._pool.take(None)
        with answering(self._driver, self._pool.pulse, message, stale=stale):
            try:
                records: list[Any] = await self._driver.fetch(text, *arguments)  # which costs less than `execute`
            except asyncpg.PostgresError as error:
                if error.sqlstate == Said.sqlstate:  # what was guarded has changed, or others have counted
                    raise Overtaken from error
                raise
        return records

    async def execute(self, command: str, message: str | None = None) -> str:
        """What the server says of a command."""
        with answering(self._driver, self._pool.pulse, message):
            said: str = await self._driver.execute(command)
        return said

    async def commit(self) -> None:
        """What was written stays. Raises Unavailable; then nobody knows."""
        if await self.execute("COMMIT", UNKNOWN) != "COMMIT":
            raise RuntimeError("A statement of this unit had failed, which was not let through: nothing is written.")

    async def undo(self, error: BaseException) -> None:
        """Nothing was written. `error`: what ended it."""
        if self._driver is None or (not self.begun and isinstance(error, Exception)):
            return
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                # Without a transaction it is enough that the next statement waits for the end of a cancelled one.
                await self._driver.execute("ROLLBACK" if self.begun else "SELECT")
        except FAULTS:  # it ends with its connection
            self._driver.terminate()

    def give_back(self) -> None:
        """The connection may be another's."""
        if self._driver is not None:
            self._pool.give_back(self._driver)
            self._driver = None


def _as_it_was(model: Any, version: Any, *key: Any) -> Any:
    its_own = [table_of(model).c[name] == value for name, value in zip(key_columns(model), key, strict=True)]
    return sa.select(model).where(*its_own, version_of(model) == version)
