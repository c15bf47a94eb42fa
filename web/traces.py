"""By what a request is found in the logs: its id, the trace that it is part of, who asks, and for what."""

import itertools
import re
import secrets
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from infra.logs import doing

_PROCESS: Final = secrets.token_hex(6)  # so that no two processes call requests alike
_numbers = itertools.count(1)
_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")  # nothing that could stand for more than one word in a log
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context
MOST_NAME = 100


class Request:
    """A request; what is told of it is made only then."""

    __slots__ = ("given", "number", "operation", "parent", "viewer_id")

    def __init__(
        self, number: int, given: bytes, parent: bytes, viewer_id: UUID | None = None, operation: str | None = None
    ) -> None:
        """`given`: its name by a proxy (X-Request-ID). `parent`: what it is part of (traceparent)."""
        self.number, self.given, self.parent = number, given, parent
        self.viewer_id, self.operation = viewer_id, operation

    def __call__(self) -> dict[str, str]:
        """What the logs tell of it. An operation's name is part of a document, so nobody's words."""
        trace = _TRACE.fullmatch(self.parent)
        found = {
            "request_id": self.given.decode() if _ID.fullmatch(self.given) else f"{_PROCESS}-{self.number:x}",
            "trace_id": trace and trace[1].decode(),
            "viewer_id": self.viewer_id and str(self.viewer_id),
            "operation": self.operation and self.operation[:MOST_NAME],
        }
        return {name: value for name, value in found.items() if value}


def begun(headers: Mapping[bytes, bytes]) -> None:
    """A request has come in."""
    doing.set(Request(next(_numbers), headers.get(b"x-request-id", b""), headers.get(b"traceparent", b"")))


def asked(viewer_id: UUID | None, operation: str | None) -> None:
    """Who asks, and what their client calls the operation."""
    request = doing.get()
    if isinstance(request, Request):
        doing.set(Request(request.number, request.given, request.parent, viewer_id, operation))
