"""The logs of a day on which all kinds of things go wrong: found by ids, and without anybody's words."""

import asyncio
import contextvars
import gc
import json
import logging
import ssl

import pytest
import structlog
from asyncpg.connect_utils import TLSUpgradeProto
from logged import logging_as_in_production

from domain import messages
from infra import jobs
from infra.logs import report
from workers import running

CANARY = "canary"
SIGN_IN = """mutation SignIn($email: String!, $password: String!) {
  signIn(input: {email: $email, password: $password}) {
    __typename ... on SignInSuccess { session { refreshToken } } } }"""
COMMENT = (
    "mutation Say($input: AddCommentInput!) { addComment(input: $input) { __typename ... on Refusal { message } } }"
)
LINK = 'mutation { requestSignInLink(input: {email: "canary@example.com"}) { __typename } }'
TICKET = "query Mine($id: ID!) { ticket(id: $id) { subject } }"
WROTE = "canary@example.com wrote: canary"
PASSWORD = "canary battery staple"


@pytest.fixture
def logged(settings, monkeypatch):
    """What a process in production logs meanwhile, all of it."""
    with logging_as_in_production(settings, monkeypatch, "DEBUG") as entries:
        # The process says by itself that an earlier test has broken a connection.
        yield lambda: [entry for entry in entries() if entry["event"] != "cards_not_looked_at"]


def refused(*_, **__):
    """As PostgreSQL refuses what somebody wrote, in its own words."""
    raise ValueError(WROTE)


async def day(api, http, desk, work, house, problem, agent, mailbox, database, submit, monkeypatch):
    """A customer comes in, asks, is answered; then everything breaks. Gives the customer and the ticket."""
    alone = contextvars.copy_context()  # of a worker, which knows of no request
    person = await house.person("Canary Person", email="canary@example.com", password=PASSWORD)
    for password in ("canary wrong password", PASSWORD):
        await api(None, SIGN_IN, email=person.email, password=password)
    await api(None, LINK)
    ticket = await submit(person, problem, subject="canary subject", body="canary body")
    for viewer in (person, agent):
        await api(viewer, COMMENT, input={"ticketId": ticket["id"], "body": "canary comment"})
    await work.run()
    assert mailbox.to(person.email)

    await api(agent, COMMENT, input={"ticketId": ticket["id"], "body": "canary again"})
    mailbox.refusal = "451 4.7.1 <canary@example.com> try again"
    for kind in ("Announce", "SendMessage"):
        for row in await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' AND kind = :kind", kind=kind):
            await asyncio.create_task(jobs.perform(desk, row["id"]), context=alone)
    await http.post(
        "/graphql", content=b'{"query": "canary', headers={"Authorization": f"Bearer canary.{person.token}"}
    )
    await http.get("/graphql", params={"query": "{ canary }"})
    link = messages.ticket_link("", desk.signer, ticket["id"].removeprefix("tkt_"), person.id, person.email)
    with monkeypatch.context() as broken:
        broken.setattr("planner.plan.Plan.answer", refused)
        await api.post(person, TICKET, id=ticket["id"])
    with monkeypatch.context() as broken:
        broken.setattr("infra.signing.Signer.read", refused)
        await http.get(f"{link}?canary=1")
    await database.rows("ALTER TABLE comments ADD CONSTRAINT x CHECK (body NOT LIKE '%forbidden%')")
    try:
        await api.post(person, COMMENT, input={"ticketId": ticket["id"], "body": "canary forbidden"})
    finally:
        await database.rows("ALTER TABLE comments DROP CONSTRAINT x")
    with monkeypatch.context() as broken:
        broken.setattr("domain.mailing.deliver", refused)
        for row in await database.rows("SELECT id FROM jobs WHERE kind = 'SendMessage' AND state = 'QUEUED'"):
            await database.rows("UPDATE jobs SET due_at = now() WHERE id = :id", id=row["id"])
            await asyncio.create_task(jobs.perform(desk, row["id"]), context=alone)
    logging.getLogger("a.library").warning("Something of %s", "a library's")
    return person, link


