"""A change of one ticket, told to 1,000 and 5,000 who watch it, beside a bare broadcast of the same bytes.

The floor is a bare ASGI application under the same server with the same settings, which sends a text to all its sockets
in a loop. Both are told to in turn, ROUNDS (30) times each; deliveries a second are counted from the first message that
arrives to the last. SUBSCRIBERS (1000,5000) says how many watch; they are fifty agents, each with sockets of their own.
Where there is a Node, its GraphQL servers tell the same number of a change in their memory.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvloop

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bench import live, node  # noqa: E402 # the path to it was just made
from bench.cpu import used  # noqa: E402 # as above
from bench.operations import M2  # noqa: E402 # the path to it was just made
from bench.report import share  # noqa: E402 # the path to it was just made
from bench.running import agents, ask, resident, running, serving, settings_of  # noqa: E402 # as above
from bench.sockets import Crowd, allow_many, masked  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above

from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above

SUBSCRIBERS = [int(each) for each in os.environ.get("SUBSCRIBERS", "1000,5000").split(",")]
ROUNDS = int(os.environ.get("ROUNDS", "30"))
AGENTS = 50
GOAL, MOST_KB, OVER_NODE = 2 / 3, 30, 2
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { id number subject status priority assignee { name } } }"
MOVE = "mutation M($input: ChangeTicketStatusInput!) { changeTicketStatus(input: $input) { __typename } }"
FLOOR = """import sys
sys.path[:0] = sys.argv[1:3]
import uvicorn
from bench.broadcast import app
from web.serving import OPTIONS
uvicorn.run(app, port=int(sys.argv[3]), lifespan="off", log_level="warning", **OPTIONS)
"""

say = Console(stderr=True).print


@contextmanager
def floor(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The bare broadcast, served."""
    arguments = [sys.executable, "-c", FLOOR, str(ROOT), str(ROOT / "benchmarks"), str(port)]
    process = subprocess.Popen(arguments, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def rounds(crowd: Crowd, trigger: Callable[[], Awaitable[float]]) -> tuple[list[float], list[float]]:
    """Deliveries a second of each round, and seconds from the change's answer to the last message."""
    rates, delays = [], []
    for _ in range(ROUNDS):
        crowd.expect(len(crowd.clients))
        asked = await trigger()
        first, last = await crowd.heard()
        rates.append(len(crowd.clients) / max(last - first, 1e-6))
        delays.append(last - asked)
        await asyncio.sleep(0.05)
    return rates, delays


async def measured(count: int, port: int, floors: int, floor_pid: int, desk: Desk) -> dict[str, Any]:
    """What so many subscribers cost."""
    tokens = await agents(desk, AGENTS)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        categories = (await http.post("/graphql", json={"query": "{ categories { nodes { id name } } }"})).json()
        named = {each["name"]: each["id"] for each in categories["data"]["categories"]["nodes"]}
        said = {"subject": "Watched", "body": "By many.", "categoryId": named["Technical problem"]}
        demo = "mutation S($i: SignInInput!) { signIn(input: $i) { ... on SignInSuccess { session { accessToken } } } }"
        given = {"i": {"email": "customer@example.com", "password": "deskwire-demo"}}
        answer = (await http.post("/graphql", json={"query": demo, "variables": given})).json()
        customer = answer["data"]["signIn"]["session"]["accessToken"]
        ticket = (await ask(http, customer, M2, {"input": said}))["submitTicket"]["ticket"]["id"]

        def frames(number: int) -> list[bytes]:
            token = {"authorization": f"Bearer {tokens[number % AGENTS]}"}
            payload = {"query": WATCH, "variables": {"id": ticket}}
            return [
                masked({"type": "connection_init", "payload": token}),
                masked({"type": "subscribe", "id": "1", "payload": payload}),
            ]

        pid, ours, bare = serving(port), Crowd(), Crowd()
        before = resident(pid)
        ours.expect(2 * count)  # the acknowledgement and the first state
        began = time.monotonic()
        await ours.connect(port, count, frames)
        await ours.heard()
        took, memory = time.monotonic() - began, (resident(pid) - before) / count
        floor_before = resident(floor_pid)
        await bare.connect(floors, count, lambda _: [])
        await asyncio.sleep(1)
        floor_memory = (resident(floor_pid) - floor_before) / count

        states = iter(["ON_HOLD", "OPEN"] * ROUNDS)

        async def move() -> float:
            said = {"ticketId": ticket, "status": next(states)}
            await ask(http, tokens[0], MOVE, {"input": said})
            return time.monotonic()

        text = b" " * ours.clients[0].size

        telling = set[asyncio.Task[Any]]()  # what they send is waited for

        async def tell() -> float:
            asked = time.monotonic()
            telling.add(asyncio.create_task(http.post(f"http://127.0.0.1:{floors}/", content=text)))
            return asked

        idle = used([pid]), used([floor_pid])
        rates, delays = await rounds(ours, move)
        floor_rates, _ = await rounds(bare, tell)
        costs = [(used([each]) - before) / ROUNDS / count for each, before in zip((pid, floor_pid), idle, strict=True)]
        await ours.close()
        await bare.close()
    return {
        "rate": statistics.median(rates[1:]),
        "floor": statistics.median(floor_rates[1:]),
        "cost": costs[0],
        "floor_cost": costs[1],
        "delay": share(delays, 99),
        "memory": memory,
        "floor_memory": floor_memory,
        "connect": took,
    }


async def all_of(port: int, floors: int, floor_pid: int, folder: Path) -> list[tuple[int, dict[str, Any]]]:
    """Each number of subscribers in turn."""
    async with Desk.open(settings_of(port, folder)) as desk:
        found, servers = [], node.SERVERS if node.installed() else ()
        for count in SUBSCRIBERS:
            found.append((count, await measured(count, port, floors, floor_pid, desk)))
            for server in servers:
                found[-1][1][server] = await node.told(server, count, ROUNDS, WATCH)
            say(f"{count}: {found[-1][1]}")
    return found


def main() -> None:
    """Start both, connect, tell, count."""
    allow_many()
    with tempfile.TemporaryDirectory() as place:
        folder, port, floors = Path(place).resolve() / "data", embedded.free_port(), embedded.free_port()
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        with running(folder, port), floor(floors) as bare, runner:
            found = runner.run(all_of(port, floors, bare.pid, folder))
    rows = []
    for count, each in found:
        ratio, memory = each["rate"] / each["floor"], each["memory"] / 1024
        peers = [each.get(server) for server in node.SERVERS]
        over = min((cost for cost, _ in filter(None, peers)), default=0) / each["cost"]
        rows.append(
            [
                *(f"{count:,}", f"{each['rate']:,.0f}", f"{each['floor']:,.0f}", f"{ratio:.2f}{' !' * (ratio < GOAL)}"),
                *(f"{cost * 1e6:.1f}" for cost in (each["cost"], each["floor_cost"])),
                *(f"{peer[0] * 1e6:.1f}" if peer else "" for peer in peers),
                f"{over:.1f}{' !' * (over < OVER_NODE)}" if over else "",
                *(f"{each['delay'] * 1000:.0f}", f"{memory:.0f}{' !' * (memory > MOST_KB)}"),
                *(f"{each['floor_memory'] / 1024:.0f}", f"{each['connect']:.1f}"),
            ]
        )
    columns = (
        *("watchers", "deliveries a second", "bare broadcast", "ratio", "CPU of one, µs", "bare, µs"),
        *(f"{server} on Node, µs" for server in node.SERVERS),
        *("best of Node / ours", "p99 to the last, ms", "KB each", "bare, KB", "all connected, s"),
    )
    live.tell("fan_out", columns, rows, {str(count): each for count, each in found})


if __name__ == "__main__":
    main()
