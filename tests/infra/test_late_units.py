"""Units whose transaction begins when it must: they write in one statement, or nothing when they were overtaken."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from units import Gone, add, all_of_them, heard, named, names

import models
from infra.pool import SETTINGS
from infra.postgres import Overtaken, Unavailable
from infra.transactions import UNKNOWN
from infra.writes import Writes

WINDOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
async def known(writes):
    """Two rows."""
    async with writes.begin() as unit:
        for name in ("A", "B"):
            add(unit, name)


def counts():
    return select(models.Attempt)


def count(unit, most, key="x"):
    unit.count(models.Attempt, "count", most, key=key, window_starts_at=WINDOW)


def all_that_are_free():
    return all_of_them().with_for_update(skip_locked=True)


async def guarded(unit, name="A"):
    _, [row] = await unit.guard((counts,), (named, name))
    return row


async def descriptions(database):
    return [row["description"] for row in await database.rows("SELECT description FROM services ORDER BY name")]


@pytest.mark.usefixtures("known")
async def test_it_reads_and_writes_without_a_transaction(writes, told, database):
    async with writes.begin(late=True) as unit:
        row = await guarded(unit)
        driver = unit._transaction._driver
        statements = []
        driver.add_query_logger(lambda record: statements.append(record.query))
        assert not driver.is_in_transaction()
        await unit.read(named, "B")
        unit.change(row, description="one")
        add(unit, "C")
        count(unit, 1)
        unit.publish("services", "1")
    await asyncio.sleep(0)
    assert len(statements) == 2
    assert "UPDATE" in statements[1]
    await writes.close()

    assert await descriptions(database) == ["one", None, None]
    assert await database.rows("SELECT key, count FROM attempts") == [{"key": "x", "count": 1}]
    assert told.channels == {"services": "1"}


async def test_who_asks_and_says_nothing_needs_no_connection(writes):
    async with writes.begin(late=True) as unit:
        pass
    assert unit._transaction._driver is None
    assert writes.slots.in_use == 0


@pytest.mark.usefixtures("known")
async def test_who_guards_and_says_nothing_has_not_to_hear_of_others(writes, database):
    async with writes.begin(late=True) as unit:
        await guarded(unit)
        await database.rows("DELETE FROM services")


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("meanwhile", ["UPDATE services SET description = description", "DELETE FROM services"])
async def test_nothing_is_written_when_the_guarded_row_has_changed(writes, told, database, meanwhile):
    async def write():
        async with writes.begin(late=True) as unit:
            unit.change(await guarded(unit), description="one")
            add(unit, "C")
            count(unit, 1)
            unit.publish("services")
            await database.rows(meanwhile)

    with pytest.raises(Overtaken):
        await write()
    await writes.close()

    assert set(await names(database)) <= {"A", "B"}
    assert set(await descriptions(database)) <= {None}
    assert await database.rows("SELECT key FROM attempts") == []
    assert told.channels == {}


async def write_late(writes):
    async with writes.begin(late=True) as unit:
        unit.change(await guarded(unit), description="late")


@pytest.mark.usefixtures("known")
async def test_nothing_is_written_when_somebody_was_about_to_change_it(writes, database):
    async with writes.begin() as unit:
        unit.change(await unit.lock(named, "A"), description="first")
        waiting = asyncio.create_task(write_late(writes))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    with pytest.raises(Overtaken):
        await waiting
    assert await descriptions(database) == ["first", None]


@pytest.mark.usefixtures("known")
async def test_somebody_who_only_had_it_locked_is_waited_for(writes, database):
    async with writes.begin() as unit:
        await unit.lock(named, "A")
        waiting = asyncio.create_task(write_late(writes))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    await waiting
    assert await descriptions(database) == ["late", None]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("holding", ["hold", "lock", "lock_all", "read_all", "run", "flush", "part", "guard"])
async def test_what_needs_a_transaction_begins_it_and_locks_what_is_guarded(writes, database, holding):
    async def hold(unit):
        if holding == "hold":
            await unit.hold()
        elif holding == "guard":
            unit.change(await guarded(unit, "B"), description="two")
        elif holding == "lock":
            unit.change(await unit.lock(named, "B"), description="two")
        elif holding == "part":
            async with unit.part():
                add(unit, "C")
        elif holding == "flush":
            add(unit, "C")
            await unit.flush()
        elif holding == "read_all":
            await unit.read_all(all_that_are_free)
        else:
            await getattr(unit, holding)(all_of_them)

    async with writes.begin(late=True) as unit:
        row = await guarded(unit)
        await hold(unit)
        assert unit._transaction._driver.is_in_transaction()
        changing = asyncio.create_task(database.rows("UPDATE services SET description = 'by another' WHERE name = 'A'"))
        await asyncio.sleep(0.1)
        assert not changing.done()
        unit.change(row, description="one")
    await changing
    assert (await descriptions(database))[0] == "by another"

    async def overtaken():
        async with writes.begin(late=True) as unit:
            await guarded(unit)
            await database.rows("UPDATE services SET description = 'again' WHERE name = 'A'")
            async with heard(unit) as statements:
                try:
                    await hold(unit)
                finally:
                    assert statements[0] == "BEGIN"

    before = await names(database)
    with pytest.raises(Overtaken):
        await overtaken()
    assert await names(database) == before


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("how", ["unguarded", "unchanged", "read again", "deleted", "another deleted", "two"])
async def test_only_the_guarded_row_can_be_changed_without_a_lock(writes, database, how):
    async def write():
        async with writes.begin(late=True) as unit:
            row = await guarded(unit)
            if how == "unguarded":
                unit.change(await unit.read(named, "B"), description="two")
            elif how == "two":
                unit.change(row, description="one")
                unit.change(await unit.read(named, "B"), description="two")
            elif how == "read again":
                unit.change(await unit.read(named, "A"), description="one")
            elif how == "deleted":
                unit.delete(row)
            elif how == "another deleted":
                unit.change(row, description="one")
                unit.delete(await unit.read(named, "B"))
            else:
                add(unit, "C")

    with pytest.raises(Overtaken):
        await write()
    assert (await names(database), await descriptions(database)) == (["A", "B"], [None, None])


@pytest.mark.parametrize("late", [True, False])
async def test_many_at_once_never_count_more_than_is_allowed(writes, database, late):
    async def one(number):
        async with writes.begin(late=late) as unit:
            await unit.read_all(counts)
            count(unit, 5)
            add(unit, f"{number}")

    found = await asyncio.gather(*(one(number) for number in range(12)), return_exceptions=True)

    assert [type(each) for each in found if each is not None] == [Overtaken] * 7
    assert len(await names(database)) == 5
    assert await database.rows("SELECT count FROM attempts") == [{"count": 5}]


@pytest.mark.parametrize("late", [True, False])
async def test_what_is_all_that_is_said_is_written_once(writes, database, late):
    async with writes.begin(late=late) as unit:
        count(unit, 5)
    async with writes.begin(late=late) as unit:
        count(unit, 5)
        await unit.flush()
        add(unit, "A")
    assert await database.rows("SELECT count FROM attempts") == [{"count": 2}]

    async with writes.begin(late=late) as unit:
        unit.delete(await unit.lock(counts))
    assert await database.rows("SELECT count FROM attempts") == []


async def test_a_connection_that_was_lost_while_it_was_idle_is_no_fault(writes, database):
    async with writes.begin(late=True) as unit:
        await unit.read_all(all_of_them)
        driver = unit._transaction._driver
    pid = driver.get_server_pid()
    await database.rows(f"SELECT pg_terminate_backend({pid})")

    async def write():
        async with writes.begin(late=True) as unit:
            await unit.read_all(all_of_them)
            add(unit, "A")

    for _ in range(2):  # noticed or not, another one is taken
        try:
            await write()
        except Overtaken:
            continue
        break
    assert await names(database) == ["A"]


async def test_of_a_connection_that_is_gone_a_read_is_tried_again_and_nobody_knows_of_a_write(writes):
    async def say(unit):
        add(unit, "A")

    for does, error in ((lambda unit: unit.read_all(all_of_them), Overtaken), (say, Unavailable)):
        writes._pool._idle.append(Gone())
        with pytest.raises(Unavailable) as raised:
            await late(writes, does)
        assert type(raised.value) is error


async def late(writes, does):
    async with writes.begin(late=True) as unit:
        await does(unit)


@pytest.mark.usefixtures("known")
async def test_when_the_connection_breaks_while_it_writes_nobody_knows(writes, database):
    async def write():
        async with writes.begin(late=True) as unit:
            unit.change(await guarded(unit), description="one")
            driver = unit._transaction._driver
            await database.rows(f"SELECT pg_terminate_backend({driver.get_server_pid()})")

    with pytest.raises(Unavailable) as raised:
        await write()
    assert str(raised.value) == UNKNOWN
    assert type(raised.value) is Unavailable
    await write_well(writes)
    assert "C" in await names(database)


async def test_when_the_connection_breaks_before_its_commit_nobody_knows(writes, database):
    async def write():
        async with writes.begin() as unit:
            count(unit, 1)
            await unit.flush()
            await database.rows(f"SELECT pg_terminate_backend({unit._transaction._driver.get_server_pid()})")

    with pytest.raises(Unavailable, match=UNKNOWN):
        await write()


async def write_well(writes):
    async with writes.begin(late=True) as unit:
        await unit.read_all(all_of_them)
        add(unit, "C")


@pytest.mark.usefixtures("known")
async def test_when_the_server_refuses_everybody_knows(settings, told, database, monkeypatch):
    monkeypatch.setitem(SETTINGS, "lock_timeout", "50ms")
    writes = Writes(settings.database_url, told, size=2)

    async with writes.begin() as unit:
        await unit.lock(named, "A")
        with pytest.raises(Unavailable) as raised:
            await write_late(writes)
    await writes.close()
    assert str(raised.value) != UNKNOWN
    assert await descriptions(database) == [None, None]


async def test_what_stands_in_the_way_is_said_in_the_words_of_the_caller(writes, database):
    class Taken(Exception):
        pass

    async def write():
        async with writes.begin(late=True) as unit:
            unit.translate("services_name_key", Taken())
            add(unit, "A")

    await write()
    with pytest.raises(Taken):
        await write()
    assert await names(database) == ["A"]
    await write_well(writes)


def asleep():
    return select(models.Service).where(sa.func.pg_sleep(30).is_not(None))


@pytest.mark.usefixtures("known")
async def test_who_is_cancelled_while_it_reads_has_written_nothing(writes, told, database):
    async def write():
        async with writes.begin(late=True) as unit:
            unit.change(await guarded(unit), description="one")
            unit.publish("services")
            await unit.read_all(asleep)

    for _ in range(3):  # more often than there are connections
        task = asyncio.create_task(write())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await write_well(writes)
    assert await descriptions(database) == [None, None, None]
    busy = "application_name = 'deskwire writes' AND query LIKE '%pg_sleep%' AND state = 'active'"
    assert await database.rows(f"SELECT pid FROM pg_stat_activity WHERE {busy}") == []
    assert told.channels == {}


async def test_who_is_cancelled_while_it_writes_has_written_and_told(writes, told, database):
    async def write():
        async with writes.begin(late=True) as unit:
            unit.change(await guarded(unit), description="one")
            unit.publish("services")

    async with writes.begin() as unit:
        add(unit, "A")
    async with writes.begin() as unit:
        await unit.lock(named, "A")
        task = asyncio.create_task(write())
        await asyncio.sleep(0.1)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.01)
        assert not task.done()
    with pytest.raises(asyncio.CancelledError):
        await task
    await writes.close()
    assert await descriptions(database) == ["one"]
    assert told.channels == {"services": ""}


@pytest.mark.parametrize("late", [True, False])
async def test_a_commit_that_is_ended_before_it_began_is_not_waited_for(writes, database, monkeypatch, late):
    """As when a process ends: whatever it still does is cancelled."""
    made = asyncio.create_task

    def ended(work):
        task = made(work)
        task.cancel()
        return task

    async def write():
        async with writes.begin(late=late) as unit:
            add(unit, "A")
            if not late:
                await unit.flush()
            ending.setattr("infra.pool.asyncio.create_task", ended)

    with monkeypatch.context() as ending:
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await write()
    assert await names(database) == []
    await write_well(writes)
    assert writes.slots.in_use == 0
