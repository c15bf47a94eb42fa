"""A process that is told to end, and goes on serving until nobody is sent here any more."""

import asyncio
import contextvars
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger(__name__)


class Leaving:
    """Whether this process is told to end; it serves for so many seconds more, and is not ready meanwhile."""

    def __init__(self, seconds: int) -> None:
        """`seconds`: 0 to end at once, as the server does by itself."""
        self._seconds = seconds
        self.begun = False

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """In the block the server hears of a SIGTERM late; of another one, as of SIGINT, at once."""
        if not self._seconds:
            yield
            return
        loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
        here = contextvars.copy_context()  # a signal comes amid anything, whose ids are not its own

        def begin() -> None:
            log.info("process_leaves", pid=os.getpid(), seconds=self._seconds)
            loop.call_later(self._seconds, end)

        def end() -> None:
            signal.signal(signal.SIGTERM, before)
            signal.raise_signal(signal.SIGTERM)

        def told(_number: int, _frame: FrameType | None) -> None:
            if self.begun:
                end()
            else:
                self.begun = True
                loop.call_soon_threadsafe(begin, context=here)

        signal.signal(signal.SIGTERM, told)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
