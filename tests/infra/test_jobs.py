"""Jobs: claimed, performed, settled; failing, lost, taken over, given up, and woken again."""

import asyncio
import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from types import SimpleNamespace
from uuid import UUID

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from structlog.testing import capture_logs

from infra import hub, jobs, relaying, worker
from infra.faults import traced
from infra.ids import new_id
from infra.jobs import LostClaim, Work
from infra.letters import Later
from infra.postgres import Unavailable
from infra.redis import QUEUE, TOGETHER, Bus
from infra.unit import Job
from models import JobRow, JobState, Service

# What a job of these tests does, by the name that it carries.
deeds = {}


@dataclass(frozen=True, slots=True)
class DoInTest(Job, retries=2, longest_wait=3):
    """Does what a test says."""

    name: str
    key: UUID


@pytest.fixture(autouse=True)
def performed():
    """Who performs the tests' job, as long as they run; gives what was performed."""
    done = []

    async def perform(work: Work[DoInTest]) -> None:
        done.append(work)
        await deeds[work.job.name](work)

    jobs._performers[DoInTest] = perform
    yield done
    del jobs._performers[DoInTest]
    deeds.clear()


@pytest.fixture
def enqueue(desk, database):
    """Asks for a job; gives its id."""

    async def asked(deed, *, delay=None):
        deeds[deed.__name__] = deed
        async with desk.writes.begin() as unit:
            unit.enqueue(DoInTest(deed.__name__, new_id()), delay=delay)
        (row,) = await database.rows("SELECT id FROM jobs ORDER BY created_at DESC, id DESC LIMIT 1")
        return row["id"]

    return asked


@pytest.fixture
def row(database):
    """The row of a job."""

    async def found(row_id):
        (row,) = await database.rows("SELECT *, due_at - now() AS due_in FROM jobs WHERE id = :id", id=row_id)
        return row

    return found


async def lease_ends(database, row_id):
    await database.rows("UPDATE jobs SET due_at = now() WHERE id = :id", id=row_id)


async def nothing(_work):
    """Do nothing, which is enough."""


async def fails(_work):
    raise ValueError("It does not work.")


async def test_a_job_is_claimed_performed_and_settled(desk, enqueue, row, performed):
    async def writes(work):
        claimed = await row(work.row_id)
        assert (claimed["state"], claimed["attempts"]) == ("RUNNING", 1)
        assert dt.timedelta(seconds=25) < claimed["due_in"] <= jobs.LEASE
        async with work.settle() as unit:
            unit.insert(Service, name="made", description=None, archived_at=None)

    row_id = await enqueue(writes)

    assert await jobs.perform(desk, row_id)

    done = await row(row_id)
    assert (done["state"], done["attempts"], done["last_error"]) == ("DONE", 1, None)
    assert done["settled_at"] is not None
    assert type(performed[0].job.key) is UUID


async def test_a_job_that_is_done_or_claimed_is_not_begun_again(desk, database, enqueue, performed):
    async def looks(work):
        assert not await jobs.perform(desk, work.row_id)

    row_id = await enqueue(looks)
    assert await jobs.perform(desk, row_id)
    assert not await jobs.perform(desk, row_id)
    assert not await jobs.perform(desk, new_id())
    await lease_ends(database, row_id)
    assert not await jobs.perform(desk, row_id)
    assert await _owed(desk) == []
    assert len(performed) == 1


async def test_a_job_is_not_begun_before_it_is_due(desk, enqueue, performed):
    row_id = await enqueue(nothing, delay=60)
    assert not await jobs.perform(desk, row_id)
    assert performed == []
    assert await jobs.perform(desk, await enqueue(nothing, delay=0.5))  # by a clock that is as much ahead


def test_a_kind_of_job_has_one_performer():
    with pytest.raises(TypeError, match="DoInTest has a performer already"):
        jobs.performs(DoInTest)(nothing)


