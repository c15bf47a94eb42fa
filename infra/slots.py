"""So many at once: who comes when all are taken waits in a line."""

import asyncio
import contextlib
from collections import deque


class Slots:
    """So many things that are taken and given back. Without a line, taking one costs next to nothing."""

    __slots__ = ("_line", "in_use", "size")

    def __init__(self, size: int) -> None:
        """`size`: most at once."""
        self.size, self.in_use = size, 0
        self._line: deque[asyncio.Future[None]] | None = None  # until somebody waits: it is far larger than all else

    @property
    def waiting(self) -> int:
        """How many stand in the line."""
        return len(self._line or ())

    def take_at_once(self) -> bool:
        """Have one until it is given back, if one is free; whether it is."""
        if self.in_use == self.size:
            return False
        self.in_use += 1
        return True

    async def take(self, seconds: float) -> None:
        """Have one until it is given back.

        Raises TimeoutError when none becomes free within so many seconds, or all who wait are turned away.
        """
        if self.take_at_once():
            return
        place = asyncio.get_running_loop().create_future()
        line = self._line = self._line or deque()
        line.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException:
            if place.cancelled():
                with contextlib.suppress(ValueError):  # it was taken out of the line meanwhile
                    line.remove(place)
            elif place.exception() is None:  # it was given one meanwhile
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let it be the next one's in the line, if there is one."""
        while self._line:
            place = self._line.popleft()
            if not place.done():  # else its owner has gone, and does not know it yet
                place.set_result(None)
                return
        self.in_use -= 1

    def turn_away(self) -> None:
        """Whoever waits is given none: it would be of no use."""
        line, self._line = self._line or (), None
        for place in line:
            if not place.done():
                place.set_exception(TimeoutError())
