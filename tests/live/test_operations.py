"""Operations over a socket: whatever becomes of one, the client is told, and the others go on."""

import asyncio
import contextlib
import hashlib
import json
import secrets

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed

from infra.postgres import Unavailable
from web import sockets

WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { subject } }"
DESK = "{ desk { name } }"


async def refused(client, name):
    """The code of the error that ends the operation."""
    message = await client.receive()
    assert (message["type"], message["id"]) == ("error", name)
    (error,) = message["payload"]
    return error["extensions"]["code"]


async def test_an_id_is_free_again_once_its_operation_has_ended(signed_in, customer):
    client = await signed_in(customer)
    for number in range(50):
        query = DESK if number % 2 else "{ nonsense }"
        await client.send(id="same", type="subscribe", payload={"query": query})
        while (await client.receive())["type"] == "next":
            pass


async def test_an_id_is_free_again_once_its_client_has_enough(signed_in, customer, ticket):
    client = await signed_in(customer)
    for _ in range(20):
        await client.send(id="same", type="subscribe", payload={"query": WATCH, "variables": {"id": ticket.gid}})
        assert (await client.item())["ticketUpdated"]["subject"] == "Printer on fire"
        await client.send(id="same", type="complete")
    await client.send(id="never", type="complete")
    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}


async def test_operations_run_beside_each_other(signed_in, customer, ticket):
    client = await signed_in(customer)
    for _ in range(10):
        await client.subscribe(WATCH, id=ticket.gid)
        await client.subscribe(DESK)
    messages = [await client.receive() for _ in range(30)]
    assert sum(message["type"] == "complete" for message in messages) == 10
    assert len({message["id"] for message in messages if message["type"] == "next"}) == 20


@pytest.mark.parametrize("query", [WATCH, "query ($id: ID!) { ticket(id: $id) { id } }"])
async def test_a_nul_is_refused_and_nobody_is_alarmed(signed_in, customer, query):
    client = await signed_in(customer)
    with capture_logs() as logs:
        assert await refused(client, await client.subscribe(query, id="tkt_\0")) == "BAD_REQUEST"
        assert await refused(client, await client.subscribe('{ ticket(id: "\\u0000") { id } }')) == "BAD_REQUEST"
    assert logs == []


async def test_deep_messages_are_not_understood(signed_in, customer):
    for text in ("[" * 10_000, '{"type":"subscribe","id":"1","payload":' * 2000, '{"a":' * 500 + "1" + "}" * 500):
        client = await signed_in(customer)
        await client.socket.send(text)
        assert await client.closed() == 4400


async def test_a_name_longer_than_a_reason_may_be_is_still_told(signed_in, customer, ticket):
    client = await signed_in(customer)
    name = "é" * 1000
    for _ in range(2):
        await client.send(id=name, type="subscribe", payload={"query": WATCH, "variables": {"id": ticket.gid}})
    assert await client.closed() == 4409
    assert client.socket.close_reason.startswith("Subscriber for éé")
    assert 100 < len(client.socket.close_reason.encode()) <= 123


async def test_a_text_is_sent_once_and_its_hash_ever_after(signed_in, customer, ticket):
    client = await signed_in(customer)
    text = WATCH.replace("subscription", f"subscription A{secrets.token_hex(16)}")
    named = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}
    payload = {"extensions": named, "variables": {"id": ticket.gid}}

    await client.send(id="a", type="subscribe", payload=payload)
    assert await refused(client, "a") == "PERSISTED_QUERY_NOT_FOUND"
    for name, query in (("b", {"query": text}), ("c", {})):
        await client.send(id=name, type="subscribe", payload=payload | query)
        assert await client.item() == {"ticketUpdated": {"subject": "Printer on fire"}}
    await client.send(id="d", type="subscribe", payload=payload | {"query": DESK})
    assert await refused(client, "d") == "BAD_REQUEST"


