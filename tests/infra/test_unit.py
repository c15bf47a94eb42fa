"""The unit of work: one statement, one commit, and nothing by halves."""

import asyncio
import contextlib
import datetime as dt

import pytest
import time_machine
from redis.asyncio import Redis
from sqlalchemy import any_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from structlog.testing import capture_logs
from units import Gone, add, all_of_them, heard, named, names

import models
from domain.jobs import EraseFiles, RecalculateSla, SendMessage
from infra.ids import new_id
from infra.pool import SETTINGS, Pool
from infra.postgres import Unavailable
from infra.redis import Bus
from infra.rows import changed, row, state_of
from infra.transactions import UNKNOWN
from infra.unit import Job, now
from infra.writes import Writes
from infra.writing import parts_of, written


def among(names):
    return all_of_them().where(models.Service.name == func.any(names))


def of_some(names, ids):
    return select(models.Service.name).where(
        or_(models.Service.name == func.any(names), models.Service.id == any_(ids))
    )


def sleeping(seconds):
    return select(func.pg_sleep(seconds))


def how_many(name):
    return select(models.Service.name, func.count()).where(models.Service.name == name).group_by(models.Service.name)


def writing(name):
    return insert(models.Service).values(id=new_id(), name=name).returning(models.Service)


async def test_all_that_is_said_is_one_statement(writes, database):
    async with writes.begin() as unit:
        for name in ("A", "B", "C"):
            add(unit, name)
    async with writes.begin() as unit:
        first, second, third = await unit.lock_all(all_of_them)
        async with heard(unit) as statements:
            unit.change(first, description="one")
            unit.change(second, name="B2", description="two")
            unit.change(third, description="three")
            unit.delete(third)
            add(unit, "D")
            add(unit, "E")
            unit.enqueue(EraseFiles([]))
            await unit.flush()
        assert len(statements) == 1

    assert await names(database) == ["A", "B2", "D", "E"]
    assert (await database.rows("SELECT count(*) FROM jobs"))[0]["count"] == 1


async def test_what_is_null_or_the_same_is_given_once(writes, database):
    async with writes.begin() as unit:
        first = add(unit, "A", archived_at=unit.now)
        unit.insert(models.IdempotencyKey, person_id=first.id, mutation="A", key="k", input_hash=b"", answer=None)
        unit.change(unit.made(models.IdempotencyKey)[0], created_at=unit.now)
        _, arguments = written(parts_of(unit._fresh.values(), [], []))
        assert [arguments.count(value) for value in (unit.now, first.id, "A", None)] == [1, 1, 2, 0]
        await unit.flush()
        second = add(unit, "B", archived_at=unit.now)
        add(unit, "C", description="A")
        await unit.flush()
        unit.change(first, archived_at=None, description=None)
        unit.change(second, archived_at=unit.now, description="B")

    rows = await database.rows("SELECT name, description, archived_at FROM services ORDER BY name")
    assert [tuple(row.values()) for row in rows] == [("A", None, None), ("B", "B", unit.now), ("C", "A", None)]


async def test_however_many_rows_are_written_it_is_the_same_statement(writes, database):
    moment, texts = dt.datetime(2026, 1, 2, tzinfo=dt.UTC), set()
    async with writes.begin() as unit:
        for count in (2, 3, 5):
            for number in range(count):
                its = {"person_id": new_id(), "mutation": f"{count}", "key": f'{number} \\ " \u2028'}
                said = {"n": number, "none": None} if number else None
                unit.insert(models.IdempotencyKey, **its, input_hash=b"\0\xff", answer=said, created_at=moment)
            texts.add(written(parts_of(unit._fresh.values(), [], []))[0])
            await unit.flush()
    assert len(texts) == 1

    rows = await database.rows("SELECT * FROM idempotency_keys WHERE mutation = '3' ORDER BY key")
    assert [row["key"] for row in rows] == [f'{number} \\ " \u2028' for number in range(3)]
    assert [row["answer"] for row in rows] == [None, {"n": 1, "none": None}, {"n": 2, "none": None}]
    assert {(row["input_hash"], row["created_at"]) for row in rows} == {(b"\0\xff", moment)}