async def test_a_crowd_performs_each_job_once(desk, enqueue, performed):
    ids = [await enqueue(nothing) for _ in range(10)]
    results = await asyncio.gather(*(jobs.perform(desk, row_id) for row_id in ids * 5))
    assert sum(results) == 10
    assert len(performed) == 10


def events_of(logs):
    """What was told, but of the hub's connection, which another test may have cut a moment ago."""
    return [log["event"] for log in logs if not log["event"].startswith("hub_")]


async def test_whose_lease_has_ended_writes_nothing(desk, database, enqueue, row, performed):
    async def is_overtaken(work):
        if work.attempt == 1:
            await lease_ends(database, work.row_id)
            assert await jobs.perform(desk, work.row_id)
            assert (await row(work.row_id))["state"] == "DONE"
        async with work.settle() as unit:
            unit.insert(Service, name=f"by attempt {work.attempt}", description=None, archived_at=None)

    row_id = await enqueue(is_overtaken)

    with capture_logs() as logs:
        assert not await jobs.perform(desk, row_id)

    assert events_of(logs) == ["job_claim_lost"]
    assert await database.rows("SELECT name FROM services") == [{"name": "by attempt 2"}]
    assert (await row(row_id))["attempts"] == 2


@pytest.mark.parametrize("now", ["attempts = attempts + 1", "state = 'QUEUED'"])
async def test_losing_a_claim_is_said_to_whoever_settles(desk, database, enqueue, now):
    lost = []

    async def is_overtaken(work):
        await database.rows(f"UPDATE jobs SET {now} WHERE id = :id", id=work.row_id)
        try:
            async with work.settle():
                raise AssertionError
        except LostClaim as error:
            lost.append(error)
            raise

    assert not await jobs.perform(desk, await enqueue(is_overtaken))
    assert len(lost) == 1


async def test_a_failure_is_tried_again_later_and_at_last_given_up(desk, database, enqueue, row, performed):
    row_id = await enqueue(fails)

    for attempt, wait in ((1, 2), (2, 3)):  # doubled, up to the longest
        with capture_logs() as logs:
            assert not await jobs.perform(desk, row_id)
        failed = await row(row_id)
        assert (failed["state"], failed["attempts"], failed["settled_at"]) == ("QUEUED", attempt, None)
        assert failed["last_error"] == f"ValueError ({logs[0]['error_id']})"  # its text may quote anybody
        assert abs(failed["due_in"].total_seconds() - wait) < 0.5
        await lease_ends(database, row_id)

    assert not await jobs.perform(desk, row_id)
    dead = await row(row_id)
    assert (dead["state"], dead["attempts"]) == ("DEAD", 3)
    assert dead["settled_at"] is not None
    assert dead["last_error"].startswith("ValueError (")
    assert [work.last_attempt for work in performed] == [False, False, True]
    await lease_ends(database, row_id)
    assert not await jobs.perform(desk, row_id)
    await relaying.sweep(desk)
    assert (await row(row_id))["state"] == "DEAD"  # stays visible


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (4, 16), (9, 512), (10, 900), (5000, 900)])
def test_the_wait_is_doubled_up_to_the_longest_however_often_it_failed(attempt, seconds):
    assert jobs._back_off(Job, attempt) == dt.timedelta(seconds=seconds)


async def test_each_failure_is_reported_once_and_without_anybodys_words(desk, enqueue, sent):
    async def fails(work):
        raise ValueError("moc.elpmaxe@yranac"[::-1])  # so that it does not stand in the code

    with capture_logs() as logs:
        assert not await jobs.perform(desk, await enqueue(fails))

    (event,), (entry,) = sent, [each for each in logs if "error_id" in each]  # there may be others, as of a slow Redis
    assert event["tags"]["error_id"] == entry["error_id"]
    assert event["exception"]["values"][-1]["value"] == "ValueError"
    assert "in fails" in traced(entry["exc_info"])
    assert "canary@" not in json.dumps([sent, traced(entry["exc_info"])])


