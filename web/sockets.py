"""GraphQL over WebSocket, by the protocol graphql-transport-ws (enisdenjo/graphql-ws, PROTOCOL.md)."""

import asyncio
import datetime as dt
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from domain.access import NOBODY
from infra.desk import Desk
from infra.logs import report
from infra.signing import BadToken
from planner.engine import Answer, Engine
from schema.context import Context
from web import counters
from web.identity import Identities

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10
SEND_SECONDS = 15  # a client that takes nothing for so long is gone
MOST_OPERATIONS = 100  # of one socket at once
MOST_CHARACTERS = 1024 * 1024
CHECK_SECONDS = 5.0  # how often a quiet socket's session is looked at


class Closed(Exception):  # a way to end, not an error
    """The socket is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Sockets:
    """The ASGI application of the endpoint's WebSocket side."""

    def __init__(self, desk: Desk, engine: Engine, identities: Identities) -> None:
        self._desk, self._engine, self._identities = desk, engine, identities
        settings = desk.settings
        self._origins = {_host(url) for url in (settings.public_url, *settings.allowed_origins)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if not self._from_here(websocket):
            await websocket.close(4403, "This page may not connect.")
            return
        if PROTOCOL not in scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(4406, f"Only {PROTOCOL} is spoken here.")
            return
        await websocket.accept(PROTOCOL)
        counters.SOCKETS.inc()
        try:
            await _Socket(websocket, self._desk, self._engine, self._identities).run()
        finally:
            counters.SOCKETS.dec()

    def _from_here(self, websocket: WebSocket) -> bool:
        """Whether the page that connects may. Programs send no Origin."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return True
        return _host(origin) in self._origins or _host(origin) == websocket.headers.get("host")


def _host(url: str) -> str:
    return urlsplit(url).netloc


class _Socket:
    def __init__(self, websocket: WebSocket, desk: Desk, engine: Engine, identities: Identities) -> None:
        self._websocket, self._desk, self._engine, self._identities = websocket, desk, engine, identities
        self._context: Context | None = None
        self._ends_at: dt.datetime | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Talk until one side ends it."""
        tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._watch())]
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, self._ended]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                closed = self._ended.result()
                await self._close(closed.code, closed.reason)
                return
            for task in tasks:
                if task.done():
                    task.result()
        except Closed as closed:
            await self._close(closed.code, closed.reason)
        except (WebSocketDisconnect, ConnectionError):
            pass  # the other side has gone, which ends everything here too
        except Exception as error:  # noqa: BLE001 # one socket's fault must not be another's
            report(error)
            await self._close(4500, "Something went wrong on our side.")
        finally:
            running = [*tasks, *self._operations.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._ended.cancel()

    async def _close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._websocket.close(code, reason)
            except (RuntimeError, TimeoutError, ConnectionError):
                return  # closed by the other side meanwhile

    async def _watch(self) -> None:
        """End a socket that was never initialised, and one whose token or session has ended."""
        await asyncio.sleep(INIT_SECONDS)
        if self._context is None:
            raise Closed(4408, "Connection initialisation timeout")
        while True:
            context = self._context
            if context.session_id is not None and self._identities.has_ended(context.session_id):
                raise Closed(4403, "The session has ended.")
            left = CHECK_SECONDS
            if self._ends_at is not None:
                left = min(left, (self._ends_at - dt.datetime.now(dt.UTC)).total_seconds())
                if left <= 0:
                    raise Closed(4403, "The access token has ended.")
            await asyncio.sleep(left)

    async def _receive(self) -> None:
        while True:
            text = await self._websocket.receive_text()
            if len(text) > MOST_CHARACTERS:
                raise Closed(4400, "The message is too long.")
            try:
                message = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise Closed(4400, "The message is not JSON.") from None
            if not isinstance(message, dict):
                raise Closed(4400, "The message is not a JSON object.")
            await self._handle(message)

    async def _handle(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "connection_init"}:
                await self._initialise(message.get("payload"))
            case {"type": "ping"}:
                await self._send(b'{"type":"pong"}')
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(name), "payload": {"query": str()}}:
                self._subscribe(name, message["payload"])
            case {"type": "complete", "id": str(name)}:
                if task := self._operations.pop(name, None):
                    task.cancel()
            case _:
                raise Closed(4400, "This message is not understood.")

    async def _initialise(self, payload: Any) -> None:
        if self._context is not None:
            raise Closed(4429, "Too many initialisation requests")
        client = self._websocket.client
        context = Context(self._desk, self._engine, NOBODY, network=client.host if client else "")
        authorization = None
        if isinstance(payload, dict):
            authorization = payload.get("authorization") or payload.get("Authorization")
        if authorization is not None:
            scheme, _, token = str(authorization).partition(" ")
            try:
                if scheme.lower() != "bearer":
                    raise BadToken("Another scheme.")
                bearer = self._identities.bearer(token.strip())
            except BadToken:
                raise Closed(4403, "The access token is not valid, or not any more.") from None
            context.viewer, context.session_id, self._ends_at = bearer.viewer, bearer.session_id, bearer.expires_at
        self._context = context
        await self._send(b'{"type":"connection_ack"}')

    def _subscribe(self, name: str, payload: dict[str, Any]) -> None:
        if self._context is None:
            raise Closed(4401, "Unauthorized")
        if name in self._operations:
            raise Closed(4409, f"Subscriber for {name[:100]} already exists")
        if len(self._operations) >= MOST_OPERATIONS:
            raise Closed(4429, f"At most {MOST_OPERATIONS} operations run on one socket.")
        variables, operation_name = payload.get("variables"), payload.get("operationName")
        if not (variables is None or isinstance(variables, dict)) or not isinstance(operation_name, str | None):
            raise Closed(4400, "This message is not understood.")
        run = self._run(name, self._context, payload["query"], variables, operation_name or None)
        self._operations[name] = asyncio.create_task(run)

    async def _run(
        self, name: str, shared: Context, text: str, variables: dict[str, Any] | None, operation_name: str | None
    ) -> None:
        # A context of its own: signing in over a socket makes nobody else of the socket.
        context = Context(self._desk, self._engine, shared.viewer, shared.session_id, shared.network)
        try:
            if self._engine.operation_kind(text, operation_name) == "subscription":
                with counters.SUBSCRIPTIONS.track_inprogress():
                    done = await self._live(name, context, text, variables, operation_name)
            else:
                answer = await self._engine.query(text, variables, operation_name, context.viewer, context)
                if answer.executed:
                    await self._next(name, answer.body)
                else:
                    await self._error(name, answer.body)
                done = answer.executed
            if done:
                await self._send(b'{"type":"complete","id":' + orjson.dumps(name) + b"}")
        except Closed as closed:
            if not self._ended.done():
                self._ended.set_result(closed)
        except (WebSocketDisconnect, ConnectionError, RuntimeError):
            return  # the other side has gone
        finally:
            if self._operations.get(name) is asyncio.current_task():
                del self._operations[name]

    async def _live(
        self, name: str, context: Context, text: str, variables: dict[str, Any] | None, operation_name: str | None
    ) -> bool:
        """Subscribed, then read, then waiting: nothing is missed. False when it was refused."""
        found = self._engine.subscription(text, variables, operation_name, context.viewer)
        if isinstance(found, Answer):
            await self._error(name, found.body)
            return False
        last = b""
        async with self._desk.hub.watching(found.channels) as changed:
            while True:
                changed.clear()
                body = await found.read()
                if body is None:  # it can't be seen, or not any more
                    return True
                if body != last:
                    await self._next(name, body)
                    last = body
                await changed.wait()

    async def _next(self, name: str, body: bytes) -> None:
        await self._send(b'{"type":"next","id":' + orjson.dumps(name) + b',"payload":' + body + b"}")

    async def _error(self, name: str, body: bytes) -> None:
        errors = orjson.dumps(orjson.loads(body)["errors"])
        await self._send(b'{"type":"error","id":' + orjson.dumps(name) + b',"payload":' + errors + b"}")

    async def _send(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._websocket.send_text(frame.decode())
        except TimeoutError:
            raise Closed(4408, "The client takes too long. Subscribe again.") from None