@pytest.mark.parametrize("archived", [True, False])
async def test_units_of_another_shape_are_other_statements(writes, database, archived):
    for description in ("one", None):
        async with writes.begin() as unit:
            at = unit.now if archived else None
            add(unit, f"A {description}", description=description, archived_at=at)

    rows = await database.rows(
        "SELECT description, archived_at IS NOT NULL AS archived FROM services ORDER BY name DESC"
    )
    assert [tuple(row.values()) for row in rows] == [("one", archived), (None, archived)]


async def test_several_reads_are_one_statement(writes):
    async with writes.begin() as unit:
        for name in ("B", "A", "C"):
            add(unit, name)
    async with writes.begin() as unit:
        unit.change(await unit.lock(named, "A"), description="changed")
        async with heard(unit) as statements:
            found = await unit.read_together((named, "A"), (named, "none"), (how_many, "B"), (all_of_them,))
            without = await unit.read_together((named, "A"), (named, "none"))
            nothing = await unit.read_together((named, "none"))
        assert len(statements) == 3
        assert [[row.name for row in rows] for rows in (found[0], found[1], found[3])] == [["A"], [], ["A", "B", "C"]]
        assert found[0][0].description == found[3][0].description == "changed"
        assert found[2] == [("B", 1)]
        assert [[row.name for row in rows] for rows in without] == [["A"], []]
        assert nothing == [[]]
        unit.change(found[3][1], description="too")
    async with writes.begin() as unit:
        assert [row.description for row in await unit.read_all(all_of_them)] == ["changed", "too", None]


async def test_an_empty_list_is_an_array_of_what_its_place_asks_for(writes):
    async with writes.begin() as unit:
        for name in ("A", "B"):
            add(unit, name)
    async with writes.begin() as unit:
        for asked in ([], ["B"], [], ["A", "B"], ["none"]):
            rows = await unit.lock_all(among, asked)
            [together] = await unit.read_together((among, asked))
            assert [row.name for row in rows] == [row.name for row in together] == [n for n in "AB" if n in asked]
        assert await unit.run(of_some, [], []) == []
        assert len(await unit.run(of_some, [], [row.id for row in await unit.read_all(all_of_them)])) == 2
        with pytest.raises(TypeError):
            await unit.run(among, [{}])


async def test_a_row_that_was_written_and_returned_can_be_changed(writes, database):
    async with writes.begin() as unit:
        (record,) = await unit.run(writing, "A")
        row = unit.row(models.Service, record)
        assert (row.name, row.description) == ("A", None)
        unit.change(row, description="one")

    assert await database.rows("SELECT name, description FROM services") == [{"name": "A", "description": "one"}]


async def test_a_row_that_was_read_alone_is_not_read_again(writes):
    async with writes.begin() as unit:
        ids = [add(unit, name).id for name in ("A", "B")]
    async with writes.begin() as unit:
        unit.change(await unit.lock(named, "A"), description="changed")
        await unit.read_all(all_of_them)
        async with heard(unit) as statements:
            found = [await unit.get(models.Service, row_id) for row_id in (*ids, ids[1], new_id())]
        assert [row and (row.name, row.description) for row in found] == [
            ("A", "changed"),
            ("B", None),
            ("B", None),
            None,
        ]
        assert len(statements) == 2  # for B, and for what there is not
        assert await unit.get(models.Person, ids[1]) is None  # of another model
        _, again = await unit.read_all(all_of_them)
        unit.change(again, description="changed by another reading")
        assert (await unit.get(models.Service, ids[1])).description == "changed by another reading"
        with contextlib.suppress(ZeroDivisionError):
            async with unit.part():
                unit.change(await unit.get(models.Service, ids[1]), description="undone")
                raise ZeroDivisionError
        assert (await unit.get(models.Service, ids[1])).description == "changed by another reading"


