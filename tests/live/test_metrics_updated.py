"""Watching figures: now, and after what was counted."""

import asyncio
import datetime as dt
import time

from domain.metrics import counting
from models import Role
from resolvers import metrics

FIGURES = "subscription ($f: MetricsFilter!) { metricsUpdated(filter: $f) { total { submittedCount backlogCount } } }"


def today():
    return {"from": (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()}


async def test_figures_now_and_when_something_was_counted(
    signed_in, work, desk, submit, director, customer, problem, monkeypatch
):
    monkeypatch.setattr(metrics, "PAUSE_SECONDS", 0.5)
    client = await signed_in(director)
    await client.subscribe(FIGURES, f=today())
    assert (await client.item())["metricsUpdated"]["total"] == {"submittedCount": 0, "backlogCount": 0}
    await submit(customer, problem)
    await work.run()
    await counting.add_up(desk)
    assert (await client.item())["metricsUpdated"]["total"] == {"submittedCount": 1, "backlogCount": 1}


async def test_agents_of_another_department_are_told_nothing_new(
    signed_in, work, desk, submit, agent, customer, invoices
):
    client = await signed_in(agent)
    text = "subscription ($f: MetricsFilter!) { metricsUpdated(filter: $f) { computedAt to total { submittedCount } } }"
    await client.subscribe(text, f=today())
    first = (await client.item())["metricsUpdated"]
    await submit(customer, invoices)
    await work.run()
    await counting.add_up(desk)
    await client.quiet()
    assert first["total"]["submittedCount"] == 0


async def test_customers_watch_no_figures(signed_in, customer):
    client = await signed_in(customer)
    await client.subscribe(FIGURES, f=today())
    message = await client.receive()
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "NOT_ALLOWED")


async def test_each_watcher_is_told_at_their_time_and_equal_ones_share_a_reading(
    signed_in, statements, house, work, desk, submit, director, customer, problem, monkeypatch
):
    monkeypatch.setattr(metrics, "PAUSE_SECONDS", 1.0)
    text = "subscription ($f: MetricsFilter!) { metricsUpdated(filter: $f) { total { submittedCount replyCount } } }"
    asked, told = today(), []
    others = [await house.person(f"Dina Director {number}", Role.DIRECTOR) for number in range(3)]

    async def watch(viewer):
        client = await signed_in(viewer)
        await client.subscribe(text, f=asked)
        return client, (await client.item())["metricsUpdated"]["total"]["submittedCount"], time.monotonic()

    async def until_the_last(client, count, at):
        while count < 4:
            count, before = (await client.item())["metricsUpdated"]["total"]["submittedCount"], at
            at = time.monotonic()
            told.append((count, at - before))

    async with asyncio.TaskGroup() as group:
        for viewer in (director, others[0]):
            group.create_task(until_the_last(*await watch(viewer)))
        statements.clear()
        for number in range(4):
            await submit(customer, problem)
            await work.run()
            await counting.add_up(desk)
            if number in {1, 2}:  # whoever comes is told at once, and the others no sooner
                _, count, _ = await watch(others[number])
                assert count == number + 1
    assert min(passed for _, passed in told) > 0.5  # each is sent a second after the one before
    # One for each time at which the first two were told, and one for each of the others.
    assert len([sql for sql in statements if "deskwire_blocks" in sql]) <= len(told) / 2 + 3
