"""Clients that never come to an end of what they say, or of what they are told: they are closed."""

import asyncio
import contextlib
import socket

import pytest

from web import connections

LIVE = b"GET /health/live HTTP/1.1\r\nHost: desk\r\n"
CHUNKED = (
    b"POST /graphql HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
DESK = b'{"query":"{desk{name}}"}'
MOST = 4 * 1024 * 1024  # bytes that are sent before a test gives up


@pytest.fixture
async def connect(address):
    """Opens connections, each of which is told something, then more until it is closed: what is answered."""
    host, _, port = address.partition(":")
    writers = []

    async def told(first=b"", more=b""):
        reader, writer = await asyncio.open_connection(host, int(port))
        writers.append(writer)
        sent = 0
        try:
            writer.write(first)
            while more and sent < MOST and not reader.at_eof():
                writer.write(more)
                await writer.drain()
                sent += len(more)
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                return await reader.read()
        except ConnectionError:
            return b"ended"

    yield told
    for writer in writers:
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        (LIVE, b"A: b\r\n" * 5_000),
        (LIVE + b"A: ", b"a" * 30_000),
        (b"GET /", b"a" * 30_000),
        (b"", b"\r\n" * 15_000),
        (CHUNKED + b"18\r\n" + DESK + b"\r\n0\r\nA: ", b"a" * 30_000),
        (CHUNKED + b"18\r\n" + DESK + b"\r\n0\r\n", b"A: b\r\n" * 5_000),
        (CHUNKED + b"18;", b"a" * 30_000),
    ],
    ids=["headers", "a header", "a path", "blank lines", "a trailer", "trailers", "an extension"],
)
async def test_of_a_head_without_an_end_little_is_read(connect, head):
    answer = await connect(*head)

    assert b"HTTP/1.1 431" in answer or answer == b"ended"


@pytest.mark.parametrize(
    "begun", [b"", b"G", LIVE, LIVE + b"A: "], ids=["nothing", "a letter", "a header", "half a header"]
)
async def test_who_never_comes_to_the_end_of_a_head_is_not_waited_for(connect, monkeypatch, begun):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    assert (await connect(begun)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


UPGRADE = (
    b" /graphql HTTP/1.1\r\nHost: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST" + UPGRADE, b"405"),
        (b"GET" + UPGRADE + b"Transfer-Encoding: chunked\r\n", b"400"),
        (b"GET" + UPGRADE + b"Cookie: " + b"a" * 9_000 + b"\r\n", b"431"),
        (b"GET" + UPGRADE + b"A: b\r\n" * 200, b"431"),
        (b"GET" + UPGRADE.replace(b"/graphql", b"/graphql?" + b"a" * 9_000), b"414"),
    ],
    ids=["another method", "a body", "a long header", "many headers", "a long line"],
)
async def test_what_never_becomes_a_socket_is_closed(connect, head, status):
    answer = await connect(head + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)


async def test_on_a_connection_that_was_used_as_well(connect, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    answer = await connect(LIVE + b"\r\n" + LIVE)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b'{"status":"live"}')[2].startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("length", [b"Content-Length: 9999999", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize(("path", "status"), [(b"/graphql", b"415"), (b"/nowhere", b"404")])
async def test_the_rest_of_a_body_that_nobody_needs_is_not_waited_for(connection, monkeypatch, path, status, length):
    """However steadily it comes."""
    monkeypatch.setattr(connections, "REST_SECONDS", 0.3)
    reader, writer = connection
    writer.write(b"POST %b HTTP/1.1\r\nHost: desk\r\n%b\r\n\r\n" % (path, length))
    assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)

    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(3):
            while not reader.at_eof():
                writer.write(b"1\r\n \r\n")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await reader.read(4096)


async def test_a_connection_goes_on_if_it_comes_soon(connection, monkeypatch):
    monkeypatch.setattr(connections, "REST_SECONDS", 0.3)
    reader, writer = connection
    writer.write(b"POST /nowhere HTTP/1.1\r\nHost: desk\r\nContent-Length: 2\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 404")

    writer.write(b"{}")
    await asyncio.sleep(0.5)
    writer.write(LIVE + b"\r\n")

    async with asyncio.timeout(3):
        await reader.readuntil(b'{"status":"live"}')


async def test_what_comes_in_time_and_is_not_too_large_is_answered(connect):
    answer = await connect(LIVE + b"A: " + b"a" * 60_000 + b"\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_who_takes_no_answer_is_not_waited_for(address, monkeypatch):
    monkeypatch.setattr(connections, "TAKE_SECONDS", 0.2)
    host, _, port = address.partition(":")
    loop = asyncio.get_running_loop()
    got = 0
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await loop.sock_connect(slow, (host, int(port)))
        await loop.sock_sendall(slow, b"GET /graphiql/graphiql.min.js HTTP/1.1\r\nHost: desk\r\n\r\n" * 10)
        await asyncio.sleep(1)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                while chunk := await loop.sock_recv(slow, 65536):
                    got += len(chunk)
    assert 0 < got < 10_000_000


async def test_a_slash_too_many_leads_nowhere(connect):
    answer = await connect(b"GET /metrics/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"evil" not in answer