async def test_a_row_that_is_not_read_again_is_as_it_was_last_read_and_changed(writes, database):
    async with writes.begin() as unit:
        row_id = add(unit, "A").id
    async with writes.begin() as unit:
        await unit.read(named, "A")
        await database.rows("UPDATE services SET description = 'by another'")
        await unit.lock(named, "A")
        assert (await unit.get(models.Service, row_id)).description == "by another"
        together = await unit.read_together((how_many, "A"), (all_of_them,))
        unit.change(together[1][0], description="changed")
        assert (await unit.get(models.Service, row_id)).description == "changed"


async def test_nothing_said_is_nothing_run(writes):
    async with writes.begin() as unit:
        async with heard(unit) as statements:
            await unit.flush()
        assert statements == []


async def test_a_later_change_wins_and_every_reading_of_a_row_knows_it(writes, database):
    async with writes.begin() as unit:
        add(unit, "A")
    async with writes.begin() as unit:
        first, second = await unit.lock(named, "A"), await unit.read(named, "A")
        unit.change(first, description="one", archived_at=unit.now)
        unit.change(second, description="two")
        third = await unit.read(named, "A")
        assert (first.description, second.description, third.description) == ("two", "two", "two")
        assert (first.name, second.archived_at, third.archived_at) == ("A", unit.now, unit.now)
        unit.change(third, name="Y")
        fourth = await unit.read(named, "A")
        unit.change(first, name="Z")
        assert first.name == fourth.name == "Z"

    (row,) = await database.rows("SELECT name, description, archived_at IS NOT NULL AS archived FROM services")
    assert row == {"name": "Z", "description": "two", "archived": True}


async def test_what_is_inserted_can_be_changed_and_taken_back(writes, database):
    async with writes.begin() as unit:
        kept, dropped = add(unit, "A"), add(unit, "B")
        unit.change(kept, name="A2")
        unit.delete(dropped)
        async with heard(unit) as statements:
            await unit.flush()
        assert "DELETE" not in " ".join(statements)
        assert await names(database) == []  # nobody else sees it yet
        unit.change(kept, name="A3")
        assert kept.name == "A3"
        gone = add(unit, "C")
        await unit.flush()
        unit.delete(gone)

    assert await names(database) == ["A3"]


async def test_rows_that_change_in_the_same_columns_change_together_each_to_its_own_values(
    desk, database, house, ticket
):
    def every(model, *order):
        return select(model).order_by(*order)

    for name in "AB":
        await house.person(name)
    async with desk.writes.begin() as unit:
        rows = await unit.read_all(lambda: every(models.Person, models.Person.name).where(models.Person.name < "C"))
        async with heard(unit) as statements:
            for row, role, locale in zip(rows, (models.Role.AGENT, models.Role.ADMIN), "en", strict=True):
                unit.change(row, role=role, locale=locale, last_seen_at=None)
            its = {"source_id": ticket.uuid, "ticket_id": ticket.uuid}
            unit.insert(models.TicketWords, **its, internal=True, words=["x", "y"])
            await unit.flush()
            found = await unit.read_all(lambda: every(models.TicketWords, models.TicketWords.internal))
            for number, row in enumerate(found):
                unit.change(row, words=[f"head{number}", f"text{number}"])
            await unit.flush()
        assert sum("UPDATE" in text for text in statements) == 2
        assert sum(text.count("UPDATE") for text in statements) == 2

    roles = await database.rows("SELECT role, locale FROM people WHERE role <> 'CUSTOMER' ORDER BY name")
    assert [tuple(row.values()) for row in roles] == [("AGENT", "e"), ("ADMIN", "n")]
    words = await database.rows("SELECT words::text FROM ticket_words ORDER BY internal")
    assert [row["words"] for row in words] == ["'head0':1A 'text0':2B", "'head1':1A 'text1':2B"]


