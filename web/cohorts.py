"""Subscribers who are told the same: each state is read once and written down once for all of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from infra.files import DOWNLOAD_SECONDS
from infra.hub import Hub, Watch
from infra.logs import on_its_own
from infra.postgres import Unavailable
from planner.plan import State
from planner.streams import Stream

FRESH_SECONDS = DOWNLOAD_SECONDS / 2  # after which links that are signed anew at each reading are told again
RETRY_SECONDS = (0.25, 0.5, 1.0, 2.0)  # between looks at a database that is away
AT_ONCE = 200  # members that are told before others in the process have their turn


class Outlet(Protocol):
    """Where one subscriber's answers go."""

    @property
    def name(self) -> Hashable:
        """Equal for those to whom an answer looks the same."""

    def frame(self, body: bytes) -> bytes:
        """An answer as it is sent."""

    def write(self, frame: bytes) -> bool:
        """Send it, if that can be done at once; whether it was."""

    async def send(self, frame: bytes) -> None:
        """Send it once the client takes it. Raises Gone when it takes nothing for too long."""


def pause(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds; not the same for all who wait."""
    return RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311 # as said


class Member:
    """One subscriber: knows which state was told last, and has what is still to be sent to a slow client, the newest
    alone.
    """

    __slots__ = ("_busy", "_end", "_pending", "_woken", "outlet", "stream", "told")

    def __init__(self, stream: Stream, outlet: Outlet) -> None:
        self.stream, self.outlet = stream, outlet
        self.told: int | None = None
        self._pending: bytes | None = None
        self._busy = False
        self._woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end: Exception | bool = False

    def tell(self, number: int, body: bytes, frames: dict[Hashable, bytes]) -> None:
        """Tell the state of this number. `frames`: what it looks like, as far as it was told to others."""
        self.told = number
        frame = frames.get(self.outlet.name)
        if frame is None:
            frame = frames[self.outlet.name] = self.outlet.frame(body)
        if self._busy or not self.outlet.write(frame):
            self._pending = frame
            self._wake()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will be told; or what happened."""
        self._end = error or True
        self._wake()

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    async def run(self) -> None:
        """Send what could not be sent at once, until the end. Raises what ended it, and what sending raises."""
        while True:
            await self._woken
            self._woken = asyncio.get_running_loop().create_future()
            self._busy = True
            while (frame := self._pending) is not None:
                self._pending = None
                await self.outlet.send(frame)
            self._busy = False
            if isinstance(self._end, Exception):
                raise self._end
            if self._end:
                return


class News:
    """The number of the state that was told last.

    What is only signed anew is told by the clock, and not when something has happened that its readers don't see: that
    would tell of it.
    """

    def __init__(self) -> None:
        self.number = 0
        self.stale: float | None = None  # when its links are told again
        self._told = State(b"", b"", lasting=True)

    def learn(self, state: State, moment: float) -> bool:
        """This is the state now. Gives whether that is news."""
        stale = self.stale is not None and moment >= self.stale
        if stale:
            self.stale = moment + FRESH_SECONDS
        if state.mark == self._told.mark and not (stale and state.body != self._told.body):
            return False
        self.number, self._told = self.number + 1, state
        self.stale = None if state.lasting else moment + FRESH_SECONDS
        return True


class Cohort:
    """The members, and the one who reads for them."""

    def __init__(self, hub: Hub, first: Stream) -> None:
        """`first`: the stream of one of them; the others' read the same."""
        self._hub, self._stream = hub, first
        self.members: dict[Member, None] = {}
        self._changed: Watch | None = None
        self._joined = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def join(self, member: Member) -> None:
        """Tell this one too, the state of now first."""
        self.members[member] = None
        self._joined.set()
        if self._changed is not None:
            self._changed.wake()
        if self.task is None:
            self.task = on_its_own(self._run())

    async def _run(self) -> None:
        try:
            async with self._hub.watching(self._stream.channels) as changed:
                self._changed = changed
                # What is told at such intervals moves with the clock: each look would keep what happens next waiting.
                changed.every = max(int(self._stream.pause), 1)
                await self._tell(changed)
        except Exception as error:  # noqa: BLE001 # each member's operation says what has become of it
            self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        for member in self.members:
            member.end(error)
        self.members = {}

    async def _tell(self, changed: Watch) -> None:
        """Each state to each member: subscribed, then read, then waiting, so no gap.

        Whoever joins is told at once; the others at their time, however many join.
        """
        news, frames, due, now = News(), dict[Hashable, bytes](), 0.0, asyncio.get_running_loop().time
        while self.members:
            changed.clear()
            self._joined.clear()
            asked, rests = list(self.members), now() < due  # whoever joins meanwhile is told after the next read
            state, seeing = await self._read()
            if state is not None and news.learn(state, now()):
                frames = {}
            told = await self._tell_each(asked, state, news.number, seeing, frames, rests=rests)
            if told and not rests:
                due = now() + self._stream.pause
            if now() < due:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._joined.wait()
            if not rests or all(member.told == news.number for member in asked if member in self.members):
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(news.stale):
                        await changed.wait()

    async def _tell_each(
        self,
        asked: list[Member],
        state: State | None,
        number: int,
        seeing: set[object] | None,
        frames: dict[Hashable, bytes],
        *,
        rests: bool,
    ) -> bool:
        """Tell a state to those who see it, and to the others that it is over. Gives whether it was news to anybody.

        `number`: of the state. `rests`: tell only those who know none yet.
        """
        told = False
        for count, member in enumerate(asked, 1):
            if member not in self.members:
                continue  # they have left
            if state is None or (seeing is not None and member.stream.member not in seeing):
                del self.members[member]
                member.end()
            elif member.told != number and (member.told is None or not rests):
                member.tell(number, state.body, frames)
                told = True
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
        return told

    async def _read(self) -> tuple[State | None, set[object] | None]:
        """What there is to see now, and who sees it. Whoever has been told a state outlives a database that is away."""
        failures = 0
        while True:
            try:
                return await self._stream.read_for({member.stream.member for member in self.members})
            except Unavailable as error:
                for member in [each for each in self.members if each.told is None]:
                    del self.members[member]
                    member.end(error)
                if not self.members:
                    return None, None
            await asyncio.sleep(pause(failures))
            failures += 1


class Cohorts:
    """All of a process."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._found: dict[Hashable, Cohort] = {}

    @asynccontextmanager
    async def joined(self, stream: Stream, outlet: Outlet) -> AsyncIterator[Member]:
        """A member of the cohort of those who are told the same."""
        key, member = stream.shared, Member(stream, outlet)
        cohort = self._found.get(key)
        if cohort is None or (cohort.task is not None and cohort.task.done()):
            cohort = self._found[key] = Cohort(self._hub, stream)
        cohort.join(member)
        try:
            yield member
        finally:
            cohort.members.pop(member, None)
            if not cohort.members:
                if cohort.task is not None:
                    cohort.task.cancel()
                if self._found.get(key) is cohort:
                    del self._found[key]
