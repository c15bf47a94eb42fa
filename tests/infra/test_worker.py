"""A worker's loop with a real Redis: jobs are woken, woken again, and tell why they failed, whatever that is."""

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from dataclasses import dataclass

import pytest
import time_machine
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from infra import jobs, relaying, worker
from infra.postgres import Unavailable
from infra.redis import TOGETHER
from infra.unit import Job
from workers import clock

PATIENCE_SECONDS = 10
BEGAN = dt.datetime(2026, 11, 30, 9, tzinfo=dt.UTC)


class Performer:
    """Performs jobs of one kind as a test says."""

    def __init__(self):
        self.does = None
        self.works = []

    async def __call__(self, work):
        self.works.append(work)
        if self.does:
            await self.does(work)


@pytest.fixture
def performer(monkeypatch):
    """A kind of job that only this test knows, and who performs it."""

    @dataclass(frozen=True, slots=True)
    class TryWithWorker(Job, retries=2, longest_wait=3):
        word: str

    made = Performer()
    made.kind = TryWithWorker
    monkeypatch.setitem(jobs._performers, TryWithWorker, made)
    yield made
    del Job.kinds["TryWithWorker"]


@pytest.fixture
def owed(desk, database, performer):
    """Asks for a job and gives its row's id."""

    async def asked(delay=None):
        async with desk.writes.begin() as unit:
            unit.enqueue(performer.kind("please"), delay=delay)
        return unit.jobs[0][0]

    return asked


@pytest.fixture
def state(database):
    """A job's row."""

    async def read(row_id):
        (found,) = await database.rows("SELECT state, attempts, last_error FROM jobs WHERE id = :id", id=row_id)
        return found

    return read


@pytest.fixture
def make_due(database):
    """Lets the time pass until a job is due, or its lease has ended."""

    async def passed(row_id):
        await database.rows("UPDATE jobs SET due_at = now() - interval '2 seconds' WHERE id = :id", id=row_id)

    return passed


@pytest.fixture
def until_done(database):
    """Waits until no job is left."""

    async def waited():
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await database.rows("SELECT id FROM jobs WHERE state <> 'DONE'"):  # noqa: ASYNC110 # another process tells of it
                await asyncio.sleep(0.02)

    return waited


@pytest.fixture
def working(desk, settings, monkeypatch):
    """A worker's loop, and its relay, which looks often."""
    monkeypatch.setattr(relaying, "RELAY_SECONDS", 0.1)

    @contextlib.asynccontextmanager
    async def running():
        made = worker._worker(settings, desk, [])
        polling, relay = asyncio.create_task(made.async_run()), asyncio.create_task(relaying.relay_forever(desk))
        try:
            yield
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
            await worker._end(made, polling)

    return running


async def flush_all(settings):
    async with Redis.from_url(settings.redis_url) as client:
        await client.flushall()


@pytest.mark.parametrize("said", ["a\0b", "a\ud800b", "long" * 10_000])
async def test_whatever_an_error_says_the_row_can_tell(desk, owed, state, performer, said):
    async def fails(_):
        raise OSError(said)

    performer.does = fails
    row_id = await owed()

    assert not await jobs.perform(desk, row_id)

    found = await state(row_id)
    assert found["state"] == "QUEUED"
    assert found["last_error"].startswith("OSError: ")
    assert len(found["last_error"]) <= 2000


async def test_a_job_is_performed_soon_after_the_commit(working, settings, owed, until_done, performer):
    await flush_all(settings)  # what other tests asked for would go first
    async with working():
        loop = asyncio.get_running_loop()
        began = loop.time()
        await owed()
        await until_done()
        assert loop.time() - began < 1  # the relay would come after a second


async def test_a_job_that_failed_is_woken_when_it_is_due(working, owed, until_done, performer):
    async def fails_once(work):
        if work.attempt == 1:
            raise ZeroDivisionError

    performer.does = fails_once
    async with working():
        await owed()
        await until_done()
    assert [work.attempt for work in performer.works] == [1, 2]


async def test_what_redis_forgot_is_performed_once(working, settings, owed, make_due, until_done, performer):
    waiting = [await owed(delay=60) for _ in range(5)]
    await flush_all(settings)
    for row_id in waiting:
        await make_due(row_id)

    async with working():
        await until_done()
        more = await owed(delay=60)
        await flush_all(settings)  # this time, while it works
        await make_due(more)
        await until_done()

    assert [work.row_id for work in performer.works].count(more) == 1
    assert len(performer.works) == 6


