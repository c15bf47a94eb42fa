"""Watching figures: now, and after what was counted."""

import datetime as dt

from domain.metrics import counting

FIGURES = "subscription ($f: MetricsFilter!) { metricsUpdated(filter: $f) { total { submittedCount backlogCount } } }"


def today():
    return {"from": (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat()}


async def test_figures_now_and_when_something_was_counted(signed_in, work, desk, submit, director, customer, problem):
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
