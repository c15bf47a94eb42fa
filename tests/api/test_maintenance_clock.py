"""Maintenance reminds, begins and ends by itself: late rather than never, and each once."""

import asyncio
import datetime as dt

import pytest

from domain.maintenance import clock
from infra.unit import now
from models import Role

SCHEDULE = """mutation ($input: ScheduleMaintenanceInput!) { scheduleMaintenance(input: $input) {
  ... on ScheduleMaintenanceSuccess { notice { id } } } }"""
UPDATE = """mutation ($input: UpdateMaintenanceInput!) { updateMaintenance(input: $input) { __typename
  ... on InvalidInput { problems { field message } } } }"""
POST = "mutation ($input: PostMaintenanceUpdateInput!) { postMaintenanceUpdate(input: $input) { __typename } }"
READ = """query ($id: ID!) { maintenanceNotice(id: $id) { status startedAt endedAt
  updates { nodes { status author { name } } } } }"""


def at(**later):
    return (now() + dt.timedelta(**later)).isoformat()


@pytest.fixture
async def manager(house, support):
    return await house.person("Mia Manager", Role.MANAGER, support)


@pytest.fixture
async def notice(api, house, manager):
    """Announces maintenance that begins in two days and reminds one before."""

    async def made(**given):
        service = await house.service("Mail")
        usual = {"title": "New disks", "message": "x", "severity": "MAJOR", "serviceIds": [service.gid]}
        usual |= {"startsAt": at(days=2), "endsAt": at(days=3), "remindBeforeSeconds": 86_400, **given}
        return (await api(manager, SCHEDULE, input=usual))["scheduleMaintenance"]["notice"]["id"]

    return made


@pytest.fixture
def pass_by(database):
    """Makes it so much later for all notices."""

    async def passed(hours):
        names = ("starts_at", "ends_at", "reminder_at", "timer_at")
        moved = ", ".join(f"{name} = {name} - make_interval(hours => :hours)" for name in names)
        await database.rows(f"UPDATE maintenance_notices SET {moved}", hours=hours)

    return passed


@pytest.fixture
def happened(database):
    async def kinds():
        rows = await database.rows("SELECT kind, status FROM maintenance_happenings ORDER BY at, id")
        return [(row["kind"], row["status"]) for row in rows]

    return kinds


FIRST = ("ANNOUNCED", "SCHEDULED")
REMINDED, BEGUN, ENDED = ("REMINDED", "SCHEDULED"), ("POSTED", "IN_PROGRESS"), ("POSTED", "COMPLETED")


async def test_each_at_its_time_and_once(api, desk, notice, pass_by, happened, work, mailbox, manager):
    gid = await notice()
    await work.run()
    for hours, known in ((23, []), (1, [REMINDED]), (23, []), (1, [BEGUN]), (23, []), (1, [ENDED]), (99, [])):
        before = await happened()
        await pass_by(hours)
        mailbox.letters.clear()
        await asyncio.gather(*(clock.sweep(desk) for _ in range(4)))
        assert await happened() == before + known
        await work.run()
        assert len(mailbox.to(manager.email)) == len(known)
    found = (await api(manager, READ, id=gid))["maintenanceNotice"]
    assert found["updates"]["nodes"] == [{"status": status, "author": None} for status in ("COMPLETED", "IN_PROGRESS")]
    assert found["startedAt"] < found["endedAt"]


async def test_what_was_due_while_nobody_worked_is_done_late(desk, notice, pass_by, happened):
    await notice()
    await pass_by(30)
    await clock.sweep(desk)
    assert await happened() == [FIRST, REMINDED]
    await pass_by(1000)
    await clock.sweep(desk)
    assert await happened() == [FIRST, REMINDED, BEGUN, ENDED]
    await clock.sweep(desk)
    assert len(await happened()) == 4


@pytest.mark.parametrize("automatic", [True, False])
async def test_of_what_was_to_begin_before_nobody_is_reminded(desk, notice, pass_by, happened, database, automatic):
    await notice(automatic=automatic)
    await pass_by(1000)
    await clock.sweep(desk)
    assert await happened() == [FIRST, *([BEGUN, ENDED] if automatic else [])]
    assert await database.rows("SELECT reminder_at, timer_at FROM maintenance_notices") == [
        {"reminder_at": None, "timer_at": None}
    ]


async def test_what_is_not_automatic_only_reminds(desk, notice, pass_by, happened):
    await notice(automatic=False)
    for hours in (24, 1000):
        await pass_by(hours)
        await clock.sweep(desk)
        assert await happened() == [FIRST, REMINDED]


async def test_what_has_begun_or_was_cancelled_does_not_remind(api, desk, notice, pass_by, happened, manager):
    gid = await notice()
    await api(manager, POST, input={"noticeId": gid, "status": "IN_PROGRESS"})
    await pass_by(30)
    await clock.sweep(desk)
    assert await happened() == [FIRST, BEGUN]
    await api(manager, POST, input={"noticeId": gid, "status": "CANCELLED"})
    await pass_by(1000)
    await clock.sweep(desk)
    assert await happened() == [FIRST, BEGUN, ("POSTED", "CANCELLED")]


async def test_a_new_beginning_reminds_anew(api, desk, notice, pass_by, happened, manager):
    gid = await notice()
    await pass_by(24)
    await clock.sweep(desk)
    given = {"noticeId": gid, "startsAt": at(days=4), "endsAt": at(days=5)}
    assert (await api(manager, UPDATE, input=given))["updateMaintenance"]["__typename"] == "UpdateMaintenanceSuccess"
    await pass_by(71)
    await clock.sweep(desk)
    assert await happened() == [FIRST, REMINDED, ("CHANGED", "SCHEDULED")]
    await pass_by(2)
    await clock.sweep(desk)
    assert (await happened())[-1] == REMINDED


async def test_a_reminder_that_has_gone_by_when_it_is_announced_is_none(desk, notice, happened):
    await notice(startsAt=at(hours=2), endsAt=at(hours=3))
    await clock.sweep(desk)
    assert await happened() == [FIRST]


async def test_one_that_fails_is_put_off_and_holds_up_nobody(desk, notice, pass_by, happened, monkeypatch, database):
    await notice()
    await database.rows("UPDATE maintenance_notices SET title = 'Fails'")
    await database.rows("UPDATE services SET name = 'Web'")
    await notice(title="Works")
    await pass_by(24)
    step = clock.step

    def fails(unit, found):
        if found.title == "Fails":
            raise RuntimeError("no")
        step(unit, found)

    monkeypatch.setattr(clock, "step", fails)
    await clock.sweep(desk)
    assert await happened() == [FIRST, FIRST, REMINDED]
    monkeypatch.setattr(clock, "step", step)
    await pass_by(1)
    await clock.sweep(desk)
    assert await happened() == [FIRST, FIRST, REMINDED, REMINDED]