async def test_what_a_killed_worker_left_is_done_when_its_lease_has_ended(
    working, database, owed, make_due, until_done, performer
):
    row_id = await owed(delay=60)
    await database.rows("UPDATE jobs SET state = 'RUNNING', attempts = 1 WHERE id = :id", id=row_id)
    async with working():
        await asyncio.sleep(0.5)
        assert performer.works == []
        await make_due(row_id)
        await until_done()
    assert [work.attempt for work in performer.works] == [2]


async def test_a_worker_ends_whenever_it_is_told_to(working, settings, owed, make_due, performer):
    """Also in the middle of taking jobs, where a cancellation may get lost."""
    for moment in (0, 0.001, 0.003, 0.01, 0.02, 0.03) * 5:
        waiting = [await owed() for _ in range(5)]
        await flush_all(settings)
        for row_id in waiting:
            await make_due(row_id)
        async with asyncio.timeout(PATIENCE_SECONDS), working():
            await asyncio.sleep(moment)


@pytest.mark.parametrize(("takes", "attempts"), [(0.3, [1]), (60, [1, 2])])
async def test_what_runs_when_a_worker_ends_comes_to_its_end_or_is_given_back(
    working, owed, state, make_due, until_done, performer, monkeypatch, takes, attempts
):
    monkeypatch.setattr(worker, "DRAIN_SECONDS", 1)
    begun = asyncio.Event()

    async def slow(work):
        begun.set()
        await asyncio.sleep(takes if work.attempt == 1 else 0)

    performer.does = slow
    async with working():
        row_id = await owed()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await begun.wait()

    assert (await state(row_id))["state"] == ("DONE" if attempts == [1] else "QUEUED")
    await make_due(row_id)
    async with working():
        await until_done()
    assert [work.attempt for work in performer.works] == attempts


LAST = 3


class Together:
    """Performs sets when it is told to, and counts them."""

    def __init__(self):
        self.begun, self.may_end, self.last_may_end = [], asyncio.Event(), asyncio.Event()

    async def __call__(self, _desk, kind):
        self.begun.append(kind)
        await (self.last_may_end if len(self.begun) == LAST else self.may_end).wait()


@pytest.fixture
def together(monkeypatch):
    """What performs sets here."""
    made = Together()
    monkeypatch.setattr(jobs, "perform_together", made)
    return made


