"""A server that gives no sign of life, and those who wait for it."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from infra.pulse import DOUBT_SECONDS, SIGN_SECONDS, Doubt, Pulse
from infra.slots import Slots


async def test_nobody_waits_for_a_connection_to_a_server_that_is_dead():
    slots, ended = Slots(1), []
    await slots.take(5)
    began = time.monotonic()
    waiting = asyncio.create_task(slots.take(30))
    doubt = Doubt(
        Pulse("postgresql://somebody@127.0.0.1:1/nothing", slots), SimpleNamespace(terminate=lambda: ended.append(1))
    )
    with pytest.raises(TimeoutError):
        await waiting
    assert DOUBT_SECONDS <= time.monotonic() - began < DOUBT_SECONDS + SIGN_SECONDS + 1
    assert (doubt.dead, ended, slots.in_use) == (True, [1], 1)
