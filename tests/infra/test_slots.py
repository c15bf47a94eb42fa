"""So many at once, and a line that nobody loses their place in, or leaves with a slot."""

import asyncio

import pytest

from infra.slots import Slots


async def test_who_comes_when_all_are_taken_waits_in_a_line():
    slots, came = Slots(2), []

    async def one(name):
        await slots.take(5)
        came.append(name)

    assert (slots.take_at_once(), slots.take_at_once(), slots.take_at_once()) == (True, True, False)
    line = [asyncio.create_task(one(name)) for name in "abc"]
    await asyncio.sleep(0)
    assert (slots.in_use, slots.waiting, came) == (2, 3, [])
    for told in (["a"], ["a", "b"], ["a", "b", "c"]):
        slots.give_back()
        assert not slots.take_at_once()  # it is of whoever waited
        await asyncio.sleep(0.01)
        assert came == told
    await asyncio.gather(*line)
    slots.give_back()
    slots.give_back()
    assert (slots.in_use, slots.waiting) == (0, 0)


async def test_who_waits_too_long_leaves_the_line():
    slots = Slots(1)
    await slots.take(5)
    with pytest.raises(TimeoutError):
        await slots.take(0.01)
    assert (slots.in_use, slots.waiting) == (1, 0)
    slots.give_back()
    assert slots.take_at_once()


@pytest.mark.parametrize("given_back", ["before", "after"])
async def test_who_is_stopped_as_it_is_their_turn_keeps_nothing(given_back):
    slots = Slots(1)
    await slots.take(5)
    stopped, next_one = asyncio.create_task(slots.take(5)), asyncio.create_task(slots.take(5))
    await asyncio.sleep(0)
    if given_back == "before":
        slots.give_back()
        stopped.cancel()
    else:
        stopped.cancel()
        slots.give_back()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await next_one
    assert (slots.in_use, slots.waiting) == (1, 0)
    slots.give_back()
    assert slots.in_use == 0


async def test_who_is_turned_away_leaves_at_once_and_takes_nothing_along():
    slots = Slots(1)
    await slots.take(5)
    waiting = [asyncio.create_task(slots.take(5)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[1].cancel()  # as it is turned away
    slots.turn_away()
    left = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1)
    assert [type(error) for error in left] == [asyncio.CancelledError, asyncio.CancelledError, TimeoutError]
    assert (slots.in_use, slots.waiting) == (1, 0)
    slots.give_back()
    assert slots.take_at_once()
