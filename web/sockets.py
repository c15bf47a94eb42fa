"""GraphQL over WebSocket, by the protocol graphql-transport-ws (enisdenjo/graphql-ws, PROTOCOL.md)."""

import asyncio
from collections.abc import Hashable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from domain import visitors
from domain.access import NOBODY
from domain.sessions import Bearer
from infra.desk import Desk
from infra.logs import report
from infra.networks import network
from infra.postgres import Unavailable
from infra.signing import BadToken
from planner.engine import APOLOGY, Answer, Engine
from planner.errors import BadRequest
from planner.streams import Stream
from schema.context import Context
from web import counters, traces
from web.cohorts import Cohorts
from web.cookies import Cookies
from web.frames import Socket as Connection
from web.frames import text_frame
from web.identity import Identities, Watched, token_in
from web.operations import Asked, Malformed, Unwritable, asked
from web.requests import address
from web.shares import FLOOD, MESSAGE, SOCKET, Shares, TooMany, whose
from web.streaming import SEND_SECONDS, Gone, begun, errors_in, errors_of, found, live

PROTOCOL = "graphql-transport-ws"
AGAIN = {"Retry-After": "1"}  # seconds
INIT_SECONDS = 10.0
MOST_BEFORE = 10  # messages that are read before the acknowledgement, for which clients wait
MOST_SLOWED = 20  # messages a second of who is too fast: reading more only to find a flood would take time
ANSWER_SECONDS = 1.0  # for mutations that run when the socket is to be closed
MOST_CHARACTERS = 1024 * 1024
MOST_NAME = 1_000  # characters of what a client calls an operation: each answer begins with it, and it is kept as long
MOST_REASON = 120  # bytes, of 123 that a frame has room for


