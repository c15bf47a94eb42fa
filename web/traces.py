"""By what a request is found in the logs and in traces: its id, its trace, who asks, and for what."""

import itertools
import re
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final
from uuid import UUID

from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infra import tracing
from infra.logs import doing

_PROCESS: Final = secrets.token_hex(6)  # so that no two processes call requests alike
_numbers = itertools.count(1)
_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")  # nothing that could stand for more than one word in a log
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context
MOST_NAME = 100
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
PROBES = ("/health/", "/metrics")  # they come every few seconds, and tell nobody anything
FAULTY = 500


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


def asked(viewer_id: UUID | None, kind: str, operation: str | None) -> None:
    """Who asks, for a query, a mutation or a subscription, and what their client calls it."""
    request = doing.get()
    if isinstance(request, Request):
        doing.set(Request(request.number, request.given, request.parent, viewer_id, operation))
    for span in tracing.current():
        name = {"graphql.operation.name": operation[:MOST_NAME]} if operation else {}
        span.set_attributes({"graphql.operation.type": kind, **name})
        span.update_name(" ".join((kind, *name.values())))


# --- Spans ------------------------------------------------------------------------------------------------------------


def operation(scope: Scope) -> AbstractContextManager[Span]:
    """The span of an operation on a socket: a part of what the socket itself is part of."""
    if not tracing.is_on():
        return tracing.NOTHING
    return _begun(scope, "GraphQL Operation", {"network.protocol.name": "websocket"})


def traced(app: ASGIApp, route: str | None = None) -> ASGIApp:
    """The application, whose requests are spans if this process traces. `route`: of all of them, if it has but one."""
    return Traced(app, route) if tracing.is_on() else app


class Traced:
    """Has a span for each request. Of its address only the route is told, since paths of mailed links let people in."""

    def __init__(self, app: ASGIApp, route: str | None) -> None:
        self._app, self._route = app, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "HTTP"
        about = {"http.request.method": method if method in METHODS else "_OTHER", "url.scheme": scope["scheme"]}
        name = method
        if self._route is not None:
            name, about["http.route"] = f"{method} {self._route}", self._route
        with _begun(scope, name, about) as span:
            if not span.is_recording():
                await self._app(scope, receive, send)
                return

            async def said(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _answered(span, message)
                await send(message)

            await self._app(scope, receive, said)
            if route := getattr(scope.get("route"), "path", None):
                span.set_attribute("http.route", route)
                span.update_name(f"{method} {route}")


def _answered(span: Span, message: Message) -> None:
    status: int = message["status"]
    span.set_attribute("http.response.status_code", status)
    if status >= FAULTY:
        span.set_status(StatusCode.ERROR)
    if dict(message["headers"]).get(b"content-type", b"").startswith(b"text/event-stream"):
        span.end()  # what follows may take hours


def _begun(scope: Scope, name: str, about: tracing.Attributes) -> AbstractContextManager[Span]:
    parent = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
    return tracing.begun(name, SpanKind.SERVER, about, parent=parent)
