"""What Prometheus is told: of this process, and of what waits in the database."""

import asyncio
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from infra import postgres, status, waiting
from infra.ids import new_id
from infra.postgres import Reads
from planner.documents import Bounded
from web.gauges import metrics
from web.health import Known

ROOT = Path(__file__).resolve().parents[2]
DESK = {"query": "{ desk { __typename } }"}


def found(well):
    """What was looked at, and how it was."""

    async def look():
        return well

    return Known(look)


@pytest.fixture
async def told(desk, application, monkeypatch):
    """Gives what is told now, by name and labels."""
    monkeypatch.setattr(waiting, "FRESH_SECONDS", 0)
    answer = metrics(desk, application.engine, found(well=True))

    async def ask():
        lines = (await answer(None)).body.decode().splitlines()
        return {name: float(value) for name, value in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}

    return ask


async def test_processes_at_one_address_are_told_apart(desk, application):
    """Or Prometheus would take them for one, whose counters begin anew whenever another one answers."""

    async def labels(workers):
        one_of = replace(desk, settings=desk.settings.model_copy(update={"worker_count": workers}))
        lines = (await metrics(one_of, application.engine, found(well=True))(None)).body.decode().splitlines()
        told = [line for line in lines if not line.startswith("#")]
        assert any(line.startswith("deskwire_operation_seconds_bucket{") for line in told)
        assert any(line.startswith("deskwire_database_up") for line in told)
        return {named[0] if (named := re.findall(r'process="(\d+)"', line)) else None for line in told}

    assert await labels(1) == {None}
    assert await labels(2) == {str(os.getpid())}


async def owe(database, state, ago, kind="Nothing", attempts=1):
    await database.rows(
        "INSERT INTO jobs (id, kind, payload, state, attempts, due_at, created_at, settled_at) VALUES"
        " (CAST(:id AS uuid), :kind, '{}', CAST(:state AS text), :attempts, now() - make_interval(secs => :ago), now(),"
        " CASE WHEN CAST(:state AS text) IN ('DEAD', 'DONE') THEN now() END)",
        id=new_id(),
        kind=kind,
        state=state,
        ago=ago,
        attempts=attempts,
    )


async def test_jobs_are_told_by_state_and_how_long_the_oldest_is_owed(told, database):
    await database.rows("DELETE FROM jobs")
    for state, ago in (("QUEUED", 90), ("QUEUED", -3600), ("RUNNING", -10), ("DEAD", 9000), ("DEAD", 1), ("DONE", 1)):
        await owe(database, state, ago)

    now = await told()

    assert {name: value for name, value in now.items() if name.startswith("deskwire_jobs{")} == {
        'deskwire_jobs{state="queued"}': 2,
        'deskwire_jobs{state="running"}': 1,
        'deskwire_jobs{state="dead"}': 2,
    }
    assert 90 <= now["deskwire_oldest_due_job_seconds"] < 120
    assert now["deskwire_database_up"] == 1


async def test_what_has_failed_and_is_tried_again_is_told_until_it_is_over(told, database):
    await database.rows("DELETE FROM jobs")
    for state, attempts in (("QUEUED", 0), ("QUEUED", 1), ("QUEUED", 3), ("RUNNING", 2), ("DEAD", 9), ("DONE", 2)):
        await owe(database, state, -60, attempts=attempts)

    assert (await told())["deskwire_failing_jobs"] == 2


async def test_what_is_due_later_is_not_owed(told, database):
    await database.rows("DELETE FROM jobs")
    await owe(database, "QUEUED", -60)

    assert (await told())["deskwire_oldest_due_job_seconds"] == 0


async def test_unsent_mail_is_told_until_it_is_sent(told, database, work, ticket):  # it has a mail sent
    await work.run()
    await database.rows("UPDATE messages SET status = 'QUEUED', not_before = now() - interval '200 s'")
    before = await told()
    await database.rows("UPDATE messages SET status = 'SENT'")
    after = await told()

    assert before["deskwire_unsent_mail"] >= 1
    assert 200 <= before["deskwire_oldest_unsent_mail_seconds"] < 230
    assert (after["deskwire_unsent_mail"], after["deskwire_oldest_unsent_mail_seconds"]) == (0, 0)


async def test_mail_that_was_given_up_is_told_until_somebody_decides(told, database):
    """Also where each is refused at once, so that none is late."""
    await database.rows("DELETE FROM dead_letters")
    await database.rows(
        """INSERT INTO dead_letters
            (id, kind, source_id, name, attempt_count, error, first_tried_at, failed_at, status)
        SELECT gen_random_uuid(), kind, gen_random_uuid(), 'x', 1, 'No.', now(), now(), status
        FROM (VALUES ('EMAIL', 'WAITING'), ('EMAIL', 'WAITING'), ('EMAIL', 'DISCARDED'), ('JOB', 'WAITING'))
            AS given (kind, status)"""
    )
    before = await told()
    await database.rows("DELETE FROM dead_letters")
    after = await told()

    assert (before["deskwire_dead_mail"], after["deskwire_dead_mail"]) == (2, 0)


