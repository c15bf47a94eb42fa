"""What takes longer than it should. One timer looks after all of it: one for each would cost more than a small read."""

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Overdue(Generic[Item]):
    """Tells of each thing that has begun, and not ended in time."""

    def __init__(self, tell: Callable[[Item], None]) -> None:
        """`tell`: is called once with what is late, which is then forgotten."""
        self._tell = tell
        self._due: dict[Item, float] = {}
        self._look_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, item: Item, seconds: float) -> None:
        """It ends within these seconds, or it is told of."""
        loop = asyncio.get_running_loop()
        self._due[item] = due = loop.time() + seconds
        if due < self._look_at:  # most will have ended by the time of the next look, which needs no other then
            self._look_next(loop, due)

    def end(self, item: Item) -> None:
        """It has ended, or nobody wants to know any more."""
        self._due.pop(item, None)

    def _look_next(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look_at, self._timer = at, loop.call_at(at, self._look)

    def _look(self) -> None:
        self._look_at, self._timer = math.inf, None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for item in [item for item, due in self._due.items() if due <= now]:
            if self._due.pop(item, None) is not None:  # else it has ended by what was told of another
                self._tell(item)
        if self._due and (first := min(self._due.values())) < self._look_at:
            self._look_next(loop, first)
