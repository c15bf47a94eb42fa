"""Reading at servers that copy the primary: nothing is older than what had been committed when it was asked for."""

import asyncio
from typing import Any

import asyncpg
import structlog

from infra.faults import told
from infra.logs import on_its_own
from infra.postgres import NO_ANSWER, Behind, Connection, Reads, Unavailable

log = structlog.get_logger(__name__)

# How far the primary has come: whoever was told of a commit, by its answer or by an event, was told after this was
# reached. Whoever goes on from there at a copy that has come as far misses nothing.
REACHED = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::bigint END"
REPLAYED = "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END"
CATCH_UP_SECONDS = 0.02  # a copy is a millisecond or two behind, or something is the matter
PAUSE_SECONDS = 0.001
REST_SECONDS = 1.0  # until one that was away or behind is looked at again
MOST_AT_HOME = 1000  # statements that are known to be answered by the primary alone


class Copying(Connection):
    """A connection to a copy, which is asked how far it is before it is asked for anything."""

    __slots__ = ("_replayed", "_replica")

    def __init__(self, driver: asyncpg.Connection, replica: "Replica") -> None:
        """`driver`: open, and ours alone."""
        super().__init__(driver)
        self._replica, self._replayed = replica, 0

    async def fetch(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of a statement. Raises Behind when the server has not come far enough."""
        needed = self._replica.needed
        if self._replayed < needed:
            await self._catch_up(needed)
        return await super().fetch(sql, arguments)

    async def _catch_up(self, needed: int) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + CATCH_UP_SECONDS
        while True:
            ((replayed,),) = await super().fetch(REPLAYED, [])
            if replayed is None:
                raise Behind("It does not copy another server.")
            self._replayed = replayed
            if replayed >= needed:
                return
            if loop.time() >= until:
                raise Behind(f"It is {needed - replayed:,} bytes behind.")
            await asyncio.sleep(PAUSE_SECONDS)


class Replica(Reads):
    """A server that copies the primary."""

    def __init__(self, url: str, *, size: int) -> None:
        """`url`: of the copy, or of several, of which each connection knows its own."""
        super().__init__(url, size=size)
        self.needed = 0  # how far it has to be to answer
        self.well = True
        self.answered = 0

    @property
    def free(self) -> bool:
        """Whether it is well, and nobody would have to wait for a connection."""
        return self.well and self.slots.in_use < self.slots.size

    async def connect(self) -> Connection:
        """A new connection."""
        return Copying((await super().connect()).driver, self)


class Replicated(Reads):
    """Reads at copies, and at the primary whenever none of them can answer at once."""

    def __init__(self, url: str, replicas: tuple[str, ...], *, size: int = 10) -> None:
        """`url`: of the primary. `size`: most connections at once, to each server."""
        super().__init__(url, size=size)
        self.replicas = [Replica(each, size=size) for each in replicas]
        self.answered = 0  # by the primary
        self._turn = 0
        self._at_home: set[str] = set()
        self._next: asyncio.Future[int | None] | None = None  # of those who came since the primary was asked last
        self._asking: asyncio.Task[None] | None = None
        self._looking: set[asyncio.Task[None]] = set()

    async def fetch(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows of one statement, as they were at this moment or later. Raises as `Reads` does."""
        replica = None if sql in self._at_home else self._free()
        if replica is not None and (needed := await self.reached()) is not None:
            replica.needed = max(replica.needed, needed)
            try:
                rows = await replica.fetch(sql, arguments)
            except (Behind, Unavailable) as error:
                if not isinstance(error.__cause__, asyncpg.LockNotAvailableError):  # held by what is copied just now
                    self._rest(replica, error)
            except asyncpg.FeatureNotSupportedError:  # it asks a table that is not copied
                if len(self._at_home) < MOST_AT_HOME:
                    self._at_home.add(sql)
            except asyncpg.SerializationError:
                pass  # it was in the way of what is copied, or that in its way
            else:
                replica.answered += 1
                return rows
        rows = await super().fetch(sql, arguments)
        self.answered += 1
        return rows

    async def reached(self) -> int | None:
        """How far the primary had come at a moment after this was called; None when it copies another server itself.

        Many who ask at once are told at once. Raises Unavailable.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            self._next.add_done_callback(_looked_at)
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Closes what is idle, and what is in use as soon as it has answered."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, *filter(None, [self._asking]), return_exceptions=True)
        for replica in self.replicas:
            await replica.close()
        await super().close()

    async def _ask(self) -> None:
        while (waiting := self._next) is not None:
            self._next = None
            try:
                ((reached,),) = await super().fetch(REACHED, [])
            except Exception as error:  # noqa: BLE001 # it is for whoever waits
                waiting.set_exception(error)
            else:
                waiting.set_result(reached)

    def _free(self) -> Replica | None:
        """The one whose turn it is among those that can answer at once."""
        for _ in self.replicas:
            self._turn = (self._turn + 1) % len(self.replicas)
            if self.replicas[self._turn].free:
                return self.replicas[self._turn]
        return None

    def _rest(self, replica: Replica, error: Exception) -> None:
        """Ask a copy nothing until it has caught up; nobody who asks for something waits for that."""
        if not replica.well:
            return
        replica.well = False
        log.warning("replica_not_used", replica=self.replicas.index(replica) + 1, error=told(error.__cause__ or error))
        task = on_its_own(self._look(replica))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look(self, replica: Replica) -> None:
        while not replica.well:
            await asyncio.sleep(REST_SECONDS)
            try:
                replica.needed = max(replica.needed, await self.reached() or 0)
                await replica.fetch(REPLAYED, [])
            except (Behind, *NO_ANSWER):
                continue
            replica.well = True
            log.info("replica_used_again", replica=self.replicas.index(replica) + 1)


def opened(url: str, replicas: tuple[str, ...], *, size: int) -> Reads:
    """Reads of a database, with or without copies of it."""
    return Replicated(url, replicas, size=size) if replicas else Reads(url, size=size)


def _looked_at(future: asyncio.Future[int | None]) -> None:
    """Whoever asked may be gone, and then nobody has to be told of what became of it."""
    if not future.cancelled():
        future.exception()
