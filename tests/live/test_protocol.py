"""The protocol graphql-transport-ws, message by message."""

import asyncio
import gc
import json

import pytest
from sockets import Client, served
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from web import serving, sockets

DESK = "{ desk { name } }"


async def test_a_socket_is_acknowledged_and_answers_pings(signed_in, customer):
    client = await signed_in(customer)

    await client.send(type="ping")

    assert await client.receive() == {"type": "pong"}


async def test_queries_and_mutations_are_answered_and_completed(signed_in, customer):
    client = await signed_in(customer)

    name = await client.subscribe("{ viewer { person { name } } }")

    assert await client.item() == {"viewer": {"person": {"name": "Carla Customer"}}}
    assert await client.receive() == {"type": "complete", "id": name}

    await client.subscribe("mutation { signOut(input: {}) { __typename } }")
    assert await client.item() == {"signOut": {"__typename": "SignOutSuccess"}}


async def test_an_operation_that_is_not_valid_is_an_error(signed_in, customer):
    client = await signed_in(customer)

    name = await client.subscribe("{ nonsense }")

    message = await client.receive()
    assert (message["type"], message["id"]) == ("error", name)
    assert message["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_another_protocol_is_not_spoken(socket):
    for protocols in (("graphql-ws",), None):
        client = await socket(protocols=protocols)
        assert await client.closed() == 4406


async def test_a_page_from_elsewhere_may_not_connect_and_nobody_is_alarmed(socket, caplog):
    with pytest.raises(InvalidStatus) as refused:
        await socket(Origin="https://evil.example")
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"This page may not connect.\n")
    assert not caplog.records


async def test_our_own_page_may_connect(socket):
    client = await socket(Origin="http://desk.test")
    await client.send(type="connection_init")
    assert (await client.receive())["type"] == "connection_ack"


async def test_who_says_nothing_is_sent_away(socket, monkeypatch):
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.1)
    assert await (await socket()).closed() == 4408


async def test_whoever_was_acknowledged_may_say_nothing_for_long(signed_in, customer, monkeypatch):
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.2)
    client = await signed_in(customer)

    await asyncio.sleep(0.4)

    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}


async def test_who_was_away_for_long_is_told_to_come_again(application, monkeypatch):
    """A laptop that slept, or a network that was lost; after another code graphql-ws does not connect again."""
    for name in ("ws_ping_interval", "ws_ping_timeout"):
        monkeypatch.setitem(serving.OPTIONS, name, 0.1)
    async with served(application) as here:
        asked = connect(f"ws://{here.at}/graphql", subprotocols=["graphql-transport-ws"], ping_interval=None)
        async with asked as socket:
            socket.transport.pause_reading()
            await asyncio.sleep(1)
            socket.transport.resume_reading()

            assert await Client(socket).closed() == 4408


async def test_a_second_initialisation_is_one_too_many(signed_in, customer):
    client = await signed_in(customer)
    await client.send(type="connection_init")
    assert await client.closed() == 4429


async def test_nothing_runs_before_the_acknowledgement(socket):
    client = await socket()
    await client.subscribe(DESK)
    assert await client.closed() == 4401


async def test_two_operations_of_one_name_are_refused(signed_in, ticket, customer):
    client = await signed_in(customer)
    query = f'subscription {{ ticketUpdated(id: "{ticket.gid}") {{ number }} }}'
    await client.subscribe(query)
    await client.item()
    await client.send(id="1", type="subscribe", payload={"query": query})
    assert await client.closed() == 4409


async def test_what_is_completed_is_told_no_more_under_a_name_that_another_has(
    signed_in, ticket, customer, monkeypatch
):
    """Though what is told at that very moment comes before its task hears that it is over."""
    outlets = []

    class Outlet(sockets._Outlet):
        def __init__(self, *given):
            super().__init__(*given)
            outlets.append(self)

    usual = sockets._Socket._handle

    async def handle(socket, message):
        await usual(socket, message)
        if message["type"] == "complete":
            assert outlets[0].write(outlets[0].frame(b'{"data":"of the first"}'))

    monkeypatch.setattr(sockets, "_Outlet", Outlet)
    monkeypatch.setattr(sockets._Socket, "_handle", handle)
    client = await signed_in(customer)
    name = await client.subscribe(f'subscription {{ ticketUpdated(id: "{ticket.gid}") {{ number }} }}')
    await client.item()
    await client.send(id=name, type="complete")
    await client.send(id=name, type="subscribe", payload={"query": DESK})
    assert await client.item() == {"desk": {"name": "Deskwire"}}


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "3",
        "null",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": "nonsense"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ desk { name } }"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ desk { name } }"}}',
        json.dumps({"type": "subscribe", "id": "x" * 1_001, "payload": {"query": "{ desk { name } }"}}),
        '{"type": "subscribe", "id": null, "payload": {"query": "{ desk { name } }"}}',
        '{"type": "subscribe", "id": "1", "payload": "{ desk { name } }"}',
        '{"type": "subscribe", "id": "1", "payload": 3}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 3}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ desk { name } }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ desk { name } }", "operationName": 3}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ desk { name } }", "extensions": 3}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": ["{ desk { name } }"]}}',
        '{"type": "subscribe", "id": "1", "payload": {"extensions": {"persistedQuery": "x"}}}',
        '{"type": "subscribe", "id": "1", "payload": {"extensions": {"persistedQuery": {"version": 1}}}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": 1}',
        '{"type": "complete", "id": ""}',
        '{"type": "ping", "payload": []}',
        '{"type": "pong", "payload": "x"}',
        '{"type": ["subscribe"]}',
        '{"type": {"type": "ping"}}',
        '{"type": "next", "id": "1", "payload": {}}',
        "9" * 5000,
    ],
)
async def test_what_is_not_understood_closes_the_socket(signed_in, customer, text):
    client = await signed_in(customer)
    await client.socket.send(text)
    assert await client.closed() == 4400


