"""A server that gives no sign of life, and those who wait for it."""

import asyncio
import time
from types import SimpleNamespace

import asyncpg
import pytest

from infra.pulse import DOUBT_SECONDS, SIGN_SECONDS, Doubt, Pulse
from infra.slots import Slots


async def test_nobody_waits_for_a_connection_to_a_server_that_is_dead():
    slots, ended = Slots(1), []
    await slots.take(5)
    began = time.monotonic()
    waiting = asyncio.create_task(slots.take(30))
    doubt = Doubt(
        Pulse("postgresql://somebody@127.0.0.1:1/nothing", slots, longest=60),
        SimpleNamespace(terminate=lambda: ended.append(1)),
    )
    with pytest.raises(TimeoutError):
        await waiting
    assert DOUBT_SECONDS <= time.monotonic() - began < DOUBT_SECONDS + SIGN_SECONDS + 1
    assert (doubt.dead, ended, slots.in_use) == (True, [1], 1)


@pytest.mark.parametrize("said", [asyncpg.TooManyConnectionsError, asyncpg.InternalClientError])
async def test_whoever_says_anything_lives(monkeypatch, said):
    async def says(_url):
        raise said("No.")

    monkeypatch.setattr(asyncpg, "connect", says)
    assert await Pulse("postgresql://somebody@127.0.0.1:1/nothing", Slots(1), longest=60).beats()


async def test_an_answer_of_a_server_that_lives_is_waited_for_for_so_long(settings, monkeypatch):
    monkeypatch.setattr("infra.pulse.DOUBT_SECONDS", 0.1)
    slots, ended = Slots(1), asyncio.Event()
    await slots.take(5)
    waiting = asyncio.create_task(slots.take(30))
    doubt = Doubt(Pulse(settings.database_url, slots, longest=0.5), SimpleNamespace(terminate=ended.set))
    await asyncio.sleep(0.3)
    assert not ended.is_set()
    async with asyncio.timeout(5):
        await ended.wait()
    assert (doubt.dead, waiting.done()) == (True, False)  # another connection would be answered
    waiting.cancel()
