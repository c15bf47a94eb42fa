"""What takes longer than it should. One timer looks after all of it: one for each would cost more than a small read."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Overdue(Generic[Item]):
    """Tells of each thing that has begun, and not ended in time."""

    def __init__(self, tell: Callable[[Item], None]) -> None:
        """`tell`: is called once with what is late, which is then forgotten."""
        self._tell = tell
        self._due: dict[Item, float] = {}  # in the order in which they began, and so, as all have as long, are due
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def begin(self, item: Item, seconds: float) -> None:
        """It ends within these seconds, as many as all others have, or it is told of."""
        loop = asyncio.get_running_loop()
        self._due[item] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(seconds, self._look)

    def end(self, item: Item) -> None:
        """It has ended, or nobody wants to know any more."""
        self._due.pop(item, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._due:
            item, due = next(iter(self._due.items()))
            if due > now:
                # Most that began meanwhile has ended, so a look comes at most once in the time that each has.
                self._timer = loop.call_at(due, self._look)
                return
            del self._due[item]
            self._tell(item)
        self._timer = None
