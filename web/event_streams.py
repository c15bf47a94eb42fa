"""Subscriptions as event streams, each on a connection of its own: graphql-sse (enisdenjo/graphql-sse, PROTOCOL.md)."""

import asyncio
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send

from domain.sessions import Bearer
from infra.hub import Hub
from planner.engine import Answer
from planner.streams import Stream
from web.accepting import EVENT_STREAM
from web.cohorts import Cohorts
from web.connections import Connection
from web.identity import Identities
from web.streaming import SEND_SECONDS, Gone, errors_in, errors_of, live

HEADERS = [
    (b"content-type", EVENT_STREAM + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept"),
    (b"x-accel-buffering", b"no"),  # or nginx would hold events back
]
COMPLETE = b"event: complete\ndata:\n\n"  # browsers pass over what has no data
NOTHING = b":\n\n"
KEEP_ALIVE_SECONDS = 12.0


def only(answer: Answer) -> bytes:
    """The events of an operation that is answered once."""
    return event(answer.body) + COMPLETE if answer.executed else refusal(errors_in(answer))


def event(body: bytes) -> bytes:
    """An answer as an event. A line break can only stand between JSON's tokens, and would end the event."""
    return b"event: next\ndata: " + body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n"


def refusal(errors: list[dict[str, Any]]) -> bytes:
    """The events that tell why there are no others."""
    return event(orjson.dumps({"errors": errors})) + COMPLETE


class EventStream:
    """One subscription's answers on a connection, until it completes or a side ends it."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        hub: Hub,
        cohorts: Cohorts,
        identities: Identities,
        bearer: Bearer | None,
    ) -> None:
        """`bearer`: whose end ends the stream; None when it's nobody's."""
        self._receive, self._send, self._hub, self._cohorts = receive, send, hub, cohorts
        self._identities, self._bearer = identities, bearer
        self._connection: Connection | None = scope.get("state", {}).get("connection")
        self._sending = asyncio.Lock()

    async def run(self, stream: Stream, given: list[tuple[bytes, bytes]]) -> None:
        """Tell all of it. `given`: more headers."""
        try:
            await self._deliver({"type": "http.response.start", "status": 200, "headers": [*HEADERS, *given]})
            await self._write(NOTHING)  # so that the client's browser knows of it at once
            last = await self._until_it_ends(stream)
            await self._write(last, more=False)
        except Gone:
            if self._connection is not None:
                self._connection.abort()  # what it has not taken would wait for it for ever
                await self._left()

    async def _until_it_ends(self, stream: Stream) -> bytes:
        """The events that end it: none when the client has gone, or shall come again and find another process."""
        ending: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(each) for each in (self._left(), self._told(stream), self._keep_alive())]

        def end(last: bytes = b"") -> None:
            if not ending.done():
                ending.set_result(last)

        def outlived(message: str) -> None:
            end(refusal([{"message": message, "extensions": {"code": "UNAUTHENTICATED"}}]))

        watched = None if self._bearer is None else self._identities.watch(self._bearer, outlived)
        if self._connection is not None:
            self._connection.on_ending(end)
        try:
            done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            if self._connection is not None:
                self._connection.on_ending(None)
            if watched is not None:
                self._identities.unwatch(watched)
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _told(self, stream: Stream) -> bytes:
        try:
            await live(self._cohorts, self._hub, stream, self)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 # whatever it is, the client is told
            return refusal(errors_of(error))
        return COMPLETE

    async def _keep_alive(self) -> bytes:
        """Keep proxies from taking it for dead, and find out when it is."""
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            await self._write(NOTHING)

    async def _left(self) -> bytes:
        """Wait until the client has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        return b""

    name = EVENT_STREAM  # of all event streams, since they say the same in the same way

    def frame(self, body: bytes) -> bytes:
        """An answer as an event."""
        return event(body)

    def write(self, frame: bytes) -> bool:  # noqa: ARG002 - as sockets have it
        """Never at once: who sends must wait for the client's turn."""
        return False

    async def send(self, frame: bytes) -> None:
        """Send an event once the client takes it."""
        await self._write(frame)

    async def _write(self, chunk: bytes, *, more: bool = True) -> None:
        await self._deliver({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _deliver(self, message: dict[str, Any]) -> None:
        """Raises Gone when the client takes nothing for too long."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._send(message)
        except TimeoutError:
            raise Gone from None