async def test_a_job_that_takes_its_workers_with_it_is_given_up(desk, database, enqueue, row, performed):
    async def kills(_work):
        raise SystemExit  # as if the process ended here

    row_id = await enqueue(kills)
    for _ in range(jobs.MOST_LOST + 1):
        with pytest.raises(SystemExit):
            await jobs.perform(desk, row_id)
        assert (await row(row_id))["state"] == "RUNNING"
        await lease_ends(database, row_id)

    assert not await jobs.perform(desk, row_id)
    dead = await row(row_id)
    assert (dead["state"], len(performed)) == ("DEAD", jobs.MOST_LOST + 1)
    assert dead["last_error"].startswith("Whoever performed it was lost 6 times.")


async def test_what_a_failing_job_wrote_is_gone(desk, database, enqueue):
    async def half(work):
        async with work.settle() as unit:
            unit.insert(Service, name="half", description=None, archived_at=None)
            await unit.flush()
            raise ValueError

    assert not await jobs.perform(desk, await enqueue(half))
    assert await database.rows("SELECT * FROM services") == []


async def test_bad_days_of_others_alarm_nobody_until_the_job_is_given_up(desk, database, enqueue, row):
    async def waits(_work):
        raise Later("The mail server is away.")

    row_id = await enqueue(waits)
    events = []
    for _ in range(3):
        with capture_logs() as logs:
            await jobs.perform(desk, row_id)
        events.append(events_of(logs))
        await lease_ends(database, row_id)

    assert events == [["job_tried_again_later"], ["job_tried_again_later"], ["unexpected_error"]]
    assert (await row(row_id))["state"] == "DEAD"


async def test_a_job_that_takes_too_long_has_failed(desk, enqueue, row, monkeypatch):
    async def sleeps(_work):
        await asyncio.sleep(30)

    monkeypatch.setattr(jobs, "JOB_SECONDS", 0.1)
    row_id = await enqueue(sleeps)
    assert not await jobs.perform(desk, row_id)
    assert (await row(row_id))["last_error"].startswith("TimeoutError")


def test_limits_leave_room_for_each_other():
    arqs = jobs.JOB_SECONDS + worker.MARGIN_SECONDS  # else arq would end jobs as if the worker were stopped
    assert jobs.JOB_SECONDS + jobs.GOES_ON_SECONDS < arqs < jobs.LEASE.total_seconds()
    # A killed worker's job is begun by another within a minute.
    assert jobs.LEASE.total_seconds() + jobs.GRACE.total_seconds() + relaying.RELAY_SECONDS < 60


async def test_a_worker_that_is_stopped_hands_its_job_back_at_once(desk, enqueue, row):
    began = asyncio.Event()

    async def sleeps(_work):
        began.set()
        await asyncio.sleep(30)

    row_id = await enqueue(sleeps)
    task = asyncio.create_task(jobs.perform(desk, row_id))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    stopped = await row(row_id)
    assert (stopped["state"], stopped["last_error"]) == ("QUEUED", "The worker was stopped.")
    assert stopped["due_in"] < dt.timedelta(seconds=0.5)


async def test_a_job_that_nobody_here_knows_is_kept_until_somebody_does(desk, database, enqueue, row):
    row_id = await enqueue(nothing)
    await database.rows("UPDATE jobs SET kind = 'DoTomorrow' WHERE id = :id", id=row_id)

    with capture_logs() as logs:  # nobody is alarmed while another version is deployed
        assert not await jobs.perform(desk, row_id)

    assert "job_tried_again_later" in (events := {log["event"] for log in logs})
    assert "unexpected_error" not in events
    waiting = await row(row_id)
    assert waiting["state"] == "QUEUED"
    assert "No performer of DoTomorrow" in waiting["last_error"]
    await database.rows("UPDATE jobs SET attempts = 8, due_at = now() WHERE id = :id", id=row_id)
    with capture_logs() as logs:
        assert not await jobs.perform(desk, row_id)
    assert "unexpected_error" in {log["event"] for log in logs}
    assert (await row(row_id))["state"] == JobState.DEAD.name