async def test_what_stands_in_the_way_is_said_in_the_words_of_the_caller(writes, database):
    class Taken(Exception):
        pass

    async with writes.begin() as unit:
        add(unit, "A")

    async def write():
        async with writes.begin() as unit:
            unit.translate("services_pkey", ZeroDivisionError())
            unit.translate("services_name_key", Taken())
            add(unit, "A")
            add(unit, "B")

    with pytest.raises(Taken):
        await write()
    assert await names(database) == ["A"]


async def test_of_a_part_that_fails_nothing_is_left_and_of_what_was_before_all(writes, told, database):
    class Taken(Exception):
        pass

    def say(unit, name):
        add(unit, name)
        unit.enqueue(EraseFiles([name]))
        unit.publish("services", name)
        unit.gather(EraseFiles, f"gathered of {name}")

    async def fail_at_its_end(unit):
        async with unit.part():
            say(unit, "B")
            unit.publish("B alone")
            add(unit, "A")

    async def fail(unit):
        async with unit.part():
            say(unit, "C")
            raise ZeroDivisionError

    async with writes.begin() as unit:
        unit.translate("services_name_key", Taken())
        say(unit, "A")
        with pytest.raises(Taken):
            await fail_at_its_end(unit)
        with pytest.raises(ZeroDivisionError):
            await fail(unit)
        async with unit.part():
            say(unit, "D")
    await writes.close()

    assert await names(database) == ["A", "D"]
    rows = await database.rows("SELECT id, payload FROM jobs ORDER BY id")
    assert [row["payload"]["keys"] for row in rows] == [["A"], ["D"], ["gathered of A", "gathered of D"]]
    assert [what for what, _ in told.jobs] == [row["id"] for row in rows]
    assert told.channels == {"services": "A,D"}
    said = await database.rows("SELECT summary FROM audit_entries ORDER BY summary")
    assert [row["summary"] for row in said] == ["Created the service “A”.", "Created the service “D”."]


async def test_what_raises_leaves_nothing_and_tells_nobody(writes, told, database):
    before = await database.counts()

    async def write():
        async with writes.begin() as unit:
            add(unit, "A")
            await unit.flush()
            unit.enqueue(EraseFiles([]))
            unit.publish("services")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    await writes.close()

    assert await database.counts() == before
    assert (told.jobs, told.channels) == ([], {})


async def test_an_error_that_is_swallowed_does_not_look_like_success(writes, told, database):
    async def write():
        async with writes.begin() as unit:
            add(unit, "A")
            unit.publish("services")
            with contextlib.suppress(Exception):
                await unit.run(lambda: select(1 / func.length("")))
            unit._fresh.clear()  # so that nothing else fails

    with pytest.raises(RuntimeError, match="nothing is written"):
        await write()

    assert await names(database) == []
    assert told.channels == {}


@pytest.mark.parametrize(("delay", "seconds"), [(60, 60), (None, RecalculateSla.delay), (0, 0)])
async def test_after_the_commit_who_is_to_know_is_told(writes, told, database, delay, seconds):
    async with writes.begin() as unit:
        unit.publish("services", "1")
        unit.publish("services", "2")
        unit.enqueue(RecalculateSla(None, None, None), delay=delay)
        assert told.jobs == []
    await writes.close()

    (row,) = await database.rows("SELECT id, due_at, created_at FROM jobs")
    assert told.jobs == [(row["id"], row["due_at"])]
    assert row["due_at"] - row["created_at"] == dt.timedelta(seconds=seconds)
    assert told.channels == {"services": "1,2"}


async def test_a_cancelled_unit_is_undone_and_gives_its_connection_back_clean(writes, database):
    begun = asyncio.Event()

    async def slow():
        async with writes.begin() as unit:
            add(unit, "A")
            await unit.flush()
            begun.set()
            await unit.run(sleeping, 30)

    for _ in range(5):  # more often than there are connections
        begun.clear()
        task = asyncio.create_task(slow())
        await begun.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with writes.begin() as unit:
            assert await unit.read_all(all_of_them) == []
    assert await names(database) == []
    (busy,) = await database.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'deskwire writes' AND query LIKE '%pg_sleep%'"
        " AND state = 'active'"
    )
    assert busy["count"] == 0


