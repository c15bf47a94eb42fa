"""The way to Redis: waking jobs and telling who listens, after commits and never instead of them."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

TELL_SECONDS = 2.0
QUEUE = "deskwire:jobs"
PERFORM = "perform"  # the one function that workers offer: it performs the row that it is given


def settings_of(url: str) -> RedisSettings:
    """Arq's form of a Redis address. It gives up soon: whoever asks has PostgreSQL to fall back on."""
    settings = RedisSettings.from_dsn(url)
    settings.conn_retries, settings.conn_timeout = 0, 2
    return settings


class Bus:
    """One process's sending side. A dead Redis makes nothing fail here: what is owed stands in PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: ArqRedis | None = None
        self._opening = asyncio.Lock()

    async def _connected(self) -> ArqRedis:
        if self._redis is None:
            async with self._opening:
                if self._redis is None:
                    self._redis = await create_pool(
                        settings_of(self._url),
                        job_serializer=orjson.dumps,
                        job_deserializer=orjson.loads,
                        default_queue_name=QUEUE,
                    )
        return self._redis

    async def tell(self, jobs: list[tuple[UUID, dt.datetime]], channels: dict[str, str]) -> None:
        """Wake the jobs and publish to the channels. Failing is logged: the relay and the hub make up for it."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                redis = await self._connected()
                if channels:
                    async with redis.pipeline(transaction=False) as pipe:
                        for channel, message in channels.items():
                            pipe.publish(channel, message)
                        await pipe.execute()
                for row_id, due_at in jobs:
                    await self._wake(redis, str(row_id), due_at)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis_not_told", jobs=len(jobs), channels=len(channels), error=repr(error))

    async def relay(self, owed: Iterable[tuple[UUID, int]]) -> None:
        """Wake jobs again, each under a name of its own, since a name that once ran may still be refused.

        Raises RedisError or OSError when Redis can't be reached.
        """
        async with asyncio.timeout(TELL_SECONDS):
            redis = await self._connected()
            for row_id, attempts in owed:
                await self._wake(redis, f"{row_id}:{attempts}", None)

    async def _wake(self, redis: ArqRedis, name: str, due_at: dt.datetime | None) -> None:
        await redis.enqueue_job(PERFORM, name.partition(":")[0], _job_id=name, _defer_until=due_at)

    async def ready(self) -> bool:
        """Whether Redis answers."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                return bool(await (await self._connected()).ping())
        except (RedisError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        if self._redis is not None:
            await self._redis.aclose()


def listening_connection(url: str) -> Redis:
    """A connection for a hub, which notices within seconds when the other side is gone."""
    client: Any = Redis.from_url(url, socket_connect_timeout=2, socket_keepalive=True, health_check_interval=0)
    found: Redis = client
    return found
