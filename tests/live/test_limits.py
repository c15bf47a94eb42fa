"""What one person may have at once, and what becomes of others meanwhile."""

import asyncio
import contextlib
import json
import time
from types import SimpleNamespace

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from domain.access import NOBODY
from infra.postgres import Unavailable
from tests.faults.promises import ROUNDS
from web import frames
from web import shares as limits
from web.operations import Asked
from web.shares import AtOnce, Pace, Shares, TooMany

WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { number } }"
DESK = "{ desk { name } }"
BUDGET = "No client exceeds its budget of memory, cost, sockets and subscriptions"


@pytest.fixture
def shares(application):
    """Of the running application, with nothing left of other tests."""
    return application.shares


@pytest.mark.parametrize(
    ("addresses", "networks"),
    [
        (["2001:db8::1", "2001:db8::ffff:1"], 1),  # a household has as many as it wants
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["192.0.2.1", "::ffff:192.0.2.1"], 1),
        (["192.0.2.1", "192.0.2.2"], 2),
        (["", "unix:"], 2),
    ],
)
def test_who_is_not_signed_in_shares_with_their_network(addresses, networks):
    asking = [SimpleNamespace(viewer=NOBODY, network=address) for address in addresses]
    assert len({limits.whose(context) for context in asking}) == networks


async def until_free(share, viewer):
    async with asyncio.timeout(5):
        while share._taken[viewer.id.int]:  # noqa: ASYNC110 # as sockets end
            await asyncio.sleep(0.02)


async def test_one_person_has_so_many_sockets_and_another_theirs(
    signed_in, socket, shares, customer, agent, monkeypatch
):
    await until_free(shares.connections, customer)
    monkeypatch.setattr(shares.connections, "_most", 2)
    first, _ = await signed_in(customer), await signed_in(customer)
    third = await socket()
    await third.send(type="connection_init", payload={"authorization": f"Bearer {customer.token}"})
    with pytest.raises(ConnectionClosed) as closed:
        await third.receive()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        4429,
        "At most 2 sockets and event streams of one person are served at once.",
    )
    await signed_in(agent)
    await first.socket.close()
    async with asyncio.timeout(5):
        while shares.connections._taken[customer.id.int] > 1:  # noqa: ASYNC110 # as the socket ends
            await asyncio.sleep(0.02)
    await signed_in(customer)


async def test_event_streams_count_like_sockets(signed_in, address, shares, customer, ticket, monkeypatch):
    await until_free(shares.connections, customer)
    monkeypatch.setattr(shares.connections, "_most", 1)
    client = await signed_in(customer)
    asked = {"query": WATCH, "variables": {"id": ticket.gid}}
    headers = {"Authorization": f"Bearer {customer.token}", "Accept": "text/event-stream"}
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as http:
        refused = await http.post("/graphql", json=asked)
        assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
        await client.socket.close()
        await until_free(shares.connections, customer)
        async with http.stream("POST", "/graphql", json=asked) as taken:
            assert taken.status_code == 200
    await until_free(shares.connections, customer)


async def test_one_person_has_so_many_operations_over_all_sockets(signed_in, shares, customer, ticket, monkeypatch):
    await until_free(shares.operations, customer)
    monkeypatch.setattr(shares.operations, "_most", 3)
    clients = [await signed_in(customer), await signed_in(customer)]
    for number in range(3):
        await clients[number % 2].subscribe(WATCH, id=ticket.gid)
        await clients[number % 2].item()
    name = await clients[1].subscribe(DESK)
    message = await clients[1].receive()
    assert (message["type"], message["id"]) == ("error", name)
    assert message["payload"] == [
        {
            "message": "At most 3 operations of one person are served at once.",
            "extensions": {"code": "RATE_LIMITED"},
        }
    ]
    await clients[0].send(type="complete", id="1")
    async with asyncio.timeout(5):
        while shares.operations._taken[customer.id.int] > 2:  # noqa: ASYNC110 # as it ends
            await asyncio.sleep(0.02)
    await clients[1].subscribe(DESK)
    assert await clients[1].item() == {"desk": {"name": "Deskwire"}}


@pytest.mark.promise(BUDGET, injected="a flood of messages on one socket while another asks")
async def test_a_flood_of_messages_is_sent_away_and_the_others_go_on(signed_in, customer, agent, record_property):
    slowest = 0.0
    for _ in range(ROUNDS):
        flood, other = await signed_in(customer), await signed_in(agent)

        async def pour(socket=flood.socket):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await socket.send(json.dumps({"type": "ping"}))
                    await asyncio.sleep(0)  # the server is in this process

        pouring = asyncio.gather(flood.closed(), pour())
        for _ in range(20):
            began = time.monotonic()
            await other.subscribe(DESK)
            assert await other.item() == {"desk": {"name": "Deskwire"}}
            assert (await other.receive())["type"] == "complete"
            slowest = max(slowest, time.monotonic() - began)
        assert (await pouring)[0] == 4429
    record_property("kept", {"times": ROUNDS, "tried": 20 * ROUNDS})
    assert slowest < 1


