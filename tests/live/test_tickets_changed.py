"""Watching a list of tickets: what enters it, changes within it and leaves it, and who is told of that."""

import asyncio

import pytest
from sockets import PATIENCE_SECONDS
from sqlalchemy import select

import models
from domain import history, refusals
from domain.access import Viewer
from domain.happenings import StatusChanged
from domain.tickets import following
from infra.hub import Watch
from models import Role, TicketStatus
from planner.engine import Engine
from resolvers.root import schema

CHANGED = """subscription ($filter: TicketFilter) { ticketsChanged(filter: $filter) {
  kind ticketId ticket { id subject status lastSeq } } }"""
ASSIGN = "mutation A($input: AssignTicketInput!) { assignTicket(input: $input) { __typename } }"
UPDATE = "mutation U($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"
STATUS = "mutation S($input: ChangeTicketStatusInput!) { changeTicketStatus(input: $input) { __typename } }"
COMMENT = "mutation C($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
INTERNAL = "mutation C($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"
WATCH = "mutation W($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
UNWATCH = "mutation W($input: UnwatchTicketInput!) { unwatchTicket(input: $input) { __typename } }"
MERGE = "mutation M($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
OPEN = {"statuses": ["OPEN"]}
LONG_AGO = """WITH events AS (UPDATE events SET at = at - interval '1 minute')
  UPDATE tickets SET updated_at = updated_at - interval '1 minute',
    public_updated_at = public_updated_at - interval '1 minute' RETURNING id"""


@pytest.fixture
def follow(signed_in, desk, database):
    """Opens a socket that watches a list, from when it does; `await change()` gives kind and id.

    `long_ago`: what happened before did so a while before.
    """

    def watches():
        return set().union(*desk.hub._waiting.values())

    async def followed(viewer, *, long_ago=True, **given):
        if long_ago:
            await database.rows(LONG_AGO)
        client, before = await signed_in(viewer), watches()
        await client.subscribe(CHANGED, filter=given or None)
        async with asyncio.timeout(PATIENCE_SECONDS):  # it tells nothing of what is in the list already
            while not watches() - before:  # noqa: ASYNC110 # the hub has no event for it
                await asyncio.sleep(0.01)

        async def following():
            item = (await client.item())["ticketsChanged"]
            assert (item["ticket"] is None) == (item["kind"] == "LEFT")
            assert item["ticket"] is None or item["ticket"]["id"] == item["ticketId"]
            return item["kind"], item["ticketId"]

        client.change = following
        return client

    return followed


async def test_a_list_hears_of_what_enters_changes_and_leaves(api, follow, submit, agent, customer, problem, ticket):
    client = await follow(agent, statuses=["OPEN"])
    await client.quiet()

    new = await submit(customer, problem)
    assert await client.change() == ("ENTERED", new["id"])
    await api(customer, COMMENT, input={"ticketId": new["id"], "body": "More."})
    assert await client.change() == ("UPDATED", new["id"])
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "It was there all along."})
    assert await client.change() == ("UPDATED", ticket.gid)
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
    assert await client.change() == ("LEFT", ticket.gid)
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "It is no longer theirs to hear of."})
    await client.quiet()
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "OPEN"})
    assert await client.change() == ("ENTERED", ticket.gid)


async def test_what_happened_while_a_client_fetched_the_list_is_told(
    api, follow, submit, database, agent, customer, director, problem, ticket, billing
):
    """It may have read the list before it is watched, and can't tell."""
    moved, noted = await submit(customer, problem), await submit(customer, problem)
    await database.rows(LONG_AGO)
    new = await submit(customer, problem)
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
    await api(director, UPDATE, input={"ticketId": moved["id"], "departmentId": billing.gid})
    await api(agent, INTERNAL, input={"ticketId": noted["id"], "body": "Between us."})

    client = await follow(agent, long_ago=False, statuses=["OPEN"])
    told = {await client.change() for _ in range(3)}
    assert told == {("ENTERED", new["id"]), ("LEFT", ticket.gid), ("ENTERED", noted["id"])}
    await api(agent, INTERNAL, input={"ticketId": ticket.gid, "body": "It left, and that was told."})
    await client.quiet()  # of what nobody saw leave their sight

    owner = await follow(customer, long_ago=False, statuses=["OPEN"])
    told = {await owner.change() for _ in range(3)}
    assert told == {("ENTERED", new["id"]), ("LEFT", ticket.gid), ("ENTERED", moved["id"])}
    await owner.quiet()


async def test_what_never_was_in_the_list_does_not_leave_it(follow, submit, agent, customer, problem):
    client = await follow(agent, statuses=["CLOSED"])
    await submit(customer, problem)
    await client.quiet()


async def test_a_ticket_of_another_department_is_told_to_nobody_else(
    api, follow, submit, agent, stranger, customer, billing_agent, invoices
):
    elsewhere, owner, other = await follow(agent), await follow(billing_agent), await follow(stranger)
    new = await submit(customer, invoices)
    assert await owner.change() == ("ENTERED", new["id"])
    await api(billing_agent, INTERNAL, input={"ticketId": new["id"], "body": "Hm."})
    assert await owner.change() == ("UPDATED", new["id"])
    await elsewhere.quiet()
    await other.quiet()


