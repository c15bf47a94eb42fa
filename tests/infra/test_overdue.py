"""What takes longer than it should is told of once, and what has ended is not."""

import asyncio

from infra.overdue import Overdue


async def test_what_has_not_ended_in_time_is_told_of_once():
    told = []
    overdue = Overdue(told.append)
    for name, seconds in (("a", 0.02), ("b", 0.01), ("c", 0.01), ("d", 10)):
        overdue.begin(name, seconds)
    overdue.end("c")
    await asyncio.sleep(0.1)
    assert told == ["b", "a"]


async def test_what_ends_by_what_is_told_of_another_is_not_told_of():
    told = []

    def tell(name):
        told.append(name)
        overdue.end("b")

    overdue = Overdue(tell)
    for name in ("a", "b", "c"):
        overdue.begin(name, 0.01)
    await asyncio.sleep(0.05)
    assert told == ["a", "c"]
