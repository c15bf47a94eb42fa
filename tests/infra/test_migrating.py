"""Migrating while others work, and who works with a database that another version has migrated."""

import asyncio
import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from infra import checks, migrations, relaying, worker

ROOT = Path(__file__).resolve().parents[2]
FIRST = """revision = "aaaa"\ndown_revision = None
from alembic import op\n
def upgrade() -> None:
    op.execute("CREATE TABLE letters AS SELECT 1 AS number")
"""
SECOND = """'the second'\nrevision = "bbbb"\ndown_revision = "aaaa"
from alembic import op\n
def upgrade() -> None:
    op.execute("ALTER TABLE letters ADD COLUMN colour text")
"""
THIRD = """revision = "cccc"\ndown_revision = "bbbb"
from alembic import op\n
def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS letters_idx ON letters (number)")
"""


@pytest.fixture
async def migrating(server_url, tmp_path, monkeypatch):
    """A database of its own and three migrations, each run up to one of them as `desk migrate` does."""
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE migrating")
    url = f"{server_url.rpartition('/')[0]}/migrating"
    for name, text in (("first", FIRST), ("second", SECOND), ("third", THIRD)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(migrations, "_known", lambda: {"aaaa": "", "bbbb": "aaaa", "cccc": "bbbb"})

    def run(target, **attributes):
        config = Config(ROOT / "alembic.ini", attributes=attributes | {"url": url})
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", str(tmp_path))
        command.upgrade(config, target)
        return config.attributes.get("newer")

    with ThreadPoolExecutor(1) as threads:  # Alembic runs a loop of its own

        def upgrade(target, **attributes):
            return asyncio.get_running_loop().run_in_executor(threads, partial(run, target, **attributes))

        opened = []

        async def connect():
            opened.append(await asyncpg.connect(url))
            return opened[-1]

        yield SimpleNamespace(upgrade=upgrade, connect=connect)
        for connection in opened:
            await connection.close()
    await server.execute("DROP DATABASE migrating WITH (FORCE)")
    await server.close()


async def test_readers_go_on_while_a_migration_waits_for_somebody_who_holds_a_table(migrating):
    await migrating.upgrade("aaaa")
    holder, reader = await migrating.connect(), await migrating.connect()
    await holder.execute("BEGIN; SELECT * FROM letters")
    await reader.execute("SET lock_timeout = '2s'")  # as all that reads

    said = []
    done = asyncio.ensure_future(migrating.upgrade("bbbb", said=said.append))
    began = time.monotonic()
    while time.monotonic() - began < 1.8:  # longer than it waits at a time
        await reader.fetch("SELECT * FROM letters")
        await asyncio.sleep(0.01)
    assert not done.done()
    await holder.execute("COMMIT")
    await done

    assert said == ["Somebody holds the lock of a table: it is tried again", "bbbb: the second"]
    assert [dict(row) for row in await reader.fetch("SELECT * FROM letters")] == [{"number": 1, "colour": None}]


async def test_who_holds_a_table_for_too_long_is_told_of_and_nothing_is_changed(migrating):
    await migrating.upgrade("aaaa")
    holder = await migrating.connect()
    await holder.execute("BEGIN; SELECT * FROM letters")

    with pytest.raises(CommandError, match="run it again later"):
        await migrating.upgrade("bbbb", patience=0)

    await holder.execute("COMMIT")
    assert await holder.fetchval("SELECT version_num FROM alembic_version") == "aaaa"
    await migrating.upgrade("bbbb")


async def test_who_waits_for_another_that_migrates_does_not_hold_up_what_that_builds_concurrently(migrating):
    await migrating.upgrade("bbbb")
    other = await migrating.connect()
    await other.execute("SELECT pg_advisory_lock(7136458)")

    said = []
    waits = asyncio.ensure_future(migrating.upgrade("cccc", said=said.append))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(5):
        await other.execute("CREATE INDEX CONCURRENTLY built_idx ON letters (colour)")
    assert not waits.done()
    assert said == ["Another one migrates: it is waited for"]
    await other.close()
    await waits

    connection = await migrating.connect()
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'letters_idx'::regclass")
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == "cccc"


async def test_an_older_version_leaves_the_database_of_a_newer_as_it_is(migrating, monkeypatch):
    assert await migrating.upgrade("bbbb") is None

    monkeypatch.setattr(migrations, "_known", lambda: {"aaaa": ""})
    assert await migrating.upgrade("aaaa") == "bbbb"


@pytest.fixture
async def standing(database):
    """Says that the database is at some migration; it is where it was at the end."""

    async def at(version):
        await database.rows("UPDATE alembic_version SET version_num = :version", version=version)

    yield at
    await at(migrations.head())


async def told(settings):
    (found,) = [each for each in await checks.check(settings) if each.name == "database"]
    return found.good, found.said


async def test_it_is_checked_whether_the_tables_are_those_of_this_version_or_a_later(migrated, standing):
    await standing("0f0f0f0f0f0f")
    good, said = await told(migrated)
    assert (good, said.endswith("at migration 0f0f0f0f0f0f, of a later version than this")) == (True, True)

    await standing(migrations._known()[migrations.head()])
    good, said = await told(migrated)
    assert (good, said.endswith(f"not at {migrations.head()}: run `desk migrate`")) == (False, True)


async def test_a_worker_works_once_the_database_is_migrated(migrated, desk, database, standing, monkeypatch):
    monkeypatch.setattr(migrations, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(relaying, "RELAY_SECONDS", 0.1)
    monkeypatch.setattr("infra.redis.WORKERS", "deskwire:workers:migrating")
    await standing(migrations._known()[migrations.head()])

    working = asyncio.create_task(worker.work(migrated, [], lambda _: contextlib.AsyncExitStack()))
    await asyncio.sleep(0.3)
    assert await desk.bus.workers() == 0

    await standing(migrations.head())
    async with asyncio.timeout(5):
        while not await desk.bus.workers():  # noqa: ASYNC110 # another process could tell of it
            await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    await working


async def test_a_worker_that_cannot_know_whether_the_database_is_migrated_does_not_work(migrated, monkeypatch):
    async def fails(_reads):
        raise ValueError("It is no migration.")

    monkeypatch.setattr(migrations, "is_migrated", fails)
    async with asyncio.timeout(10):
        with pytest.raises(ValueError, match="no migration"):
            await worker.work(migrated, [], lambda _: contextlib.AsyncExitStack())


async def test_a_worker_that_waits_can_be_told_to_stop(migrated, standing):
    await standing(migrations._known()[migrations.head()])

    working = asyncio.create_task(worker.work(migrated, [], lambda _: contextlib.AsyncExitStack()))
    await asyncio.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(3):
        await working