async def test_without_a_database_its_row_waits(desk, enqueue, row, batches, monkeypatch):
    async def away(*_):
        raise Unavailable

    row_id = await enqueue(nothing)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(type(desk.writes), "alone", away)
        assert not await jobs.perform(desk, row_id)
        await jobs.perform_together(desk, "DoTogether")

    assert events_of(logs) == ["job_without_database"] * 2
    assert (await row(row_id))["state"] == "QUEUED"


async def test_a_job_of_another_shape_is_an_error_that_tells(desk, database, enqueue, row):
    row_id = await enqueue(nothing)
    await database.rows("UPDATE jobs SET payload = '{}' WHERE id = :id", id=row_id)
    assert not await jobs.perform(desk, row_id)
    assert (await row(row_id))["last_error"].startswith("KeyError")


async def test_done_jobs_are_forgotten_after_a_week_and_what_was_given_up_is_not(desk, database, enqueue):
    old, young, dead = await enqueue(nothing), await enqueue(nothing), await enqueue(nothing)
    for row_id in (old, young):
        assert await jobs.perform(desk, row_id)
    await database.rows("UPDATE jobs SET state = 'DEAD' WHERE id = :id", id=dead)
    await database.rows("UPDATE jobs SET settled_at = now() - interval '8 days' WHERE id <> :id", id=young)

    await relaying.sweep(desk)

    assert {row["id"] for row in await database.rows("SELECT id FROM jobs")} == {young, dead}


# --- Together ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DoTogether(Job, together=3, retries=2):
    """Does what a test says, up to three at once."""

    number: int


@pytest.fixture
def batches(desk):
    """What was performed together: the numbers of each batch; `does` is what is done with it."""
    done = SimpleNamespace(numbers=[], does=None)

    async def perform(work: Work[DoTogether]) -> None:
        done.numbers.append(sorted(job.number for job in work.jobs.values()))
        if done.does:
            await done.does(work)

    async def asked(*numbers, delay=None):
        async with desk.writes.begin() as unit:
            for number in numbers:
                unit.enqueue(DoTogether(number), delay=delay)
        return unit.jobs

    done.asked = asked
    jobs._performers[DoTogether] = perform
    yield done
    del jobs._performers[DoTogether]


async def states(database):
    rows = await database.rows("SELECT payload, state, attempts FROM jobs WHERE kind = 'DoTogether' ORDER BY payload")
    return [(row["payload"]["number"], row["state"], row["attempts"]) for row in rows]


async def test_what_is_due_is_performed_together_until_nothing_is_left(desk, database, redis, batches):
    await batches.asked(*range(7))
    await batches.asked(7, delay=60)
    await asyncio.sleep(0.2)
    await redis.flushall()

    await jobs.perform_together(desk, "DoTogether")

    assert sorted(map(len, batches.numbers)) == [1, 3, 3]
    assert sorted(number for batch in batches.numbers for number in batch) == list(range(7))
    assert await states(database) == [*((number, "DONE", 1) for number in range(7)), (7, "QUEUED", 0)]
    await asyncio.sleep(0.1)
    assert await queued(redis) == {}  # nothing is left to be woken for


async def test_the_first_that_are_due_go_first_in_the_order_in_which_they_were_asked_for(desk, database, batches):
    order = []

    async def looks(work):
        order.append([job.number for job in work.jobs.values()])

    batches.does = looks
    await batches.asked(*reversed(range(6)))
    for number in range(3):  # which leaves them in another order, too
        sql = "UPDATE jobs SET due_at = due_at - interval '1 second' WHERE payload->>'number' = :number"
        await database.rows(sql, number=str(number))

    await jobs.perform_together(desk, "DoTogether")

    assert order == [[2, 1, 0], [5, 4, 3]]


async def test_what_is_left_after_some_seconds_is_woken_again(desk, database, redis, batches, monkeypatch):
    await batches.asked(*range(7))
    await asyncio.sleep(0.2)
    await redis.flushall()
    monkeypatch.setattr(jobs, "GOES_ON_SECONDS", 0.1)
    batches.does = lambda _: asyncio.sleep(0.15)

    await jobs.perform_together(desk, "DoTogether")

    assert [len(batch) for batch in batches.numbers] == [3]
    assert [name.partition(":")[0] for name in await queued(redis)] == ["DoTogether"]