class Closed(Gone):
    """The socket is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Sockets:
    """The ASGI application of the endpoint's WebSocket side."""

    def __init__(self, desk: Desk, engine: Engine, identities: Identities, cohorts: Cohorts, shares: Shares) -> None:
        self._desk, self._engine, self._identities, self._cohorts = desk, engine, identities, cohorts
        self._shares = shares
        self._origins, self._host = frozenset(desk.settings.allowed_origins), _host(desk.settings.public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if not self._from_here(websocket):
            await websocket.send_denial_response(PlainTextResponse("This page may not connect.\n", 403))
            return
        if PROTOCOL not in scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(4406, f"Only {PROTOCOL} is spoken here.")
            return
        try:
            await self._shares.pace.turn(network(address(scope)), SOCKET)
        except TooMany as error:
            await websocket.send_denial_response(PlainTextResponse(f"{error}\n", 429, AGAIN))
            return
        await websocket.accept(PROTOCOL)
        counters.SOCKETS.inc()
        try:
            await _Socket(websocket, self._desk, self._engine, self._identities, self._cohorts, self._shares).run()
        finally:
            counters.SOCKETS.dec()

    def _from_here(self, websocket: WebSocket) -> bool:
        """Whether the page that connects may. Programs send no Origin."""
        origin = websocket.headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return True
        return _host(origin) in {self._host, websocket.headers.get("host")}


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


class _Socket:
    def __init__(
        self,
        websocket: WebSocket,
        desk: Desk,
        engine: Engine,
        identities: Identities,
        cohorts: Cohorts,
        shares: Shares,
    ) -> None:
        self._websocket, self._desk, self._engine, self._identities = websocket, desk, engine, identities
        self._cohorts, self._shares = cohorts, shares
        self._context: Context | None = None
        self._counted: Hashable = None  # whose connection it is, from its initialisation on
        self._watched: Watched | None = None  # the token's end
        self._operations: dict[str, asyncio.Task[None]] = {}  # by the names that clients gave them, until they end
        self._kinds: dict[Any, str] = {}  # of operations, by their tasks, also of those that were told to end
        self._connection: Connection = websocket.scope["state"]["connection"]
        self._task: Any = asyncio.current_task()  # hears the client itself: of very many sockets, each task counts
        self._listening = True
        self._closed: Closed | None = None  # by what else than a message of the client's
        late = (4408, "Connection initialisation timeout")
        self._late = asyncio.get_running_loop().call_later(INIT_SECONDS, self._end_all, *late)

    async def run(self) -> None:
        """Talk until one side ends it."""
        traces.begun(dict(self._websocket.scope["headers"]))
        self._connection.limit(MOST_BEFORE, self._flooded)
        try:
            await self._listen()
        except Closed as closed:
            if mutations := [task for task, kind in self._kinds.items() if kind == "mutation"]:
                await asyncio.wait(mutations, timeout=ANSWER_SECONDS)  # one may have ended the session
            await self._close(closed.code, closed.reason)
        except (Gone, WebSocketDisconnect):
            pass  # the other side has gone, which ends everything here too
        except Exception as error:  # noqa: BLE001 # one socket's fault must not be another's
            report(error)
            await self._close(4500, APOLOGY)
        finally:
            self._late.cancel()
            running = list(self._kinds)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            if self._watched is not None:
                self._identities.unwatch(self._watched)
            if self._counted is not None:
                self._shares.connections.give_back(self._counted)

    async def _listen(self) -> None:
        """Hear the client until one side ends it, which is raised."""
        try:
            await self._receive()
        except asyncio.CancelledError:
            if self._closed is None or self._task.uncancel():
                raise
            raise self._closed from None
        finally:
            self._listening = False

    def _flooded(self) -> None:
        most, pace = self._desk.settings.max_messages_per_second, self._shares.pace
        pace.charge(network(address(self._websocket.scope)), FLOOD)
        if self._counted is not None:
            pace.charge(self._counted, most * MESSAGE)
        self._end_all(4429, f"At most {most} messages a second are read, and {MOST_BEFORE} before the acknowledgement.")

    def _end_all(self, code: int, reason: str) -> None:
        """Close the socket, whatever the client says."""
        if self._listening and self._closed is None:
            self._closed = Closed(code, reason)
            self._task.cancel()

    async def _close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._websocket.close(code, reason.encode()[:MOST_REASON].decode(errors="ignore"))
            except (RuntimeError, OSError, WebSocketDisconnect):
                return  # closed by the other side meanwhile, or it takes nothing any more

    # --- Messages ----------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        most = self._desk.settings.max_messages_per_second
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received.get("code", 1005))
            if self._counted is not None:  # who is too fast is heard later: their messages wait in the network
                rested = await self._shares.pace.rest(self._counted, MESSAGE)
                self._connection.limit(MOST_SLOWED if rested else most, self._flooded)
            text = received.get("text")
            if text is None:
                raise Closed(4400, "Messages are text.")
            if len(text) > MOST_CHARACTERS:
                raise Closed(4400, "The message is too long.")
            try:
                message = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise Closed(4400, "The message is not JSON.") from None
            await self._handle(message)
            del received, text, message  # until the next one comes, which may take hours

    async def _handle(self, message: Any) -> None:
        match message:
            case {"type": "connection_init"}:
                await self._initialise(message.get("payload"))
            case {"type": "ping" | "pong" as kind}:
                if not isinstance(message.get("payload"), dict | None):
                    raise Closed(4400, "The payload is a JSON object.")
                if kind == "ping":
                    await self._send(b'{"type":"pong"}')
            case {"type": "subscribe", "id": str(name), "payload": payload} if name:
                self._subscribe(name, payload)
            case {"type": "complete", "id": str(name)} if name:
                if task := self._operations.pop(name, None):
                    task.cancel()
            case _:
                raise Closed(4400, "This message is not understood.")

    async def _initialise(self, payload: Any) -> None:
        if self._context is not None:
            raise Closed(4429, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise Closed(4400, "The payload is a JSON object.")
        self._context = Context(self._desk, self._engine, NOBODY, network=address(self._websocket.scope))
        given = payload or {}
        authorization = given.get("authorization") or given.get("Authorization")
        acknowledged: dict[str, Any] = {"type": "connection_ack"}
        bearer = None
        if authorization is not None:
            bearer = await self._bearer_of(authorization, self._context.network)
            self._context.viewer, self._context.session_id = bearer.viewer, bearer.session_id
        else:
            token = given.get("visitor") or self._websocket.headers.get("x-visitor")
            cookies = Cookies(self._desk.settings.public_url).read(self._websocket.headers.get("cookie", ""))
            token = token or cookies.get(visitors.NAME)
            self._context.viewer, arrived = visitors.arriving(self._desk.signer, token)
            if arrived:
                acknowledged["payload"] = {"visitor": visitors.token(self._desk.signer, self._context.viewer)}
        counted = whose(self._context)
        try:
            await self._shares.pace.turn(counted, SOCKET)
            self._shares.connections.take(counted)
        except TooMany as error:
            raise Closed(4429, str(error)) from None
        self._counted = counted
        self._late.cancel()
        self._connection.limit(self._desk.settings.max_messages_per_second, self._flooded)
        if bearer is not None:
            self._watched = self._identities.watch(bearer, partial(self._end_all, 4403))
        await self._send(orjson.dumps(acknowledged))

    async def _bearer_of(self, authorization: Any, network: str) -> Bearer:
        try:
            token = token_in(authorization if isinstance(authorization, str) else "")
            return await self._identities.bearer(token, network)
        except BadToken:
            raise Closed(4403, "The access token is not valid, or not any more.") from None
        except Unavailable as error:
            raise Closed(1013, str(error)) from None

    # --- Operations --------------------------------------------------------------------------------------------------

    def _subscribe(self, name: str, payload: Any) -> None:
        if self._context is None:
            raise Closed(4401, "Unauthorized")
        if len(name) > MOST_NAME:
            raise Closed(4400, f"An id has {MOST_NAME:,} characters at most.")
        if name in self._operations:
            raise Closed(4409, f"Subscriber for {name} already exists")
        most = self._desk.settings.max_operations_per_socket
        if len(self._kinds) >= most:
            raise Closed(4429, f"At most {most} operations run on one socket.")
        task = asyncio.create_task(self._run(name, self._context, payload))
        self._operations[name] = task
        self._kinds[task] = ""
        task.add_done_callback(self._kinds.pop)

    async def _run(self, name: str, shared: Context, payload: Any) -> None:
        """Perform an operation; whatever becomes of it, the client is told, or has gone."""
        try:
            # A context of its own: signing in over a socket makes nobody else of the socket.
            context = Context(self._desk, self._engine, shared.viewer, shared.session_id, shared.network)
            try:
                with self._shares.operations.taken(whose(shared)):
                    performing = self._perform(name, context, asked(payload))
                    del payload  # a subscription needs no more of it than its plan
                    errors = await performing
            except Malformed as error:
                raise Closed(4400, str(error)) from None
            except Unwritable as error:
                errors = errors_of(BadRequest(str(error)))
            except Gone:
                raise
            except Exception as error:  # noqa: BLE001 # one operation's fault must not be another's
                errors = errors_of(error)
            await self._end(name, errors)
        except Closed as closed:
            self._end_all(closed.code, closed.reason)
        except Gone:
            return  # the other side has gone
        finally:
            self._free(name)

    async def _perform(self, name: str, context: Context, asked: Asked) -> list[dict[str, Any]] | None:
        """Tell all answers. The errors when there can be none."""
        outlet = _Outlet(self, name)
        with traces.operation(self._websocket.scope):
            async with self._shares.turn(context, self._engine, asked) as turn:
                operation = found(self._engine, asked)
                if isinstance(operation, Answer):
                    return errors_in(operation)
                self._kinds[asyncio.current_task()] = operation.kind
                traces.asked(context.viewer.id, operation.kind, operation.name)
                answer = await begun(self._engine, turn, asked, operation, context)
        del asked, turn, operation  # as above
        if isinstance(answer, Stream):
            await live(self._cohorts, self._desk.hub, answer, outlet)
            return None
        if not answer.executed:
            return errors_in(answer)
        await outlet.send(outlet.frame(answer.body))
        return None

    # --- Sending -----------------------------------------------------------------------------------------------------

    def _free(self, name: str) -> None:
        """The name may be given to another operation, unless it has been already."""
        if self._operations.get(name) is asyncio.current_task():
            del self._operations[name]

    async def _end(self, name: str, errors: list[dict[str, Any]] | None) -> None:
        self._free(name)  # before the client can know
        if errors is None:
            await self._send(b'{"type":"complete","id":' + orjson.dumps(name) + b"}")
        else:
            await self._send(
                b'{"type":"error","id":' + orjson.dumps(name) + b',"payload":' + orjson.dumps(errors) + b"}"
            )

    async def _send(self, message: bytes) -> None:
        await self.send(text_frame(message))

    def is_over(self, name: str, task: Any) -> bool:
        """Whether the client has completed the operation that it called so."""
        return self._operations.get(name) is not task

    def write(self, frame: bytes) -> bool:
        """Send a frame, if the client takes it at once; whether it does."""
        return self._connection.write(frame)

    async def send(self, frame: bytes) -> None:
        """Send a frame once the client takes it. Raises Closed when that is too long, Gone when there is no client."""
        if self.write(frame):
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                while not self.write(frame):
                    if not await self._connection.taking():
                        raise Gone
        except TimeoutError:
            raise Closed(4408, "The client takes too long. Subscribe again.") from None


class _Outlet:
    """Where one operation's answers go."""

    __slots__ = ("_socket", "_task", "name")

    def __init__(self, socket: _Socket, name: str) -> None:
        """`name`: of the operation that this task performs, as the client calls it."""
        self._socket, self._task, self.name = socket, asyncio.current_task(), name

    def frame(self, body: bytes) -> bytes:
        return text_frame(b'{"type":"next","id":' + orjson.dumps(self.name) + b',"payload":' + body + b"}")

    def write(self, frame: bytes) -> bool:
        # What is over is told no more, though its task does not know yet: another may be called the same already.
        return self._socket.is_over(self.name, self._task) or self._socket.write(frame)

    async def send(self, frame: bytes) -> None:
        await self._socket.send(frame)
