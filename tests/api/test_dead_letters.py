"""Dead letters: what is given up waits for an admin, tells nobody's words, and is tried again or left."""

import datetime as dt
import json

import pytest

from domain.jobs import Announce, WarnOfSla
from infra import jobs
from infra.ids import new_id
from models import Role

LISTED = """query ($filter: DeadLetterFilter) { deadLetters(filter: $filter) { totalCount nodes { id kind name recipient
  subject { id } attemptCount error firstTriedAt failedAt status settledBy { name } settledAt } } }"""
SETTLED = """{ __typename ... on Refusal { message } ... on %sSuccess { deadLetters { status settledBy { name } } }
  ... on NotFound { field } ... on Conflict { reason current { id } } ... on InvalidInput { problems { field } } }"""
RETRY = f"""mutation ($ids: [ID!]!, $key: String) {{
  retryDeadLetters(input: {{deadLetterIds: $ids, idempotencyKey: $key}}) {SETTLED % "RetryDeadLetters"} }}"""
DISCARD = f"""mutation ($ids: [ID!]!) {{
  discardDeadLetters(input: {{deadLetterIds: $ids}}) {SETTLED % "DiscardDeadLetters"} }}"""
NOWHERE = "ded_00000000-0000-7000-8000-000000000000"
CANARY = "what a customer wrote"


@pytest.fixture
def letters(api, admin):
    """The letters for which the conditions hold, newest first."""

    async def found(**filter):
        return (await api(admin, LISTED, filter=filter))["deadLetters"]["nodes"]

    return found


@pytest.fixture
async def dead_job(desk, database, monkeypatch):
    """A job that was given up; its error quotes what should not be told."""

    async def fail(_work):
        raise ValueError(CANARY)

    async with desk.writes.begin() as unit:
        unit.enqueue(Announce([new_id()]))
    (row,) = await database.rows("UPDATE jobs SET attempts = 8 WHERE kind = 'Announce' RETURNING id")
    with monkeypatch.context() as patched:
        patched.setitem(jobs._performers, Announce, fail)
        await jobs.perform(desk, row["id"])
    return row["id"]


@pytest.fixture
async def dead_mail(api, mailbox, work, database, customer, submit, problem):
    """An email that no server takes."""
    mailbox.refusal = f"550 No: {CANARY}"
    ticket = await submit(customer, problem, subject=CANARY)
    await work.run()
    return ticket


async def test_a_job_that_was_given_up(letters, dead_job):
    (letter,) = await letters()
    assert letter["error"].startswith("ValueError: the log has more under ")
    assert CANARY not in json.dumps(letter)
    assert (letter["kind"], letter["name"], letter["attemptCount"]) == ("JOB", "Announce", 9)
    assert letter["recipient"] is letter["subject"] is letter["settledBy"] is letter["settledAt"] is None


async def test_a_job_leads_to_its_ticket_and_tells_since_when_it_was_tried(
    desk, letters, database, monkeypatch, ticket
):
    async def fail(_work):
        raise ValueError

    async with desk.writes.begin() as unit:
        unit.enqueue(WarnOfSla(ticket.uuid, "RESOLUTION"))
    longer = "UPDATE jobs SET attempts = 8, created_at = created_at - interval '1 hour'"
    (row,) = await database.rows(f"{longer} WHERE kind = 'WarnOfSla' RETURNING id")
    monkeypatch.setitem(jobs._performers, WarnOfSla, fail)
    await jobs.perform(desk, row["id"])

    (letter,) = await letters()
    first, failed = (dt.datetime.fromisoformat(letter[name]) for name in ("firstTriedAt", "failedAt"))
    assert letter["subject"] == {"id": ticket.gid}
    assert dt.timedelta(minutes=59) < failed - first < dt.timedelta(minutes=61)