async def test_a_crowd_performs_each_of_them_once(desk, database, batches):
    await batches.asked(*range(20))
    await asyncio.gather(*(jobs.perform_together(desk, "DoTogether") for _ in range(8)))
    assert sorted(number for batch in batches.numbers for number in batch) == list(range(20))
    assert {state for _, state, _ in await states(database)} == {"DONE"}


@pytest.mark.usefixtures("database")
async def test_what_somebody_is_about_to_claim_is_left_to_them(desk, batches):
    await batches.asked(0, 1, 2)
    async with desk.writes.begin() as unit, asyncio.timeout(3):
        await unit.lock_all(every_job)
        await jobs.perform_together(desk, "DoTogether")
    assert batches.numbers == []


def every_job():
    return select(JobRow)


async def test_what_fails_takes_others_with_it_once(desk, database, batches):
    async def poisoned(work):
        async with work.settle() as unit:
            for job in work.jobs.values():
                unit.insert(Service, name=f"{job.number}", description=None, archived_at=None)
                if job.number == 1:
                    raise ValueError

    batches.does = poisoned
    await batches.asked(0, 1, 2)

    await jobs.perform_together(desk, "DoTogether")
    assert await states(database) == [(number, "QUEUED", 1) for number in range(3)]
    assert await database.rows("SELECT * FROM services") == []

    await database.rows("UPDATE jobs SET due_at = now()")
    await jobs.perform_together(desk, "DoTogether")
    assert len(batches.numbers) == 1  # each by itself from now on
    for row in await database.rows("SELECT id FROM jobs"):
        await jobs.perform(desk, row["id"])
    assert await states(database) == [(0, "DONE", 2), (1, "QUEUED", 2), (2, "DONE", 2)]
    assert [row["name"] for row in await database.rows("SELECT name FROM services ORDER BY name")] == ["0", "2"]


async def test_what_is_put_off_was_not_tried(desk, database, batches):
    async def not_yet(work):
        await work.put_off(60)

    async def fails(_work):
        raise ValueError

    batches.does = not_yet
    await batches.asked(0, 1, 2)
    for _ in range(DoTogether.retries + 1):
        with capture_logs() as logs:
            await jobs.perform_together(desk, "DoTogether")
        assert events_of(logs) == []
        assert await states(database) == [(number, "QUEUED", 0) for number in range(3)]
        await database.rows("UPDATE jobs SET due_at = now()")
    batches.does = fails
    await jobs.perform_together(desk, "DoTogether")

    assert batches.numbers == [[0, 1, 2]] * (DoTogether.retries + 2)
    assert await states(database) == [(number, "QUEUED", 1) for number in range(3)]


async def test_one_that_fails_alone_leaves_the_others_done(desk, database, batches):
    async def refuses(work):
        first, second, _ = work.jobs
        async with work.settle(first):
            pass
        await work.fail(second, Later("The mail server is away."))

    batches.does = refuses
    await batches.asked(0, 1, 2)
    with capture_logs() as logs:
        await jobs.perform_together(desk, "DoTogether")
    assert events_of(logs) == ["job_tried_again_later"]
    assert await states(database) == [(0, "DONE", 1), (1, "QUEUED", 1), (2, "DONE", 1)]


async def test_who_lost_some_of_them_writes_of_the_others_alone(desk, database, batches):
    async def is_overtaken(work):
        await database.rows("UPDATE jobs SET attempts = 2 WHERE payload = '{\"number\": 1}'")
        async with work.settle() as unit:
            for job in work.jobs.values():
                unit.insert(Service, name=f"{job.number}", description=None, archived_at=None)

    batches.does = is_overtaken
    await batches.asked(0, 1, 2)
    with capture_logs() as logs:
        await jobs.perform_together(desk, "DoTogether")

    assert events_of(logs) == ["job_claim_lost"]
    assert [row["name"] for row in await database.rows("SELECT name FROM services ORDER BY name")] == ["0", "2"]
    assert await states(database) == [(0, "DONE", 1), (1, "RUNNING", 2), (2, "DONE", 1)]


