"""One connection to Redis per process, and everyone in the process who waits for a channel."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.exceptions import RedisError

from infra.faults import told
from infra.logs import report
from infra.redis import listening_side

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
CONFIRM_SECONDS = 1.0  # Redis says within a millisecond that it heard of a subscription, or is not well
PING_SECONDS = 5.0
SWEEP_SECONDS = 10.0  # what was published while nobody could hear it is found by looking again
MOST_TOLD = 500  # things that one who waits keeps; of more it is only known that there were many
SLICES = 20  # of a sweep, so that not everybody looks at once
BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0)
ITSELF = "deskwire:hub"  # a channel that is always subscribed to, as Redis wants for a connection that listens

Hear = Callable[[str], None]


class _Link:
    """A connection to Redis: one task speaks on it and one listens, since redis-py bears no more."""

    def __init__(self, pubsub: Any, names: Iterable[str]) -> None:
        self._pubsub, self._loop = pubsub, asyncio.get_running_loop()
        self._unsaid = dict.fromkeys([ITSELF, *names], True)  # whether Redis is to tell of it
        self._something = asyncio.Event()
        self._something.set()
        self._answered_at = self._loop.time()
        self.told = {name: self._loop.create_future() for name in self._unsaid}  # done: messages of the channel arrive

    def subscribe(self, names: Iterable[str]) -> None:
        """Have Redis tell of these channels."""
        new = [name for name in names if name not in self.told]
        if new:
            self._unsaid |= dict.fromkeys(new, True)
            self.told |= {name: self._loop.create_future() for name in new}
            self._something.set()

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Have Redis tell no more of these channels."""
        for name in names:
            del self.told[name]
            self._unsaid[name] = False
            self._something.set()

    async def speak(self) -> None:
        """Send what is to be told or not, else a ping. Raises TimeoutError when Redis does not answer."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self._something.wait()
            if self._loop.time() - self._answered_at > 2 * PING_SECONDS:
                raise TimeoutError("Redis does not answer a ping.")
            if not self._something.is_set():
                await self._pubsub.ping()
                continue
            self._something.clear()
            unsaid, self._unsaid = self._unsaid, {}
            if unwanted := [name for name, wanted in unsaid.items() if not wanted]:
                await self._pubsub.unsubscribe(*unwanted)
            if wanted := [name for name, wanted in unsaid.items() if wanted]:
                await self._pubsub.subscribe(*wanted)

    async def listen(self, hear: Callable[[str, str | None], None]) -> None:
        """Call `hear` with the channel and text of each message; without a text when a channel's begin to arrive."""
        while True:
            message = await self._pubsub.get_message(timeout=None)
            self._answered_at = self._loop.time()
            if message is None or message["channel"] is None:  # a pong
                continue
            channel = message["channel"].decode()
            if message["type"] == "message":
                hear(channel, message["data"].decode(errors="replace"))
            elif message["type"] == "subscribe" and (future := self.told.get(channel)):
                hear(channel, None)  # what was said before, nobody heard
                if not future.done():
                    future.set_result(None)

    def end(self) -> None:
        """Nobody need wait for it any more."""
        for future in self.told.values():
            if not future.done():
                future.set_result(None)