async def test_a_flood_of_control_frames_is_sent_away_too(signed_in, customer):
    client = await signed_in(customer)

    async def pour():
        with contextlib.suppress(ConnectionClosed):
            while True:
                await client.socket.ping()
                await asyncio.sleep(0)

    assert (await asyncio.gather(client.closed(), pour()))[0] == 4429


@pytest.mark.promise(BUDGET, injected="5,000 messages in one piece on a socket")
async def test_of_a_flood_little_is_read(signed_in, customer, desk, monkeypatch, record_property):
    client, heard, read = await signed_in(customer), [], frames.Socket.handle_text
    monkeypatch.setattr(frames.Socket, "handle_text", lambda self, frame: (heard.append(frame), read(self, frame)))
    protocol = client.socket.protocol
    for _ in range(5000):
        protocol.send_text(b'{"type":"ping"}')
    client.socket.transport.write(b"".join(protocol.data_to_send()))
    assert await client.closed() == 4429
    record_property("kept", {"times": 1, "tried": 5000})
    assert len(heard) < desk.settings.max_messages_per_second + frames.PIECE_BYTES / 20


async def test_who_is_too_fast_waits_and_is_refused_when_that_would_be_long(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.2)
    pace, began = Pace(20), time.monotonic()
    for _ in range(40):
        await pace.turn("fast", 1)
    at_once = time.monotonic() - began
    for _ in range(3):
        await pace.turn("fast", 1)
    after_waiting = time.monotonic() - began
    pace.charge("fast", 20)
    with pytest.raises(TooMany, match="At most 20 operations a second"):
        await pace.turn("fast", 1)
    refused = time.monotonic() - began
    await pace.turn("slow", 1)
    assert at_once < 0.1 < after_waiting < refused - 0.2
    assert time.monotonic() - began < refused + 0.1


async def test_what_takes_long_or_is_large_counts_as_more(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.0)
    for seconds, size in ((1.1, 0), (0.0, 2_000_000)):
        pace = Pace(20)
        await pace.turn("somebody", 1)
        pace.charge_for("somebody", seconds, size)
        with pytest.raises(TooMany):
            await pace.turn("somebody", 1)


async def test_one_person_runs_so_many_operations_at_once(monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)
    at_once = AtOnce(2)
    await at_once.take("busy")
    await at_once.take("busy")
    with pytest.raises(Unavailable):
        await at_once.take("busy")
    await at_once.take("another")
    waiting = asyncio.create_task(at_once.take("busy"))
    await asyncio.sleep(0)
    at_once.give_back("busy")
    await waiting
    for each in ("busy", "another", "busy"):
        at_once.give_back(each)
    assert not at_once._of


@pytest.mark.promise(BUDGET, injected="more operations than one person has in a second, while another asks")
async def test_too_many_operations_are_answered_with_429_and_those_of_others_are_run(
    shares, api, signed_in, customer, agent, monkeypatch, record_property
):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.0)
    client = await signed_in(customer)
    await api(customer, DESK)  # it has been read
    monkeypatch.setattr(shares, "pace", Pace(1))
    answers = [await api.post(customer, DESK) for _ in range(4)]
    assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
    name = await client.subscribe(DESK)
    message = await client.receive()
    assert (message["type"], message["id"]) == ("error", name)
    assert message["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}
    assert await api(agent, DESK) == {"desk": {"name": "Deskwire"}}
    record_property("kept", {"times": 1, "tried": 6})


async def test_a_document_that_is_new_counts_as_many(shares, api, customer, monkeypatch):
    pace, counts = Pace(1000), []
    turn = pace.turn
    monkeypatch.setattr(pace, "turn", lambda by, count: (counts.append(count), turn(by, count))[1])
    monkeypatch.setattr(shares, "pace", pace)
    text = f"{{ desk {{ {'n' * 100}: name }} }}"
    for _ in range(2):
        assert (await api.post(customer, text)).status_code == 200
    assert counts == [10 + len(text) / 50, 1]


async def test_between_new_documents_of_one_person_others_have_theirs(settings):
    known = SimpleNamespace(knows=lambda text, _: text == "{ known }")
    shares, done = Shares(settings), []

    async def ask(network, text, seconds=0.0):
        context = SimpleNamespace(viewer=NOBODY, network=network)
        async with shares.turn(context, known, Asked(text, None, None, None)):
            await asyncio.sleep(seconds)
            done.append(text)

    await ask("192.0.2.1", "{ new }", limits.MOST_REST_SECONDS * 2)
    waiting = asyncio.create_task(ask("192.0.2.1", "{ newer }"))
    await ask("192.0.2.1", "{ known }")
    await ask("192.0.2.2", "{ another }")
    assert done == ["{ new }", "{ known }", "{ another }"]
    await waiting
    await ask("192.0.2.1", "{ newest }")
    assert done[3:] == ["{ newer }", "{ newest }"]
    async with asyncio.timeout(5):
        while shares.new_at_once._of:  # noqa: ASYNC110 # as the last rests end
            await asyncio.sleep(0.02)


async def test_whoever_has_nothing_to_wait_for_is_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "MOST_KNOWN", 10)
    pace = Pace(10)
    pace.charge("fast", 100)
    for number in range(50):
        pace.charge(number, 0)
    assert "fast" in pace._spent
    assert len(pace._spent) <= 21