@pytest.mark.parametrize("payload", ["[]", '"x"', "3", "true"])
async def test_a_payload_of_the_initialisation_is_an_object(socket, payload):
    client = await socket()
    await client.socket.send('{"type": "connection_init", "payload": ' + payload + "}")
    assert await client.closed() == 4400


async def test_pings_may_carry_something(signed_in, customer):
    client = await signed_in(customer)
    for payload in (None, {}, {"sent": 1}):
        await client.send(type="pong", payload=payload)
        await client.send(type="ping", payload=payload)
        assert await client.receive() == {"type": "pong"}


async def test_what_nobody_expects_of_the_socket_itself_closes_it(signed_in, customer, monkeypatch):
    def breaks(*_):
        raise ZeroDivisionError("secret")

    client = await signed_in(customer)
    monkeypatch.setattr(sockets._Socket, "_subscribe", breaks)
    with capture_logs() as logs:
        await client.subscribe(DESK)
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4500, "Something went wrong on our side.")
    assert [log["event"] for log in logs] == ["unexpected_error"]


async def test_what_is_no_text_closes_the_socket_and_nobody_is_alarmed(signed_in, customer, caplog):
    for pieces in (b"\xff{}", [b"{", b"\xc3", b"}"]):
        client = await signed_in(customer)
        await client.socket.send(pieces, text=True)
        assert await client.closed() == 1007
    assert not caplog.records

    client = await signed_in(customer)
    await client.socket.send(['{"type": "ping", "payload": {"é', 'é": 1}}'])
    assert (await client.receive())["type"] == "pong"


async def test_what_was_sent_is_kept_no_longer_than_it_is_needed(signed_in, ticket, customer):
    """Variables that no operation has are passed over, however large; a subscription may last for days."""
    client = await signed_in(customer)
    await client.subscribe(f'subscription {{ ticketUpdated(id: "{ticket.gid}") {{ number }} }}', junk=["x" * 100_000])
    await client.item()
    assert not [found for found in gc.get_objects() if type(found) is dict and isinstance(found.get("junk"), list)]
    await client.quiet()


async def test_bytes_are_not_understood(signed_in, customer):
    client = await signed_in(customer)
    await client.socket.send(b'{"type":"ping"}')
    assert await client.closed() == 4400


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic abc", 3, None])
async def test_a_bad_token_is_forbidden(socket, authorization):
    client = await socket()
    await client.send(type="connection_init", payload={"authorization": authorization})
    if authorization is None:
        assert (await client.receive())["type"] == "connection_ack"
    else:
        assert await client.closed() == 4403


async def test_a_payload_that_is_none_is_nobody(socket):
    client = await socket()
    await client.send(type="connection_init", payload=None)
    assert (await client.receive())["type"] == "connection_ack"
    await client.subscribe("{ viewer { id } }")
    assert await client.item() == {"viewer": None}


async def test_so_many_operations_run_at_once_and_no_more(signed_in, desk, customer, ticket, monkeypatch):
    monkeypatch.setitem(desk.settings.__dict__, "max_operations_per_socket", 2)
    client = await signed_in(customer)
    query = f'subscription {{ ticketUpdated(id: "{ticket.gid}") {{ number }} }}'
    for _ in range(3):
        await client.subscribe(query)
    assert await client.closed() == 4429


async def test_what_has_ended_is_none_of_so_many_operations(signed_in, desk, customer, monkeypatch):
    monkeypatch.setitem(desk.settings.__dict__, "max_operations_per_socket", 2)
    client = await signed_in(customer)
    for _ in range(5):
        await client.subscribe(DESK)
        assert await client.item() == {"desk": {"name": "Deskwire"}}
        assert (await client.receive())["type"] == "complete"


async def test_a_visitor_is_told_who_they_are_and_known_again(socket):
    client = await socket()
    await client.send(type="connection_init")
    token = (await client.receive())["payload"]["visitor"]

    for headers, payload in (
        ({}, {"visitor": token}),
        ({"X-Visitor": token}, {}),
        ({"Cookie": f"visitor={token}"}, {}),
    ):
        client = await socket(**headers)
        await client.send(type="connection_init", payload=payload)
        assert await client.receive() == {"type": "connection_ack"}
    for wrong in ("nonsense", 7, ["x"]):
        client = await socket()
        await client.send(type="connection_init", payload={"visitor": wrong})
        assert (await client.receive())["payload"]["visitor"] != token
