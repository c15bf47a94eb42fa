"""The GraphQL endpoint over HTTP, as the GraphQL-over-HTTP draft wants it."""

import asyncio
import datetime as dt
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from domain.access import NOBODY
from infra.desk import Desk
from infra.logs import report
from infra.signing import BadToken
from planner.engine import APOLOGY, Answer, Engine
from resolvers.sessions import COOKIE
from schema.context import Context
from web import counters, graphiql
from web.identity import Identities
from web.operations import Asked, Malformed, Unwritable
from web.operations import asked as asked_in

MOST_BYTES = 1024 * 1024
BODY_SECONDS = 20
RESPONSE_JSON, PLAIN_JSON = b"application/graphql-response+json; charset=utf-8", b"application/json; charset=utf-8"


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


class GraphQL:
    """An ASGI application for one path. It is called directly, with no layers before it."""

    def __init__(self, desk: Desk, engine: Engine, identities: Identities) -> None:
        self._desk, self._engine, self._identities = desk, engine, identities
        self._secure = desk.settings.public_url.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method: str = scope["method"]
        accept = headers.get(b"accept", b"").lower() or b"*/*"
        kind = PLAIN_JSON
        try:
            if method == "GET" and self._wants_page(scope, accept):
                await graphiql.page(self._desk.settings)(scope, receive, send)
                return
            kind = _kind(accept)
            if method == "OPTIONS":
                await _send(send, 204, b"", kind, [(b"allow", b"GET, POST, OPTIONS")])
                return
            asked = await self._asked(method, scope, headers, receive)
            context = self._context(scope, headers)
            answer = await self._answer(method, asked, context)
        except Wrong as wrong:
            body = orjson.dumps({"errors": [{"message": wrong.message, "extensions": wrong.extensions}]})
            await _send(send, wrong.status, body, kind, wrong.headers)
            return
        await _send(send, _status(answer, kind), answer.body, kind, self._cookies(context))

    async def _answer(self, method: str, asked: Asked, context: Context) -> Answer:
        operation = None
        try:
            operation = self._engine.operation_kind(asked.text, asked.name)
            if operation == "subscription":
                raise Wrong(400, "Subscriptions are served over graphql-transport-ws at this address.")
            if operation == "mutation" and method == "GET":
                raise Wrong(405, "Mutations are sent by POST.", allow="POST")
            with counters.timed(operation or "unknown"):
                return await self._engine.query(asked.text, asked.variables, asked.name, context.viewer, context)
        except Wrong:
            raise
        except Exception as error:  # whatever it is, the client is told as of any other fault
            raise Wrong(500, APOLOGY, code="INTERNAL", id=report(error, operation=operation)) from error

    def _wants_page(self, scope: Scope, accept: bytes) -> bool:
        return b"text/html" in accept and b"query=" not in scope["query_string"] and self._desk.settings.introspection

    async def _asked(self, method: str, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Asked:
        if method == "POST":
            media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if media_type != b"application/json":
                raise Wrong(415, "Send the operation as application/json.", accept_post="application/json")
            try:
                given = orjson.loads(await _body(headers, receive))
            except orjson.JSONDecodeError:
                raise Wrong(400, "The body is not JSON.") from None
        elif method == "GET":
            given = _from_query_string(scope["query_string"])
        else:
            raise Wrong(405, "Operations are sent by POST, queries also by GET.", allow="GET, POST, OPTIONS")
        try:
            return asked_in(given)
        except (Malformed, Unwritable) as error:
            raise Wrong(400, str(error)) from None

    def _context(self, scope: Scope, headers: dict[bytes, bytes]) -> Context:
        client = scope.get("client")
        context = Context(self._desk, self._engine, NOBODY, network=client[0] if client else "")
        if authorization := headers.get(b"authorization"):
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            try:
                if scheme.lower() != "bearer":
                    raise BadToken("Another scheme.")
                bearer = self._identities.bearer(token.strip())
            except BadToken:
                message = "The access token is not valid, or not any more."
                raise Wrong(401, message, code="UNAUTHENTICATED", www_authenticate="Bearer") from None
            context.viewer, context.session_id = bearer.viewer, bearer.session_id
        if cookie := headers.get(b"cookie"):
            context.refresh_cookie = _cookie(cookie.decode("latin-1"))
        return context

    def _cookies(self, context: Context) -> list[tuple[bytes, bytes]]:
        headers = []
        for name, (value, until) in context.cookies.items():
            seconds = max(0, int((until - dt.datetime.now(dt.UTC)).total_seconds()))
            parts = [f"{name}={value}", f"Max-Age={seconds}", "Path=/graphql", "HttpOnly", "SameSite=Strict"]
            headers.append((b"set-cookie", "; ".join([*parts, "Secure"] if self._secure else parts).encode()))
        return headers


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit():
        raise Wrong(400, "Content-Length is not a number.")
    if int(announced) > MOST_BYTES:
        raise Wrong(413, f"The body has more than {MOST_BYTES:,} bytes.")
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Wrong(400, "The body ended early.")
                part = message.get("body", b"")
                size += len(part)
                if size > MOST_BYTES:
                    raise Wrong(413, f"The body has more than {MOST_BYTES:,} bytes.")
                if not message.get("more_body"):
                    return part if not parts else b"".join([*parts, part])
                parts.append(part)
    except TimeoutError:
        raise Wrong(408, "The body did not arrive in time.") from None


def _from_query_string(query_string: bytes) -> dict[str, Any]:
    try:
        values = {name: found[-1] for name, found in parse_qs(query_string.decode(), max_num_fields=20).items()}
        given: dict[str, Any] = {"query": values.get("query"), "operationName": values.get("operationName")}
        for name in ("variables", "extensions"):
            if name in values:
                given[name] = orjson.loads(values[name])
    except ValueError:
        raise Wrong(400, "The address holds variables or extensions that are not JSON.") from None
    return given


def _kind(accept: bytes) -> bytes:
    """The media type to answer in. Raises Wrong when the client takes none of ours."""
    if accept == b"*/*" or b"application/graphql-response+json" in accept:
        return RESPONSE_JSON
    if b"application/json" in accept:
        return PLAIN_JSON
    if b"*/*" in accept or b"application/*" in accept:
        return RESPONSE_JSON
    raise Wrong(406, "Answers are application/graphql-response+json or application/json.")


def _status(answer: Answer, kind: bytes) -> int:
    if answer.code == "UNAVAILABLE":
        return 503
    return 200 if answer.executed or kind is PLAIN_JSON else 400


def _cookie(text: str) -> str | None:
    try:
        morsel = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


async def _send(send: Send, status: int, body: bytes, kind: bytes, more: list[tuple[bytes, bytes]]) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
