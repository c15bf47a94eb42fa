"""Has what somebody does wait in its middle, for what others do meanwhile."""

import asyncio
from contextvars import ContextVar
from types import SimpleNamespace

import pytest

from infra.transactions import Transaction

_halt = ContextVar("halt", default=None)  # of whoever is to wait


@pytest.fixture
def halted(monkeypatch):
    """Does something up to the answer to its first statement that says this; gives what has it go on to its end."""
    fetch = Transaction.fetch

    async def fetched(self, text, *rest, **options):
        found = await fetch(self, text, *rest, **options)
        halt = _halt.get()
        if halt and halt.says in text and not halt.there.is_set():
            halt.there.set()
            await halt.on.wait()
        return found

    monkeypatch.setattr(Transaction, "fetch", fetched)

    async def begun(doing, says):
        halt = SimpleNamespace(says=says, there=asyncio.Event(), on=asyncio.Event())

        async def done():
            _halt.set(halt)
            return await doing

        async def goes_on():
            halt.on.set()
            return await task

        task, there = asyncio.create_task(done()), asyncio.create_task(halt.there.wait())
        await asyncio.wait((task, there), timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert there.done(), f"it came to its end, or nowhere, without {says}: {task}"
        return goes_on

    return begun
