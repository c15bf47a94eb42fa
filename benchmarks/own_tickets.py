"""5,000 sockets, each on a ticket of its own, while 500 events a second happen; and 2,000 that come back at once.

A whole desk is started with the load beside it. Each event is a transaction of its own, made by a third process, and
what is measured is the time from its commit to its frame. Then sockets are cut and come back while queries are asked,
whose time is measured before and meanwhile. SOCKETS (5000), RATE (500) events a second, SECONDS (20), COME_BACK (2000).
"""

import asyncio
import bisect
import os
import random
import sys
import tempfile
import time
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
from bench.operations import Q1  # noqa: E402 # the path to it was just made
from bench.report import share  # noqa: E402 # as above
from bench.running import agents, ask, resident, running, serving, settings_of  # noqa: E402 # as above
from bench.sockets import Crowd, allow_many, masked  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above
from sqlalchemy import Select, select  # noqa: E402 # as above

from domain import demo_large, history  # noqa: E402 # as above
from domain.happenings import TagsChanged  # noqa: E402 # as above
from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above
from models import Ticket  # noqa: E402 # as above

SOCKETS, COME_BACK = int(os.environ.get("SOCKETS", "5000")), int(os.environ.get("COME_BACK", "2000"))
RATE, SECONDS = int(os.environ.get("RATE", "500")), int(os.environ.get("SECONDS", "20"))
AGENTS, AT_ONCE, SETTLES = 50, 32, 6
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { id number subject status tags lastSeq assignee { name } } }"

say = Console(stderr=True).print


def one(ticket_id: Any) -> Select[Ticket]:
    """A ticket, whoever asks."""
    return select(Ticket).where(Ticket.id == ticket_id)


def frames(token: str, ticket: UUID) -> list[bytes]:
    """What a client sends that watches a ticket."""
    payload = {"query": WATCH, "variables": {"id": f"tkt_{ticket}"}}
    return [
        masked({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}),
        masked({"type": "subscribe", "id": "1", "payload": payload}),
    ]


async def happens(desk: Desk, ticket_id: UUID, tag: str) -> tuple[float, float]:
    """Something happens to a ticket. When that began, and when it was committed."""
    began = time.monotonic()
    async with desk.writes.begin() as unit:
        ticket = await unit.lock(one, ticket_id)
        assert ticket is not None
        unit.change(ticket, tags=[tag])
        history.record(unit, None, ticket, TagsChanged([tag], ticket.tags))
    return began, time.monotonic()


async def events(port: int, folder: Path, tickets: list[str]) -> None:
    """The process that makes events, each ticket's as far from one another as can be; prints when each happened."""
    async with Desk.open(settings_of(port, folder)) as desk:
        slots, happened = asyncio.Semaphore(AT_ONCE), list[tuple[int, float, float]]()

        async def event(number: int, tag: str) -> None:
            async with slots:
                happened.append((number, *await happens(desk, UUID(tickets[number]), tag)))

        start = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for place in range(RATE * SECONDS):
                await asyncio.sleep(max(0, start + place / RATE - time.monotonic()))
                tasks.create_task(event(place % len(tickets), f"t{place}"))
    sys.stdout.buffer.write(orjson.dumps(happened))


async def delays(port: int, folder: Path, crowd: Crowd, tickets: list[UUID]) -> tuple[list[float], float]:
    """Seconds from each commit to its frame, and how many events happened in a second."""
    arguments = [sys.executable, __file__, str(port), str(folder)]
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(orjson.dumps(tickets))
    happened: list[tuple[int, float, float]] = orjson.loads(said)
    await asyncio.sleep(SETTLES)
    found, lost = [], 0
    for number, began, committed in happened:
        times = crowd.times[number]
        # It may be heard of before whoever made it knows that it is committed.
        place = bisect.bisect(times, began)
        if place == len(times):
            lost += 1
        else:
            found.append(max(0.0, times[place] - committed))
    if lost:
        say(f"{lost} of {len(happened)} were not heard of within {SETTLES} s")
    return found, len(happened) / (happened[-1][2] - happened[0][1])


