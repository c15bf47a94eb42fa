"""Idempotency keys: what must not happen twice happens once, and a lost answer can be asked for again."""

import asyncio
import datetime as dt

import pytest

from domain import idempotency
from infra.unit import Unit


async def test_the_same_key_submits_once_and_is_answered_alike(submit, database, customer, problem):
    first = await submit(customer, problem, idempotencyKey="once")
    before = await database.counts()

    again = await submit(customer, problem, idempotencyKey="once")

    assert again == first
    assert await database.counts() == before


async def test_without_a_key_it_happens_each_time(submit, customer, problem):
    first, second = await submit(customer, problem), await submit(customer, problem)

    assert first["number"] != second["number"]


@pytest.mark.parametrize(
    "given", [{"subject": "Another"}, {"body": "Another"}, {"priority": "HIGH"}, {"otherTopic": "x"}]
)
async def test_a_key_that_comes_with_another_input_is_refused(submit, database, customer, problem, given):
    await submit(customer, problem, idempotencyKey="once")
    before = await database.counts()

    refusal = await submit(customer, problem, idempotencyKey="once", **given)

    assert (refusal["__typename"], refusal["reason"]) == ("Conflict", "KEY_REUSED")
    assert await database.counts() == before


async def test_twins_at_the_same_time_make_one_ticket(submit, database, customer, problem):
    answers = await asyncio.gather(*[submit(customer, problem, idempotencyKey="twin") for _ in range(6)])

    assert answers == [answers[0]] * 6
    counts = await database.counts()
    assert (counts["tickets"], counts["idempotency_keys"], counts["jobs"]) == (1, 1, 2)


async def test_of_two_inputs_at_the_same_time_one_has_the_key(submit, database, customer, problem):
    answers = await asyncio.gather(
        *[submit(customer, problem, idempotencyKey="twin", subject=subject) for subject in ("One", "Other")]
    )

    assert sorted(answer.get("reason", "submitted") for answer in answers) == ["KEY_REUSED", "submitted"]
    assert (await database.counts())["tickets"] == 1


async def test_a_refusal_is_not_remembered(submit, database, customer, problem):
    before = await database.counts()

    refusal = await submit(customer, problem, idempotencyKey="once", subject="")

    assert refusal["__typename"] == "InvalidInput"
    assert await database.counts() == before
    assert (await submit(customer, problem, idempotencyKey="once"))["number"]


async def test_after_a_twin_that_was_refused_the_next_one_is_done(submit, database, customer, problem):
    answers = await asyncio.gather(
        submit(customer, problem, idempotencyKey="twin", subject=""), submit(customer, problem, idempotencyKey="twin")
    )

    assert answers[0]["__typename"] == "InvalidInput" or answers[0].get("reason") == "KEY_REUSED"
    assert answers[1]["number"]
    assert (await database.counts())["tickets"] == 1


async def test_a_key_is_its_persons_own(submit, customer, stranger, problem):
    first = await submit(customer, problem, idempotencyKey="key")
    second = await submit(stranger, problem, idempotencyKey="key", subject="Another")

    assert first["number"] != second["number"]
    assert second["subject"] == "Another"
    assert await submit(customer, problem, idempotencyKey="key") == first
    assert await submit(stranger, problem, idempotencyKey="key", subject="Another") == second


async def test_a_key_is_its_mutations_own(submit, api, customer, problem):
    ticket = await submit(customer, problem, idempotencyKey="key")
    asked = "... on AddCommentSuccess { comment { body } }"
    add = f"mutation ($input: AddCommentInput!) {{ addComment(input: $input) {{ {asked} }} }}"
    given = {"ticketId": ticket["id"], "body": "And?", "idempotencyKey": "key"}

    for _ in range(2):
        assert await api(customer, add, input=given) == {"addComment": {"comment": {"body": "And?"}}}
        assert (await submit(customer, problem, idempotencyKey="key"))["id"] == ticket["id"]


