"""200 comments a second, with all that follows from them: notifications, mails, the clock. Does a backlog grow?

A whole desk (API, worker, PostgreSQL, Valkey, mail) is started with the load beside it, and each second it's counted
what is owed. RATE (200) says how many comments come in a second, SECONDS (60) for how long.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bench import cpu, load, report  # noqa: E402 # the path to it was just made
from bench.operations import M1, M2  # noqa: E402 # as above
from bench.running import ask, running, settings_of  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above
from rich.table import Table  # noqa: E402 # as above

from domain import people, sessions  # noqa: E402 # as above
from domain.people import Newcomer  # noqa: E402 # as above
from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above
from infra.settings import Settings  # noqa: E402 # as above
from models import Role  # noqa: E402 # as above

RATE, SECONDS = int(os.environ.get("RATE", "200")), int(os.environ.get("SECONDS", "60"))
CONNECTIONS = 32
EACH = 50  # comments of one customer: 60 an hour are allowed
SETTLES = 120  # seconds, at most, for what is owed at the end
OWED = """SELECT (SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')) AS jobs,
    (SELECT count(*) FROM messages WHERE status = 'QUEUED') AS mails,
    (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 FROM messages WHERE status = 'QUEUED')
        AS oldest"""

say = Console(stderr=True).print


@dataclass
class Customer:
    """Somebody who writes on a ticket of theirs."""

    token: str
    ticket: str = ""


async def prepared(desk: Desk, http: httpx.AsyncClient) -> list[Customer]:
    """As many customers as may write so much, each with a ticket that an agent has."""
    found = []
    agent = await desk_agent(desk)
    category = await category_of(http)
    for number in range(RATE * SECONDS // EACH + 1):
        async with desk.writes.begin() as unit:
            address = f"load{number}@example.com"
            person = await people.add(unit, Newcomer(f"Load {number}", address, Role.CUSTOMER, [], None, invite=False))
        async with desk.writes.begin() as unit:
            opened = await sessions.open_for(desk, unit, person)
        customer = Customer(opened.access_token)
        said = {"subject": f"Load {number}", "body": "It **burns**.", "categoryId": category}
        answer = await ask(http, customer.token, M2, {"input": said})
        customer.ticket = answer["submitTicket"]["ticket"]["id"]
        found.append(customer)
    connection = await asyncpg.connect(desk.settings.database_url)
    await connection.execute("UPDATE tickets SET assignee_id = $1 WHERE subject LIKE 'Load %'", agent)
    # Whoever came within the last minute is looked up again and again; not many would write so much in it.
    await connection.execute("UPDATE people SET changed_at = changed_at - interval '1 hour' WHERE name LIKE 'Load %'")
    await connection.close()
    return found


async def desk_agent(desk: Desk) -> UUID:
    """The demo's agent, whom every comment is told."""
    connection = await asyncpg.connect(desk.settings.database_url)
    found: UUID = await connection.fetchval("SELECT id FROM people WHERE email = 'agent@example.com'")
    await connection.close()
    return found


async def category_of(http: httpx.AsyncClient) -> str:
    """A plain category."""
    answer = await http.post("/graphql", json={"query": "{ categories { nodes { id isOther } } }"})
    return next(str(each["id"]) for each in answer.json()["data"]["categories"]["nodes"] if not each["isOther"])


async def written(port: int, customers: list[Customer], took: list[float]) -> None:
    """Send comments at their times, whether or not those before are answered; how long each took goes into `took`."""
    waiting = set[asyncio.Task[None]]()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    began = time.perf_counter()

    async def one(customer: Customer, due: float) -> None:
        said = {"ticketId": customer.ticket, "body": f"It **burns** at {due:.3f}.\n\nAgain."}
        connection = await free.get()
        body = orjson.dumps({"query": M1, "variables": {"input": said}})
        answer = await load.sent(*connection, port, customer.token, body)
        free.put_nowait(connection)
        assert b"AddCommentSuccess" in answer, answer
        took.append(time.perf_counter() - due)

    for number in range(RATE * SECONDS):
        due = began + number / RATE
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(customers[number % len(customers)], due))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    while not free.empty():
        _, writer = free.get_nowait()
        writer.close()