async def test_a_ticket_that_moves_leaves_one_list_once_and_enters_another(
    api, follow, agent, director, billing_agent, ticket, billing
):
    here, there = await follow(agent), await follow(billing_agent)
    await api(director, UPDATE, input={"ticketId": ticket.gid, "departmentId": billing.gid})
    assert await here.change() == ("LEFT", ticket.gid)
    assert await there.change() == ("ENTERED", ticket.gid)

    await api(billing_agent, COMMENT, input={"ticketId": ticket.gid, "body": "We have it now."})
    assert await there.change() == ("UPDATED", ticket.gid)
    await here.quiet()


async def test_what_comes_in_sight_after_others_lost_it_does_not_leave_a_list_that_never_had_it(
    api, follow, submit, customer, stranger, agent, billing_agent, director, invoices, support
):
    client = await follow(agent, statuses=["CLOSED"])
    new = (await submit(customer, invoices))["id"]
    for mutation, given in (
        (ASSIGN, {"assigneeId": billing_agent.gid}),
        (ASSIGN, {"assigneeId": director.gid}),
        (WATCH, {"personId": stranger.gid}),
        (UNWATCH, {"personId": stranger.gid}),
        (UPDATE, {"departmentId": support.gid}),
    ):
        await api(director, mutation, input={"ticketId": new, **given})
    await client.quiet()


async def test_customers_hear_of_their_own_and_not_of_what_is_internal(api, follow, customer, stranger, agent, ticket):
    owner, other = await follow(customer), await follow(stranger)
    await api(agent, INTERNAL, input={"ticketId": ticket.gid, "body": "Between us."})
    await owner.quiet()
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "For you."})
    assert await owner.change() == ("UPDATED", ticket.gid)
    await other.quiet()

    await api(agent, WATCH, input={"ticketId": ticket.gid, "personId": stranger.gid})
    assert await other.change() == ("ENTERED", ticket.gid)
    assert await owner.change() == ("UPDATED", ticket.gid)
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "For you both."})
    assert await other.change() == ("UPDATED", ticket.gid)
    await api(agent, UNWATCH, input={"ticketId": ticket.gid, "personId": stranger.gid})
    assert await other.change() == ("LEFT", ticket.gid)
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "For one alone."})
    await other.quiet()


async def test_customers_do_not_hear_of_what_is_internal_by_what_their_list_has_not(
    api, follow, house, customer, agent, billing, ticket
):
    watcher = await house.person("Will Watching", Role.AGENT, billing)
    await api(agent, WATCH, input={"ticketId": ticket.gid, "personId": watcher.gid})
    owner, watching = await follow(customer, statuses=["CLOSED"]), await follow(watcher, statuses=["CLOSED"])
    await api(agent, INTERNAL, input={"ticketId": ticket.gid, "body": "Between us."})
    await owner.quiet()
    await watching.quiet()

    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "For you."})
    assert await owner.change() == await watching.change() == ("LEFT", ticket.gid)


async def test_whoever_followed_a_ticket_that_is_merged_follows_the_other(
    api, follow, submit, agent, customer, stranger, problem, ticket
):
    gone = await submit(customer, problem)
    await api(agent, WATCH, input={"ticketId": gone["id"], "personId": stranger.gid})
    client = await follow(stranger)
    await api(agent, MERGE, input={"intoTicketId": ticket.gid, "ticketIds": [gone["id"]]})
    assert {await client.change(), await client.change()} == {("LEFT", gone["id"]), ("ENTERED", ticket.gid)}


async def test_whoever_loses_a_ticket_of_another_department(api, follow, database, director, billing_agent, ticket):
    given = "UPDATE tickets SET assignee_id = :person WHERE id = :id RETURNING id"
    await database.rows(given, person=billing_agent.id, id=ticket.uuid)
    client = await follow(billing_agent)
    await api(director, ASSIGN, input={"ticketId": ticket.gid, "assigneeId": director.gid})
    assert await client.change() == ("LEFT", ticket.gid)


async def test_what_was_not_told_is_found_by_looking(desk, follow, agent, ticket, monkeypatch):
    """A change whose message nobody could hear."""
    client = await follow(agent)
    with monkeypatch.context() as deaf:
        deaf.setattr(Watch, "wake", lambda _: None)  # it looks by itself now and then, too
        await client.quiet()  # it has looked at all that woke it so far
        async with desk.writes.begin() as unit:
            row = await unit.lock(lambda key: select(models.Ticket).where(models.Ticket.id == key), ticket.uuid)
            history.record(unit, None, row, StatusChanged(TicketStatus.OPEN, TicketStatus.PENDING, None, None))
            unit.channels = {}
        await client.quiet()
    desk.hub._wake(f"{history.DEPARTMENT}:{row.department_id}")
    assert await client.change() == ("UPDATED", ticket.gid)


async def test_of_a_long_list_those_changed_last_are_known_at_first(
    desk, submit, agent, customer, problem, ticket, database, monkeypatch
):
    monkeypatch.setattr(following, "MOST_HELD", 2)
    newer = [(await submit(customer, problem))["id"] for _ in range(2)]
    await database.rows(LONG_AGO)
    engine = Engine(schema, desk.reads, refusals=refusals.Refusal, report=repr, given=desk)
    stream = engine.subscription(CHANGED, {"filter": OPEN}, None, Viewer(Role.AGENT, agent.id))
    told = await stream.began()
    assert {f"tkt_{key}" for key in told.places} == {*newer}


async def test_nobody_follows_without_signing_in(signed_in):
    client = await signed_in(None)
    await client.subscribe(CHANGED)
    message = await client.receive()
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "UNAUTHENTICATED")
