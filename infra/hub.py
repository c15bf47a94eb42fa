"""One connection to Redis per process, and everyone in the process who waits for a channel."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.exceptions import RedisError

from infra.redis import listening_connection

log = structlog.get_logger(__name__)

PING_SECONDS = 5.0
SWEEP_SECONDS = 10.0  # what was published while nobody could hear it is found by looking again
BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0)


class Hub:
    """Wakes who waits: after a message, after a connection was lost and found, and every ten seconds without one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._pubsub: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self.connected = False

    def listen(self, channel: str, hear: Callable[[str], None]) -> None:
        """`hear` is called with each message of the channel, from `start` on."""
        self._listeners[channel] = hear

    def heard(self, messages: Mapping[str, str]) -> None:
        """Call who listens to one of these channels: messages of this process itself, at once."""
        for channel, message in messages.items():
            if hear := self._listeners.get(channel):
                hear(message)

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._sweep())]

    async def stop(self) -> None:
        """Disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def watching(self, channels: Iterable[str]) -> AsyncIterator[asyncio.Event]:
        """An event that is set when something may have changed. Clear it, then read, then wait: nothing is missed."""
        event, names = asyncio.Event(), list(channels)
        for name in names:
            self._waiting[name].add(event)
        try:
            await self._subscribe(names)
            yield event
        finally:
            for name in names:
                self._waiting[name].discard(event)
                if not self._waiting[name]:
                    del self._waiting[name]
                    await self._unsubscribe(name)

    async def _subscribe(self, names: list[str]) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # the link is down: whoever waits is woken when it is back
                await self._pubsub.subscribe(*names)

    async def _unsubscribe(self, name: str) -> None:
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # as above
                await self._pubsub.unsubscribe(name)

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._wake_all()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen_once()
                failures = 0
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    log.warning("hub_lost_redis", error=repr(error))
                    failures = 0
                self.connected = False
                await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
                failures += 1

    async def _listen_once(self) -> None:
        client = listening_connection(self._url)
        async with client, client.pubsub() as pubsub:
            await pubsub.subscribe("deskwire:hub", *self._listeners, *self._waiting)
            self._pubsub, self.connected = pubsub, True
            self._wake_all()  # what was said while nobody listened
            try:
                await self._hear(pubsub)
            finally:
                self._pubsub, self.connected = None, False

    async def _hear(self, pubsub: Any) -> None:
        quiet = False
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=PING_SECONDS)
            if message is None:
                if quiet:
                    raise TimeoutError("Redis does not answer a ping.")
                quiet = True
                await pubsub.ping()
                continue
            quiet = False
            if message["type"] == "message":
                channel = message["channel"].decode()
                if hear := self._listeners.get(channel):
                    hear(message["data"].decode())
                for event in self._waiting.get(channel, ()):
                    event.set()
