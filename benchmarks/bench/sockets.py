"""Very many WebSocket clients in one process, which do no more than count what they are sent."""

import asyncio
import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import orjson

SHORT, MIDDLE = 126, 127  # sizes that say how many bytes hold the real one (RFC 6455, section 5.2)
TEXT, PING, PONG = 1, 9, 10  # kinds of frames (as above)


class Counter(asyncio.Protocol):
    """One client: calls `heard` for each message that it is sent, and answers pings."""

    def __init__(self, request: bytes, frames: list[bytes], heard: Callable[[], None]) -> None:
        """`request`: opens the socket. `frames`: are sent once it is open."""
        self._request, self._frames, self._heard = request, frames, heard
        self._buffer, self._open = b"", False
        self.size = 0  # of the last message, in bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a socket."""
        self.transport = transport
        transport.write(self._request)  # type: ignore[attr-defined] # it can be written to

    def data_received(self, data: bytes) -> None:
        """Count the whole messages in there."""
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._open, self._buffer = True, rest
            for frame in self._frames:
                self.transport.write(frame)  # type: ignore[attr-defined] # as above
        place, size = 0, len(self._buffer)
        while size - place >= 2:
            length, start = self._buffer[place + 1], place + 2
            if length == SHORT:
                length, start = int.from_bytes(self._buffer[start : start + 2]), start + 2
            elif length == MIDDLE:
                length, start = int.from_bytes(self._buffer[start : start + 8]), start + 8
            if start + length > size:
                break
            if self._buffer[place] & 0x0F == PING:
                self.transport.write(sealed(PONG, self._buffer[start : start + length]))  # type: ignore[attr-defined] # as above
            else:
                self.size = length
                self._heard()
            place = start + length
        self._buffer = self._buffer[place:]


def allow_many() -> None:
    """Let this process, and those that it starts, have as many sockets open as the machine allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def masked(message: object) -> bytes:
    """A client's frame with a JSON message."""
    return sealed(TEXT, orjson.dumps(message))


def sealed(kind: int, content: bytes) -> bytes:
    """A client's frame, of at most 65,535 bytes."""
    mask = os.urandom(4)
    hidden = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
    size, first = len(content), 0x80 | kind
    head = bytes([first, 0x80 | size]) if size < SHORT else bytes([first, 0x80 | SHORT]) + size.to_bytes(2)
    return head + mask + hidden


class Crowd:
    """Clients of one server, and when the first and the last of them heard of something."""

    def __init__(self) -> None:
        self.clients: list[Counter] = []
        self.times: defaultdict[int, list[float]] = defaultdict(list)  # when each heard of something, by its number
        self._left, self._first, self._last = 0, 0.0, 0.0
        self._all = asyncio.Event()

    def _heard(self, number: int) -> None:
        self._last = time.monotonic()
        self.times[number].append(self._last)
        self._first = self._first or self._last
        self._left -= 1
        if self._left == 0:
            self._all.set()

    def expect(self, count: int) -> None:
        """So many messages are to come, to all together."""
        self._left, self._first = count, 0.0
        self._all.clear()

    async def heard(self) -> tuple[float, float]:
        """When the first and the last of them came."""
        async with asyncio.timeout(60):
            await self._all.wait()
        return self._first, self._last

    async def connect(self, port: int, count: int, frames: Callable[[int], list[bytes]]) -> None:
        """Open so many sockets, and send on each what is given for its number."""
        request = (
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        ).encode()
        loop = asyncio.get_running_loop()
        for number in range(count):
            made = Counter(request, frames(number), partial(self._heard, number))
            await loop.create_connection(lambda made=made: made, "127.0.0.1", port)  # type: ignore[misc] # mypy can't tell a lambda's default
            self.clients.append(made)

    async def close(self) -> None:
        """Close all sockets."""
        for client in self.clients:
            client.transport.close()
        await asyncio.sleep(0.5)