async def test_what_a_killed_worker_had_together_is_begun_again_one_by_one(desk, database, batches):
    async def kills(_work):
        raise SystemExit  # as if the process ended here

    batches.does = kills
    await batches.asked(0, 1, 2)
    with pytest.raises(SystemExit):
        await jobs.perform_together(desk, "DoTogether")
    assert await states(database) == [(number, "RUNNING", 1) for number in range(3)]
    (lease,) = await database.rows("SELECT min(due_at - now()) AS left FROM jobs")
    assert dt.timedelta(seconds=25) < lease["left"] <= jobs.LEASE
    await database.rows("UPDATE jobs SET due_at = now() - interval '5 seconds'")

    rows, kinds = relaying._wakes(await _owed(desk))
    assert (len(rows), kinds) == (3, set())
    batches.does = None
    for row_id, _ in rows:
        assert await jobs.perform(desk, row_id)
    assert sorted(batches.numbers[1:]) == [[0], [1], [2]]


async def _owed(desk):
    async with desk.writes.begin() as unit:
        return await unit.run(relaying._owed, jobs.GRACE)


async def test_those_due_in_one_moment_wake_once_and_the_relay_wakes_their_kind(desk, database, redis, batches):
    asked = await batches.asked(0, 1, 2)
    assert {what for what, _ in asked} == {"DoTogether"}

    async def woken():
        return await queued(redis)

    await until(woken)
    assert [name.partition(":")[0] for name in await queued(redis)] == ["DoTogether"]
    ((due),) = (await queued(redis)).values()
    assert 0 < due - asked[0][1].timestamp() < 1
    await asyncio.sleep(jobs.GRACE.total_seconds())
    assert relaying._wakes(await _owed(desk)) == ([], {"DoTogether"})


