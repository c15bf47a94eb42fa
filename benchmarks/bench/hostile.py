"""One who floods: a process of its own, which imports little, that says when it begins and how often it did what.

hostile.py KIND PORT TOKEN TICKET SECONDS
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.operations import Q3  # the path to it was just made
from bench.sockets import Crowd, allow_many, masked  # as above

SOCKETS, CONNECTIONS = 90, 64
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { id subject body comments(last: 10) { nodes { body } } } }"


class Enemy:
    """The one who floods."""

    def __init__(self, port: int, token: str, ticket: str) -> None:
        self.port, self.token, self.ticket = port, token, ticket
        self.done = 0

    async def asks(self, body: Callable[[int], dict[str, Any]]) -> None:
        """Queries over many connections, each as soon as the last was answered."""
        head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        head += f"authorization: Bearer {self.token}\r\n"

        async def one() -> None:
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    while True:
                        text = orjson.dumps(body(self.done))
                        writer.write(f"{head}content-length: {len(text)}\r\n\r\n".encode() + text)
                        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                        length = answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                        await reader.readexactly(int(length))
                        self.done += 1

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    async def says(self, frames: Callable[[int], list[bytes]]) -> None:
        """Messages over many sockets; a socket that is closed is opened again."""
        hello = masked({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}})
        while True:
            crowd = Crowd()
            with suppress(OSError):
                await crowd.connect(self.port, SOCKETS, lambda _: [hello])
            while not all(client.transport.is_closing() for client in crowd.clients):  # type: ignore[attr-defined] # transports are
                for client in crowd.clients:
                    for frame in frames(self.done):
                        if not client.transport.is_closing():  # type: ignore[attr-defined] # as above
                            client.transport.write(frame)  # type: ignore[attr-defined] # as above
                            self.done += 1
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.05)

    async def takes_nothing(self) -> None:
        """Watches what is large and lively, and reads none of it."""
        crowd = Crowd()
        hello = masked({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}})
        wish = {"type": "subscribe", "payload": {"query": WATCH, "variables": {"id": self.ticket}}}
        await crowd.connect(
            self.port, SOCKETS, lambda _: [hello, *(masked(wish | {"id": str(each)}) for each in range(90))]
        )
        for client in crowd.clients:
            client.transport.pause_reading()  # type: ignore[attr-defined] # as above
        self.done = len(crowd.clients)
        await asyncio.Event().wait()


def comes_and_goes(number: int) -> list[bytes]:
    """A subscription that is ended again."""
    wish = {
        "type": "subscribe",
        "id": str(number),
        "payload": {"query": "subscription { unreadCountUpdated { count } }"},
    }
    return [masked(wish), masked({"type": "complete", "id": str(number)})]


KINDS: dict[str, Callable[[Enemy], Awaitable[None]]] = {
    "pages of tickets with their comments": lambda enemy: enemy.asks(
        lambda _: {"query": Q3, "variables": {"statuses": ["OPEN"]}}
    ),
    "documents that are all different": lambda enemy: enemy.asks(
        lambda number: {"query": f"{{ viewer {{ person {{ a{number}: name }} }} }}"}
    ),
    "documents that are refused": lambda enemy: enemy.asks(
        lambda number: {"query": f"{{ {' '.join(f'a{each}: nothing{number}' for each in range(100))} }}"}
    ),
    "messages over sockets": lambda enemy: enemy.says(lambda _: [masked({"type": "ping"})] * 20),
    "subscriptions that come and go": lambda enemy: enemy.says(comes_and_goes),
    "sockets that take nothing": lambda enemy: enemy.takes_nothing(),
}


async def floods(kind: str, port: int, token: str, ticket: str, seconds: float) -> None:
    """Flood for so long; prints a line at the beginning, and how often at the end."""
    enemy = Enemy(port, token, ticket)
    sys.stdout.write("begins\n")
    sys.stdout.flush()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await KINDS[kind](enemy)
    sys.stdout.write(f"{enemy.done}\n")


if __name__ == "__main__":
    os.nice(19)  # who floods is on other machines: here they give way to the desk and to who measures it
    allow_many()
    uvloop.run(floods(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5])))
