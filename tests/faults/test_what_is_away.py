"""Redis, the mail server, PostgreSQL or a worker goes away: nothing that was acknowledged is lost."""

import asyncio

import pytest
import redis.asyncio

pytestmark = pytest.mark.xdist_group("faults")

MAIL = """SELECT messages.status, messages.attempts FROM messages JOIN tickets ON tickets.id = messages.ticket_id
  WHERE tickets.subject = $1"""
LATER = "UPDATE jobs SET due_at = now() WHERE kind = 'SendMessage' AND state = 'QUEUED'"


async def test_a_ticket_is_confirmed(world, customer):
    answer, _ = await world.submit(customer, "All is well")

    assert answer.status_code == 200
    await world.until(lambda: world.letters("All is well"))


async def test_without_redis_tickets_come_in_and_mail_goes_out_once_it_is_back(world, customer):
    await world.redis.cut()
    try:
        answer, seconds = await world.submit(customer, "Redis is away")
        assert answer.json()["data"]["submitTicket"]["ticket"]["number"]
        assert seconds < 1
        again, _ = await world.submit(customer, "Redis is still away")
        assert again.json()["data"]["submitTicket"]["ticket"]["number"]
        health = (await world.http.get("/health/ready")).json()
        assert health == {"status": "ready", "database": True, "redis": False}
    finally:
        await world.redis.mend()

    for subject in ("Redis is away", "Redis is still away"):
        await world.until(lambda subject=subject: world.letters(subject))
        assert len(world.letters(subject)) == 1


async def test_without_a_mail_server_mail_waits(world, customer):
    await world.smtp.cut()
    try:
        await world.submit(customer, "No mail today")
        (waiting,) = await world.until(lambda: tried(world, "No mail today"))
        assert waiting["status"] == "QUEUED"
    finally:
        await world.smtp.mend()
    await world.rows(LATER)  # rather than a minute later

    await world.until(lambda: world.letters("No mail today"))
    await world.until(lambda: sent(world, "No mail today"))
    assert len(world.letters("No mail today")) == 1


async def tried(world, subject):
    return [row for row in await world.rows(MAIL, subject) if row["attempts"]]


async def sent(world, subject):
    return [row for row in await world.rows(MAIL, subject) if row["status"] == "SENT"]


async def test_a_worker_is_killed_in_the_middle_of_a_job_and_another_does_it(world, customer):
    world.mail.slow = True
    await world.submit(customer, "Killed in the middle")
    await world.until(lambda: tried(world, "Killed in the middle"))
    await asyncio.to_thread(world.end, "work", kill=True)
    world.mail.slow = False

    world.start("work")

    await world.until(lambda: sent(world, "Killed in the middle"), seconds=60)
    assert len(world.letters("Killed in the middle")) == 1


async def test_without_postgresql_it_is_said_and_nothing_hangs(world, customer):
    await world.postgres.cut()
    try:
        read = await asyncio.wait_for(world.ask("{ categories { nodes { name } } }"), 5)
        assert read.status_code == 503
        assert read.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        write = await asyncio.wait_for(world.ask("mutation { signOut(input: {}) { __typename } }", token=customer), 5)
        assert write.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert (await world.http.get("/health/ready")).status_code == 503
        assert (await world.http.get("/health/live")).status_code == 200
    finally:
        await world.postgres.mend()

    await world.until(world.ready)
    answer, _ = await world.submit(customer, "PostgreSQL is back")
    assert answer.json()["data"]["submitTicket"]["ticket"]["number"]
    await world.until(lambda: world.letters("PostgreSQL is back"))


async def test_connections_that_postgresql_ends_are_replaced(world, customer):
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'deskwire%'"
    for number in range(3):
        await world.rows(ended)

        read = await world.ask("{ categories { nodes { name } } }")
        assert read.status_code == 200, read.text
        subject = f"Ended {number}"
        for _ in range(2):  # a write is not repeated behind the client's back, so the first may be refused
            answer, _ = await world.submit(customer, subject)
            if "data" in answer.json() and answer.json()["data"]["submitTicket"]:
                break
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        else:
            raise AssertionError(answer.text)
        await world.until(lambda subject=subject: world.letters(subject))


async def test_a_redis_that_was_emptied_loses_nothing(world, customer):
    await asyncio.to_thread(world.end, "work")
    for number in range(20):
        await world.submit(customer, f"Flood {number}.")

    async with redis.asyncio.from_url(world.redis.url) as client:
        await client.flushall()
    world.start("work")

    for number in range(20):
        await world.until(lambda number=number: world.letters(f"Flood {number}."))
    await world.until(lambda: done(world))
    assert len([letter for letter in world.mail.letters if "Flood " in letter]) == 20


async def done(world):
    (row,) = await world.rows("SELECT count(*) FROM jobs WHERE state <> 'DONE'")
    return row["count"] == 0


async def test_the_processes_end_when_they_are_told_to(world):
    for name in ("serve", "work"):
        process = world.processes[name]
        await asyncio.to_thread(world.end, name)
        assert process.returncode in (0, -15)
