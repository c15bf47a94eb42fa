"""The way to Redis: waking jobs and telling who listens, after commits and never instead of them."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import expires_extra_ms, job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

TELL_SECONDS = 2.0
ANSWER_SECONDS = 5.0  # a Redis that is silent for so long is given up: redis-py itself would wait for ever
MOST_CONNECTIONS = 20  # of one process's sending side, also while Redis is slow
QUEUE = "deskwire:jobs"
PERFORM = "perform"  # the one function that workers offer: it performs the row that it is given

Wake = tuple[str, UUID, float]  # a name for arq, the row, and when it is due in seconds since 1970


class Bus:
    """One process's sending side. A dead Redis makes nothing fail here: what is owed stands in PostgreSQL."""

    def __init__(self, url: str) -> None:
        """`url`: of a Redis that is connected to when it is needed."""
        # Each use has one limit over all that it does, so nothing in there needs another.
        pool = BlockingConnectionPool.from_url(
            url, max_connections=MOST_CONNECTIONS, timeout=None, socket_connect_timeout=TELL_SECONDS
        )
        self._redis: Any = Redis.from_pool(pool)

    async def tell(self, jobs: list[tuple[UUID, dt.datetime]], channels: dict[str, str]) -> None:
        """Wake the jobs and publish to the channels. Failing is logged: the relay and the hub make up for it."""
        # A job that fails is woken while its name still runs, and arq forgets such names: so each due time has its own.
        wakes = [(f"{row_id}:{due_at.timestamp()}", row_id, due_at.timestamp()) for row_id, due_at in jobs]
        try:
            await self._send(wakes, channels)
        except (RedisError, OSError) as error:
            log.warning("redis_not_told", jobs=len(jobs), channels=len(channels), error=repr(error))

    async def relay(self, owed: Iterable[tuple[UUID, int]]) -> None:
        """Wake jobs again, given with the number of their attempts. What waits in the queue already stays in its place.

        Raises RedisError or OSError when Redis can't be reached.
        """
        moment = dt.datetime.now(dt.UTC).timestamp()
        await self._send([(f"{row_id}:{attempts}", row_id, moment) for row_id, attempts in owed], {})

    async def _send(self, wakes: list[Wake], channels: dict[str, str]) -> None:
        """All in one go. `ArqRedis.enqueue_job` asks first whether the name exists; a second wake does no harm."""
        moment = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
        async with asyncio.timeout(TELL_SECONDS), self._redis.pipeline(transaction=False) as pipe:
            for channel, message in channels.items():
                pipe.publish(channel, message)
            for name, row_id, due_at in wakes:
                score = int(due_at * 1000)
                job = serialize_job(PERFORM, (str(row_id),), {}, None, moment, serializer=orjson.dumps)
                pipe.set(job_key_prefix + name, job, px=max(0, score - moment) + expires_extra_ms)
                pipe.zadd(QUEUE, {name: score}, nx=True)
            await pipe.execute()

    async def ready(self) -> bool:
        """Whether Redis answers."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)


def working_side(url: str) -> ArqRedis:
    """What a worker takes jobs by."""
    pool = ConnectionPool.from_url(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=TELL_SECONDS)
    return ArqRedis(pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads, default_queue_name=QUEUE)


def listening_side(url: str) -> "Redis":
    """What a hub listens by. It waits for ever, so who listens also pings."""
    client: Any = Redis.from_url(url, socket_connect_timeout=TELL_SECONDS, socket_keepalive=True)
    found: Redis = client
    return found