async def test_who_is_cancelled_while_its_last_statement_waits_has_written_nothing(writes, database):
    async def write():
        async with writes.begin() as unit:
            unit.change(await unit.read(named, "A"), description="one")

    async with writes.begin() as unit:
        add(unit, "A")
    async with writes.begin() as holder:
        await holder.lock(named, "A")
        task = asyncio.create_task(write())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert writes.slots.in_use == 1
    assert await database.rows("SELECT description FROM services") == [{"description": None}]


async def test_who_is_cancelled_in_the_commit_has_committed_and_told(writes, told, database, monkeypatch):
    committing = asyncio.Event()
    commit = Writes.commit

    async def slow(*given):
        committing.set()
        await asyncio.sleep(0.1)
        await commit(*given)

    monkeypatch.setattr(Writes, "commit", slow)

    async def write():
        async with writes.begin() as unit:
            add(unit, "A")
            unit.publish("services")

    task = asyncio.create_task(write())
    await committing.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    await writes.close()

    assert await names(database) == ["A"]
    assert told.channels == {"services": ""}


async def test_two_units_change_different_rows_at_once(writes, database):
    async with writes.begin() as unit:
        add(unit, "A")
        add(unit, "B")
    async with asyncio.timeout(3), writes.begin() as one, writes.begin() as other:
        one.change(await one.lock(named, "A"), description="one")
        other.change(await other.lock(named, "B"), description="two")
        await asyncio.gather(one.flush(), other.flush())

    rows = await database.rows("SELECT description FROM services ORDER BY name")
    assert [row["description"] for row in rows] == ["one", "two"]


async def test_a_lock_is_waited_for_and_shows_what_the_other_did(writes):
    async with writes.begin() as unit:
        add(unit, "A")
    seen = []

    async def second():
        async with writes.begin() as unit:
            seen.append((await unit.lock(named, "A")).description)

    async with writes.begin() as unit:
        unit.change(await unit.lock(named, "A"), description="first")
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.1)
        assert seen == []
    await waiting
    assert seen == ["first"]


async def test_with_no_connection_left_one_waits_two_seconds_and_is_told(writes):
    loop = asyncio.get_running_loop()
    async with writes.begin(), writes.begin():
        began = loop.time()
        with pytest.raises(Unavailable):
            async with writes.begin():
                pass
        assert 1.9 < loop.time() - began < 3
    async with writes.begin() as unit:
        assert await unit.read_all(all_of_them) == []


async def test_a_lock_that_nobody_lets_go_is_given_up(writes, database, monkeypatch):
    monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
    async with writes.begin() as unit:
        add(unit, "A")
    async with writes.begin() as holder:
        await holder.lock(named, "A")
        with pytest.raises(Unavailable):
            async with writes.begin() as unit:
                await unit.lock(named, "A")


async def test_a_server_that_takes_too_long_is_given_up(writes, monkeypatch):
    monkeypatch.setattr("infra.pulse.DOUBT_SECONDS", 0.1)
    monkeypatch.setattr(writes._pool.pulse, "longest", 0.2)
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable):
        async with writes.begin() as unit:
            await unit.run(sleeping, 30)
    assert asyncio.get_running_loop().time() - began < 10  # at which the server would have ended it
    async with writes.begin() as unit:
        assert await unit.run(sleeping, 0.01)


async def end_all(database):
    await database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'deskwire writes'"
    )


async def test_a_read_goes_by_another_connection_where_some_are_gone(writes, database):
    async with writes.begin() as unit:
        add(unit, "A")
    writes._pool._idle += [Gone(), Gone()]
    assert [record["name"] for record in await writes.read(all_of_them)] == ["A"]
    assert (writes.slots.in_use, len(writes._pool._idle)) == (0, 1)

    writes._pool._idle.append(Gone())
    with pytest.raises(Unavailable, match=UNKNOWN):
        await writes.alone(all_of_them)


