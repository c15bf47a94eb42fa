"""Whoever operates the desk is told of what breaks: once of each kind, by id and place, without anybody's words."""

import dataclasses

import httpx
import pytest

from domain import alarms
from domain.alarms import watching
from domain.jobs import TellOperator
from infra import jobs
from infra.desk import Desk
from infra.logs import report
from web.app import App

OPERATOR = "operator@example.com"
SECRET = "canary@example.com wrote this"
AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def told(desk):
    """The desk of a process whose operator wants to be told."""
    return dataclasses.replace(desk, settings=desk.settings.model_copy(update={"operator_email": OPERATOR}))


@pytest.fixture
def perform(told, database):
    """Performs all jobs that wait, as a worker of that desk."""

    async def performed():
        while rows := await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' AND due_at <= now()"):
            for row in rows:
                await jobs.perform(told, row["id"])

    return performed


def breaks(error):
    try:
        raise error
    except (ValueError, KeyError) as caught:
        return report(caught)


def breaks_elsewhere():
    try:
        raise ValueError(SECRET)
    except ValueError as caught:
        return report(caught)


async def test_each_kind_of_fault_is_mailed_once(told, perform, mailbox):
    async with watching(told):
        first = breaks(ValueError(SECRET))
        for _ in range(5):
            breaks(ValueError(SECRET))
        other, elsewhere = breaks(KeyError(SECRET)), breaks_elsewhere()
    await perform()

    letters = mailbox.to(OPERATOR)
    texts = [letter.get_content() for letter in letters]
    assert len(letters) == len(mailbox.letters) == 3
    assert [next(n for n, text in enumerate(texts) if id_ in text) for id_ in (first, other, elsewhere)] == [0, 1, 2]
    assert letters[0]["subject"].startswith("[Deskwire] ValueError in tests/domain/test_alarms.py:")
    assert "Where: tests/domain/test_alarms.py:" in texts[0]
    assert not any("canary" in str(letter) for letter in letters)


async def test_of_several_processes_one_tells_and_the_next_hour_again(told, perform, mailbox, database):
    for _ in range(3):
        async with watching(told):
            breaks(ValueError(SECRET))
    await perform()
    assert len(mailbox.letters) == 1

    await database.rows("UPDATE attempts SET window_starts_at = window_starts_at - interval '1 hour'")
    async with watching(told):
        breaks(ValueError(SECRET))
    await perform()
    assert len(mailbox.letters) == 2


async def test_a_mail_server_that_is_away_is_waited_for(told, perform, mailbox, database):
    mailbox.refusal = "451 Later"
    async with watching(told):
        breaks(ValueError(SECRET))
    await perform()
    assert mailbox.letters == []

    mailbox.refusal = None
    await database.rows("UPDATE jobs SET due_at = now()")
    await perform()
    assert len(mailbox.to(OPERATOR)) == 1


async def test_without_a_database_the_process_counts_and_tells_by_itself(told, mailbox):
    async with Desk.open(told.settings.model_copy(update={"database_url": AWAY})) as away:
        async with watching(away):
            breaks(ValueError(SECRET))
            breaks(ValueError(SECRET))
        assert len(mailbox.to(OPERATOR)) == len(mailbox.letters) == 1


async def test_a_fault_in_a_mutation_is_told_of_though_nothing_of_it_was_written(
    told, asking, customer, problem, database, monkeypatch
):
    monkeypatch.setattr("domain.tickets.search.index", lambda *_, **__: 1 / 0)
    before = await database.counts()
    app = App(told.settings)

    async with (
        app.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as http,
    ):
        answer = await asking(http).answer(
            customer,
            "mutation Mine($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename } }",
            input={"subject": "s", "body": "b", "categoryId": problem.gid},
        )

    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    after = await database.counts()
    assert {name for name in after if after[name] != before[name]} == {"jobs"}
    (row,) = await database.rows("SELECT kind, payload FROM jobs")
    assert row["kind"] == TellOperator.__name__
    assert row["payload"]["error_id"] == answer["errors"][0]["extensions"]["id"]
    about = row["payload"]["about"]
    assert (about["operation"], about["viewer_id"]) == ("Mine", str(customer.id))
    assert about["request_id"]


async def test_nobody_is_told_without_an_address(desk, database):
    async with watching(desk):
        breaks(ValueError(SECRET))

    assert await database.rows("SELECT id FROM jobs") == []


def test_a_storm_of_kinds_does_not_pile_up(told):
    one = alarms.Alarms(told)
    for number in range(500):
        one.hear(alarms.Fault(str(number), f"Kind{number}", "here", {}))

    assert one.waiting.qsize() == alarms.MOST_WAITING
