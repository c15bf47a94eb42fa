"""Connections over HTTP, as uvicorn has them: what they hold and wait for has an end, and an answer is one piece."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

LINGER_SECONDS: Final = 1.0  # for a request that was sent before its client could know that the process is to end
MOST_HEAD_BYTES: Final = 64 * 1024  # of a request besides its body
HEAD_SECONDS: Final = 10.0  # in which a request begins after its connection, and its head ends after it began
REST_SECONDS: Final = 10.0  # in which the rest of a body comes whose request is answered already
TAKE_SECONDS: Final = 30.0  # in which a client takes some of an answer, that is some 50 KB
FAREWELL_SECONDS: Final = 1.0  # in which a client that goes on sending can read why it is closed
TOO_SLOW: Final = b"408 Request Timeout"
TOO_LARGE: Final = b"431 Request Header Fields Too Large"
CLOSE: Final = (b"connection", b"close")

Headers = Sequence[tuple[bytes, bytes]]


class Connection(HttpToolsProtocol):
    """One client's connection over HTTP. An answer without an end can learn here that the process is to end.

    Uvicorn would keep heads and trailers of any size, and wait for them, for bodies that nobody needs any more, and for
    who takes no answer, for ever.
    """

    _at_end: Callable[[], object] | None = None
    _ending = False
    _in_head, _in_body = True, False
    _moved, _unread = False, 0  # bytes that came since the request last got on
    _too_late: asyncio.TimerHandle | None = None
    _not_taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Uvicorn's: a client is there."""
        super().connection_made(transport)
        self._too_late = self.loop.call_later(HEAD_SECONDS, self._refuse, TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        """Uvicorn's: it is gone."""
        self._in_time()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Uvicorn's: the client does not take what it's sent."""
        super().pause_writing()
        self._not_taken = self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Uvicorn's: the client has taken most of it."""
        super().resume_writing()
        if self._not_taken is not None:
            self._not_taken.cancel()
            self._not_taken = None

    def data_received(self, data: bytes) -> None:
        """Uvicorn's: the client has sent this."""
        self._moved = False
        try:
            super().data_received(data)
        except httptools.HttpParserUpgrade as offer:
            self._without_offer(data[offer.args[0] :])
        self._unread = 0 if self._moved else self._unread + len(data)
        if self._unread > MOST_HEAD_BYTES:
            self._refuse(TOO_LARGE)
        elif self._in_head and self._too_late is None:
            self._too_late = self.loop.call_later(HEAD_SECONDS, self._refuse, TOO_SLOW)

    def on_message_begin(self) -> None:
        """Uvicorn's: a request comes in."""
        super().on_message_begin()
        self._in_head = self._moved = True
        self.scope["state"]["connection"] = self

    def on_headers_complete(self) -> None:
        """Uvicorn's: a request is to be answered."""
        self._in_head, self._moved = False, True
        self._in_time()
        if self._is_offer():
            return
        self._in_body = not self.parser.should_upgrade()
        super().on_headers_complete()
        if (self._ending or not self._in_body) and self.cycle is not None:  # behind a CONNECT there is no request
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Uvicorn's: a piece of its body."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Uvicorn's: all of it has come."""
        if self._is_offer():
            return
        super().on_message_complete()
        if self._in_body:
            self._in_body = False
            self._in_time()
            if self._rests() and not self.cycle.keep_alive:
                self.transport.close()

    def on_response_complete(self) -> None:
        """Uvicorn's: it is answered. Of a body that was not waited for the rest is dropped, while it comes soon."""
        super().on_response_complete()
        if self._in_body and self._rests():
            seconds = REST_SECONDS if self.cycle.keep_alive else FAREWELL_SECONDS
            self._too_late = self.loop.call_later(seconds, self.transport.close)

    def _is_offer(self) -> bool:
        """Whether the client would rather speak something that is not spoken here, as Java's does of HTTP/2."""
        if not self.parser.should_upgrade() or self._should_upgrade():
            return False
        return any(name == b"upgrade" for name, _ in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """Uvicorn's, as it hears of an offer: it would take the body for what follows the request, or for another."""
        if self._is_offer():  # and no CONNECT, which is refused as other methods are
            raise  # noqa: PLE0704 - the parser's, which says where the body begins

    def _without_offer(self, body: bytes) -> None:
        """Read the request again as one that offers nothing. `body`: what has come of it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.data_received(b"%b %b HTTP/%b\r\n%b\r\n%b" % (method, self.url, version, b"".join(lines), body))

    def _in_time(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self, status: bytes) -> None:
        """Close it, and say why to a client that waits for nothing else."""
        if self._rests():
            self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """Uvicorn's: the process is to end.

        Uvicorn would wait for an event stream, and close a connection as it rests, while a request may be under way:
        one more is answered, and told to be the last.
        """
        self._ending = True
        if self._at_end is not None:
            self._at_end()
        if self._rests():
            self.loop.call_later(LINGER_SECONDS, self._close)
        else:
            self.cycle.keep_alive = False

    def _rests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def _close(self) -> None:
        if self._rests():
            self.transport.close()

    def answer(self, send: Send, status: int, headers: Headers, body: bytes) -> bool:
        """Send a whole answer in one piece, if `send` is uvicorn's own and the client takes it; whether it did.

        Uvicorn sends the head before it knows of a body: two pieces, for each of which the client's side wakes.
        """
        cycle = self.cycle
        if getattr(send, "__self__", None) is not cycle or cycle.response_started or cycle.disconnected:
            return False
        if self.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        if CLOSE in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
        if not head.count(b"\r") == head.count(b"\n") == len(lines) + 2:
            raise ValueError("A header holds the end of a line.")
        cycle.response_started = cycle.response_complete = True
        self.transport.write(head + body)
        cycle.message_event.set()
        if not cycle.keep_alive and not self._in_body:
            self.transport.close()
        cycle.on_response()
        return True

    def on_ending(self, call: Callable[[], object] | None) -> None:
        """Have it called once the process is to end, or at once when it is; None: nothing any more."""
        self._at_end = call
        if call is not None and self._ending:
            call()

    def abort(self) -> None:
        """Break it off: what the client has not taken is forgotten."""
        self.transport.abort()


async def answer(scope: Scope, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer a request. `headers`: in lower case, with the body's length."""
    connection: Connection | None = scope.get("state", {}).get("connection")
    if connection is None or not connection.answer(send, status, headers, body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def whole_body(receive: Receive) -> bytes | None:
    """A request's body, if all of it has come and `receive` is uvicorn's own, which does not give it again then."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.more_body or not cycle.message_event.is_set():
        return None
    if cycle.disconnected or cycle.response_complete:
        return None
    body, cycle.body = bytes(cycle.body), bytearray()
    cycle.message_event.clear()
    return body