async def test_sets_of_a_kind_begin_one_after_the_other(desk, together, monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE", 60)
    sets = worker.Sets(desk)
    first = asyncio.create_task(sets.perform("A"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(sets.perform(kind)) for kind in "AAAB"]
    await asyncio.sleep(0.05)
    assert together.begun == ["A", "B"]
    assert [task.done() for task in others] == [False, True, True, False]  # the first of them takes what they came for

    for end in (together.may_end, together.last_may_end):
        end.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(first, *others)

    assert together.begun == ["A", "B", "A"]
    await sets.perform("A")
    assert together.begun == ["A", "B", "A", "A"]


async def test_a_set_does_not_wait_for_long_for_one_that_is_slow(desk, together, monkeypatch):
    monkeypatch.setattr(worker, "PATIENCE", 0.05)
    sets = worker.Sets(desk)
    tasks = [asyncio.create_task(sets.perform("A"))]
    for count in (2, 3):
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(sets.perform("A")))
        await asyncio.sleep(0.1)
        assert len(together.begun) == count
    for end, ended in ((together.last_may_end, tasks[-1:]), (together.may_end, tasks)):
        end.set()  # the last of them ends first
        await asyncio.gather(*ended)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_ticks_go_on_when_the_clock_is_set(settings, desk, monkeypatch, hours):
    passed, asked = 0.0, []

    async def ask(name, **_):
        asked.append(name)

    async def look(seconds, offset=0.0):
        """Lets seconds pass, and has what is due done by a clock that is so far ahead."""
        nonlocal passed
        passed += seconds
        before = len(asked)
        await made.run_cron(BEGAN + dt.timedelta(seconds=passed + offset), 0.5)
        return len(asked) - before

    monkeypatch.setattr(worker, "monotonic", lambda: passed)
    made = worker._worker(settings, desk, [worker.Tick(5, look)])
    monkeypatch.setattr(made.pool, "enqueue_job", ask, raising=False)
    step = hours * 3600
    assert [await look(1) for _ in range(10)].count(1) == 2
    with capture_logs() as told:
        assert [await look(1, step) for _ in range(10)].count(1) == 2
    assert [(each["event"], each["seconds"]) for each in told] == [("clock_set", step)]
    await made.pool.aclose(close_connection_pool=True)


async def test_ticks_come_as_often_as_they_say(settings, desk, monkeypatch):
    asked = Counter()

    async def ask(name, **_):
        asked[name.removeprefix(TOGETHER)] += 1

    made = worker._worker(settings, desk, clock.TICKS)
    monkeypatch.setattr(made.pool, "enqueue_job", ask, raising=False)
    for second in range(3602):
        await made.run_cron(BEGAN + dt.timedelta(seconds=second), 0)
    await made.pool.aclose(close_connection_pool=True)

    assert asked == {f"{do.__module__}.{do.__qualname__}": 3600 // seconds for seconds, do in clock.TICKS}


async def test_a_tick_that_fails_is_told_and_the_next_one_comes(desk, sent):
    async def lacks_a_database(_desk):
        raise Unavailable

    async def fails(_desk):
        raise ZeroDivisionError

    with capture_logs() as logs:
        for do in (lacks_a_database, fails):
            await asyncio.create_task(worker._cron(desk, 5, do).coroutine({}))

    assert [each["event"] for each in logs] == ["tick_without_database", "unexpected_error"]
    (event,) = sent
    assert event["tags"]["tick"].endswith(".fails")


async def test_when_a_job_ends_is_not_arqs_to_say(settings, desk):
    made = worker._worker(settings, desk, [])
    await made.pool.aclose(close_connection_pool=True)

    assert made.job_timeout_s > jobs.JOB_SECONDS
    assert (made.max_tries, made.keep_result_s) == (worker.TRIES, 0)
    (function,) = made.functions.values()
    assert (function.timeout_s, function.max_tries, function.keep_result_s) == (None, None, None)  # as the worker's


async def test_a_worker_is_known_again_and_again_until_it_ends(desk, monkeypatch):
    monkeypatch.setattr("infra.redis.WORKERS", "{arq:abort}:deskwire:workers:known")
    monkeypatch.setattr(worker, "ALIVE_SECONDS", 0.03)
    told, here = [], desk.bus.here

    async def tells(name):
        told.append(name)
        if len(told) == 2:
            raise RedisConnectionError
        await here(name)

    monkeypatch.setattr(desk.bus, "here", tells)
    present = asyncio.create_task(worker._present(desk))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(told) < 4:  # noqa: ASYNC110 # that time passes is what it is about
            await asyncio.sleep(0.01)
    assert await desk.bus.workers() == 1

    present.cancel()
    await asyncio.gather(present, return_exceptions=True)
    assert await desk.bus.workers() == 0


@pytest.mark.parametrize(
    ("error", "events"),
    [
        (RedisConnectionError(), ["worker_lost_redis"]),
        (OSError(), ["worker_lost_redis"]),
        (ZeroDivisionError(), ["unexpected_error"]),
        (asyncio.CancelledError(), []),
        (None, []),
    ],
    ids=repr,
)
async def test_why_a_worker_begins_anew_is_told(error, events):
    async def ends():
        if error:
            raise error

    ended = asyncio.create_task(ends())
    await asyncio.wait([ended])
    with capture_logs() as logs:
        worker._tell(ended)
    assert [each["event"] for each in logs] == events


async def test_a_worker_whose_clock_is_wrong_takes_none_for_dead(desk, monkeypatch):
    monkeypatch.setattr("infra.redis.WORKERS", "{arq:abort}:deskwire:workers:skewed")
    await desk.bus.here("well")
    for hours in (-1, 1):
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)):
            await desk.bus.here(f"wrong by {hours} h")
            assert await desk.bus.workers() == (2 if hours < 0 else 3)
    assert await desk.bus.workers() == 3
    await desk.bus.gone("well")
    assert await desk.bus.workers() == 2
