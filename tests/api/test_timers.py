"""The clock: tickets are looked at when their time has come, each by one worker, and none holds up the others."""

import asyncio
import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

import models
from domain.tickets import statuses, timers
from models import TicketStatus

HOUR = dt.timedelta(hours=1)


def _one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
def hold(desk):
    """Puts a ticket on hold until some time from now."""

    async def held(ticket_id, after=HOUR):
        async with desk.writes.begin() as unit:
            ticket = await unit.lock(_one, UUID(str(ticket_id)))
            await statuses.move(unit, None, ticket, TicketStatus.ON_HOLD, resumes_at=unit.now + after)

    return held


@pytest.fixture
def tickets(database):
    async def rows():
        return await database.rows("SELECT number, status, resumes_at, timer_at, last_seq FROM tickets ORDER BY number")

    return rows


async def test_a_ticket_on_hold_opens_again_by_itself(desk, database, ticket, hold, tickets):
    await timers.sweep(desk)
    await hold(ticket.id)
    await timers.sweep(desk)

    (row,) = await tickets()
    assert row["status"] == "ON_HOLD"
    assert row["timer_at"] <= row["resumes_at"]  # looked at again by then

    await database.rows(
        "UPDATE tickets SET resumes_at = now() - interval '1 second', timer_at = now() - interval '1 second'"
    )
    await timers.sweep(desk)
    await timers.sweep(desk)
    (row,) = await tickets()
    assert (row["status"], row["resumes_at"]) == ("OPEN", None)
    events = await database.rows("SELECT kind, actor_id, data FROM events ORDER BY seq DESC LIMIT 1")
    assert events[0]["kind"] == "StatusChanged"
    assert events[0]["actor_id"] is None
    assert events[0]["data"]["to_status"] == "OPEN"


async def test_several_workers_do_each_thing_once(desk, database, submit, customer, problem, hold, tickets):
    for _ in range(30):
        await hold((await submit(customer, problem))["id"][4:])
    await database.rows(
        "UPDATE tickets SET resumes_at = now() - interval '1 second', timer_at = now() - interval '1 second'"
    )

    await asyncio.gather(*(timers.sweep(desk) for _ in range(5)))
    await timers.sweep(desk)

    assert {row["status"] for row in await tickets()} == {"OPEN"}
    opened = "SELECT count(*) FROM events WHERE kind = 'StatusChanged' AND data ->> 'to_status' = 'OPEN'"
    assert (await database.rows(opened))[0]["count"] == 30


async def test_a_ticket_that_fails_holds_up_no_other(
    desk, database, submit, customer, problem, hold, tickets, monkeypatch
):
    for _ in range(3):
        await hold((await submit(customer, problem))["id"][4:])
    await database.rows(
        "UPDATE tickets SET resumes_at = now() - interval '1 second', timer_at = now() - interval '1 second'"
    )
    first = (await tickets())[0]["number"]

    async def fails(_unit, found):
        if any(ticket.number == first for ticket in found):
            raise ValueError("This one is broken.")
        return {}

    monkeypatch.setattr(timers, "LOOKS", (*timers.LOOKS, fails))
    with capture_logs() as logs:
        await timers.sweep(desk)

    broken, *others = await tickets()
    assert broken["status"] == "ON_HOLD"  # nothing of it was done
    assert broken["timer_at"] > dt.datetime.now(dt.UTC) + timers.AFTER_A_FAULT - dt.timedelta(minutes=1)
    assert {row["status"] for row in others} == {"OPEN"}
    assert [log["event"] for log in logs] == ["unexpected_error", "unexpected_error"]  # the batch's and its own


async def test_a_ticket_is_looked_at_again_when_something_may_fall_due_sooner(desk, ticket, hold, tickets):
    await timers.sweep(desk)
    await timers.sweep(desk)
    before = (await tickets())[0]["timer_at"]

    await hold(ticket.id, 2 * HOUR)

    after = (await tickets())[0]["timer_at"]
    assert after <= dt.datetime.now(dt.UTC)
    assert before is None or before > after
