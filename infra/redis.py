"""The way to Redis: waking jobs and telling who listens, after commits and never instead of them."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

import orjson
import structlog
from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss, expires_extra_ms, job_key_prefix
from arq.jobs import serialize_job
from hiredis import pack_command
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.crc import key_slot
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError

from infra.faults import told
from infra.settings import InvalidSettingsError
from infra.urls import split

log = structlog.get_logger(__name__)

TELL_SECONDS = 2.0
AGAIN_SECONDS = 1.0  # between tries to publish what Redis did not take
MOST_UNTOLD = 10_000  # messages that wait for that; who would have heard of more finds out by looking
ANSWER_SECONDS = 5.0  # a Redis that is silent for so long is given up: redis-py itself would wait for ever
# In the name of each key, so that a cluster keeps all of them together, with the one key whose name arq gives.
TOGETHER = f"{{{abort_jobs_ss}}}"
SLOT = key_slot(abort_jobs_ss.encode())
QUEUE = f"{TOGETHER}:deskwire:jobs"
WORKERS = f"{TOGETHER}:deskwire:workers"  # when each was heard of last
ALIVE_SECONDS = 15  # a worker tells of itself three times in that
# By Redis's own clock: a worker whose own is ahead would take all others for dead.
HERE = """local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] - 1)"""
ALIVE = "return redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1] - ARGV[1], '+inf')"
PERFORM = "perform"  # the one function that workers offer: it performs the row, or what is due of the kind, it is given
ASKING_SECONDS = 0.5  # until the next is asked which server is the primary
PORTS = {"sentinel": 26379, "cluster": 6379}
SLOT_SECONDS = 0.05  # those of a kind that is performed together which are due in one slot are woken once, at its end

Command = tuple[str | bytes | int, ...]


class Batch:
    """Commands that go in one go, and what came of it."""

    __slots__ = ("commands", "error")

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.error: Exception | None = None


class Bus:
    """One process's sending side. A dead Redis makes nothing fail here: what is owed stands in PostgreSQL.

    It sends over one connection: whoever waits until that is free goes together with all others who do.
    """

    def __init__(self, url: str) -> None:
        """`url`: of a Redis that is connected to when it is needed. Raises InvalidSettingsError."""
        try:
            # Each use has one limit over all that it does, so nothing in there needs another.
            pool: Any = pool_at(url, socket_connect_timeout=TELL_SECONDS)
            self._redis: Any = Redis.from_pool(pool)
            # redis-py's own pipeline costs five times as much: it packs in Python and takes a connection each time.
            self._connection = pool.make_connection()
        except (TypeError, ValueError) as wrong:  # it tells of what stands behind the question mark by its name alone
            raise InvalidSettingsError(f"REDIS_URL: can't be used: {wrong}") from wrong
        self._free = asyncio.Lock()
        self._next = Batch()
        self._untold: dict[tuple[str, str], None] = {}  # channels and messages
        self._telling: asyncio.Task[None] | None = None

    async def tell(self, jobs: list[tuple[UUID | str, dt.datetime]], channels: dict[str, str]) -> None:
        """Wake the jobs, each given by its row or its kind, and publish to the channels.

        Failing is logged: the relay makes up for the jobs, and the channels are told as soon as Redis is back.
        """
        # A job that fails is woken while its name still runs, and arq forgets such names: so each due time has its own.
        wakes = [_wake(what, due_at.timestamp()) for what, due_at in jobs]
        try:
            await self._send([*_published(channels), *_woken(wakes)])
        except (RedisError, OSError) as error:
            log.warning("redis_not_told", jobs=len(jobs), channels=len(channels), error=told(error))
            self._untold |= dict.fromkeys(channels.items())
            while len(self._untold) > MOST_UNTOLD:
                del self._untold[next(iter(self._untold))]
            if self._telling is None or self._telling.done():
                self._telling = asyncio.create_task(self._tell_again())

    async def _tell_again(self) -> None:
        while self._untold:
            await asyncio.sleep(AGAIN_SECONDS)
            said = list(self._untold)
            with contextlib.suppress(RedisError, OSError):
                await self._send([("PUBLISH", channel, message) for channel, message in said])
                for each in said:
                    self._untold.pop(each, None)

    async def relay(self, rows: Iterable[tuple[UUID, int]], kinds: Iterable[str] = ()) -> None:
        """Wake jobs again, given with the number of their attempts, and kinds that are performed together.

        What waits in the queue already stays in its place. Raises RedisError or OSError when Redis can't be reached.
        """
        moment = dt.datetime.now(dt.UTC).timestamp()
        wakes: list[_Woken] = [(f"{row_id}:{attempts}", row_id, moment) for row_id, attempts in rows]
        await self._send(_woken([*wakes, *(_wake(kind, moment) for kind in kinds)]))

    async def _send(self, commands: list[Command]) -> None:
        batch = self._next
        batch.commands += commands
        async with asyncio.timeout(TELL_SECONDS), self._free:
            if self._next is batch:  # nobody was faster and sent it for all who wait
                self._next = Batch()
                batch.error = ConnectionError("It was given up.")
                try:
                    await self._exchange(packed(batch.commands), len(batch.commands))
                    batch.error = None
                except (RedisError, OSError) as error:
                    batch.error = error
        if batch.error is not None:
            raise batch.error

    async def _exchange(self, said: bytes, answers: int) -> None:
        """Send commands and read as many answers.

        One that was connected before may be stale, or lead to where our keys were: then once more.
        """
        connection = self._connection
        may_be_stale = connection.is_connected
        while True:
            try:
                await connection.connect()
                await connection.send_packed_command([said], check_health=False)
                for _ in range(answers):
                    await connection.read_response()
            except BaseException as error:  # whose answer would come next is unknown
                await connection.disconnect(nowait=True)
                if not (may_be_stale and isinstance(error, RedisError | OSError)):
                    raise
                may_be_stale = False
            else:
                return

    async def here(self, worker: str) -> None:
        """This worker is alive. Raises RedisError or OSError."""
        await self._send([("EVAL", HERE, 1, WORKERS, worker, ALIVE_SECONDS)])

    async def gone(self, worker: str) -> None:
        """This worker ends. Raises RedisError or OSError."""
        await self._send([("ZREM", WORKERS, worker)])

    async def workers(self) -> int:
        """How many are alive. Raises RedisError or OSError."""
        async with asyncio.timeout(TELL_SECONDS):
            return int(await self._redis.eval(ALIVE, 1, WORKERS, ALIVE_SECONDS))

    async def ready(self) -> bool:
        """Whether Redis answers."""
        try:
            async with asyncio.timeout(TELL_SECONDS):
                return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        if self._telling is not None:
            self._telling.cancel()
        await self._connection.disconnect(nowait=True)
        await self._redis.aclose(close_connection_pool=True)


def packed(commands: list[Command]) -> bytes:
    """Commands as Redis reads them."""
    pack: Any = pack_command  # its type says that a command has one word
    return b"".join(map(pack, commands))


def _published(channels: dict[str, str]) -> list[Command]:
    return [("PUBLISH", channel, message) for channel, message in channels.items()]


_Woken = tuple[str, UUID | str, float]


def _wake(what: UUID | str, due_at: float) -> _Woken:
    """A name for a wake, what is woken, and when, in seconds since 1970."""
    if isinstance(what, UUID):
        return f"{what}:{due_at}", what, due_at
    # arq does nothing for a name that runs: a slot that is not over yet has none.
    slot = int(max(due_at, dt.datetime.now(dt.UTC).timestamp()) / SLOT_SECONDS) + 1
    return f"{what}:{slot}", what, slot * SLOT_SECONDS


def _woken(wakes: list[_Woken]) -> list[Command]:
    """Has arq perform rows and kinds: each with a name for it, and when it is due in seconds since 1970.

    `ArqRedis.enqueue_job` asks first whether the name exists; a second wake does no harm.
    """
    if not wakes:
        return []
    moment = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    commands: list[Command] = []
    places: list[str | int] = []
    for name, what, due_at in {wake[0]: wake for wake in wakes}.values():
        name = f"{TOGETHER}{name}"  # noqa: PLW2901
        score = int(due_at * 1000)
        job = serialize_job(PERFORM, (str(what),), {}, None, moment, serializer=orjson.dumps)
        commands.append(("SET", job_key_prefix + name, job, "PX", max(0, score - moment) + expires_extra_ms))
        places += [score, name]
    return [*commands, ("ZADD", QUEUE, "NX", *places)]


class _Nodes:
    """The nodes of a cluster, asked in place of Sentinels which server our keys are on."""

    def __init__(self, hosts: list[tuple[str, int]], **access: Any) -> None:
        self.sentinels: list[Any] = [Redis(host=host, port=port, **access) for host, port in hosts]

    async def discover_master(self, _name: str) -> tuple[str, int]:
        """Where it is, by the first node that knows. Raises a lost connection."""
        for node in self.sentinels:
            with contextlib.suppress(RedisError, OSError):
                for first, last, (host, port, *_), *_ in await node.execute_command("CLUSTER SLOTS"):
                    if first <= SLOT <= last:  # a host that it does not know is the one that was asked
                        return (host or b"").decode() or node.connection_pool.connection_kwargs["host"], port
        raise LostConnection("No node of a cluster says who has our keys")


class _ToPrimary(SentinelConnectionPool):
    """Connections to the primary, which closes those to whoever was asked for it as well."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 # redis-py's own
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for asked in self.sentinel_manager.sentinels:
                await asked.connection_pool.disconnect()