async def asked(http: httpx.AsyncClient, token: str, ids: list[UUID], until: asyncio.Event) -> list[float]:
    """Seconds of each query, asked one after the other until something has happened."""
    found = []
    while not until.is_set():
        began = time.monotonic()
        await ask(http, token, Q1, {"id": f"tkt_{random.choice(ids)}"})
        found.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    return found


async def come_back(http: httpx.AsyncClient, port: int, tokens: list[str], tickets: list[UUID]) -> dict[str, float]:
    """Sockets are cut and come back at once, each with what it watches."""
    over = asyncio.Event()
    asking = asyncio.create_task(asked(http, tokens[0], tickets, over))
    await asyncio.sleep(5)
    over.set()
    before = await asking
    over.clear()
    crowd = Crowd()
    crowd.expect(2 * COME_BACK)  # the acknowledgement and the first state
    asking = asyncio.create_task(asked(http, tokens[0], tickets, over))
    began = time.monotonic()
    await crowd.connect(port, COME_BACK, lambda number: frames(tokens[number % AGENTS], tickets[number]))
    await crowd.heard()
    took = time.monotonic() - began
    over.set()
    meanwhile = await asking
    await crowd.close()
    return {"back": took, "before": share(before, 99), "meanwhile": share(meanwhile, 99), "asked": len(meanwhile)}


async def measured(port: int, folder: Path) -> tuple[list[float], float, float, dict[str, float]]:
    """Delays, events a second, KB of each socket, and how it was to come back."""
    async with Desk.open(settings_of(port, folder)) as desk:
        await demo_large.seed(desk.settings.database_url, SOCKETS + 1000, figures=False)
        connection = await asyncpg.connect(desk.settings.database_url)
        rows = await connection.fetch(
            "SELECT t.id FROM tickets t JOIN departments d ON d.id = t.department_id WHERE d.name = 'Technical Support'"
        )
        if len(rows) < SOCKETS:  # the large demo has departments of its own
            await connection.execute(
                "UPDATE tickets SET department_id = (SELECT id FROM departments WHERE name = 'Technical Support')"
            )
            rows = await connection.fetch("SELECT id FROM tickets")
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        tickets = [UUID(str(row["id"])) for row in rows[:SOCKETS]]
        tokens = await agents(desk, AGENTS)
        pid = serving(port)
        before = resident(pid)
        crowd = Crowd()
        crowd.expect(2 * SOCKETS)
        await crowd.connect(port, SOCKETS, lambda number: frames(tokens[number % AGENTS], tickets[number]))
        await crowd.heard()
        after = resident(pid)
        say(f"{SOCKETS:,} sockets are open")
        found, rate = await delays(port, folder, crowd, tickets)
        await crowd.close()
        await asyncio.sleep(2)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            back = await come_back(http, port, tokens, tickets)
    return found, rate, (after - before) / SOCKETS / 1024, back


def main() -> None:
    """Start a desk, open sockets, make events, cut, come back, tell."""
    allow_many()
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place).resolve() / "data", embedded.free_port()
        with running(folder, port), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found, rate, memory, back = runner.run(measured(port, folder))
    told = {percent: share(found, percent) for percent in (50, 95, 99, 100)}
    rows = [
        ["sockets", f"{SOCKETS:,}"],
        ["events a second", f"{rate:,.0f}"],
        *([f"commit to frame, p{percent}", f"{seconds * 1000:,.0f} ms"] for percent, seconds in told.items()),
        ["memory of a socket", f"{memory:,.0f} KB"],
        [f"{COME_BACK:,} come back within", f"{back['back']:.1f} s"],
        ["a query's p99 before", f"{back['before'] * 1000:,.0f} ms"],
        [f"a query's p99 meanwhile ({back['asked']:,} asked)", f"{back['meanwhile'] * 1000:,.0f} ms"],
    ]
    live.tell("own_tickets", ("what", "measured"), rows, {"told": told, "rate": rate, "memory": memory} | back)


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(events(int(sys.argv[1]), Path(sys.argv[2]), orjson.loads(sys.stdin.read())))
    else:
        main()