FLOODS = {
    "aliases": "{ " + " ".join(f"a{n}: desk {{ name }}" for n in range(2000)) + " }",
    "fields": "{ desk { " + "name " * 3000 + "} }",
    "directives": "{ desk { name " + "@skip(if: false) " * 1000 + "} }",
    "tokens": "{ desk { " + "name " * 10_000 + "} }",
    "depth": '{ __type(name: "Ticket") { ' + "ofType { " * 20 + "name" + " }" * 22,
    "doubling fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30))
    + " fragment f30 on Query { __typename }",
    "aliases of a subscription": "subscription { "
    + " ".join(f'a{n}: ticketUpdated(id: "x") {{ id }}' for n in range(2000))
    + " }",
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_is_refused_and_the_others_go_on(signed_in, customer, flood):
    client = await signed_in(customer)
    async with asyncio.timeout(3):
        assert await refused(client, await client.subscribe(flood)) == "TOO_COSTLY"
        await client.subscribe(DESK)
        assert await client.item() == {"desk": {"name": "Deskwire"}}


async def test_a_message_that_is_too_long_closes_the_socket(signed_in, customer):
    client = await signed_in(customer)
    await client.socket.send(json.dumps({"type": "ping", "payload": {"x": "x" * 2**20}}))
    assert await client.closed() in {1009, 4400}


@pytest.fixture
def reads(desk, monkeypatch):
    """Makes the database fail as the test says, until `mend`."""
    real = type(desk.reads).fetch

    class Reads:
        error = None
        failed = 0

        def mend(self):
            self.error = None

    found = Reads()

    async def fetch(self, *given):
        if found.error:
            found.failed += 1
            raise found.error
        return await real(self, *given)

    monkeypatch.setattr(type(desk.reads), "fetch", fetch)
    return found


async def change(database, hub, ticket, subject):
    await database.rows("UPDATE tickets SET subject = :s WHERE id = :id", s=subject, id=ticket.uuid)
    hub._wake(f"ticket:{ticket.id}")


async def test_a_subscription_outlives_a_database_that_is_away(signed_in, desk, database, reads, customer, ticket):
    client = await signed_in(customer)
    await client.subscribe(WATCH, id=ticket.gid)
    await client.item()

    reads.error = Unavailable()
    await change(database, desk.hub, ticket, "Changed meanwhile")
    assert await refused(client, await client.subscribe(DESK)) == "UNAVAILABLE"
    assert await refused(client, await client.subscribe(WATCH, id=ticket.gid)) == "UNAVAILABLE"
    await client.quiet()
    assert reads.failed >= 3
    reads.mend()

    assert (await client.item())["ticketUpdated"]["subject"] == "Changed meanwhile"


async def test_what_nobody_expects_ends_one_operation_and_no_other(signed_in, desk, database, reads, customer, ticket):
    client = await signed_in(customer)
    broken = await client.subscribe(WATCH, id=ticket.gid)
    await client.item()

    with capture_logs() as logs:
        reads.error = ZeroDivisionError("secret")
        await change(database, desk.hub, ticket, "Never seen")
        message = await client.receive()
    reads.mend()

    (error,) = message["payload"]
    assert (message["type"], message["id"]) == ("error", broken)
    assert error["extensions"]["code"] == "INTERNAL"
    assert [log["error_id"] for log in logs if log["event"] == "unexpected_error"] == [error["extensions"]["id"]]
    assert "secret" not in json.dumps(message)
    await client.subscribe(DESK)
    assert await client.item() == {"desk": {"name": "Deskwire"}}


async def test_a_client_that_takes_nothing_is_sent_away(signed_in, monkeypatch, problem, submit, customer):
    """It asks for much and reads none of it, so buffers fill on both sides."""
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.3)
    many, times = 60, 20
    body = secrets.token_hex(9_500)  # which can't be compressed much
    found = await submit(customer, problem, body=body)
    before = asyncio.all_tasks()
    client = await signed_in(customer)
    ours = {client.socket.keepalive_task}
    fields = " ".join(f"a{number}: body" for number in range(times))
    query = f'{{ ticket(id: "{found["id"]}") {{ {fields} }} }}'

    client.socket.transport.pause_reading()
    for number in range(many):
        await client.send(id=f"much {number}", type="subscribe", payload={"query": query})
    async with asyncio.timeout(10):
        while asyncio.all_tasks() - before - ours:  # noqa: ASYNC110 # as they end
            await asyncio.sleep(0.02)

    client.socket.transport.resume_reading()
    got = []
    with contextlib.suppress(ConnectionClosed):
        got += [message async for message in client.socket]
    assert len(got) < many  # the code of the end has no room behind what waits, so it may be an end without one


async def test_a_client_that_has_gone_leaves_nothing_behind(socket, desk, customer, ticket):
    before = asyncio.all_tasks()
    for abrupt in (True, False):
        client = await socket()
        await client.send(type="connection_init", payload={"authorization": f"Bearer {customer.token}"})
        await client.receive()
        for _ in range(5):
            await client.subscribe(WATCH, id=ticket.gid)
            await client.item()
        assert desk.hub._waiting
        if abrupt:
            client.socket.transport.abort()
        else:
            await client.socket.close()
        async with asyncio.timeout(5):
            while desk.hub._waiting or asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 # as they end
                await asyncio.sleep(0.02)