async def test_an_email_that_was_given_up(letters, dead_mail, customer):
    (letter,) = await letters(kind="EMAIL", name="Ticket received")
    assert CANARY not in json.dumps(letter)
    assert (letter["recipient"], letter["error"]) == (customer.email, "The mail server did not take it: 550.")
    assert letter["subject"]["id"].startswith("tkt_")


async def test_an_email_names_the_address_that_it_went_to(api, admin, letters, mailbox, work, customer):
    """Of another address of theirs, people are told at both."""
    change = "mutation ($i: UpdatePersonInput!) { updatePerson(input: $i) { __typename } }"
    mailbox.refusal = "550 No such user"
    await api(admin, change, i={"personId": customer.gid, "email": "carla@new.example"})
    await work.run()

    assert {letter["recipient"] for letter in await letters()} == {customer.email, "carla@new.example"}


async def test_a_job_is_tried_again_with_all_retries(api, admin, letters, dead_job, database, work):
    (letter,) = await letters()
    done = (await api(admin, RETRY, ids=[letter["id"]], key="once"))["retryDeadLetters"]
    assert done["deadLetters"] == [{"status": "RETRIED", "settledBy": {"name": admin.name}}]
    assert (await api(admin, RETRY, ids=[letter["id"]], key="once"))["retryDeadLetters"] == done

    assert not await letters()
    assert len(await letters(statuses=["RETRIED"])) == 1
    assert (await work.run())["Announce"] == 1
    assert not await database.rows("SELECT FROM jobs WHERE state = 'DEAD'")


async def test_an_email_is_tried_again(api, admin, letters, dead_mail, mailbox, work, customer):
    (letter,) = await letters(name="Ticket received")
    mailbox.refusal = None
    await api(admin, RETRY, ids=[letter["id"]])
    await work.run()
    assert len(mailbox.to(customer.email)) == 1
    assert not await letters(name="Ticket received")


async def test_what_fails_again_is_another_letter(api, admin, letters, dead_mail, work):
    (letter,) = await letters(name="Ticket received")
    await api(admin, RETRY, ids=[letter["id"]])
    await work.run()
    assert len(await letters(name="Ticket received", statuses=["WAITING", "RETRIED"])) == 2


async def test_what_is_left_is_not_tried(api, admin, letters, dead_job, database, work):
    (letter,) = await letters()
    await api(admin, DISCARD, ids=[letter["id"]])
    assert not await work.run()
    assert not await database.rows("SELECT FROM jobs WHERE id = :id", id=dead_job)
    assert (await letters(statuses=["DISCARDED"]))[0]["settledBy"] == {"name": admin.name}


async def test_refusals_change_nothing(api, admin, letters, dead_job, database):
    (letter,) = await letters()
    await api(admin, DISCARD, ids=[letter["id"]])
    before = await database.counts()
    for text, name in ((RETRY, "retryDeadLetters"), (DISCARD, "discardDeadLetters")):
        again = (await api(admin, text, ids=[letter["id"]]))[name]
        assert (again["reason"], again["current"]) == ("ALREADY_DONE", {"id": letter["id"]})
        assert (await api(admin, text, ids=[NOWHERE]))[name]["field"] == "deadLetterIds.0"
        for wrong in ([], [NOWHERE] * 101, ["x"]):
            assert (await api(admin, text, ids=wrong))[name]["__typename"] == "InvalidInput"
    assert await database.counts() == before


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_admins(api, house, admin, letters, dead_job, database, role):
    (letter,) = await letters()
    someone = await house.person("Someone", role)
    before = await database.counts()
    await api.refused(someone, LISTED)
    assert (await api(someone, "query ($id: ID!) { node(id: $id) { id } }", id=letter["id"]))["node"] is None
    for text, name in ((RETRY, "retryDeadLetters"), (DISCARD, "discardDeadLetters")):
        assert (await api(someone, text, ids=[letter["id"]]))[name]["__typename"] == "NotAllowed"
    assert await database.counts() == before
