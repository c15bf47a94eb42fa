"""What an orchestrator is told: who is well, and who decides."""

import asyncio
import json
import signal
import time
from contextlib import asynccontextmanager, contextmanager

import pytest

from infra import embedded, migrations
from infra.desk import Desk
from web import app, health
from web.health import Known
from web.leaving import Leaving

ALL = {"status": "ready", "database": True, "migrated": True, "redis": True, "mail": True, "files": True}


@pytest.fixture
def nowhere():
    """A port that nobody listens at."""
    return embedded.free_port()


@pytest.fixture
def asked(migrated, monkeypatch):
    """Gives the status and the parts that a process with other settings tells."""
    monkeypatch.setattr(health, "MOMENT_SECONDS", 5)

    async def ask(**changed):
        async with Desk.open(migrated.model_copy(update=changed)) as desk:
            answer = await health.ready(desk, Leaving(0), health.Outside(desk.settings))(None)
        return answer.status_code, json.loads(answer.body)

    return ask


async def test_all_are_well(asked):
    assert await asked() == (200, ALL)


async def test_without_the_database_nothing_can_be_served(asked, nowhere):
    status, parts = await asked(database_url=f"postgresql://nobody@127.0.0.1:{nowhere}/none")

    assert status == 503
    assert parts == ALL | {"status": "unavailable", "database": False, "migrated": None}


async def test_the_tables_of_an_older_version_do_not_suffice_and_those_of_a_later_do(asked, database):
    async def at(version):
        await database.rows("UPDATE alembic_version SET version_num = :version", version=version)
        return await asked()

    try:
        assert await at("5eebb43a21ca"[::-1]) == (200, ALL)
        assert await at("004f49211433") == (503, ALL | {"status": "unavailable", "migrated": False})
    finally:
        await at(migrations.head())


async def test_what_is_not_needed_is_told_and_does_not_decide(asked, nowhere):
    assert await asked(redis_url=f"redis://127.0.0.1:{nowhere}") == (200, ALL | {"redis": False})
    assert await asked(smtp_url=f"smtp://127.0.0.1:{nowhere}") == (200, ALL | {"mail": False})


async def test_files_that_have_gone_are_told_and_do_not_decide(asked, tmp_path, monkeypatch):
    folder = tmp_path / "files"
    opening = Desk.open

    @asynccontextmanager
    async def opened(settings):
        async with opening(settings) as desk:
            folder.rmdir()
            folder.write_text("no folder any more")
            yield desk

    monkeypatch.setattr(Desk, "open", opened)

    assert await asked(storage_url=folder.as_uri()) == (200, ALL | {"files": False})


async def test_mail_that_is_not_set_up_is_neither(asked):
    assert await asked(smtp_url=None) == (200, ALL | {"mail": None})


async def test_nobody_waits_for_what_does_not_answer_and_it_is_not_asked_again_and_again():
    looks = []

    async def slow():
        looks.append(time.monotonic())
        await asyncio.sleep(0.5)
        return False

    known = Known(slow)
    began = time.monotonic()
    assert await asyncio.gather(*(known.well() for _ in range(10))) == [None] * 10
    assert time.monotonic() - began < 0.45
    await asyncio.sleep(0.5)

    assert [await known.well() for _ in range(10)] == [False] * 10
    assert len(looks) == 1


async def test_who_is_told_to_end_as_it_says_that_it_begins_serves_on(migrated, monkeypatch):
    @contextmanager
    def ended_at_once():
        signal.raise_signal(signal.SIGTERM)
        yield

    monkeypatch.setattr(app, "lifetime", ended_at_once)
    server = []  # what it hears
    before = signal.signal(signal.SIGTERM, lambda *_: server.append("end"))
    try:
        async with app.App(migrated.model_copy(update={"shutdown_delay_seconds": 3600})).running():
            assert server == []
    finally:
        signal.signal(signal.SIGTERM, before)
