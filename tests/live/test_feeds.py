"""Feeds: every item once and in order, after a cursor, whatever becomes of Redis or the client."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import select

import models
from domain import history, sessions
from domain.happenings import StatusChanged, TicketAssigned
from infra.postgres import Unavailable
from models import Role, TicketStatus
from planner import streams

EVENTS = """subscription ($id: ID!, $after: String) { ticketEvents(ticketId: $id, after: $after) {
  cursor node { __typename seq } } }"""
NEWS = "subscription ($after: String) { notifications(after: $after) { cursor node { id kind title readAt } } }"
UNREAD = "subscription { unreadCountUpdated { count } }"
LISTED = """query ($id: ID!) { ticket(id: $id) { events(first: 100) { edges { cursor node { seq } } } }
  viewer { notifications { edges { cursor node { id } } } } }"""
MARK = 'mutation { markNotificationsRead(input: {which: {upTo: "2100-01-01T00:00:00Z"}}) { __typename } }'


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
def happen(desk, ticket):
    """Records events in one unit, as something that everyone sees or only the desk."""

    async def happened(count=1, *, internal=False):
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            for _ in range(count):
                event = StatusChanged(TicketStatus.OPEN, TicketStatus.PENDING, None, None)
                history.record(unit, None, row, event, internal=internal)

    return happened


async def seqs(client, count):
    return [(await client.item())["ticketEvents"]["node"]["seq"] for _ in range(count)]


async def test_a_history_from_its_beginning_and_then_on(signed_in, happen, customer, ticket):
    client = await signed_in(customer)
    await client.subscribe(EVENTS, id=ticket.gid)
    first = (await client.item())["ticketEvents"]
    assert first["node"] == {"__typename": "TicketSubmitted", "seq": 1}
    assert await seqs(client, 1) == [2]

    await happen()
    await happen(3)

    assert await seqs(client, 4) == [3, 4, 5, 6]
    await client.quiet()


async def test_a_long_history_comes_whole(signed_in, happen, customer, ticket):
    count = 2 * streams.LARGEST_CATCH + 2
    for _ in range(4):
        await happen(count // 4)
    client = await signed_in(customer)

    await client.subscribe(EVENTS, id=ticket.gid)

    assert await seqs(client, count // 4 * 4 + 2) == list(range(1, count // 4 * 4 + 3))
    await client.quiet()


async def test_it_goes_on_after_a_cursor_of_the_feed_or_of_the_list(
    signed_in, api, happen, customer, agent, ticket, work, mailbox
):
    await work.run()
    await happen(2)
    for viewer in (customer, agent):
        edges = (await api(viewer, LISTED, id=ticket.gid))["ticket"]["events"]["edges"]
        client = await signed_in(viewer)
        await client.subscribe(EVENTS, id=ticket.gid)
        items = [(await client.item())["ticketEvents"] for _ in edges]
        assert [item["cursor"] for item in items] == [edge["cursor"] for edge in edges]
        assert [item["node"]["seq"] for item in items] == [edge["node"]["seq"] for edge in edges]

        again = await signed_in(viewer)
        await again.subscribe(EVENTS, id=ticket.gid, after=edges[-2]["cursor"])
        assert (await again.item())["ticketEvents"] == items[-1]
        await again.quiet()


async def test_what_is_internal_is_an_item_for_staff_and_for_customers_no_gap(
    signed_in, happen, customer, agent, ticket
):
    theirs, ours = await signed_in(customer), await signed_in(agent)
    for client in (theirs, ours):
        await client.subscribe(EVENTS, id=ticket.gid)
        assert await seqs(client, 2) == [1, 2]

    await happen(internal=True)
    await happen()

    assert await seqs(ours, 2) == [3, 4]
    assert await seqs(theirs, 1) == [3]
    await theirs.quiet()


async def test_what_cannot_be_seen_completes_at_once_and_a_lost_right_ends_it(
    signed_in, database, happen, stranger, customer, ticket
):
    client = await signed_in(stranger)
    for wanted in (ticket.gid, "tkt_00000000-0000-7000-8000-000000000000"):
        name = await client.subscribe(EVENTS, id=wanted)
        assert await client.receive() == {"type": "complete", "id": name}

    client = await signed_in(customer)
    name = await client.subscribe(EVENTS, id=ticket.gid)
    await seqs(client, 2)
    await database.rows("UPDATE tickets SET requester_id = :who WHERE id = :id", who=stranger.id, id=ticket.uuid)
    await happen()
    assert await client.receive() == {"type": "complete", "id": name}


AFTER = """query ($id: ID!, $after: String) { ticket(id: $id) { events(after: $after) {
  nodes { seq } pageInfo { hasPreviousPage } } } }"""


@pytest.mark.parametrize("works", [True, False])
async def test_who_is_on_the_other_side_of_a_ticket_by_now_begins_anew(
    signed_in, api, database, house, happen, support, billing, ticket, works
):
    """Each side has a count of its own: by that of the other one, events would be missed, or told once more."""
    agent = await house.person("Wim Watching", Role.AGENT, support if works else billing)
    await database.rows("INSERT INTO watchers VALUES (:ticket, :person)", ticket=ticket.uuid, person=agent.id)
    await happen()
    await happen(3, internal=True)
    client, known = await signed_in(agent), 6 if works else 3
    await client.subscribe(EVENTS, id=ticket.gid)
    told = [(await client.item())["ticketEvents"] for _ in range(known)]
    cursor = told[-1]["cursor"]
    nothing = {"nodes": [], "pageInfo": {"hasPreviousPage": True}}
    assert (await api(agent, AFTER, id=ticket.gid, after=cursor))["ticket"]["events"] == nothing

    await database.rows("UPDATE tickets SET department_id = :there WHERE id = :id", there=billing.id, id=ticket.uuid)
    await happen()

    ended = await client.receive()
    again = await client.subscribe(EVENTS, id=ticket.gid, after=cursor)
    refused = await client.receive()
    for message in (ended, refused):
        assert message["type"] == "error"
        assert message["payload"][0]["message"] == "This is not a cursor of this list."
        assert message["payload"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert refused["id"] == again
    listed = await api.answer(agent, AFTER, id=ticket.gid, after=cursor)
    assert listed["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    await client.subscribe(EVENTS, id=ticket.gid)
    count = 4 if works else 7
    assert await seqs(client, count) == list(range(1, count + 1))


@pytest.mark.parametrize("query", [EVENTS, NEWS])
@pytest.mark.parametrize("after", ["nonsense", "00000000,1"])
async def test_another_cursor_is_refused(signed_in, customer, ticket, query, after):
    client = await signed_in(customer)
    variables = {"after": after} | ({"id": ticket.gid} if query is EVENTS else {})
    await client.subscribe(query, **variables)
    message = await client.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("query", [NEWS, UNREAD])
async def test_nobody_and_a_session_for_one_ticket_have_no_news(signed_in, desk, customer, ticket, query):
    async with desk.writes.begin() as unit:
        session = unit.insert(
            models.Session,
            person_id=customer.id,
            ticket_id=ticket.uuid,
            refresh_count=0,
            created_at=unit.now,
            expires_at=unit.now + sessions.KEPT,
            ended_at=None,
        )
        token = sessions._tokens(desk, session, customer.role, unit.now).access_token
    for viewer, code in ((None, "UNAUTHENTICATED"), (SimpleNamespace(token=token), "NOT_ALLOWED")):
        client = await signed_in(viewer)
        await client.subscribe(query)
        message = await client.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == code


async def test_news_come_one_by_one_and_the_count_with_them(signed_in, api, work, mailbox, happen, customer, ticket):
    feed, count = await signed_in(customer), await signed_in(customer)
    await feed.subscribe(NEWS)
    await count.subscribe(UNREAD)
    assert await count.item() == {"unreadCountUpdated": {"count": 0}}

    await work.run()
    first = (await feed.item())["notifications"]
    assert first["node"]["title"] == f"We have received your ticket #{ticket.number}"
    assert await count.item() == {"unreadCountUpdated": {"count": 1}}
    await happen()
    await work.run()

    second = (await feed.item())["notifications"]
    assert (second["node"]["kind"], second["node"]["readAt"]) == ("STATUS_CHANGED", None)
    assert await count.item() == {"unreadCountUpdated": {"count": 2}}
    edges = (await api(customer, LISTED, id=ticket.gid))["viewer"]["notifications"]["edges"]
    assert [edge["cursor"] for edge in edges] == [second["cursor"], first["cursor"]]
    await api(customer, MARK)
    assert await count.item() == {"unreadCountUpdated": {"count": 0}}
    await feed.quiet()

    again = await signed_in(customer)
    await again.subscribe(NEWS, after=first["cursor"])
    assert (await again.item())["notifications"]["node"]["id"] == second["node"]["id"]
    await again.quiet()


async def test_the_news_of_others_are_nobodys(signed_in, work, mailbox, stranger, ticket):
    client = await signed_in(stranger)
    await client.subscribe(NEWS)
    await work.run()
    await client.quiet()


async def test_it_catches_up_when_redis_was_away(signed_in, desk, redis_url, happen, database, customer, ticket):
    client = await signed_in(customer)
    await client.subscribe(EVENTS, id=ticket.gid)
    assert await seqs(client, 2) == [1, 2]

    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        # Nobody is told of these: they are found as Redis is back.
        await database.rows(
            """WITH t AS (UPDATE tickets SET last_seq = last_seq + 2, public_seq = public_seq + 2 WHERE id = :id)
            INSERT INTO events (id, ticket_id, seq, public_seq, kind, at, data)
            SELECT gen_random_uuid(), :id, n, n, 'TicketReopened', now(), '{}' FROM generate_series(3, 4) n""",
            id=ticket.uuid,
        )

    assert await seqs(client, 2) == [3, 4]
    await happen()
    assert await seqs(client, 1) == [5]
    await client.quiet()


async def test_it_outlives_a_database_that_is_away(signed_in, monkeypatch, happen, customer, ticket):
    client = await signed_in(customer)
    await client.subscribe(EVENTS, id=ticket.gid)
    assert await seqs(client, 2) == [1, 2]
    read, failures = streams.Stream.read_after, [Unavailable("Away."), Unavailable("Away.")]

    async def failing(self, place):
        if failures:
            raise failures.pop()
        return await read(self, place)

    monkeypatch.setattr(streams.Stream, "read_after", failing)
    await happen()
    assert await seqs(client, 1) == [3]
    assert failures == []


async def test_writers_at_once_lose_nothing(signed_in, happen, customer, ticket):
    clients = [await signed_in(customer) for _ in range(5)]
    for client in clients:
        await client.subscribe(EVENTS, id=ticket.gid)

    await asyncio.gather(*(happen(number % 3 + 1) for number in range(15)))

    for client in clients:
        assert await seqs(client, 32) == list(range(1, 33))
        await client.quiet()


async def test_an_event_stream_carries_a_feed(address, happen, customer, ticket):
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {customer.token}"}
    asked = {"query": EVENTS, "variables": {"id": ticket.gid}}
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=5))
        stream = client.stream("POST", f"http://{address}/graphql", json=asked, headers=headers)
        lines = (await stack.enter_async_context(stream)).aiter_lines()

        async def seq():
            async for line in lines:
                if line.startswith("data: "):
                    return json.loads(line.removeprefix("data: "))["data"]["ticketEvents"]["node"]["seq"]
            return None

        assert [await seq(), await seq()] == [1, 2]
        await happen()
        assert await seq() == 3


async def test_a_ticket_that_changes_hands_is_told(signed_in, desk, customer, agent, ticket):
    client = await signed_in(customer)
    await client.subscribe(EVENTS, id=ticket.gid)
    await seqs(client, 2)
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        unit.change(row, assignee_id=agent.id)
        history.record(unit, agent.id, row, TicketAssigned(None, agent.id))
    assert (await client.item())["ticketEvents"]["node"] == {"__typename": "TicketAssigned", "seq": 3}
