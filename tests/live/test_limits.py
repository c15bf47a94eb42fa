"""What one person may have at once, and what becomes of others meanwhile."""

import asyncio
import contextlib
import json
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.promises import ROUNDS

WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { number } }"
DESK = "{ desk { name } }"


@pytest.fixture
def shares(application):
    """Of the running application, with nothing left of other tests."""
    return application.shares


async def until_free(share, viewer):
    async with asyncio.timeout(5):
        while share._taken[viewer.id]:  # noqa: ASYNC110 # as sockets end
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
        while shares.connections._taken[customer.id] > 1:  # noqa: ASYNC110 # as the socket ends
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
        while shares.operations._taken[customer.id] > 2:  # noqa: ASYNC110 # as it ends
            await asyncio.sleep(0.02)
    await clients[1].subscribe(DESK)
    assert await clients[1].item() == {"desk": {"name": "Deskwire"}}


@pytest.mark.promise(
    "No client exceeds its budget of memory, cost, sockets and subscriptions",
    injected="a flood of messages on one socket while another asks",
)
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