async def test_mail_that_fits_nothing_is_told_until_somebody_decides(told, database):
    await database.rows(
        """INSERT INTO inbound_mails (id, digest, sender, received_at, outcome)
        SELECT gen_random_uuid(), n::text, '', now() - n * interval '100 s',
            CASE n WHEN 3 THEN 'IGNORED' ELSE 'WAITING' END
        FROM generate_series(1, 3) AS n"""
    )
    before = await told()
    await database.rows("UPDATE inbound_mails SET outcome = 'SUBMITTED'")
    after = await told()

    assert before["deskwire_waiting_mail"] == 2
    assert 200 <= before["deskwire_oldest_waiting_mail_seconds"] < 230
    assert (after["deskwire_waiting_mail"], after["deskwire_oldest_waiting_mail_seconds"]) == (0, 0)


async def test_a_database_that_is_away_makes_nothing_fail_and_is_told(told, desk, monkeypatch):
    async def away(_self, _sql, _arguments):
        raise postgres.Unavailable

    monkeypatch.setattr(type(desk.reads), "fetch", away)

    now = await told()

    assert now["deskwire_database_up"] == 0
    assert "deskwire_hub_connected" in now
    assert not [name for name in now if name.startswith(("deskwire_jobs", "deskwire_oldest", "deskwire_unsent"))]


async def test_the_database_is_asked_once_in_a_while_however_many_ask(desk, statements):
    watched = waiting.Watched(desk.reads)

    found = await asyncio.gather(*(watched.now() for _ in range(20)))

    assert statements == [waiting.STATEMENT]
    assert len(set(found)) == 1


async def test_it_walks_indexes_of_what_is_left_to_do(engine, database):  # empties it
    async with engine.begin() as connection:
        await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = await connection.exec_driver_sql(f"EXPLAIN {waiting.STATEMENT}")
        plan = "\n".join(line for (line,) in found)

    assert "Seq Scan" not in plan
    for index in (
        "jobs_owed_idx",
        "jobs_dead_idx",
        "dead_letters_status_failed_at_id_idx",
        "messages_waiting_idx",
        "inbound_mails_waiting_idx",
    ):
        assert index in plan


async def test_plans_are_counted_and_those_that_had_to_be_made(told, http, application, monkeypatch):
    monkeypatch.setattr(application.engine, "plans", Bounded(10, 1_000_000))  # others may have filled it
    asked = {"query": "query MissedOnce { desk { __typename } }"}
    before = await told()
    await http.post("/graphql", json=asked)
    once = await told()
    await http.post("/graphql", json=asked)
    twice = await told()

    misses = [each["deskwire_plan_misses_total"] for each in (before, once, twice)]
    assert misses == [misses[0], misses[0] + 1, misses[0] + 1]
    assert once["deskwire_plans"] == before["deskwire_plans"] + 1


async def test_pools_tell_who_uses_and_who_waits(migrated, told):
    reads = Reads(migrated.database_url, size=1)
    asking = [asyncio.create_task(reads.fetch("SELECT pg_sleep(0.3)", [])) for _ in range(3)]
    await asyncio.sleep(0.1)

    assert (reads.slots.size, reads.slots.in_use, reads.slots.waiting) == (1, 1, 2)
    await asyncio.gather(*asking)
    assert (reads.slots.in_use, reads.slots.waiting) == (0, 0)
    await reads.close()
    names = {
        f'deskwire_pool_{what}{{pool="{pool}"}}' for what in ("size", "in_use", "waiting") for pool in ("read", "write")
    }
    assert names <= (await told()).keys()


@pytest.mark.parametrize(
    ("well", "line"), [(True, ["deskwire_files_up 1.0"]), (False, ["deskwire_files_up 0.0"]), (None, [])]
)
async def test_whether_files_are_taken_is_told_once_somebody_has_looked(desk, application, well, line):
    lines = (await metrics(desk, application.engine, found(well))(None)).body.decode().splitlines()

    assert [each for each in lines if each.startswith("deskwire_files_up")] == line


async def test_it_is_served(http):
    answer = await http.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    for name in (
        "deskwire_sockets",
        "deskwire_subscriptions",
        "deskwire_hub_connected",
        "deskwire_hub_reconnects_total",
        "deskwire_files_up",
    ):
        assert f"\n{name} " in answer.text


async def test_the_alerts_ask_for_what_is_told_and_wake_when_people_are_told_that_it_is_bad(told, database):
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    asked = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    names = {re.sub(r"\{.*", "", name) for name in await told()}

    assert {name for expr in asked.values() for name in re.findall(r"deskwire_\w+", expr)} <= names
    assert asked["DeskwireJobsAreLate"].endswith(f"> {status.LATE_JOB_SECONDS}")
    assert asked["DeskwireMailIsLate"].endswith(f"> {status.LATE_MAIL_SECONDS}")
