"""The connections for reads: kept warm, given back, replaced when they break."""

import asyncio

import asyncpg
import pytest

from infra.postgres import Reads, Unavailable


@pytest.fixture
async def reads(database_url):
    opened = Reads(database_url, size=2)
    yield opened
    await opened.close()


async def one(reads, text="'1'"):
    return (await reads.fetch(f"SELECT {text}::text::varchar", []))[0][0]


async def backend(reads):
    return int(await one(reads, "pg_backend_pid()"))


async def test_bytes_come_as_they_were_sent_and_statements_stay_prepared(reads):
    assert await one(reads) == b"1"
    assert await one(reads, "'ü'") == "ü".encode()
    prepared = "(SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT ''1''%')"
    assert await one(reads, prepared) == b"1"
    assert await one(reads) == b"1"
    assert await one(reads, prepared) == b"1"
    assert len(reads.idle) == 1


async def test_nothing_can_be_written(reads):
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reads.fetch("CREATE TABLE nonsense (id int)", [])
    assert await one(reads, "current_setting('timezone')") == b"UTC"
    assert len(reads.idle) == 1


async def test_the_last_returned_is_the_next_taken(reads):
    await asyncio.gather(one(reads, "pg_sleep(0.05)"), one(reads, "pg_sleep(0.05)"))
    assert len(reads.idle) == 2
    assert await backend(reads) == await backend(reads) == reads.idle[-1].driver.get_server_pid()


async def test_a_cancelled_read_takes_its_connection_along_and_frees_its_slot(reads):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one(reads, "pg_sleep(9)"), 0.05)
    assert not reads.idle
    assert await one(reads) == b"1"


async def test_a_stale_connection_fails_no_request(reads, database_url):
    await asyncio.gather(one(reads, "pg_sleep(0.05)"), one(reads, "pg_sleep(0.05)"))
    killer = await asyncpg.connect(database_url)
    for connection in reads.idle:
        await killer.execute("SELECT pg_terminate_backend($1)", connection.driver.get_server_pid())
    await killer.close()
    assert await one(reads) == b"1"
    await asyncio.sleep(0.05)
    assert await one(reads) == b"1"


async def test_a_statement_that_fails_keeps_its_connection(reads):
    pid = await backend(reads)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.fetch("SELECT (1 / $1::int)::text::varchar", [0])
    with pytest.raises(asyncpg.DataError):
        await reads.fetch("SELECT (1 / $1::int)::text::varchar", ["x"])
    assert await backend(reads) == pid


async def test_a_slot_is_waited_for_but_not_for_ever(reads, monkeypatch):
    monkeypatch.setattr("infra.postgres.WAIT_SECONDS", 0.1)
    busy = [asyncio.create_task(one(reads, "pg_sleep(0.5)")) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await one(reads)
    await asyncio.gather(*busy)
    assert await one(reads) == b"1"


async def test_no_server_is_unavailable():
    reads = Reads("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await one(reads)
    with pytest.raises(Unavailable):
        await one(reads)


async def test_closing_ends_what_is_idle_and_then_what_was_busy(database_url):
    reads = Reads(database_url)
    busy = asyncio.create_task(one(reads, "pg_sleep(0.2)"))
    await one(reads)
    await asyncio.sleep(0.05)
    await reads.close()
    await busy
    assert not reads.idle
    with pytest.raises(Unavailable):
        await one(reads)