async def test_connections_that_were_closed_meanwhile_are_replaced(writes, database):
    async with writes.begin(), writes.begin():
        pass
    await end_all(database)
    for _ in range(3):
        async with writes.begin() as unit:
            assert await unit.read_all(all_of_them) == []


@pytest.mark.parametrize("at", ["reading", "writing", "the end"])
async def test_a_connection_that_breaks_in_the_middle_is_unavailable(writes, told, database, at):
    async def write():
        async with writes.begin() as unit:
            add(unit, "A")
            unit.publish("services")
            if at == "the end":
                await unit.flush()
            if at == "reading":
                sleeper = asyncio.create_task(unit.run(sleeping, 30))
                await asyncio.sleep(0.05)
                await end_all(database)
                await sleeper
            await end_all(database)

    with pytest.raises(Unavailable):
        await write()
    assert await names(database) == []
    assert told.channels == {}


async def test_nothing_listens_there(told):
    writes = Writes("postgresql://nobody@127.0.0.1:1/nothing", told, size=1)
    for _ in range(3):
        with pytest.raises(Unavailable):
            async with writes.begin():
                pass
    await writes.close()
    with pytest.raises(Unavailable):
        async with writes.begin():
            pass


@pytest.mark.usefixtures("database")
async def test_what_nobody_has_heard_of_yet_is_told_before_the_end(settings):
    heard = []

    async def tell(jobs, channels):
        await asyncio.sleep(0.2)
        heard.append((len(jobs), channels))

    writes = Writes(settings.database_url, tell, size=1)
    async with writes.begin() as unit:
        unit.publish("services", "1")
    async with writes.begin() as unit:
        unit.enqueue(EraseFiles([]))
    await writes.close()
    assert heard == [(0, {"services": "1"}), (1, {})]


async def test_a_connection_of_a_closed_pool_is_not_kept(settings, application):
    pool = Pool(settings.database_url, size=1)
    driver = await pool.take("BEGIN")
    await pool.close()
    pool.give_back(driver)
    assert driver.is_closed()


def test_this_moment_is_cut_to_milliseconds():
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=dt.UTC)
    with time_machine.travel(moment, tick=False):
        assert now() == moment.replace(microsecond=999_000)


def test_a_kind_of_job_keeps_its_options():
    assert (SendMessage.retries, SendMessage.longest_wait) == (1500, 60)
    assert (EraseFiles.retries, EraseFiles.delay) == (12, 0)
    assert Job.kinds["EraseFiles"] is EraseFiles


async def test_commits_that_wait_for_redis_are_told_together_and_outlive_a_lost_connection(redis_url, monkeypatch):
    bus, other = Bus(redis_url), Redis.from_url(redis_url)
    exchanges = []
    exchange = bus._exchange

    async def counted(said, answers):
        exchanges.append(answers)
        await exchange(said, answers)

    monkeypatch.setattr(bus, "_exchange", counted)
    async with other.pubsub() as listener:
        await listener.subscribe("a")
        await listener.get_message(timeout=1)
        for _ in range(2):
            exchanges.clear()
            with capture_logs() as logs:
                await asyncio.gather(*(bus.tell([], {"a": str(number)}) for number in range(20)))
            assert exchanges == [1, 19]
            assert not logs
            messages = [await listener.get_message(timeout=1) for _ in range(20)]
            assert [message["data"] for message in messages] == [str(number).encode() for number in range(20)]
            await other.client_kill_filter(_type="normal", skipme=True)
    await bus.close()
    await other.aclose()


def test_a_column_that_gets_the_value_it_has_is_not_changed():
    ticket = row(models.Ticket, {"status": "OPEN", "subject": "It smokes"})
    state_of(ticket).changes |= {"status": models.TicketStatus.OPEN, "subject": "It burns"}
    assert not changed(ticket, "status")
    assert changed(ticket, "status", "subject")
    state_of(ticket).changes["status"] = models.TicketStatus.PENDING
    assert changed(ticket, "status")
