"""A request over HTTP: what may be wrong with it, and its body, which must come in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from infra.overdue import Overdue
from web import connections

MOST_BYTES = 1024 * 1024
BODY_SECONDS = 20.0

Endpoint = Callable[[Request], Awaitable[Response]]  # what a route leads to


class Wrong(Exception):  # it is what is wrong with a request
    """The request can't be answered; gives the status, and what to do about it."""

    def __init__(
        self, status: int, message: str, *, code: str = "BAD_REQUEST", id: str | None = None, **headers: str
    ) -> None:
        """`id`: of a fault that was reported."""
        super().__init__(message)
        self.status, self.message = status, message
        self.extensions = {"code": code} if id is None else {"code": code, "id": id}
        self.headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


def address(scope: Scope) -> str:
    """Where a request or a socket comes from; empty where nobody knows."""
    client = scope.get("client")
    return client[0] if client else ""


class Bodies:
    """Reads them, and ends those that take too long."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """`most`: bytes that a body may have."""
        self._most = most
        self._reading: Overdue[asyncio.Task[Any]] = Overdue(self._end)
        self._late: set[asyncio.Task[Any]] = set()

    async def read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """A request's body. Raises Wrong when it's too large, or too slow, or ends early."""
        if (whole := connections.whole_body(receive)) is not None:  # as nearly all are: then nothing is waited for
            if len(whole) > self._most:
                raise _too_large(self._most)
            return whole
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit():
            raise Wrong(400, "Content-Length is not a number.")
        if int(announced) > self._most:
            raise _too_large(self._most)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A request is served by a task.")
        self._reading.begin(task, BODY_SECONDS)
        try:
            return await _all(receive, self._most)
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel():  # somebody else wants it to end
                raise
            raise Wrong(408, "The body did not arrive in time.", connection="close") from None
        finally:
            self._reading.end(task)
            self._late.discard(task)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._late.add(task)
        task.cancel()


async def _all(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Wrong(400, "The body ended early.")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return part if not parts else b"".join([*parts, part])
        parts.append(part)


def _too_large(most: int) -> Wrong:
    return Wrong(413, f"The body has more than {most:,} bytes.", connection="close")