def pool_at(url: str, **options: Any) -> Any:
    """Connections to a Redis, which are made when they are needed; raises nothing until then.

    `redis+sentinel://user:password@host,host:26380/name/0` is the primary that Sentinels call `name`, also after it
    has changed; they have no password unless the query of the URL gives `sentinel_password`.
    `redis+cluster://user:password@host,host:6380` is the server of a cluster that our keys are on, also after they have
    moved. `rediss+…` is TLS with all of them.
    """
    parts = split(url)[0]
    scheme, _, kind = parts.scheme.partition("+")
    if not kind:
        return ConnectionPool.from_url(url, **options)
    tls = {"ssl": True} if scheme == "rediss" else {}
    access = {"username": unquote(parts.username or "") or None, "password": unquote(parts.password or "") or None}
    patience = {"socket_timeout": ASKING_SECONDS, "socket_connect_timeout": ASKING_SECONDS}
    connect: Any = _ToPrimary  # redis-py leaves these untyped
    if kind == "cluster":
        return connect(kind, _Nodes(hosts_of(url), **access, **patience, **tls), **access, **tls, **options)
    asked = parse_qs(parts.query)
    known = {name: asked[f"sentinel_{name}"][0] for name in ("username", "password") if f"sentinel_{name}" in asked}
    ask: Any = Sentinel
    sentinels = ask(hosts_of(url), sentinel_kwargs=patience | tls | known)
    name, _, database = parts.path.strip("/").partition("/")
    return connect(name, sentinels, db=int(database or 0), **access, **tls, **options)


def hosts_of(url: str) -> list[tuple[str, int]]:
    """The hosts and ports of the Sentinels, or of the cluster's nodes, in a URL."""
    return [(each.hostname or "localhost", each.port or PORTS[each.scheme.partition("+")[2]]) for each in split(url)]


def working_side(url: str) -> ArqRedis:
    """What a worker takes jobs by."""
    pool = pool_at(url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=TELL_SECONDS)
    return ArqRedis(pool, job_serializer=orjson.dumps, job_deserializer=orjson.loads, default_queue_name=QUEUE)


def listening_side(url: str) -> "Redis":
    """What a hub listens by. It waits for ever, so who listens also pings."""
    client: Any = Redis.from_pool(pool_at(url, socket_connect_timeout=TELL_SECONDS, socket_keepalive=True))
    found: Redis = client
    return found
