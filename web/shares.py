"""How much of this process one person may have at once and a second, so that none takes what the others need."""

import asyncio
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Self

from infra.networks import network
from infra.postgres import Unavailable
from infra.room import Room
from infra.settings import Settings
from infra.slots import Slots
from planner.engine import Engine
from schema.context import Context
from web.operations import Asked

BURST_SECONDS = 2  # what was not used of them may be used at once
WAIT_SECONDS = 2.0  # for one's turn, at most
MOST_KNOWN = 10_000  # of whom it is remembered, before those who have nothing to wait for are forgotten
NEW_DOCUMENT = 10, 50  # as so many operations it counts, and as one more for so many characters
MOST_REST_SECONDS = 0.02  # between two new documents of one person: as long as the first took, but at most this
AT_ONCE = 40  # queries and mutations of one person: a second's through this, so 5, half of a pool's connections
UPLOADS, UPLOADS_BYTES = 10, 200 * 1024 * 1024  # of one person at once; of all, as they are held while they come in
MESSAGE, SOCKET, FLOOD = 0.25, 2, 10  # as so many operations count: a message, opening a socket, one that flooded
SECONDS_AS_ONE, BYTES_AS_ONE = 0.01, 16_384  # of an operation that takes longer, or whose answer is larger


class TooMany(Exception):
    """One person has as much as they may; the message is for them."""

    code = "RATE_LIMITED"


def whose(context: Context) -> Hashable:
    """To whose share something counts: a person's, or of all who are not signed in and come from one network."""
    viewer = context.viewer
    return network(context.network) if viewer.role is None else viewer.id.int  # whose hash costs less than a UUID's


class Share:
    """Of one kind of thing, so many for each."""

    def __init__(self, most: int, what: str) -> None:
        """`what`: as it is told."""
        self._most, self._what = most, what
        self._taken: Counter[Hashable] = Counter()

    def take(self, by: Hashable) -> None:
        """One more, until it is given back. Raises TooMany."""
        if self._taken[by] >= self._most:
            raise TooMany(f"At most {self._most} {self._what} of one person are served at once.")
        self._taken[by] += 1

    def give_back(self, by: Hashable) -> None:
        """One less."""
        self._taken[by] -= 1
        if not self._taken[by]:
            del self._taken[by]

    @contextmanager
    def taken(self, by: Hashable) -> Iterator[None]:
        """One more, until the block ends. Raises TooMany."""
        self.take(by)
        try:
            yield
        finally:
            self.give_back(by)


class Pace:
    """So much a second for each, as the Generic Cell Rate Algorithm counts it (ITU-T I.371); who is too fast waits."""

    def __init__(self, most: int) -> None:
        """`most`: operations a second."""
        self._most, self._most_known = most, MOST_KNOWN
        self._spent: dict[Hashable, float] = {}  # until when each has spent what they may

    def charge(self, by: Hashable, count: float) -> float:
        """So many operations more count as theirs. Returns for how many seconds they should wait."""
        now = time.monotonic()
        until = self._spent[by] = max(self._spent.get(by, 0.0), now) + count / self._most
        if len(self._spent) > self._most_known:
            self._spent = {each: until for each, until in self._spent.items() if until > now}
            self._most_known = max(MOST_KNOWN, 2 * len(self._spent))
        return until - now - BURST_SECONDS

    async def turn(self, by: Hashable, count: float) -> None:
        """Wait until they may have so many more, which are theirs then.

        Raises TooMany when that is too long, though not at once: who only tries again and again would lose nothing.
        """
        wait = self.charge(by, count)
        if wait > WAIT_SECONDS + count / self._most:
            self.charge(by, -count)
            await asyncio.sleep(WAIT_SECONDS)
            raise TooMany(f"At most {self._most} operations a second of one person are served.")
        if wait > 0:
            await asyncio.sleep(wait)

    async def rest(self, by: Hashable, count: float) -> bool:
        """So many more are theirs. Wait until they may have them, 2 s at most. Returns whether they had to wait."""
        wait = self.charge(by, count)
        if wait > 0:
            await asyncio.sleep(min(wait, WAIT_SECONDS))
        return wait > 0

    def charge_for(self, by: Hashable, seconds: float, size: int) -> None:
        """An operation that counted as one has taken so long, and its answer has so many bytes."""
        self.charge(by, seconds / SECONDS_AS_ONE + size / BYTES_AS_ONE)


class AtOnce:
    """So many at once of what is soon over for each; who wants one more waits until one is over."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[Hashable, Slots] = {}  # while they are used

    async def take(self, by: Hashable) -> None:
        """One is theirs, once there is one, until it is given back.

        Raises Unavailable after a long wait, as the pool does of whose connections one has but so many: it may be the
        database that is slow, or away.
        """
        slots = self._of.get(by)
        if slots is None:
            slots = self._of[by] = Slots(self._most)
        if not slots.take_at_once():
            try:
                await slots.take(WAIT_SECONDS)
            except TimeoutError:
                raise Unavailable from None
            finally:  # who leaves as it becomes theirs may be the last
                if not slots.in_use and self._of.get(by) is slots:
                    del self._of[by]

    def give_back(self, by: Hashable) -> None:
        """It is over."""
        slots = self._of[by]
        slots.give_back()
        if not slots.in_use:
            del self._of[by]


class Shares:
    """What is shared out."""

    def __init__(self, settings: Settings) -> None:
        self.connections = Share(settings.max_connections_per_person, "sockets and event streams")
        self.operations = Share(settings.max_operations_per_person, "operations")
        most = settings.max_operations_per_second
        self.pace, self.at_once, self.new_at_once = Pace(most), AtOnce(max(1, most // AT_ONCE)), AtOnce(1)
        self.uploads, self.downloads = AtOnce(UPLOADS), AtOnce(settings.max_connections_per_person)
        self.room = Room(UPLOADS_BYTES)

    def turn(self, context: Context, engine: Engine, asked: Asked) -> "Turn":
        """In which a query or mutation is run, or a subscription begun."""
        return Turn(self, whose(context), engine, asked)


class Turn:
    """One person's turn: entered when it has come, which raises TooMany or Unavailable if that is long.

    What it took is charged to them. A document that is new to the process is run alone, since nothing else is while it
    is read and planned, and the next one after a rest, in which others have theirs: many in a row would stop them all.
    A class, since a generator costs twice as much.
    """

    __slots__ = ("_asked", "_at_once", "_began", "_by", "_engine", "_shares", "size")

    def __init__(self, shares: Shares, by: Hashable, engine: Engine, asked: Asked) -> None:
        self._shares, self._by, self._engine, self._asked = shares, by, engine, asked
        self.size = 0  # of the answer, in bytes

    async def __aenter__(self) -> Self:
        asked, shares = self._asked, self._shares
        if self._engine.knows(asked.text, asked.sha256):
            count, self._at_once = 1.0, shares.at_once
        else:
            least, characters = NEW_DOCUMENT
            count, self._at_once = least + len(asked.text or "") / characters, shares.new_at_once
        await self._at_once.take(self._by)
        try:  # afterwards, since what went before is charged when it is over
            await shares.pace.turn(self._by, count)
        except BaseException:
            self._at_once.give_back(self._by)
            raise
        self._began = time.perf_counter()
        return self

    async def __aexit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._began
        if self._at_once is self._shares.new_at_once:
            rest = min(seconds, MOST_REST_SECONDS)
            asyncio.get_running_loop().call_later(rest, self._at_once.give_back, self._by)
        else:
            self._at_once.give_back(self._by)
        self._shares.pace.charge_for(self._by, seconds, self.size)
