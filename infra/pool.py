"""Connections for transactions: few, each one unit's alone, and the last given back is the next taken."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import structlog

from infra.driver import CANNOT_CONNECT, FAULTS, connect
from infra.logs import report
from infra.postgres import IN_THE_WAY, Overtaken, Unavailable, free, is_farewell
from infra.pulse import Doubt, Pulse
from infra.slots import Slots

Result = TypeVar("Result")
log = structlog.get_logger(__name__)

WAIT_SECONDS = 2  # for a new connection, or a sign of life
ANSWER_SECONDS = 18  # longer than the server's own timeout, for a server that says nothing at all
MOST_STATEMENTS = 300  # prepared on one connection
SETTINGS = {
    "application_name": "deskwire writes",
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # as for reading: what a batch of letters is made of takes 3 ms to plan
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "20s",
}
OVERTAKEN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


class Pool:
    """Connections that are taken for a whole transaction.

    asyncpg's own pool resets a session at every release; here every transaction leaves it as it found it.
    """

    def __init__(self, url: str, *, size: int, longest: float = ANSWER_SECONDS) -> None:
        """`url`: of the database; `size`: most connections at once, of which the first is opened when it is needed.

        `longest`: seconds that an answer is waited for though the server lives.
        """
        self._url = url
        self.slots = Slots(size)
        self.pulse = Pulse(url, self.slots, longest=longest)
        self._idle: list[asyncpg.Connection] = []
        self._closed = False

    async def take(self, first: str | None) -> asyncpg.Connection:
        """A connection of the caller's alone, on which the statement `first` was run.

        Without one it may be stale, which saves a round trip for who can be told so by its first statement.
        Raises Unavailable when there is none within 2 seconds.
        """
        if self._closed:
            raise Unavailable
        if not self.slots.take_at_once():
            await free(self.slots)
        try:
            return await self._begun(first)
        except BaseException:
            self.slots.give_back()
            raise

    def give_back(self, driver: asyncpg.Connection) -> None:
        """The connection may be another's. One that broke, or is in the middle of something, is dropped."""
        if driver.is_closed() or driver.is_in_transaction() or self._closed:
            driver.terminate()
        else:
            self._idle.append(driver)
        self.slots.give_back()

    async def close(self) -> None:
        """Close what is idle, and what is in use as soon as it is given back."""
        self._closed = True
        while self._idle:
            with contextlib.suppress(*FAULTS):
                await self._idle.pop().close(timeout=WAIT_SECONDS)

    async def _begun(self, first: str | None) -> asyncpg.Connection:
        while self._idle:
            driver = self._idle.pop()
            if driver.is_closed():
                continue
            try:
                return await _said(driver, first)
            except TimeoutError as error:  # it is there, and does not answer
                raise Unavailable from error
            except FAULTS:  # it was stale, and the others are likely stale as well
                continue
        try:
            driver = await connect(
                self._url,
                server_settings=SETTINGS,
                timeout=WAIT_SECONDS,
                statement_cache_size=MOST_STATEMENTS,
                max_cached_statement_lifetime=0,
            )
            return await _said(driver, first)
        except CANNOT_CONNECT as error:
            raise Unavailable from error


async def _said(driver: asyncpg.Connection, first: str | None) -> asyncpg.Connection:
    if first is None:
        return driver
    try:
        await driver.execute(first, timeout=WAIT_SECONDS)
    except BaseException:
        driver.terminate()
        raise
    return driver


class answering:  # noqa: N801 # it reads as what it does; made of a generator it would cost four times as much
    """A statement that is not answered, or not in time, raises Unavailable; Overtaken, if others came in its way.

    `message`: for a client, when nobody knows whether the statement was run. `stale`: whether the connection may have
    been lost long ago, so that another one may do.
    """

    __slots__ = ("_doubt", "_driver", "_given", "_pulse", "_stale")

    def __init__(
        self, driver: asyncpg.Connection, pulse: Pulse, message: str | None = None, *, stale: bool = False
    ) -> None:
        self._driver, self._pulse, self._stale = driver, pulse, stale
        self._given = () if message is None else (message,)

    def __enter__(self) -> None:
        self._doubt = Doubt(self._pulse, self._driver)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._doubt.cancel()
        if error is None:
            return
        if isinstance(error, FAULTS):
            driver = self._driver
            if isinstance(error, OSError) or driver.is_closed() or is_farewell(error):
                driver.terminate()
                if self._stale and not self._doubt.dead and not isinstance(error, TimeoutError):
                    raise Overtaken from error
                raise Unavailable(*self._given) from error
        # From here on the server has answered, so that everybody knows: nothing was done.
        if isinstance(error, OVERTAKEN):
            raise Overtaken from error
        if isinstance(error, IN_THE_WAY):
            log.warning("statement_given_up", error=type(error).__name__)
            raise Unavailable from error
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            # It copies another server by now, or is kept from being written for a while. A new connection may lead to
            # one that takes what is written; this one never will.
            log.warning("database_is_read_only")
            self._driver.terminate()
            raise Unavailable from error
        if isinstance(error, asyncpg.InsufficientResourcesError):
            report(error)  # whoever keeps the desk running has to make some
            raise Unavailable from error


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """What the work returns. It is not interrupted when its caller is cancelled, which is passed on afterwards."""
    task = asyncio.create_task(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001, S110 # it is told below
            pass
    if cancelled is not None:
        task.exception()  # looked at, so that nobody is told of it as of one that was forgotten
        raise cancelled
    return task.result()
