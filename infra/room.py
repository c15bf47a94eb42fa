"""Memory that is shared out: what there is no room for waits until others are through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """What all that comes in at once may have of the memory."""

    def __init__(self, most: int) -> None:
        """`most`: bytes together."""
        self._left, self._freed = most, asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int, seconds: float | None = None) -> AsyncIterator[None]:
        """In the block, so many bytes are taken. Raises TimeoutError when they are not free within so many seconds."""
        async with asyncio.timeout(seconds):
            while self._left < size:
                self._freed.clear()
                await self._freed.wait()
        self._left -= size
        try:
            yield
        finally:
            self._left += size
            self._freed.set()