async def measured(
    settings: Settings, port: int, up: int
) -> tuple[list[dict[str, Any]], list[float], dict[str, float]]:
    """What was owed each second, how long each comment took, and what CPU each part took until all was done.

    `up`: the process of the whole desk.
    """
    async with (
        Desk.open(settings) as desk,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http,
    ):
        customers = await prepared(desk, http)
        connection = await asyncpg.connect(settings.database_url)
        await settled(connection)
        took: list[float] = []
        rows: list[dict[str, Any]] = []
        before, began = cpu.by_part(up), time.perf_counter()
        writing = asyncio.create_task(written(port, customers, took))
        while not writing.done() or (rows[-1]["jobs"] and time.perf_counter() - began < SECONDS + SETTLES):
            rows.append({"second": time.perf_counter() - began} | await owed(connection))
            await asyncio.sleep(1)
        await writing
        after = cpu.by_part(up)
        await connection.close()
    return rows, took, {name: after[name] - before.get(name, 0.0) for name in after}


async def owed(connection: asyncpg.Connection) -> dict[str, Any]:
    """Jobs and mails that wait, and for how many seconds the oldest mail has."""
    (row,) = await connection.fetch(OWED)
    return dict(row)


async def settled(connection: asyncpg.Connection) -> None:
    """Wait until nothing is owed of what was prepared."""
    while (await owed(connection))["jobs"]:  # noqa: ASYNC110 # what it waits for happens in other processes
        await asyncio.sleep(0.5)


def plot(rows: list[dict[str, Any]]) -> str:
    """What was owed over time."""
    width, height, left, top = 900, 320, 70, 60
    last, most = rows[-1]["second"], max(max(row["jobs"], row["mails"]) for row in rows) or 1
    across, up = (width - left - 30) / last, (height - top - 40) / most

    def line(name: str, color: str) -> str:
        points = " ".join(f"{left + row['second'] * across:.1f},{height - 40 - row[name] * up:.1f}" for row in rows)
        return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'

    end = left + SECONDS * across
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {report.FONT}>',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="16" y="26" font-size="16" font-weight="bold">{RATE} comments a second: what is owed</text>',
            '<text x="16" y="46" fill="#1f5fd1">jobs</text><text x="60" y="46" fill="#c2410c">mails</text>',
            f'<text x="16" y="{top + 10}">{most}</text><text x="40" y="{height - 36}">0</text>',
            f'<line x1="{end:.1f}" x2="{end:.1f}" y1="{top}" y2="{height - 40}" stroke="#9ca3af"/>',
            f'<text x="{end - 120:.1f}" y="{height - 16}">last comment, {SECONDS} s</text>',
            line("jobs", "#1f5fd1"),
            line("mails", "#c2410c"),
            "</svg>",
            "",
        ]
    )


def main() -> None:
    """Start a desk, write, count, tell."""
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place).resolve() / "data", embedded.free_port()
        with running(folder, port) as process:
            rows, took, spent = asyncio.run(measured(settings_of(port, folder), port, process.pid))
    during = [row for row in rows if row["second"] < SECONDS]
    half = len(during) // 2
    table = Table("", "first half", "second half", title=f"{RATE} comments a second for {SECONDS} s: what is owed")
    for name, title in (("jobs", "jobs, most"), ("mails", "mails, most"), ("oldest", "oldest mail, s")):
        table.add_row(title, *(f"{max(row[name] for row in part):.1f}" for part in (during[:half], during[half:])))
    Console(width=100).print(table)
    each = Table(*spent, "all", title="CPU for each comment with all that follows, ms")
    spends = [seconds * 1000 / (RATE * SECONDS) for seconds in (*spent.values(), sum(spent.values()))]
    each.add_row(*(f"{spend:.2f}" for spend in spends))
    Console(width=100).print(each)
    done = rows[-1]["second"] - SECONDS
    say(f"answers: p50 {report.share(took, 50) * 1000:.0f} ms, p99 {report.share(took, 99) * 1000:.0f} ms")
    say(f"after the last comment all was done within {max(done, 0):.0f} s")
    (ROOT / "benchmarks" / "comments-under-load.svg").write_text(plot(rows))


if __name__ == "__main__":
    main()