async def test_no_body_address_or_token_reaches_the_logs(
    logged, api, http, desk, work, house, problem, agent, mailbox, database, submit, monkeypatch
):
    person, link = await day(api, http, desk, work, house, problem, agent, mailbox, database, submit, monkeypatch)

    entries = logged()
    text = json.dumps(entries)
    assert [entry["event"] for entry in entries if CANARY in json.dumps(entry).lower()] == []
    assert not any(secret in text for secret in (person.token, agent.token, link.rpartition("/")[2], "example.com"))
    said = {entry["event"] for entry in entries}
    assert said == {"unexpected_error", "job_tried_again_later", "Something of a library's"}


async def test_what_is_logged_is_found_by_ids(
    logged, api, http, desk, work, house, problem, agent, mailbox, database, submit, monkeypatch
):
    person, _ = await day(api, http, desk, work, house, problem, agent, mailbox, database, submit, monkeypatch)

    entries = logged()
    assert all(entry["process"] == "tests" for entry in entries)
    faults = [entry for entry in entries if entry["event"] == "unexpected_error"]
    by_operation = {entry.get("operation"): entry for entry in faults}
    for name in ("Mine", "Say"):
        assert by_operation[name]["viewer_id"] == str(person.id)
        assert by_operation[name]["request_id"]
    assert by_operation["Mine"]["request_id"] != by_operation["Say"]["request_id"]
    assert "CheckViolationError: 23514 x" in by_operation["Say"]["exception"]
    (page,) = [entry for entry in faults if entry.get("endpoint")]
    assert page["request_id"]
    of_jobs = [entry for entry in entries if entry.get("job") == "SendMessage"]
    assert {entry["event"] for entry in of_jobs} == {"unexpected_error", "job_tried_again_later"}
    assert all(entry["job_id"] and entry["attempt"] for entry in of_jobs)
    assert all("request_id" not in entry for entry in of_jobs)
    assert {entry["error"] for entry in entries if "error" in entry} == {"Later: the mail server says 451"}


@pytest.mark.parametrize(
    ("given", "request_id", "trace_id"),
    [
        ({"X-Request-ID": "from-proxy_1.2"}, "from-proxy_1.2", None),
        ({"X-Request-ID": "two words"}, None, None),
        ({"X-Request-ID": "x" * 65}, None, None),
        ({"X-Request-ID": "canary@example.com"}, None, None),
        ({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, None, "ab" * 16),
        ({"traceparent": "00-canary"}, None, None),
    ],
)
async def test_a_proxy_may_name_a_request_by_one_plain_word(logged, http, monkeypatch, given, request_id, trace_id):
    monkeypatch.setattr("planner.plan.Plan.answer", refused)

    await http.post("/graphql", json={"query": "query Named { desk { name } }"}, headers=given)

    (entry,) = logged()
    assert entry["operation"] == "Named"
    assert entry.get("trace_id") == trace_id
    assert entry["request_id"] == request_id or (request_id is None and entry["request_id"] not in given.values())


async def test_a_worker_logs_as_the_api_does(logged, settings, monkeypatch, capsys):
    async def works(*_):
        structlog.get_logger().warning("works")

    monkeypatch.setattr("infra.worker.work", works)
    await running.work(settings.model_copy(update={"log_format": "json", "log_level": "WARNING"}))

    entry = json.loads(capsys.readouterr().err)
    assert (entry["event"], entry["process"]) == ("works", "worker")


def test_one_error_that_comes_to_many_is_one_fault(logged):
    error = ValueError(CANARY)

    assert report(error) == report(error)
    assert len(logged()) == 1
    assert report(ValueError(CANARY)) != report(error)


def test_what_was_reported_is_not_told_again_by_a_library(logged):
    known, other = ValueError(CANARY), ValueError(CANARY)
    report(known)
    for error in (known, other):
        logging.getLogger("some.library").error("It broke", exc_info=error)

    assert [entry["event"] for entry in logged()] == ["unexpected_error", "It broke"]
    assert CANARY not in json.dumps(logged())


async def test_a_connection_that_was_given_up_while_it_was_made_is_not_told_of(logged):
    """As when a process ends in its first moments: what is left of it is found at some time, amid anything else."""
    loop = asyncio.get_running_loop()
    TLSUpgradeProto(loop, "db", 5432, ssl.create_default_context(), ssl_is_advisory=True).connection_lost(None)
    loop.create_future().set_exception(ValueError(CANARY))
    gc.collect()

    assert [entry["exception"].splitlines()[-1] for entry in logged()] == ["ValueError"]
