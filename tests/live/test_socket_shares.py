"""What opening sockets and sending messages counts, before the acknowledgement and after it."""

import asyncio
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from infra.networks import network
from web import counters, sockets
from web import shares as limits
from web.shares import Pace

HERE = network("127.0.0.1")


@pytest.fixture
def pace(application, monkeypatch):
    """How fast each may be who uses the running application, and so many operations that were counted to whom."""
    one, one.counts = Pace(1_000), []
    charge = one.charge
    monkeypatch.setattr(one, "charge", lambda by, count: (one.counts.append((by, count)), charge(by, count))[1])
    monkeypatch.setattr(application.shares, "pace", one)
    return one


async def pour(client, count):
    """Pings without waiting for what they are answered with."""
    with suppress(ConnectionClosed):
        for _ in range(count):
            await client.send(type="ping")


async def test_a_socket_counts_to_its_network_and_to_whoever_it_is(pace, signed_in, customer):
    client = await signed_in(customer)

    assert pace.counts == [(HERE, limits.SOCKET), (customer.id.int, limits.SOCKET)]
    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}
    assert pace.counts[2:] == [(customer.id.int, limits.MESSAGE)]


async def test_a_network_that_opens_too_many_sockets_is_refused_and_nobody_is_alarmed(
    pace, socket, monkeypatch, caplog
):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.0)
    pace.charge(HERE, 1_000 * 2 * limits.BURST_SECONDS)

    with pytest.raises(InvalidStatus) as refused:
        await socket()

    answer = refused.value.response
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.body == b"At most 1000 operations a second of one person are served.\n"
    assert not caplog.records


async def test_somebody_who_opens_too_many_sockets_is_refused(pace, socket, customer, agent, signed_in, monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.0)
    pace.charge(customer.id.int, 1_000 * 2 * limits.BURST_SECONDS)
    client = await socket()

    await client.send(type="connection_init", payload={"authorization": f"Bearer {customer.token}"})

    assert await client.closed() == 4429
    await signed_in(agent)


async def test_a_flood_before_the_acknowledgement_is_sent_away_and_counts_to_its_network(pace, socket):
    client = await socket()

    await pour(client, 10 * sockets.MOST_BEFORE)

    assert await client.closed() == 4429
    assert pace.counts == [(HERE, limits.SOCKET), (HERE, limits.FLOOD)]


async def test_a_flood_counts_to_its_network_and_to_whoever_it_is(pace, signed_in, desk, customer):
    client, most = await signed_in(customer), desk.settings.max_messages_per_second

    await pour(client, 10 * most)

    assert await client.closed() == 4429
    assert (HERE, limits.FLOOD) in pace.counts
    assert (customer.id.int, most * limits.MESSAGE) in pace.counts


async def test_messages_are_counted_anew_in_each_second(pace, signed_in, desk, customer, monkeypatch):
    monkeypatch.setitem(desk.settings.__dict__, "max_messages_per_second", 5)
    client = await signed_in(customer)
    for _ in range(3):
        for _ in range(3):
            await client.send(type="ping")
            assert await client.receive() == {"type": "pong"}
        await asyncio.sleep(1.1)


async def test_of_who_is_too_fast_less_is_read(pace, signed_in, customer, monkeypatch):
    monkeypatch.setattr(limits, "WAIT_SECONDS", 0.05)
    client = await signed_in(customer)
    pace.charge(customer.id.int, 1_000 * 2 * limits.BURST_SECONDS)
    await client.send(type="ping")
    assert await client.receive() == {"type": "pong"}

    await pour(client, 2 * sockets.MOST_SLOWED)

    assert await client.closed() == 4429


async def test_open_sockets_are_counted_and_their_sessions_watched_until_they_end(application, signed_in, customer):
    def found():
        return counters.SOCKETS._value.get(), set(application._sockets._identities._watched)

    async with asyncio.timeout(5):
        while application.shares.connections._taken:  # noqa: ASYNC110 # as those of other tests end
            await asyncio.sleep(0.02)
    before = found()
    client = await signed_in(customer)
    assert found() == (before[0] + 1, before[1] | {customer.session_id})

    await client.socket.close()

    async with asyncio.timeout(5):
        while found() != before:  # noqa: ASYNC110 # as it ends
            await asyncio.sleep(0.02)
