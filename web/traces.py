"""By what a request is found in the logs: its id, the trace that it is part of, who asks, and for what."""

import itertools
import re
import secrets
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from structlog.contextvars import bind_contextvars

_PROCESS: Final = secrets.token_hex(6)  # so that no two processes call requests alike
_numbers = itertools.count(1)
_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")  # nothing that could stand for more than one word in a log
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context
MOST_NAME = 100


def begun(headers: Mapping[bytes, bytes]) -> None:
    """A request has come in. A proxy may have named it (X-Request-ID), or say what it is part of (traceparent)."""
    given = headers.get(b"x-request-id")
    name = given.decode() if given is not None and _ID.fullmatch(given) else f"{_PROCESS}-{next(_numbers):x}"
    trace = _TRACE.fullmatch(headers.get(b"traceparent", b""))
    if trace is None:
        bind_contextvars(request_id=name)
    else:
        bind_contextvars(request_id=name, trace_id=trace[1].decode())


def asked(viewer_id: UUID | None, operation: str | None) -> None:
    """Who asks, and what their client calls the operation; its name is part of a document, so nobody's words."""
    bind_contextvars(
        viewer_id=None if viewer_id is None else str(viewer_id), operation=operation and operation[:MOST_NAME]
    )
