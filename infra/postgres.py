"""Connections for reading: few, read-only, and warm."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import Any

import asyncpg
import structlog
from asyncpg.prepared_stmt import PreparedStatement

from infra import tracing
from infra.driver import CANNOT_CONNECT, FAULTS, connect
from infra.pulse import Doubt, Pulse
from infra.slots import Slots

WAIT_SECONDS = 2  # for a free connection
# Prepared on one connection: how many, and of how many characters together, each of which costs the server 100 bytes.
MOST_STATEMENTS, LONGEST_STATEMENTS = 200, 1_000_000
ANSWER_SECONDS = 15  # longer than the server's own timeout, for a server that says nothing at all
SETTINGS = {
    "application_name": "deskwire reads",
    "default_transaction_read_only": "on",
    "timezone": "UTC",
    "datestyle": "ISO",
    "jit": "off",
    # A statement serves every request of its shape, so it is planned once for all of them, not anew for some.
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": "10s",
    "lock_timeout": "2s",
}


# What others hold was waited for too long, or all took too long.
IN_THE_WAY = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError)

log = structlog.get_logger(__name__)


class Unavailable(Exception):
    """No connection to the database can be had now."""

    code = "UNAVAILABLE"

    def __init__(self, message: str = "Too much is going on here, or the database is away. Try again.") -> None:
        """`message`: for a client."""
        super().__init__(message)


NO_ANSWER = (Unavailable, *FAULTS)  # what a read may raise that is put rightly


class Overtaken(Unavailable):
    """What others did at the same time came in the way. Nothing was written; all of it may be tried again at once."""


class Said(Exception):
    """A statement refuses what was asked; its message is for the client."""

    sqlstate = "DW400"  # how it says so


class Lost(Exception):
    """The connection broke before it gave an answer."""


class Behind(Exception):
    """A server that copies another does not have yet what it is asked for."""


def is_farewell(error: BaseException) -> bool:
    """Whether an error is a server's last word on a connection, which may still look open."""
    # asyncpg takes a message that came while nothing was asked for an operation that is still going on.
    return isinstance(error, asyncpg.InternalClientError) or getattr(error, "severity_en", None) in {"FATAL", "PANIC"}


async def free(slots: Slots) -> None:
    """Wait for a connection's slot, which is the caller's then. Raises Unavailable when that takes 2 seconds."""
    try:
        with tracing.span("wait for a connection"):
            await slots.take(WAIT_SECONDS)
    except TimeoutError as error:
        raise Unavailable from error


class Connection:
    """A connection and what is prepared on it."""

    __slots__ = ("driver", "length", "prepared")

    def __init__(self, driver: asyncpg.Connection) -> None:
        """`driver`: open, and ours alone."""
        self.driver = driver
        self.prepared: OrderedDict[str, PreparedStatement[Any]] = OrderedDict()
        self.length = 0

    async def fetch(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of a statement, which stays prepared."""
        statement = self.prepared.get(sql)
        if statement is None:
            # No statement_cache_size=0: asyncpg would then prepare unnamed statements, planned anew at every use.
            statement = self.prepared[sql] = await self.driver.prepare(sql)
            self.length += len(sql)
            while len(self.prepared) > MOST_STATEMENTS or (self.length > LONGEST_STATEMENTS and len(self.prepared) > 1):
                forgotten, _ = self.prepared.popitem(last=False)  # asyncpg closes it once it is collected
                self.length -= len(forgotten)
        else:
            self.prepared.move_to_end(sql)
        return await statement.fetch(*arguments)


class Reads:
    """Read-only connections that keep their prepared statements; the last returned is the next taken, for its caches.

    asyncpg's pool has the server reset the session at every release and waits, which costs as much as a small read.
    Here nothing needs it: every read is a single statement that takes no lock, cursor or setting.
    """

    def __init__(self, url: str, *, size: int = 10) -> None:
        """`url`: of the database, postgresql://…; `size`: most connections at once."""
        self.url, self.size = url, size
        self.idle: list[Connection] = []
        self.slots = Slots(size)
        self.closed = False
        self._pulse = Pulse(url, self.slots, longest=ANSWER_SECONDS)

    async def fetch(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of one statement. Values of type varchar are bytes, as PostgreSQL sent them.

        Raises Unavailable when no connection is free within 2 seconds or none can be opened, and what PostgreSQL says.
        """
        if self.closed:
            raise Unavailable
        if not self.slots.take_at_once():
            await free(self.slots)
        try:
            while self.idle:
                connection = self.idle.pop()
                if not connection.driver.is_closed():
                    try:
                        return await self.use(connection, sql, arguments)
                    except Lost:
                        break  # it was stale, and a read may be sent again; the others are likely stale as well
            return await self.use(await self.connect(), sql, arguments)
        except Lost as error:
            raise Unavailable from error
        finally:
            self.slots.give_back()

    async def use(self, connection: Connection, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of one statement on a connection, idle afterwards unless it broke. Raises Lost and Unavailable."""
        sound = False
        doubt = Doubt(self._pulse, connection.driver)
        try:
            rows = await connection.fetch(sql, arguments)
            sound = True
        except Behind:
            sound = True
            raise
        except TimeoutError as error:
            raise Unavailable from error
        except FAULTS as error:
            if doubt.dead:  # nor would another connection be answered
                raise Unavailable from error
            if connection.driver.is_closed() or is_farewell(error):
                raise Lost from error
            sound = True
            if getattr(error, "sqlstate", None) == Said.sqlstate:
                raise Said(str(error)) from None
            if isinstance(error, IN_THE_WAY):
                log.warning("statement_given_up", error=type(error).__name__)
                raise Unavailable from error
            raise
        finally:
            doubt.cancel()
            if sound and not self.closed:
                self.idle.append(connection)
            else:  # cancelled or broken in the middle: whose answer would come next is unknown
                connection.driver.terminate()
        return rows

    async def connect(self) -> Connection:
        """A new connection."""
        try:
            driver = await connect(self.url, server_settings=SETTINGS, timeout=WAIT_SECONDS)
        except CANNOT_CONNECT as error:
            raise Unavailable from error
        try:
            # The answer stays the bytes that PostgreSQL sent.
            await driver.set_type_codec(
                "varchar", schema="pg_catalog", format="binary", encoder=str.encode, decoder=bytes
            )
        except BaseException:
            driver.terminate()
            raise
        return Connection(driver)

    async def close(self) -> None:
        """Closes what is idle, and what is in use as soon as it has answered."""
        self.closed = True
        while self.idle:
            with contextlib.suppress(*FAULTS):
                await self.idle.pop().driver.close(timeout=WAIT_SECONDS)