async def test_what_is_traced_is_performed_alone(desk, database, batches, monkeypatch):
    monkeypatch.setattr("infra.tracing.carried", lambda: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    ((traced, _),) = await batches.asked(0)
    monkeypatch.undo()
    await batches.asked(1)

    await jobs.perform_together(desk, "DoTogether")
    assert batches.numbers == [[1]]
    assert await jobs.perform(desk, traced)


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def redis(redis_url):
    """A way behind the scenes of Redis, empty before and after."""
    client = Redis.from_url(redis_url)
    await client.flushall()
    yield client
    await client.flushall()
    await client.aclose(close_connection_pool=True)


async def queued(redis):
    """The names that wait in Redis, with the moments when they are due."""
    return {
        name.decode().removeprefix(TOGETHER): score / 1000
        for name, score in await redis.zrange(QUEUE, 0, -1, withscores=True)
    }


async def until(condition):
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 # what is waited for happens elsewhere
            await asyncio.sleep(0.02)


@pytest.fixture
async def relay(desk, monkeypatch):
    """The relay, in a hurry."""
    monkeypatch.setattr(relaying, "RELAY_SECONDS", 0.05)
    monkeypatch.setattr(relaying, "GRACE", dt.timedelta(0))
    task = asyncio.create_task(relaying.relay_forever(desk))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_commit_wakes_its_jobs_when_they_are_due(desk, redis, enqueue):
    now_id, later_id = await enqueue(nothing), await enqueue(nothing, delay=3600)

    async def both():
        return len(await queued(redis)) == 2

    await until(both)
    due = {name.partition(":")[0]: at for name, at in (await queued(redis)).items()}
    assert due.keys() == {str(now_id), str(later_id)}
    assert 3599 < due[str(later_id)] - due[str(now_id)] < 3601


@pytest.mark.parametrize("together", [False, True])
async def test_what_is_to_be_tried_again_is_woken_when_it_is_due(desk, database, redis, batches, together):
    """As it will be performed: what was put off with others, what failed by itself."""

    async def ends(work):
        if together:
            await work.put_off(60)
        else:
            raise ValueError

    batches.does = ends
    await batches.asked(0, 1)
    await asyncio.sleep(0.2)
    await redis.flushall()

    await jobs.perform_together(desk, "DoTogether")

    rows = await database.rows("SELECT id, due_at FROM jobs")
    names = {"DoTogether"} if together else {str(row["id"]) for row in rows}

    async def woken():
        return {name.partition(":")[0] for name in await queued(redis)} == names

    await until(woken)
    for due in (await queued(redis)).values():
        assert 0 <= due - rows[0]["due_at"].timestamp() < 1


async def test_the_relay_wakes_again_what_redis_has_lost_and_leaves_in_its_place_what_it_has(redis, enqueue, relay):
    row_id, later_id = await enqueue(nothing), await enqueue(nothing, delay=3600)
    await asyncio.sleep(0.1)
    await redis.flushall()

    async def woken():
        return await queued(redis)

    await until(woken)
    first = await queued(redis)
    await asyncio.sleep(0.3)
    assert first == await queued(redis)
    assert [name.partition(":")[0] for name in first] == [str(row_id)]
    assert later_id != row_id


async def test_the_relay_wakes_what_a_killed_worker_left(database, redis, enqueue, relay):
    row_id = await enqueue(nothing)
    await database.rows(
        "UPDATE jobs SET state = 'RUNNING', attempts = 1, due_at = now() + interval '1 hour' WHERE id = :id", id=row_id
    )
    await asyncio.sleep(0.2)
    await redis.flushall()
    await asyncio.sleep(0.2)
    assert await queued(redis) == {}

    await lease_ends(database, row_id)

    async def woken():
        return await queued(redis)

    await until(woken)
    assert list(await queued(redis)) == [f"{row_id}:1"]


async def test_the_relay_outlives_what_is_away(desk, enqueue, redis, relay, monkeypatch):
    """Redis first, then PostgreSQL."""

    async def fails(*_):
        raise ConnectionError

    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(Bus, "relay", fails)
        row_id = await enqueue(nothing)
        await redis.flushall()
        await asyncio.sleep(0.3)
        patched.setattr(type(desk.writes), "begin", lambda _: 1 / 0)
        await asyncio.sleep(0.2)
    assert set(events_of(logs)) == {"relay_waits", "unexpected_error"}

    async def woken():
        return await queued(redis)

    await until(woken)
    assert list(await queued(redis)) == [f"{row_id}:0"]


async def test_a_redis_that_is_not_there_fails_nobody():
    bus = Bus("redis://127.0.0.1:1/0")
    with capture_logs() as logs:
        await bus.tell([(new_id(), dt.datetime.now(dt.UTC))], {"a": "b"})
    assert events_of(logs) == ["redis_not_told"]
    assert not await bus.ready()
    with pytest.raises(RedisError):
        await bus.relay([(new_id(), 1)])
    await bus.close()


async def test_a_redis_that_says_nothing_is_waited_for_two_seconds_and_leaves_nothing_behind():
    """It takes connections, as a frozen one does, and never answers."""
    over = asyncio.Event()

    async def hold(_reader, writer):
        await over.wait()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    bus = Bus(f"redis://127.0.0.1:{silent.sockets[0].getsockname()[1]}/0")
    before, loop = asyncio.all_tasks(), asyncio.get_running_loop()
    began = loop.time()

    with capture_logs() as logs:
        await asyncio.gather(*(bus.tell([], {"a": str(number)}) for number in range(50)))

    assert loop.time() - began < 3
    told = events_of(logs)
    assert told == ["redis_not_told"] * 50
    await bus.close()
    over.set()
    silent.close()
    await asyncio.sleep(0.1)
    left = {task for task in asyncio.all_tasks() - before if f"{hub.__file__}:" not in repr(task)}
    assert left == set()  # the hub of another test's desk may have connected anew
