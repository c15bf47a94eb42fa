"""What most people do is read and written in two statements; what comes in between is not overwritten."""

import asyncio

import pytest
import sqlalchemy as sa

from infra.transactions import Transaction
from models import Ticket

COMMENT = """mutation($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on AddCommentSuccess { ticket { lastSeq } } } }"""
NOTE = "mutation($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"
STATUS = "mutation($input: ChangeTicketStatusInput!) { changeTicketStatus(input: $input) { __typename } }"
RESOLVE = "mutation($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
SUBMIT = "mutation($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename } }"
HISTORY = "query($id: ID!) { ticket(id: $id) { lastSeq events { nodes { seq __typename } } } }"


@pytest.fixture
def spoken(monkeypatch):
    """What units say to the database: statements' first words."""
    said = []
    fetch, begin = Transaction.fetch, Transaction.begin

    async def fetched(self, text, *rest, **options):
        said.append(text.split(None, 1)[0])
        return await fetch(self, text, *rest, **options)

    async def begun(self):
        said.append("BEGIN")
        await begin(self)

    monkeypatch.setattr(Transaction, "fetch", fetched)
    monkeypatch.setattr(Transaction, "begin", begun)
    return said


@pytest.fixture
async def answered(api, agent, ticket):
    """The ticket, which the desk has answered."""
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "Have you turned it off?"})
    return ticket


async def test_a_comment_is_two_statements(api, spoken, customer, ticket):
    spoken.clear()
    await api(customer, COMMENT, input={"ticketId": ticket.gid, "body": "It smokes."})
    assert spoken == ["SELECT", "WITH"]


async def test_so_it_is_by_who_works_on_the_ticket(api, spoken, agent, answered):
    spoken.clear()
    await api(agent, COMMENT, input={"ticketId": answered.gid, "body": "And on again?"})
    await api(agent, NOTE, input={"ticketId": answered.gid, "body": "They did not."})
    assert spoken == ["SELECT", "WITH"] * 2


async def test_with_a_key_it_is_looked_for_before(api, spoken, database, customer, answered):
    spoken.clear()
    given = {"ticketId": answered.gid, "body": "It smokes.", "idempotencyKey": "one"}
    first = await api(customer, COMMENT, input=given)
    assert spoken == ["SELECT", "SELECT", "WITH"]
    spoken.clear()
    assert await api(customer, COMMENT, input=given) == first
    assert spoken[:2] == ["SELECT", "BEGIN"]
    assert len(await database.rows("SELECT id FROM comments WHERE body = 'It smokes.'")) == 1
    assert [row["answer"]["type"] for row in await database.rows("SELECT answer FROM idempotency_keys")] == [
        "AddCommentSuccess"
    ]


@pytest.mark.parametrize("after", [1, 2])
async def test_what_a_twin_did_meanwhile_is_answered_alike(api, database, agent, answered, monkeypatch, after):
    """The second resolves the ticket after the first has looked for the key, or for the ticket as well."""
    given = {"ticketId": answered.gid, "idempotencyKey": "one"}
    fetch, left, twins = Transaction.fetch, [after], []

    async def fetched(self, text, *rest, **options):
        found = await fetch(self, text, *rest, **options)
        left[0] -= 1
        if left[0] == 0:
            twins.append(asyncio.create_task(api(agent, RESOLVE, input=given)))
            await asyncio.sleep(0.2)  # it is done, or waits for what this one has locked
        return found

    monkeypatch.setattr(Transaction, "fetch", fetched)
    first = await api(agent, RESOLVE, input=given)
    assert first["resolveTicket"]["__typename"] == "ResolveTicketSuccess"
    assert await twins[0] == first
    assert len(await database.rows("SELECT id FROM resolutions")) == 1


async def test_a_submission_reads_what_it_is_routed_by_and_writes(api, spoken, customer, problem):
    given = {"subject": "It smokes", "body": "A lot.", "categoryId": problem.gid}
    spoken.clear()
    await api(customer, SUBMIT, input=given)
    assert "BEGIN" not in spoken
    assert spoken[-1] == "WITH"
    assert spoken.count("WITH") == 1


async def test_what_is_refused_begins_nothing(api, spoken, database, stranger, ticket):
    before = await database.counts()
    spoken.clear()
    answer = await api(stranger, COMMENT, input={"ticketId": ticket.gid, "body": "CANARY"})
    assert answer["addComment"] == {"__typename": "NotFound"}
    assert spoken == ["SELECT"]
    assert await database.counts() == before


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_what_another_did_meanwhile_is_not_overwritten(
    api, database, customer, agent, answered, monkeypatch, times
):
    """An agent's comment is in the way of the customer's, each time it is tried."""
    guard, left = Transaction.fetch, [times]

    async def fetched(self, text, *rest, **options):
        if not self.begun and "CommentAdded" not in text and text.startswith("WITH") and left[0]:
            left[0] -= 1
            await api(agent, NOTE, input={"ticketId": answered.gid, "body": "In between."})
        return await guard(self, text, *rest, **options)

    monkeypatch.setattr(Transaction, "fetch", fetched)
    answer = await api(customer, COMMENT, input={"ticketId": answered.gid, "body": "It smokes."})
    assert answer["addComment"]["__typename"] == "AddCommentSuccess"

    ticket = (await api(agent, HISTORY, id=answered.gid))["ticket"]
    places = [event["seq"] for event in ticket["events"]["nodes"]]
    assert places == list(range(1, ticket["lastSeq"] + 1))
    assert len(await database.rows("SELECT id FROM comments WHERE body = 'It smokes.'")) == 1


async def test_of_an_overtaken_one_nothing_is_left(api, database, customer, agent, answered, monkeypatch):
    """It is tried again as a transaction, which then waits for its turn."""
    begun, write = [], Transaction.begin
    monkeypatch.setattr(Transaction, "begin", lambda self: begun.append(self) or write(self))
    fetch, once = Transaction.fetch, []

    async def fetched(self, text, *rest, **options):
        if text.startswith("WITH") and not once:
            once.append(text)
            await database.rows("UPDATE tickets SET subject = subject WHERE id = :id", id=answered.uuid)
        return await fetch(self, text, *rest, **options)

    monkeypatch.setattr(Transaction, "fetch", fetched)
    await api(customer, COMMENT, input={"ticketId": answered.gid, "body": "It smokes."})

    assert begun
    for table in ("comments WHERE body = 'It smokes.'", "events WHERE kind = 'CommentAdded' AND actor_id <> :agent"):
        given = {"agent": agent.id} if ":agent" in table else {}
        assert len(await database.rows(f"SELECT id FROM {table}", **given)) == 1


async def test_who_waits_for_a_ticket_acts_on_it_as_it_has_become(api, engine, agent, billing, ticket):
    """An agent requested it. It goes to a department that they don't work in while they wait for it."""
    async with engine.begin() as connection:
        moved = sa.update(Ticket).where(Ticket.id == ticket.uuid)
        await connection.execute(moved.values(requester_id=agent.id, department_id=billing.id))
        status = api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
        note = api(agent, NOTE, input={"ticketId": ticket.gid, "body": "CANARY"})
        waiting = [asyncio.create_task(each) for each in (status, note)]
        await asyncio.sleep(0.2)
    found = [await each for each in waiting]
    assert [answer.popitem()[1] for answer in found] == [{"__typename": "NotAllowed"}] * 2
