"""The GraphQL endpoint over HTTP, as the GraphQL-over-HTTP draft and graphql-sse want it."""

import datetime as dt
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from domain import visitors
from domain.access import NOBODY
from domain.sessions import Bearer
from infra.desk import Desk
from infra.logs import report
from infra.postgres import Unavailable
from infra.signing import BadToken
from planner.documents import Operation
from planner.engine import APOLOGY, Answer, Engine
from planner.errors import PersistedQueryNotFound
from planner.streams import Stream
from resolvers.sessions import COOKIE
from schema.context import Context
from web import connections, event_streams, graphiql, traces
from web.accepting import EVENT_STREAM, PLAIN_JSON, taken
from web.cohorts import Cohorts
from web.cookies import Cookies
from web.event_streams import EventStream
from web.identity import Identities, token_in
from web.operations import NUL, Asked, Malformed, Unwritable
from web.operations import asked as asked_in
from web.requests import Bodies, Wrong, address
from web.shares import Shares, TooMany, whose
from web.streaming import begun, found

NEEDS_A_STREAM = "Subscriptions are served over graphql-transport-ws, and as text/event-stream, at this address."
NOT_TAKEN = "Answers are application/graphql-response+json, application/json, or text/event-stream."


class GraphQL:
    """An ASGI application for one path. It is called directly, with no layers before it."""

    def __init__(self, desk: Desk, engine: Engine, identities: Identities, cohorts: Cohorts, shares: Shares) -> None:
        self._desk, self._engine, self._identities, self._cohorts = desk, engine, identities, cohorts
        self._shares = shares
        self._bodies = Bodies()
        self._cookies = Cookies(desk.settings.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method: str = scope["method"]
        accept = headers.get(b"accept", b"")
        if len(headers) < len(scope["headers"]):  # some came twice, as a list may
            accept = b",".join([value for name, value in scope["headers"] if name == b"accept"])
        client = taken(accept or b"*/*")
        kind = client.kind or PLAIN_JSON
        traces.begun(headers)
        try:
            if method == "GET" and client.pages and self._has_page(scope):
                await graphiql.page(self._desk.settings)(scope, receive, send)
                return
            if method == "OPTIONS":
                await connections.answer(scope, send, 204, [(b"allow", b"GET, POST, OPTIONS")], b"")
                return
            if client.kind is None:
                raise Wrong(406, NOT_TAKEN)
            asked = await self._asked(method, scope, headers, receive)
            bearer = await self._bearer(headers, address(scope))
            context = self._context(scope, headers, bearer)
            answer = await self._answer(method, asked, context, streams=client.streams)
            del asked  # a subscription needs no more of it than its plan
            if isinstance(answer, Stream):
                await self._streamed(scope, receive, send, answer, context, bearer)
                return
        except Wrong as wrong:
            body = orjson.dumps({"errors": [{"message": wrong.message, "extensions": wrong.extensions}]})
            kind = PLAIN_JSON if kind is EVENT_STREAM else kind
            await _send(scope, send, wrong.status, body, kind, wrong.headers)
            return
        body = event_streams.only(answer) if kind is EVENT_STREAM else answer.body
        await _send(scope, send, _status(answer, kind), body, kind, self._given(context))

    async def _streamed(
        self, scope: Scope, receive: Receive, send: Send, answer: Stream, context: Context, bearer: Bearer | None
    ) -> None:
        events = EventStream(
            *(scope, receive, send),
            hub=self._desk.hub,
            cohorts=self._cohorts,
            identities=self._identities,
            bearer=bearer,
        )
        with ExitStack() as share:
            try:
                share.enter_context(self._shares.connections.taken(whose(context)))
            except TooMany as error:
                raise Wrong(429, str(error), code=error.code) from None
            await events.run(answer, self._given(context))

    async def _answer(self, method: str, asked: Asked, context: Context, *, streams: bool) -> Answer | Stream:
        """What to answer. `streams`: whether the client takes an event stream."""
        operation: Operation | Answer | None = None
        try:
            async with self._shares.turn(context, self._engine, asked) as turn:
                operation = found(self._engine, asked)
                if isinstance(operation, Answer):
                    return operation
                traces.asked(context.viewer.id, operation.kind, operation.name)
                if operation.kind == "mutation" and method == "GET":
                    raise Wrong(405, "Mutations are sent by POST.", allow="POST")
                if operation.kind == "subscription" and not streams:
                    raise Wrong(400, NEEDS_A_STREAM)
                return await begun(self._engine, turn, asked, operation, context)
        except Wrong:
            raise
        except TooMany as error:
            raise Wrong(429, str(error), code=error.code, retry_after="1") from None
        except Unavailable as error:
            raise Wrong(503, str(error), code=error.code) from None
        except Exception as error:  # whatever it is, the client is told as of any other fault
            kind = operation.kind if isinstance(operation, Operation) else None
            raise Wrong(500, APOLOGY, code="INTERNAL", id=report(error, operation=kind)) from error

    def _has_page(self, scope: Scope) -> bool:
        """Whether what is at this address is GraphiQL, and not the answer to an operation."""
        if not self._desk.settings.introspection:
            return False
        return b"query=" not in scope["query_string"] and b"extensions=" not in scope["query_string"]

    async def _asked(self, method: str, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Asked:
        if method == "POST":
            media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if media_type != b"application/json":
                raise Wrong(415, "Send the operation as application/json.", accept_post="application/json")
            body = await self._bodies.read(headers, receive)
            try:
                given = orjson.loads(body)
            except orjson.JSONDecodeError:
                raise Wrong(400, "The body is not JSON.") from None
            nul = NUL in body
        elif method == "GET":
            given, nul = _from_query_string(scope["query_string"]), True
        else:
            raise Wrong(405, "Operations are sent by POST, queries also by GET.", allow="GET, POST, OPTIONS")
        try:
            return asked_in(given, nul=nul)
        except (Malformed, Unwritable) as error:
            raise Wrong(400, str(error)) from None

    async def _bearer(self, headers: dict[bytes, bytes], network: str) -> Bearer | None:
        authorization = headers.get(b"authorization")
        if not authorization:
            return None
        try:
            return await self._identities.bearer(token_in(authorization.decode("latin-1")), network)
        except BadToken:
            message = "The access token is not valid, or not any more."
            raise Wrong(401, message, code="UNAUTHENTICATED", www_authenticate="Bearer") from None
        except Unavailable as error:
            raise Wrong(503, str(error), code=error.code) from None

    def _context(self, scope: Scope, headers: dict[bytes, bytes], bearer: Bearer | None) -> Context:
        cookies = self._cookies.read(headers.get(b"cookie", b"").decode("latin-1"))
        context = Context(self._desk, self._engine, NOBODY, network=address(scope))
        context.refresh_cookie = cookies.get(COOKIE)
        if bearer is not None:
            context.viewer, context.session_id = bearer.viewer, bearer.session_id
        else:
            token = headers.get(b"x-visitor", b"").decode("latin-1") or cookies.get(visitors.NAME, "")
            context.viewer, context.arrived = visitors.arriving(self._desk.signer, token)
        return context

    def _given(self, context: Context) -> list[tuple[bytes, bytes]]:
        """What else the answer gives: cookies, and to whom is new here the token that they are known by."""
        headers = []
        if context.arrived and context.viewer.role is None:
            token = visitors.token(self._desk.signer, context.viewer)
            until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=visitors.SECONDS)
            context.set_cookie(visitors.NAME, token, until)
            headers.append((b"x-visitor", token.encode()))
        for name, (value, until) in context.cookies.items():
            headers.append((b"set-cookie", self._cookies.written(name, value, until).encode()))
        return headers


def _from_query_string(query_string: bytes) -> dict[str, Any]:
    try:
        texts = parse_qs(query_string.decode(), errors="strict", max_num_fields=20)
        values = {name: found[-1] for name, found in texts.items()}
        given: dict[str, Any] = {"query": values.get("query"), "operationName": values.get("operationName")}
        for name in ("variables", "extensions"):
            if name in values:
                given[name] = orjson.loads(values[name])
    except ValueError:
        raise Wrong(400, "The address holds what is not UTF-8, or variables or extensions that are not JSON.") from None
    return given


def _status(answer: Answer, kind: bytes) -> int:
    if kind is EVENT_STREAM:  # browsers would not let a program see what is in another
        return 200
    if answer.code == "UNAVAILABLE":
        return 503
    if answer.code == PersistedQueryNotFound.code:  # not all of Apollo's clients look into another
        return 200
    return 200 if answer.executed or kind is PLAIN_JSON else 400


async def _send(
    scope: Scope, send: Send, status: int, body: bytes, kind: bytes, more: list[tuple[bytes, bytes]]
) -> None:
    headers = [
        (b"content-type", kind + b"; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept"),
        *more,
    ]
    await connections.answer(scope, send, status, headers, body)
