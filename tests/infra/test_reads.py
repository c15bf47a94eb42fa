"""Statements that others are in the way of: whoever asks is told to come again, and the next is answered."""

import asyncio

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

import models
from infra import postgres
from infra.driver import CANNOT_CONNECT
from infra.pool import Pool
from infra.postgres import Overtaken, Reads, Unavailable
from infra.writes import Writes

COUNT = "SELECT count(*)::text::varchar FROM services"


@pytest.fixture
async def reads(settings, monkeypatch):
    """Reads that wait for hardly anything."""
    monkeypatch.setattr(
        postgres, "SETTINGS", postgres.SETTINGS | {"lock_timeout": "50ms", "statement_timeout": "200ms"}
    )
    made = Reads(settings.database_url)
    yield made
    await made.close()


async def test_a_read_that_waits_for_a_lock_is_given_up(reads, database, engine):
    async with engine.begin() as holder:
        await holder.exec_driver_sql("LOCK TABLE services IN ACCESS EXCLUSIVE MODE")
        with capture_logs() as told, pytest.raises(Unavailable):
            await reads.fetch(COUNT, [])
    assert told == [{"event": "statement_given_up", "log_level": "warning", "error": "LockNotAvailableError"}]

    assert [tuple(row) for row in await reads.fetch(COUNT, [])] == [(b"0",)]


async def test_a_read_that_takes_too_long_is_given_up(reads, database):
    with pytest.raises(Unavailable):
        await reads.fetch("SELECT pg_sleep(5)::text::varchar", [])

    assert [tuple(row) for row in await reads.fetch(COUNT, [])] == [(b"0",)]


@pytest.mark.parametrize("fault", CANNOT_CONNECT)
async def test_reads_and_units_say_alike_that_no_connection_can_be_had(settings, monkeypatch, fault):
    async def none(*_, **__):
        raise fault("None today.")

    monkeypatch.setattr("infra.postgres.connect", none)
    monkeypatch.setattr("infra.pool.connect", none)
    with pytest.raises(Unavailable):
        await Reads(settings.database_url).fetch(COUNT, [])
    with pytest.raises(Unavailable):
        await Pool(settings.database_url, size=1).take(None)


async def test_what_is_prepared_is_so_long_and_no_longer(settings, database, monkeypatch):
    """Or whoever asks for something else each time would fill the server's memory."""
    monkeypatch.setattr(postgres, "LONGEST_STATEMENTS", 200_000)
    reads = Reads(settings.database_url)
    texts = [f"SELECT '{number:06}{'x' * 60_000}'::varchar" for number in range(6)]
    for text in texts:
        assert (await reads.fetch(text, []))[0][0] == text[8:-10].encode()
    (connection,) = reads.idle

    assert list(connection.prepared) == texts[-3:]
    kept = await connection.driver.fetchval("SELECT sum(length(statement)) FROM pg_prepared_statements")
    assert kept < 5 * 60_000  # the last that went is closed when something is asked again

    long = f"SELECT '{'y' * 300_000}'::varchar"
    assert await reads.fetch(long, []) == await reads.fetch(long, [])
    assert list(connection.prepared) == [long]
    await reads.close()


def locked(key):
    return select(func.pg_advisory_xact_lock(key))


async def test_of_two_units_in_each_others_way_one_goes_on(settings, database):
    async def nothing(_jobs, _channels):
        pass

    writes, held = Writes(settings.database_url, nothing, size=2), asyncio.Barrier(2)

    async def both(first, second):
        async with writes.begin() as unit:
            await unit.run(locked, first)
            await held.wait()
            await unit.run(locked, second)
            unit.insert(models.Service, name=f"{first} {second}", description=None, archived_at=None)

    found = await asyncio.gather(both(1, 2), both(2, 1), return_exceptions=True)
    await writes.close()

    assert sorted(map(type, found), key=str) == sorted([Overtaken, type(None)], key=str)
    assert len(await database.rows("SELECT name FROM services")) == 1
    causes = [type(each.__cause__).__name__ for each in found if each]
    assert causes == ["DeadlockDetectedError"]


def read_only():
    return select(func.set_config("default_transaction_read_only", "on", False))


@pytest.mark.parametrize("late", [False, True])
async def test_a_connection_that_can_be_written_no_more_is_given_up(settings, database, late):
    """As after a failover: where it leads is a copy by now, and a new one leads to what is written."""

    async def nothing(_jobs, _channels):
        pass

    writes = Writes(settings.database_url, nothing, size=1)

    async def write(name):
        async with writes.begin(late=late) as unit:
            unit.insert(models.Service, name=name, description=None, archived_at=None)

    await writes.read(read_only)
    with capture_logs() as told, pytest.raises(Unavailable):
        await write("one")
    assert told == [{"event": "database_is_read_only", "log_level": "warning"}]

    await write("two")
    await writes.close()
    assert [row["name"] for row in await database.rows("SELECT name FROM services")] == ["two"]
