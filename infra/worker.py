"""The worker's loop: arq picks up what Redis wakes, the relay wakes what is owed, the clock pokes."""

import asyncio
import contextlib
import datetime as dt
import functools
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import structlog
from arq import cron
from arq.worker import Worker, func
from redis.exceptions import RedisError

from infra import ending, jobs, migrations, relaying, tracing
from infra.desk import Desk
from infra.faults import told
from infra.logs import lifetime, report
from infra.postgres import Unavailable
from infra.redis import ALIVE_SECONDS, PERFORM, QUEUE, TOGETHER, working_side
from infra.settings import Settings
from infra.unit import Job

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.05  # a worker without work does hardly anything else
DRAIN_SECONDS = 10  # for jobs that run when the worker is told to stop
MARGIN_SECONDS = 5  # arq ends only what our own limit did not, since to a job that looks like the worker's end
CANCEL_SECONDS = 0.5
BACK_OFF_SECONDS = 1.0
PATIENCE = 0.5
MINUTE = 60
STEP_SECONDS = 2.0  # that a clock goes by between two looks more or less than time does; then it was set
TRIES = 1_000_000  # the row counts tries, and decides


class Tick(NamedTuple):
    """Something to be done every so many seconds: less than a minute, or whole minutes."""

    every_seconds: int
    do: Callable[[Desk], Awaitable[object]]


async def work(
    settings: Settings, ticks: Sequence[Tick], watching: Callable[[Desk], AbstractAsyncContextManager[None]]
) -> None:
    """Work until SIGTERM or SIGINT, with `watching` open, once the database is migrated.

    A Redis that goes away is waited for.
    """
    async with tracing.exporting(settings, "worker"), Desk.open(settings) as desk, watching(desk):
        stopping = ending.told()
        with lifetime():
            await _work(settings, desk, ticks, stopping)


async def _work(settings: Settings, desk: Desk, ticks: Sequence[Tick], stopping: asyncio.Event) -> None:
    stopped = asyncio.create_task(stopping.wait())
    migrated = asyncio.create_task(migrations.awaited(desk.reads))
    await asyncio.wait({migrated, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not migrated.cancel():
        migrated.result()  # raises why nobody will know
    relay = asyncio.create_task(relaying.relay_forever(desk))
    present = asyncio.create_task(_present(desk))
    try:
        while not stopping.is_set():
            worker = _worker(settings, desk, ticks)
            running = asyncio.create_task(worker.async_run())
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not stopping.is_set():
                _tell(running)
            await _end(worker, running)
            if not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(stopped), BACK_OFF_SECONDS)
    finally:
        for task in (relay, present, stopped):
            task.cancel()
        await asyncio.gather(relay, present, stopped, return_exceptions=True)


async def _present(desk: Desk) -> None:
    """Have whoever asks know that this worker is alive."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    try:
        while True:
            with contextlib.suppress(RedisError, OSError):  # the relay tells of a Redis that is away
                await desk.bus.here(name)
            await asyncio.sleep(ALIVE_SECONDS / 3)
    finally:
        with contextlib.suppress(RedisError, OSError):
            await desk.bus.gone(name)


class Sets:
    """Has sets of a kind begin one after the other, so that the more there is to do, the larger they are.

    One that takes long, since a mail server does, keeps the next waiting for `PATIENCE` seconds.
    """

    def __init__(self, desk: Desk) -> None:
        """`desk`: whose jobs they are."""
        self._desk = desk
        self._going: dict[str, asyncio.Event] = {}  # set when it has ended
        self._waiting: set[str] = set()

    async def perform(self, kind: str) -> None:
        """Perform what is due of a kind; or return, when somebody is about to who takes that as well."""
        if kind in self._waiting:
            return
        if before := self._going.get(kind):
            self._waiting.add(kind)
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(before.wait(), PATIENCE)
            finally:
                self._waiting.discard(kind)
        self._going[kind] = ended = asyncio.Event()
        try:
            await jobs.perform_together(self._desk, kind)
        finally:
            ended.set()
            if self._going.get(kind) is ended:
                del self._going[kind]


class _Worker(Worker):
    """Arq's. When the clock is set anew, ticks go on from there: arq would make up for an hour, or wait for one."""

    _ahead: float | None = None  # by how much the clock is before one that nobody sets

    async def run_cron(self, n: dt.datetime, delay: float, num_windows: int = 2) -> None:
        """Arq's: have done what is due by the clock. `n`: now."""
        before, self._ahead = self._ahead, n.timestamp() - monotonic()
        if before is not None and abs(self._ahead - before) > STEP_SECONDS:
            log.warning("clock_set", seconds=round(self._ahead - before))
            for each in self.cron_jobs:
                each.next_run = None
        await super().run_cron(n, delay, num_windows)


def _worker(settings: Settings, desk: Desk, ticks: Sequence[Tick]) -> _Worker:
    sets = Sets(desk)

    async def perform(ctx: dict[Any, Any], *arguments: Any, **_: Any) -> None:  # noqa: ARG001 # arq's own form
        (what,) = arguments
        await (sets.perform(what) if what in Job.kinds else jobs.perform(desk, UUID(what)))

    return _Worker(
        functions=[func(perform, name=PERFORM)],
        cron_jobs=[_cron(desk, *tick) for tick in ticks],
        queue_name=QUEUE,
        redis_pool=working_side(settings.redis_url),
        handle_signals=False,
        max_jobs=settings.job_count,
        job_timeout=jobs.JOB_SECONDS + MARGIN_SECONDS,
        keep_result=0,
        poll_delay=POLL_SECONDS,
        max_tries=TRIES,
        job_serializer=functools.partial(orjson.dumps, default=repr),  # it is given errors as well
        job_deserializer=orjson.loads,
        log_results=False,
        timezone=dt.UTC,
    )


def _cron(desk: Desk, every_seconds: int, do: Callable[[Desk], Awaitable[object]]) -> Any:
    async def tick(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:  # noqa: ARG001 # arq's own form
        structlog.contextvars.bind_contextvars(tick=do.__qualname__)  # arq runs each in a task of its own
        try:
            await do(desk)
        except Unavailable as error:
            log.warning("tick_without_database", error=told(error.__cause__ or error))
        except Exception as error:  # noqa: BLE001 # the next tick tries again, and the worker goes on
            report(error)

    name = f"{TOGETHER}{do.__module__}.{do.__qualname__}"
    if every_seconds < MINUTE:
        return cron(tick, name=name, second=set(range(0, 60, every_seconds)), keep_result=0)
    return cron(tick, name=name, minute=set(range(0, 60, every_seconds // MINUTE)), keep_result=0)


def _tell(running: asyncio.Task[None]) -> None:
    error = None if running.cancelled() else running.exception()
    if isinstance(error, RedisError | OSError):
        log.warning("worker_lost_redis", error=told(error))
    elif error is not None:
        report(error)


async def _end(worker: Worker, running: asyncio.Task[None]) -> None:
    """Let jobs that run come to their end, then cancel what is left: its rows go back into the queue."""
    worker.allow_pick_jobs = False
    while not running.done():  # some cancellations get lost on the way through redis-py
        running.cancel()
        await asyncio.wait({running}, timeout=CANCEL_SECONDS)
    tasks = list(worker.tasks.values())
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, running, return_exceptions=True)
    with contextlib.suppress(RedisError, OSError):
        await worker.pool.aclose(close_connection_pool=True)  # close() would wait for tasks that failed with Redis
