"""The line of a plan: requests that come while its statement is under way wait, and are answered together by one."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Protocol

from opentelemetry.trace import Span

from infra import tracing
from infra.postgres import Reads, Unavailable
from planner.compiling import Statement

LARGEST_BATCH, AT_ONCE = 32, 2
SLOW_SECONDS = 0.005  # of a statement: then those who wait for its end are asked for without it


class Form(NamedTuple):
    """A statement, and for reads by key the one that answers many requests."""

    alone: Statement
    together: Statement | None


class Asking(Protocol):
    """A plan, as those who stand in its line know it."""

    @property
    def form(self) -> Form:
        """What to ask now."""

    async def answer_alone(self, reads: Reads, values: list[Any]) -> bytes | None:
        """The value for one request."""


class Waiting(NamedTuple):
    """A request that waits to be asked for with others; `spans`: what of it is traced."""

    values: list[Any]
    future: asyncio.Future[bytes | None]
    spans: tuple[Span, ...]


class Line:
    """Who waits, and what is under way. It does not hold its plan, which would be garbage that ends in a circle."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.flying = 0
        self.took_off = 0.0  # when the last statement was asked, as the loop's clock has it

    async def answer(self, plan: Asking, reads: Reads, values: list[Any]) -> bytes | None:
        """The value for one request, which may wait to be asked for together with others of this plan."""
        if self.flies():
            try:
                return await plan.answer_alone(reads, values)
            except Unavailable as error:
                self.refuse(error)
                raise
            finally:
                self.flying -= 1
                self.take_off(plan, reads)
        loop = asyncio.get_running_loop()
        if not self.waiting:
            loop.call_later(SLOW_SECONDS, self.take_off, plan, reads)
        future: asyncio.Future[bytes | None] = loop.create_future()
        self.waiting.append(Waiting(values, future, tracing.current()))
        return await future

    def flies(self) -> bool:
        """Whether a statement is asked now; then it is under way. One at a time, unless that is slow: so more who come
        meanwhile are answered together.
        """
        now = asyncio.get_running_loop().time()
        if self.flying and (self.flying == AT_ONCE or now - self.took_off < SLOW_SECONDS):
            return False
        self.flying += 1
        self.took_off = now
        return True

    def refuse(self, error: Unavailable) -> None:
        """Those who wait hear at once that there is no database, not each after a try of its own."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            if not each.future.done():
                each.future.set_exception(error)

    def take_off(self, plan: Asking, reads: Reads) -> None:
        """Asks for those who wait."""
        if self.waiting and self.flies():
            taken, self.waiting[:LARGEST_BATCH] = self.waiting[:LARGEST_BATCH], []
            task = asyncio.get_running_loop().create_task(self.fly(plan, reads, taken))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def fly(self, plan: Asking, reads: Reads, taken: list[Waiting]) -> None:
        """Answers some requests by one statement; when that fails, one by one, so that one can't fail for another."""
        taken = [each for each in taken if not each.future.done()]
        try:
            if not await self.answered(plan, reads, taken):
                for each in taken:
                    await settle(plan, reads, each)
        finally:
            for each in taken:
                each.future.cancel()  # of those left over when this task is itself cancelled
            self.flying -= 1
            self.take_off(plan, reads)

    async def answered(self, plan: Asking, reads: Reads, taken: list[Waiting]) -> bool:
        """Whether these could be answered by one statement."""
        together = plan.form.together
        if len(taken) < 2 or together is None:  # noqa: PLR2004 - what one asks for is cheaper alone
            return False
        columns = [list(column) for column in zip(*(each.values for each in taken), strict=True)]
        try:
            with tracing.among(each.spans for each in taken):
                rows = await reads.fetch(together.sql, together.arguments(columns))
        except Unavailable as error:
            self.waiting += taken
            self.refuse(error)
            return True
        except Exception:  # noqa: BLE001 - whose fault it was, and what it is, shows one by one
            return False
        for each, row in zip(taken, rows, strict=True):
            if not each.future.done():
                each.future.set_result(row[0])
        return True


async def settle(plan: Asking, reads: Reads, one: Waiting) -> None:
    """Answers one that waited."""
    try:
        with tracing.among((one.spans,)):
            text = await plan.answer_alone(reads, one.values)
    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
        if not one.future.done():
            one.future.set_exception(error)
    else:
        if not one.future.done():
            one.future.set_result(text)
