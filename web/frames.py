"""WebSockets, as uvicorn has them: of what comes in no more is heard than is wanted, and what goes out is whole."""

from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from web.connections import FAREWELL_SECONDS

NO_HANDSHAKE: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
PIECE_BYTES: Final = 512
NO_TEXT: Final = 1007  # the code that closes a socket for it
SILENT: Final = 4408, "The client does not answer. Connect again."


class Socket(WebSocketsSansIOProtocol):
    """One client's WebSocket. Of what floods it, next to nothing is read."""

    _most = 0  # messages and control frames that are heard in a second; 0: as many as come
    _second, _heard, _deaf = 0.0, 0, False
    _at_flood: Callable[[], object] | None = None

    def limit(self, most: int, at_flood: Callable[[], object]) -> None:
        """Hear so many messages and control frames a second. One more is the last: `at_flood` is called, to close."""
        self._most, self._at_flood = most, at_flood

    def data_received(self, data: bytes) -> None:
        """Uvicorn's: the client has sent this. It's read in pieces, as all frames of one are before any is counted."""
        for start in range(0, len(data), PIECE_BYTES):
            if self._deaf:
                return
            super().data_received(data[start : start + PIECE_BYTES])

    def handle_events(self) -> None:
        """Uvicorn's: frames have come."""
        now = self.loop.time()
        if now - self._second >= 1:
            self._second, self._heard = now, 0
        self._heard += len(self.conn.events)
        super().handle_events()
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse()
        elif self._heard > self._most > 0 and self._at_flood is not None:
            self._deaf = True
            self._at_flood()
            self.loop.call_later(FAREWELL_SECONDS, self.transport.close)

    def _refuse(self) -> None:
        """Close what never becomes a socket, and say why: uvicorn would keep it open for ever, without a word."""
        self._deaf = self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()) or NO_HANDSHAKE)
        self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Uvicorn's: a client wants one."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"]["connection"] = self

    async def send(self, message: Any) -> None:
        """Uvicorn's: the application says this. What is answered in place of a socket uvicorn would take for nothing at
        all, and tell the operator.
        """
        await super().send(message)
        self.handshake_complete |= message["type"] == "websocket.http.response.body"

    def send_receive_event_to_app(self) -> None:
        """Uvicorn's: a message is whole. Of a text that is none it would tell the operator, with a traceback."""
        self.frames = [b"".join(self.frames)]
        if self.curr_msg_data_type == "text" and not is_utf8(self.frames[0]) and not self.close_sent:
            self.conn.send_close(NO_TEXT)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def start_keepalive(self) -> None:
        """Uvicorn's: the handshake is over. What was said in it would take memory as long as the socket is open."""
        super().start_keepalive()
        del self.request, self.response

    def keepalive_timeout(self) -> None:
        """Uvicorn's: the client's network or machine has rested for long. It reads why once it is awake; of uvicorn's
        1011 clients believe that they need not come again.
        """
        self.pong_timer = self.pending_ping_payload = None
        if not self.close_sent and not self.transport.is_closing():
            self.conn.fail(*SILENT)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()

    def write(self, frame: bytes) -> bool:
        """Send a whole frame, if the client takes it at once; whether it does."""
        if not self.writable.is_set() or self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True

    async def taking(self) -> bool:
        """Wait until the client takes more; False when it never will."""
        await self.writable.wait()
        return not (self.disconnected or self.close_sent or self.transport.is_closing())


def is_utf8(data: bytes) -> bool:
    """Whether it is text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_frame(payload: bytes) -> bytes:
    """A WebSocket frame that holds a whole text message, as servers send it."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)
