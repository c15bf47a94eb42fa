"""Watching a ticket: now, and after every change, as the viewer."""

import asyncio
import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import select

import models
from domain import history, sessions
from domain.happenings import TicketAssigned
from models import Role

WATCH = """subscription ($id: ID!) { ticketUpdated(id: $id) {
  subject status lastSeq updatedAt tags assignee { name } events(last: 1) { nodes { __typename } } } }"""


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
def assign(desk):
    """Gives a ticket to somebody, as a change that everyone sees."""

    async def assigned(ticket, person):
        async with desk.writes.begin() as unit:
            row = await unit.lock(one, ticket.uuid)
            history.record(unit, person.id, row, TicketAssigned(row.assignee_id, person.id))
            unit.change(row, assignee_id=person.id)

    return assigned


async def test_the_ticket_now_and_after_every_change(signed_in, assign, customer, agent, ticket):
    client = await signed_in(customer)
    await client.subscribe(WATCH, id=ticket.gid)

    first = (await client.item())["ticketUpdated"]
    assert (first["lastSeq"], first["assignee"]) == (2, None)

    await assign(ticket, agent)
    second = (await client.item())["ticketUpdated"]
    assert (second["lastSeq"], second["assignee"]) == (3, {"name": "Ada Agent"})
    await client.quiet()


async def test_what_is_internal_reaches_staff_and_never_a_customer(signed_in, work, mailbox, customer, agent, ticket):
    theirs, ours = await signed_in(customer), await signed_in(agent)
    await theirs.subscribe(WATCH, id=ticket.gid)
    await ours.subscribe("subscription ($id: ID!) { ticketUpdated(id: $id) { " + DELIVERY + " } }", id=ticket.gid)
    assert (await theirs.item())["ticketUpdated"]["lastSeq"] == 2
    await ours.item()

    await work.run()

    while await delivery(ours) != "SENT":  # QUEUED before that, unless both came at once
        pass
    await theirs.quiet()


SAVE = """mutation S($input: SaveSlaPolicyInput!) { saveSlaPolicy(input: $input) {
  ... on SaveSlaPolicySuccess { slaPolicy { id } } } }"""
TARGET = "subscription ($id: ID!) { ticketUpdated(id: $id) { sla { firstResponse { targetSeconds } } } }"


async def test_what_is_due_at_another_time_by_other_targets_is_told(
    api, signed_in, submit, work, database, agent, admin, customer, problem
):
    given = {"name": "Usual", "targets": [{"priority": "NORMAL", "firstResponseSeconds": 7_200}]}
    policy = (await api(admin, SAVE, input=given))["saveSlaPolicy"]["slaPolicy"]
    ticket = await submit(customer, problem)
    await work.run()
    client = await signed_in(agent)
    await client.subscribe(TARGET, id=ticket["id"])
    assert (await client.item())["ticketUpdated"]["sla"]["firstResponse"] == {"targetSeconds": 7_200}

    given["targets"][0]["firstResponseSeconds"] = 3_600
    await api(admin, SAVE, input=given | {"slaPolicyId": policy["id"], "recalculate": True})
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await work.run()
    assert (await client.item())["ticketUpdated"]["sla"]["firstResponse"] == {"targetSeconds": 3_600}


DELIVERY = "lastSeq events(last: 1) { nodes { ... on MessageSent { deliveryStatus } } }"


async def delivery(client):
    (event,) = (await client.item())["ticketUpdated"]["events"]["nodes"]
    return event["deliveryStatus"]


async def test_what_cannot_be_seen_completes_without_a_word(signed_in, stranger, ticket):
    client = await signed_in(stranger)
    for wanted in (ticket.gid, "tkt_00000000-0000-7000-8000-000000000000"):
        name = await client.subscribe(WATCH, id=wanted)
        assert await client.receive() == {"type": "complete", "id": name}


async def test_a_right_that_is_lost_ends_the_stream(signed_in, assign, database, customer, agent, stranger, ticket):
    client = await signed_in(customer)
    name = await client.subscribe(WATCH, id=ticket.gid)
    await client.item()

    await database.rows("UPDATE tickets SET requester_id = :who WHERE id = :id", who=stranger.id, id=ticket.uuid)
    await assign(ticket, agent)

    assert await client.receive() == {"type": "complete", "id": name}


@pytest.mark.parametrize("wanted", ["nonsense", "tkt_1", "per_00000000-0000-7000-8000-000000000000"])
async def test_an_id_of_something_else_is_an_error(signed_in, customer, wanted):
    client = await signed_in(customer)
    await client.subscribe(WATCH, id=wanted)
    message = await client.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_nobody_is_told_to_sign_in(signed_in, ticket):
    client = await signed_in(None)
    await client.subscribe(WATCH, id=ticket.gid)
    message = await client.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_client_that_has_enough_hears_no_more(signed_in, assign, customer, agent, ticket):
    client = await signed_in(customer)
    name = await client.subscribe(WATCH, id=ticket.gid)
    await client.item()

    await client.send(type="complete", id=name)
    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}
    await assign(ticket, agent)

    await client.quiet()


async def test_many_changes_may_be_one_item_but_the_last_is_told(
    signed_in, assign, customer, agent, house, support, ticket
):
    other = await house.person("Olga Other", Role.AGENT, support)
    client = await signed_in(customer)
    await client.subscribe(WATCH, id=ticket.gid)
    await client.item()

    for number in range(20):
        await assign(ticket, (agent, other)[number % 2])

    seqs = []
    while not seqs or seqs[-1] < 22:
        seqs.append((await client.item())["ticketUpdated"]["lastSeq"])
    assert seqs == sorted(set(seqs))
    await client.quiet()


async def test_a_hundred_watchers_are_all_told(signed_in, assign, customer, agent, ticket):
    clients = [await signed_in(customer) for _ in range(100)]
    for client in clients:
        await client.subscribe(WATCH, id=ticket.gid)
        await client.item()

    await assign(ticket, agent)

    for item in await asyncio.gather(*(client.item() for client in clients)):
        assert item["ticketUpdated"]["assignee"] == {"name": "Ada Agent"}


async def test_signing_out_ends_the_socket(signed_in, api, customer):
    client = await signed_in(customer)

    await api(customer, "mutation { signOut(input: {}) { __typename } }")

    assert await client.closed() == 4403


async def test_a_socket_ends_with_its_token(desk, house, signed_in, customer):
    short = desk.settings.model_copy(update={"access_token_seconds": 3})
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(replace(desk, settings=short), unit, customer.id)
    customer.token = opened.access_token
    began = dt.datetime.now(dt.UTC)

    client = await signed_in(customer)

    assert await client.closed() == 4403
    assert dt.datetime.now(dt.UTC) - began < dt.timedelta(seconds=6)
