"""Bodies that come slowly, or never: they end, and nothing else does."""

import asyncio
import json

import pytest

from web import requests
from web.requests import Bodies, Wrong

JSON = {"Content-Type": "application/json"}
DESK = json.dumps({"query": "{ desk { name } }"}).encode()


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.2)


def slowly(pause):
    """A body, a byte at a time."""

    async def chunks():
        for byte in DESK:
            await asyncio.sleep(pause)
            yield bytes([byte])

    return chunks()


async def never():
    await asyncio.sleep(60)
    yield b""


async def test_a_body_that_takes_too_long_is_not_waited_for(http, hurried):
    for body in (never(), slowly(0.1)):
        began = asyncio.get_running_loop().time()
        answer = await http.post("/graphql", content=body, headers=JSON)
        assert (answer.status_code, answer.headers["connection"]) == (408, "close")
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        assert asyncio.get_running_loop().time() - began < 1


async def test_a_body_in_pieces_is_read(http, hurried):
    answer = await http.post("/graphql", content=slowly(0), headers=JSON)
    assert answer.json()["data"] == {"desk": {"name": "Deskwire"}}


async def test_who_is_slow_holds_up_nobody_and_is_ended_in_turn(http, hurried):
    slow = [asyncio.create_task(http.post("/graphql", content=never(), headers=JSON)) for _ in range(20)]
    for _ in range(20):
        answer = await http.post("/graphql", content=DESK, headers=JSON)
        assert answer.status_code == 200
        await asyncio.sleep(0.01)
    assert {answer.status_code for answer in await asyncio.gather(*slow)} == {408}


async def test_nothing_is_remembered_of_bodies_that_were_read(hurried):
    bodies = Bodies()

    async def receive():
        return {"type": "http.request", "body": b"x"}

    async def waits():
        await asyncio.Event().wait()

    assert await bodies.read({}, receive) == b"x"
    task = asyncio.create_task(bodies.read({}, waits))
    with pytest.raises(Wrong, match="in time"):
        await task
    assert task.cancelling() == 0
    await asyncio.sleep(0.1)
    assert (bodies._reading._due, bodies._late, bodies._reading._timer) == ({}, set(), None)


async def test_a_request_that_is_cancelled_is_cancelled(hurried):
    async def waits():
        await asyncio.Event().wait()

    task = asyncio.create_task(Bodies().read({}, waits))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_is_a_cancellation():
    """Somebody ends it in the moment in which it is late."""
    bodies = Bodies()

    async def waits():
        await asyncio.Event().wait()

    task = asyncio.create_task(bodies.read({}, waits))
    await asyncio.sleep(0.01)
    bodies._end(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_body_that_ends_early_is_told(http):
    async def gone():
        return {"type": "http.disconnect"}

    with pytest.raises(Wrong, match="ended early"):
        await Bodies().read({}, gone)


async def test_what_is_too_large_ends_the_connection(http):
    answer = await http.post("/graphql", content=b" " * (requests.MOST_BYTES + 1), headers=JSON)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
