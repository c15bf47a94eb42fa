"""Whether PostgreSQL lives, asked while somebody waits for its answer: a slow statement is not a frozen server."""

from __future__ import annotations

import asyncio

import asyncpg

from infra.overdue import Overdue
from infra.slots import Slots

DOUBT_SECONDS = 1.5  # of waiting for an answer, then it is asked for a sign of life, again and again
SIGN_SECONDS = 1.5  # with the above and 2 s of waiting for a connection less than the 5 s that callers are promised


class Pulse:
    """Gives up a connection whose server gives no sign of life, so that nobody waits until a statement's own limit."""

    def __init__(self, url: str, slots: Slots, *, longest: float) -> None:
        """`url`: of the database; `slots`: of connections to it, for which nobody waits once it is dead.

        `longest`: seconds, about, that an answer is waited for though the server lives. It ends statements itself
        before, so what went lost then is the answer.
        """
        self._url, self.slots, self.longest = url, slots, longest
        self._asking: asyncio.Task[bool] | None = None
        self._doubting: set[asyncio.Task[None]] = set()
        self.awaited: Overdue[Doubt] = Overdue(self._doubted)  # statements

    async def beats(self) -> bool:
        """Whether PostgreSQL says anything to a new connection, be it that there are too many. Asked once for all."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    def _doubted(self, doubt: Doubt) -> None:
        task = asyncio.create_task(doubt.settled())
        self._doubting.add(task)
        task.add_done_callback(self._doubting.discard)

    async def _ask(self) -> bool:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(SIGN_SECONDS):
                    driver = await asyncpg.connect(self._url)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                return True
            except OSError:  # TimeoutError as well
                if loop.time() - began < 2 * SIGN_SECONDS:
                    return False  # else it was us who had no time to listen
            else:
                driver.terminate()
                return True


class Doubt:
    """Watches over one statement until it is cancelled; ends its connection when no answer will come any more."""

    __slots__ = ("_driver", "_over", "_pulse", "_waited", "dead")

    def __init__(self, pulse: Pulse, driver: asyncpg.Connection) -> None:
        """`driver`: by which the answer comes."""
        self._pulse, self._driver = pulse, driver
        self._over, self._waited = False, 0.0
        self.dead = False  # whether the connection was given up
        pulse.awaited.begin(self, DOUBT_SECONDS)

    def cancel(self) -> None:
        """The answer is there."""
        self._over = True
        self._pulse.awaited.end(self)

    async def settled(self) -> None:
        """Give the connection up when the server is dead, or too late for one that lives; otherwise wait on."""
        alive = await self._pulse.beats()
        self._waited += DOUBT_SECONDS
        if self._over:
            return
        if alive and self._waited < self._pulse.longest:
            self._pulse.awaited.begin(self, DOUBT_SECONDS)
            return
        self.dead = True
        self._driver.terminate()
        if not alive:
            self._pulse.slots.turn_away()
