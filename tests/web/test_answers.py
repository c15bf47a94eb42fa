"""How answers go out: in one piece, in the order of the requests, and with nothing in a head that is not its own."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from web import connections
from web.requests import Bodies, Wrong


def asking(alias, *headers, method="POST", version="1.1"):
    """A request for the desk's name, by an alias."""
    body = json.dumps({"query": f"{{ {alias}: desk {{ name }} }}"})
    lines = [f"{method} /graphql HTTP/{version}", "Host: desk", "Content-Type: application/json", *headers]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])).encode()


@pytest.fixture
def sent(monkeypatch):
    """Whether each answer went out in one piece."""
    found, answer = [], connections.Connection.answer
    monkeypatch.setattr(
        connections.Connection, "answer", lambda self, *given: (found.append(answer(self, *given)), found[-1])[1]
    )
    return found


async def one(reader):
    """The head and the body of the next answer."""
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return head, json.loads(await reader.readexactly(length))


async def test_an_answer_goes_out_in_one_piece(connection, sent):
    reader, writer = connection
    writer.write(asking("a") + asking("b"))
    for alias in "ab":
        head, body = await one(reader)
        assert head.startswith("http/1.1 200 ok\r\n")
        assert "\r\ncache-control: no-store\r\n" in head
        assert body["data"] == {alias: {"name": "Deskwire"}}
    assert sent == [False, True]  # as the first was answered, the second had come: uvicorn keeps the order
    writer.write(asking("c") + asking("nothing { } ") + asking("d"))
    assert [list((await one(reader))[1].get("data", "-")) for _ in range(3)] == [["c"], ["-"], ["d"]]


@pytest.mark.parametrize("last", [asking("a", "Connection: close"), asking("a", version="1.0")], ids=["1.1", "1.0"])
async def test_who_wants_no_more_is_closed_after_the_answer(connection, sent, last):
    reader, writer = connection
    writer.write(last)
    head, body = await one(reader)
    assert "\r\nconnection: close\r\n" in head
    assert body["data"] == {"a": {"name": "Deskwire"}}
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert sent == [True]


OFFERS = [
    ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"),
    ("Connection: Upgrade", "Connection: keep-alive", "Upgrade: h2c"),
    ("Connection: upgrade", "Upgrade: TLS/1.0"),
]


@pytest.mark.parametrize("offer", OFFERS, ids=["Java's", "two lines", "TLS"])
@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_who_would_rather_speak_something_else_is_answered_all_the_same(connection, offer, chunked, pause):
    """And what is in the body of such a request is never taken for another request."""
    reader, writer = connection
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: {}"
    lines = ["POST /graphql HTTP/1.1", "Host: desk", "Content-Type: application/json", length, *offer, "", ""]
    for body in (b'{"query": "{ outer: desk { name } }"}', asking("inner")):
        head = "\r\n".join(lines).format(len(body)).encode()
        for piece in (head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
    writer.write(asking("next"))

    outer, inner, after = [(await one(reader))[1] for _ in range(3)]
    assert outer["data"] == {"outer": {"name": "Deskwire"}}
    assert [error["message"] for error in inner["errors"]] == ["The body is not JSON."]
    assert after["data"] == {"next": {"name": "Deskwire"}}


@pytest.mark.parametrize("offer", ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"])
async def test_nothing_is_tunnelled(connection, offer):
    reader, writer = connection
    writer.write(f"CONNECT /graphql HTTP/1.1\r\nHost: desk\r\n{offer}\r\n".encode())
    head, _ = await one(reader)
    assert head.startswith("http/1.1 405 ")
    assert "\r\nconnection: close\r\n" in head


async def test_what_is_too_large_is_told_so_and_closed(connection, monkeypatch):
    monkeypatch.setattr(connections, "FAREWELL_SECONDS", 0.2)
    reader, writer = connection
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 99999999\r\n\r\n{")
    head, _ = await one(reader)
    assert head.startswith("http/1.1 413 ")
    assert head.count("\r\nconnection: close\r\n") == 1
    async with asyncio.timeout(2):
        assert await reader.read() == b""


async def test_an_answer_to_head_has_none(connection, sent):
    reader, writer = connection
    writer.write(asking("a", "Connection: close", method="HEAD"))
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")
    assert sent == [False]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b=c", b"a\nb", b"a\rb"])
def test_no_header_begins_another(value):
    wrote = []
    cycle = SimpleNamespace(
        response_started=False, disconnected=False, scope={"method": "GET"}, default_headers=[], keep_alive=True
    )
    cycle.send = SimpleNamespace(__self__=cycle)
    connection = SimpleNamespace(
        cycle=cycle, flow=SimpleNamespace(write_paused=False), transport=SimpleNamespace(write=wrote.append)
    )
    with pytest.raises(ValueError, match="end of a line"):
        connections.Connection.answer(connection, cycle.send, 200, [(b"x-given", value)], b"")
    assert not wrote


@pytest.fixture
def taken(monkeypatch):
    """The bodies that were asked for: None where not all of one had come."""
    found, whole_body = [], connections.whole_body
    monkeypatch.setattr(connections, "whole_body", lambda receive: (found.append(whole_body(receive)), found[-1])[1])
    return found


async def test_a_body_that_has_come_is_taken_at_once_and_never_twice(connection, taken):
    reader, writer = connection
    writer.write(asking("a") + asking("b"))
    assert [(await one(reader))[1]["data"] for _ in "ab"] == [{"a": {"name": "Deskwire"}}, {"b": {"name": "Deskwire"}}]
    assert [json.loads(body)["query"][2] for body in taken] == ["a", "b"]
    first, second = asking("c")[:-5], asking("c")[-5:]
    writer.write(first)
    await asyncio.sleep(0.1)
    writer.write(second)
    assert (await one(reader))[1]["data"] == {"c": {"name": "Deskwire"}}
    assert taken[2:] == [None]


async def test_one_that_is_too_large_is_refused_though_it_has_come():
    cycle = object.__new__(RequestResponseCycle)
    cycle.more_body = cycle.disconnected = cycle.response_complete = False
    cycle.message_event = asyncio.Event()
    cycle.message_event.set()
    cycle.body = bytearray(11)
    with pytest.raises(Wrong, match="more than 10 bytes") as refusal:
        await Bodies(10).read({}, cycle.receive)
    assert refusal.value.status == 413
    assert not cycle.message_event.is_set()