async def test_a_repeat_shows_the_ticket_as_it_is_now(submit, database, customer, problem):
    first = await submit(customer, problem, idempotencyKey="once")
    await database.rows("UPDATE tickets SET subject = 'Changed since', status = 'PENDING'")

    again = await submit(customer, problem, idempotencyKey="once")

    assert again == first | {"subject": "Changed since", "status": "PENDING"}


async def test_a_repeat_does_not_show_what_is_no_longer_the_viewers(submit, database, customer, stranger, problem):
    await submit(customer, problem, idempotencyKey="once")
    await database.rows("UPDATE tickets SET requester_id = :id", id=stranger.id)
    before = await database.counts()

    again = await submit(customer, problem, idempotencyKey="once")

    assert again["__typename"] == "NotFound"
    assert "subject" not in again
    assert await database.counts() == before


async def test_a_repeat_does_not_lead_staff_to_where_they_do_not_work(submit, database, agent, customer, invoices):
    given = {"requesterId": customer.gid, "idempotencyKey": "once"}
    first = await submit(agent, invoices, **given)
    assert await submit(agent, invoices, **given) == first
    await database.rows("UPDATE events SET at = at - interval '61 seconds'")

    again = await submit(agent, invoices, **given)

    assert again["__typename"] == "NotFound"
    assert (await database.counts())["tickets"] == 1


async def test_a_repeat_is_answered_though_the_limit_is_reached(submit, database, customer, problem):
    first = await submit(customer, problem, idempotencyKey="once")
    await database.rows("UPDATE attempts SET count = 1000")

    assert await submit(customer, problem, idempotencyKey="once") == first
    assert (await submit(customer, problem))["__typename"] == "RateLimited"


async def test_after_a_day_a_key_is_new(submit, database, customer, problem):
    first = await submit(customer, problem, idempotencyKey="once")
    await _let_pass(database, dt.timedelta(hours=23, minutes=59))
    again = await submit(customer, problem, idempotencyKey="once")
    await _let_pass(database, dt.timedelta(minutes=1))

    new = await submit(customer, problem, idempotencyKey="once", subject="A new day")
    new_again = await submit(customer, problem, idempotencyKey="once", subject="A new day")

    assert again == first
    assert new["number"] != first["number"]
    assert new_again == new


async def test_keys_are_forgotten_after_a_day(desk, submit, database, customer, problem):
    await submit(customer, problem, idempotencyKey="old")
    await _let_pass(database, dt.timedelta(hours=24))
    await submit(customer, problem, idempotencyKey="fresh")

    await idempotency.sweep(desk)

    assert await database.rows("SELECT key FROM idempotency_keys") == [{"key": "fresh"}]


async def test_a_key_that_is_forgotten_as_it_comes_back_is_new(submit, database, customer, problem, monkeypatch):
    first = await submit(customer, problem, idempotencyKey="old")
    lock = Unit.lock

    async def forgotten(unit, build, *arguments):
        if build is idempotency._one:
            await database.rows("DELETE FROM idempotency_keys")
        return await lock(unit, build, *arguments)

    monkeypatch.setattr(Unit, "lock", forgotten)

    assert (await submit(customer, problem, idempotencyKey="old"))["number"] == first["number"] + 1


@pytest.mark.parametrize("key", ["", "x" * 65])
async def test_a_key_has_1_to_64_characters(submit, database, customer, problem, key):
    before = await database.counts()

    refusal = await submit(customer, problem, idempotencyKey=key)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "idempotencyKey")
    assert await database.counts() == before
    assert (await submit(customer, problem, idempotencyKey="x" * 64))["number"]


async def test_what_is_kept_of_an_answer_holds_no_words(submit, database, customer, problem):
    ticket = await submit(customer, problem, idempotencyKey="once", subject="A secret")

    (row,) = await database.rows("SELECT * FROM idempotency_keys")

    assert row["answer"] == {"type": "SubmitTicketSuccess", "fields": {"ticket": ticket["id"].removeprefix("tkt_")}}
    assert "A secret" not in repr(row)


async def _let_pass(database, time):
    """Makes every key so much older."""
    await database.rows("UPDATE idempotency_keys SET created_at = created_at - CAST(:time AS interval)", time=time)
