"""What others notice of one who floods: how long their queries take, alone and beside each kind of flood.

A whole desk is started as it is configured by itself. Ten agents ask for a ticket or a page of tickets, RATE (50)
times a second in all; beside them one person, in a process of their own, does for SECONDS (10) what they can to be in
the way, from as many connections as they like. The others' p99 meanwhile is put beside that of the time before.
"""

import asyncio
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]


from bench import live  # noqa: E402 # the path to it was just made
from bench.operations import Q1, Q2, Q3  # noqa: E402 # as above
from bench.report import share  # noqa: E402 # as above
from bench.running import agents, running, settings_of  # noqa: E402 # as above
from bench.sockets import Crowd, masked  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above

from domain import demo_large  # noqa: E402 # as above
from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above

RATE, SECONDS, TICKETS = int(os.environ.get("RATE", "50")), int(os.environ.get("SECONDS", "10")), 5000
OTHERS, SOCKETS, CONNECTIONS = 10, 90, 64
GOAL = 2
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


async def floods(kind: str, port: int, token: str, ticket: str) -> None:
    """The process of the one who floods; prints how often they did."""
    enemy = Enemy(port, token, ticket)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await KINDS[kind](enemy)
    sys.stdout.write(f"{enemy.done}\n")


async def asked(port: int, tokens: list[str], ids: list[UUID]) -> list[float]:
    """Seconds of each query of the others, from when it was due."""
    found: list[float] = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:

        async def one(number: int, due: float) -> None:
            query, given = (Q1, {"id": f"tkt_{random.choice(ids)}"}) if number % 2 else (Q2, {"statuses": ["OPEN"]})
            answer = await http.post(
                "/graphql",
                content=orjson.dumps({"query": query, "variables": given}),
                headers={"authorization": f"Bearer {tokens[number % OTHERS]}", "content-type": "application/json"},
            )
            assert answer.status_code == 200 and b'"errors"' not in answer.content, answer.content  # noqa: PT018 # one thing
            found.append(time.perf_counter() - due)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(RATE * (SECONDS - 2)):
                await asyncio.sleep(max(0, began + number / RATE - time.perf_counter()))
                tasks.create_task(one(number, time.perf_counter()))
    return found


async def measured(port: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Each kind: what others noticed before and meanwhile."""
    desk = await Desk.open(settings_of(port, folder))
    await demo_large.seed(desk.settings.database_url, TICKETS, figures=False)
    connection = await asyncpg.connect(desk.settings.database_url)
    await connection.execute(
        "UPDATE tickets SET department_id = (SELECT id FROM departments WHERE name = 'Technical Support')"
    )
    ids = [UUID(str(row["id"])) for row in await connection.fetch("SELECT id FROM tickets")]
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    *tokens, enemy = await agents(desk, OTHERS + 1)
    await desk.close()
    await asked(port, tokens, ids)  # warms up
    found = {}
    for kind in KINDS:
        before = await asked(port, tokens, ids)
        arguments = [sys.executable, __file__, kind, str(port), enemy, f"tkt_{ids[0]}"]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
        await asyncio.sleep(1.5)  # it has to start
        meanwhile = await asked(port, tokens, ids)
        said, _ = await process.communicate()
        assert process.returncode == 0
        found[kind] = {"done": int(said), "before": [share(before, each) for each in (50, 99)]}
        found[kind]["meanwhile"] = [share(meanwhile, each) for each in (50, 99)]
        say(f"{kind}: {found[kind]}")
        await asyncio.sleep(3)
    return found


say = Console(stderr=True).print


def main() -> None:
    """Start a desk, ask, flood, tell."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place).resolve() / "data", embedded.free_port()
        with running(folder, port, limited=True), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(measured(port, folder))
    rows = []
    for kind, each in found.items():
        (_, before), (middle, slowest) = each["before"], each["meanwhile"]
        ratio = slowest / before
        times = (f"{seconds * 1000:.1f}" for seconds in (middle, slowest, before))
        rows.append([kind, f"{each['done'] / SECONDS:,.0f}", *times, f"{ratio:.1f}{' !' * (ratio > GOAL)}"])
    columns = ("one person floods with", "a second", "others' p50, ms", "their p99, ms", "without it, ms", "ratio")
    live.tell("hostile", columns, rows, found)


if __name__ == "__main__":
    most_open = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_open, most_open))
    if sys.argv[1:]:
        uvloop.run(floods(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    else:
        main()
