"""Requests whose head is too large, too slow, or never ends: whoever sends it is closed, and nothing of it is kept."""

import asyncio

import pytest

from web import serving

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
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)

    assert (await connect(begun)).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_on_a_connection_that_was_used_as_well(connect, monkeypatch):
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)

    answer = await connect(LIVE + b"\r\n" + LIVE)

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b'{"status":"live"}')[2].startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_what_comes_in_time_and_is_not_too_large_is_answered(connect):
    answer = await connect(LIVE + b"A: " + b"a" * 60_000 + b"\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