class Watch(asyncio.Event):
    """Is set whenever something may have changed, and keeps what messages said of it until that is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.every = 1  # of so many looks without a message it is woken once
        self._looks = 0
        self._told: dict[str, None] | None = None

    def hear(self, message: str) -> None:
        """Something was told. A message that says nothing leaves open what has changed."""
        if not message or (self._told is not None and len(self._told) >= MOST_TOLD):
            self.wake()
            return
        if self._told is not None:
            self._told |= dict.fromkeys(message.split(","))
        self.set()

    def wake(self) -> None:
        """Anything may have changed."""
        self._told = None
        self.set()

    def look(self) -> None:
        """Something may have been told that was not heard."""
        self._looks += 1
        if self._looks % self.every == 0:
            self.wake()

    def taken(self) -> list[str] | None:
        """What was told since the last call, each once; None when anything may have changed. Clears the event."""
        told, self._told = self._told, {}
        self.clear()
        return None if told is None else list(told)


class Hub:
    """Wakes who waits: after a message, after a connection was lost and found, and every ten seconds without one."""

    def __init__(self, url: str) -> None:
        """`url`: of Redis."""
        self._url = url
        self._waiting: dict[str, set[Watch]] = defaultdict(set)
        self._listeners: dict[str, Hear] = {}
        self._link: _Link | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.connections = 0  # so far: the first, and one for each that broke

    @property
    def connected(self) -> bool:
        """Whether messages arrive."""
        return self._link is not None

    def listen(self, channel: str, hear: Hear) -> None:
        """`hear` is called with each message of the channel, from `start` on."""
        self._listeners[channel] = hear

    def heard(self, messages: Mapping[str, str]) -> None:
        """Messages of this process itself: who listens is told at once, and who waits, too, when Redis is away."""
        for channel, message in messages.items():
            self._tell(channel, message)
            if self._link is None:
                self._hear_of(channel, message)

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._sweep())]

    async def stop(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def watching(self, channels: Iterable[str]) -> AsyncIterator[Watch]:
        """An event that is set whenever something may have changed. Clear it, then read, then wait: no gap."""
        event, names = Watch(), set(channels)
        for name in names:
            self._waiting[name].add(event)
        try:
            await self._subscribed(names)
            event.clear()  # its confirmation has woken us, and reading comes next anyway
            yield event
        finally:
            for name in names:  # Redis is told at the next sweep, since many come back soon
                self._waiting[name].discard(event)
                if not self._waiting[name]:
                    del self._waiting[name]

    async def _subscribed(self, names: set[str]) -> None:
        """Wait until Redis tells of these channels; not for long, since whoever waits is woken once it does."""
        link = self._link
        if link is None:  # whoever waits is woken when it is back
            return
        link.subscribe(names)
        if names:
            await asyncio.wait([link.told[name] for name in names], timeout=CONFIRM_SECONDS)

    def _tell(self, channel: str, message: str) -> None:
        if hear := self._listeners.get(channel):
            try:
                hear(message)
            except Exception as error:  # noqa: BLE001 # one message that nobody understands must not end all others
                report(error, channel=channel)

    def _wake(self, channel: str) -> None:
        for watch in self._waiting.get(channel, ()):
            watch.wake()

    def _hear_of(self, channel: str, message: str) -> None:
        for watch in self._waiting.get(channel, ()):
            watch.hear(message)

    def _hear(self, channel: str, message: str | None) -> None:
        if message is None:
            self._wake(channel)
        else:
            self._tell(channel, message)
            self._hear_of(channel, message)

    async def _sweep(self) -> None:
        while True:
            names = list(self._waiting)
            for number in range(SLICES):
                await asyncio.sleep(SWEEP_SECONDS / SLICES)
                for name in names[number::SLICES]:
                    for watch in self._waiting.get(name, ()):
                        watch.look()
            if self._link is not None:
                wanted = self._waiting.keys() | self._listeners.keys() | {ITSELF}
                self._link.unsubscribe(self._link.told.keys() - wanted)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._follow(again=failures > 0)
            except Exception as error:  # noqa: BLE001 # it must go on as long as the process lives
                if not isinstance(error, RedisError | OSError):
                    report(error)
                if self._link is not None or not failures:
                    log.warning("hub_without_redis", error=told(error))
                failures = 1 if self._link is not None else failures + 1
            self._link = None
            await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS)) - 1])

    async def _follow(self, *, again: bool) -> None:
        """Connect and hear, until the connection breaks, which raises RedisError or OSError."""
        client = listening_side(self._url)
        async with client, client.pubsub() as pubsub:
            async with asyncio.timeout(CONNECT_SECONDS):
                await pubsub.connect()
            link = self._link = _Link(pubsub, {*self._listeners, *self._waiting})
            self.connections += 1
            if again:
                log.info("hub_with_redis_again")
            tasks = [asyncio.create_task(link.speak()), asyncio.create_task(link.listen(self._hear))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                link.end()
