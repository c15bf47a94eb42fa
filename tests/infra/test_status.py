"""How the desk is, as people are shown it."""

import io

import pytest
from rich.console import Console

from infra import checks, status
from infra.waiting import Waiting

CALM = Waiting(
    queued=3,
    running=1,
    failing=0,
    dead=0,
    dead_mail=0,
    oldest_due_seconds=0.2,
    unsent_mail=2,
    oldest_unsent_mail_seconds=1.0,
    waiting_mail=0,
    oldest_waiting_mail_seconds=0.0,
)


def shown(results):
    console = Console(file=io.StringIO(), width=200)
    console.print(status.table(results))
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({}, []),
        ({"dead": 1}, ["dead jobs"]),
        ({"oldest_due_seconds": 61.0}, ["relay lag"]),
        ({"oldest_unsent_mail_seconds": 601.0}, ["unsent mail"]),
        ({"queued": 100_000}, []),
        ({"failing": 2}, []),  # until they are given up
        ({"dead_mail": 3}, []),  # some addresses are always wrong
        ({"waiting_mail": 3, "oldest_waiting_mail_seconds": 90_000.0}, []),  # it may be spam
    ],
)
def test_what_somebody_should_look_at_is_bad(changed, bad):
    values = {name: getattr(CALM, name) for name in Waiting.__slots__}

    assert [each.name for each in status.judged(Waiting(**values | changed)) if not each.good] == bad


async def test_workers_are_alive_while_they_tell_so(migrated, desk, monkeypatch):
    monkeypatch.setattr("infra.redis.WORKERS", "deskwire:workers:tested")
    await desk.bus.here("one")
    await desk.bus.here("two")
    assert await desk.bus.workers() == 2

    await desk.bus.gone("one")
    assert await desk.bus.workers() == 1

    monkeypatch.setattr("infra.redis.ALIVE_SECONDS", -1)
    assert await desk.bus.workers() == 0


async def test_a_database_that_takes_no_writes_is_bad(migrated):
    url = f"{migrated.database_url}?default_transaction_read_only=on"
    (found,) = [
        each
        for each in await checks.check(migrated.model_copy(update={"database_url": url}))
        if each.name == "database"
    ]

    assert not found.good
    assert "nothing can be written there: default_transaction_read_only is on" in found.said


async def test_all_is_shown_with_its_state(database, migrated, desk):  # empties it
    await desk.bus.here("one")
    results = await status.status(migrated)
    await desk.bus.gone("one")

    assert [each.name for each in results if not each.good] == []
    for part in (
        "database",
        "redis",
        "files",
        "mail",
        "workers",
        "jobs",
        "relay lag",
        "dead jobs",
        "unsent mail",
        "waiting mail",
    ):
        assert f" {part} " in shown(results)


async def test_what_is_away_is_told_and_the_rest_is_still_shown(migrated):
    away = migrated.model_copy(
        update={"database_url": "postgresql://nobody@127.0.0.1:9/none", "redis_url": "redis://127.0.0.1:9"}
    )

    results = await status.status(away)

    bad = {each.name for each in results if not each.good}
    assert bad == {"database", "redis", "workers", "jobs and mail"}


def test_what_a_server_says_is_no_markup():
    assert "went [red]away[/red]" in shown([checks.Result("mail", good=False, said="went [red]away[/red]")])


def test_mail_that_waits_is_told_with_its_age():
    values = {name: getattr(CALM, name) for name in Waiting.__slots__}
    waits = Waiting(**values | {"waiting_mail": 3, "oldest_waiting_mail_seconds": 90_000.0})

    told = shown(status.judged(waits))
    assert "3 came in and fit no ticket, the oldest 25.0 h ago: `desk waiting-mail` lists them" in told
    assert "0 came in and fit no ticket" in shown(status.judged(CALM))
