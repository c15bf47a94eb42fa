"""What a request costs beside the floor: the same answers, written by hand, measured in the same run; and, where there
is a Node, beside the fastest GraphQL server on it.

TICKETS (20000) says how many there are, ROUNDS (9) how often each side is measured, ONLY (all) what is measured anew,
as in "Q1,M1", DATABASE_URL a database to use in place of one of this run's own; what it lacks is made in it.
"""

import asyncio
import datetime as dt
import os
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from bench import cpu, node, report  # noqa: E402 # the path to it was just made
from bench.operations import M1, M2, Q1, Q2, Q3, Q4, TITLES  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above

from domain import access, sessions  # noqa: E402 # as above
from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above
from infra.settings import load  # noqa: E402 # as above

TICKETS, ROUNDS = int(os.environ.get("TICKETS", "20000")), int(os.environ.get("ROUNDS", "9"))
ONLY = os.environ.get("ONLY", ",".join(TITLES)).split(",")
STATUSES = ("OPEN", "PENDING", "ON_HOLD", "RESOLVED", "CLOSED")
AGENT, DIRECTOR = "agent@example.com", "director@example.com"
REQUESTS = {"Q1": 600, "Q2": 150, "Q3": 60, "Q4": 20, "M1": 100, "M2": 100}  # in a round
DAY = dt.timedelta(days=1)
TODAY = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
CUSTOMERS = 200  # who submit and comment: each may 60 times an hour
# What a submission may write.
TABLES = (
    "tickets", "ticket_words", "comments", "events", "event_texts", "messages", "jobs", "attempts", "notifications",
    "attachments", "sessions",
)  # fmt: skip

say = Console(stderr=True).print
Request = tuple[str, str]  # a token and a body


@dataclass
class Side:
    """Deskwire, the floor, or a peer, as it runs."""

    name: str
    port: int
    pid: int
    applications: str  # how the names of its connections begin
    operations: tuple[str, ...] = tuple(TITLES)  # that it knows


class Load:
    """The process that sends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def send(self, side: Side, requests: list[Request], *, at_once: int, keep: bool = False) -> list[Any]:
        """Seconds of each request, or its answer."""
        assert self.process.stdin
        assert self.process.stdout
        asked = {"port": side.port, "at_once": at_once, "keep": keep, "requests": requests}
        self.process.stdin.write(orjson.dumps(asked) + b"\n")
        self.process.stdin.flush()
        answer: list[Any] = orjson.loads(self.process.stdout.readline())
        return answer


class Asked:
    """Makes requests: by luck, but the same for both sides."""

    def __init__(
        self, tokens: dict[str, str], ids: list[str], categories: list[str], own: list[tuple[str, str]]
    ) -> None:
        """`own`: open tickets, each with its requester's token."""
        self.agent, self.director, *self.customers = tokens
        self.ids, self.categories, self.own = ids, categories, own

    def requests(self, operation: str, count: int, seed: int) -> list[Request]:
        """As many, the same for the same seed."""
        luck = random.Random(seed)
        return [self._request(operation, luck) for _ in range(count)]

    def _request(self, operation: str, luck: random.Random) -> Request:
        if operation == "Q1":
            return self.agent, body(Q1, id=luck.choice(self.ids))
        if operation in {"Q2", "Q3"}:
            return self.agent, body({"Q2": Q2, "Q3": Q3}[operation], statuses=[luck.choice(STATUSES)])
        if operation == "Q4":  # months of the past, which nothing that is measured changes
            last = TODAY - luck.randrange(60, 600) * DAY
            return self.director, body(Q4, **{"from": (last - 30 * DAY).isoformat(), "to": last.isoformat()})
        if operation == "M1":
            token, ticket_id = luck.choice(self.own)
            return token, body(M1, input={"ticketId": ticket_id, "body": f"It **burns** {luck.random()}.\n\nAgain."})
        said = {"subject": f"Printer {luck.random()}", "body": "It **burns**.\n\nAgain.", "categoryId": ""}
        return luck.choice(self.customers), body(M2, input=said | {"categoryId": luck.choice(self.categories)})


def body(query: str, **variables: Any) -> str:
    """The body of a request."""
    return orjson.dumps({"query": query, "variables": variables}).decode()


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment | {"PORT": str(port)})
    try:
        for _ in range(1200):  # a busy machine takes its time
            assert process.poll() is None
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                process.poll()
                asyncio.run(asyncio.sleep(0.05))
            else:
                break
        yield process
    finally:
        process.terminate()
        process.wait()


def furnish(stack: ExitStack, folder: Path, url: str) -> None:
    """Put what a desk needs to be measured into the environment, and its demo's data into the database."""
    os.environ |= {
        "DESKWIRE_EMBEDDED": "1",
        "DATABASE_URL": url,
        "REDIS_URL": stack.enter_context(embedded.valkey(folder)),
        "SECRET_KEY": "a key for measuring, long enough",
        "DATA_DIR": str(folder / "data"),
        "LOG_LEVEL": "ERROR",
        "MAX_OPERATIONS_PER_SECOND": "1000000",  # a few people stand for all of them
        "ACCESS_TOKEN_SECONDS": "36000",
        "PUBLIC_URL": "http://127.0.0.1",
    }
    for step in ("migrate", "seed"):
        subprocess.run([sys.executable, "desk.py", step], cwd=ROOT, check=True)


def main() -> None:
    """Make the data, start both, check that they answer the same, measure, tell."""
    with ExitStack() as stack:
        folder = stack.enter_context(embedded.scratch())
        url = os.environ.get("DATABASE_URL") or stack.enter_context(embedded.postgres(folder, durable=False))
        furnish(stack, folder, url)
        tokens, asked = asyncio.run(prepared(url))
        (folder / "floor.json").write_bytes(orjson.dumps({"url": url, "tokens": tokens, "statuses": STATUSES}))
        given = dict(os.environ) | {"FLOOR": str(folder / "floor.json")}
        load_generator = [sys.executable, "benchmarks/bench/load.py"]
        sender = stack.enter_context(
            subprocess.Popen(load_generator, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        ours_port, floor_port = embedded.free_port(), embedded.free_port()
        ours = stack.enter_context(running([sys.executable, "desk.py", "serve"], given, ours_port))
        floor = stack.enter_context(running([sys.executable, "benchmarks/bench/floor.py"], given, floor_port))
        sides = [Side("ours", ours_port, ours.pid, "deskwire"), Side("floor", floor_port, floor.pid, "floor")]
        if node.installed():
            port = embedded.free_port()
            peer = stack.enter_context(running(["node", "benchmarks/node/queries.mjs"], given | node.SETTINGS, port))
            sides.append(Side("node", port, peer.pid, "node", ("Q1", "Q2", "Q3")))
        rows = asyncio.run(measured(url, Load(sender), sides, asked))
        report.tell(rows, TICKETS)
        if sender.stdin:
            sender.stdin.close()


async def prepared(url: str) -> tuple[dict[str, str], Asked]:
    """The data, and whose tokens the requests come with."""
    from domain import demo_large

    await demo_large.seed(url, TICKETS)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE sla_policies SET active = false")  # the floor counts no working time
    await connection.execute("UPDATE people SET changed_at = now() - interval '1 day'")  # who is new is looked up anew
    await connection.execute("VACUUM ANALYZE")
    agent, director = [
        await connection.fetchval("SELECT id FROM people WHERE email = $1", email) for email in (AGENT, DIRECTOR)
    ]
    ids = await connection.fetch(
        "SELECT id FROM tickets WHERE department_id = ANY(ARRAY(SELECT department_id FROM memberships"
        " WHERE person_id = $1)) ORDER BY md5(id::text) LIMIT 2000",
        agent,
    )
    categories = await connection.fetch("SELECT id FROM categories WHERE NOT is_other AND archived_at IS NULL")
    # One of each customer's, so that nobody comes too often, or waits for another comment.
    own = await connection.fetch(
        "SELECT DISTINCT ON (requester_id) t.id, requester_id FROM tickets t JOIN people ON people.id = requester_id"
        " WHERE email LIKE 'customer%@large.example.com' AND status = 'OPEN' AND waiting_since IS NOT NULL"
        " ORDER BY requester_id, t.id LIMIT $1",
        CUSTOMERS,
    )
    await connection.close()
    async with Desk.open(load()) as desk:
        tokens = {}
        for person in (agent, director, *(row["requester_id"] for row in own)):
            async with desk.writes.begin() as unit:
                opened = await sessions.open_for(desk, unit, UUID(str(person)))
            assert opened.viewer.role is not access.NOBODY.role
            tokens[opened.access_token] = str(person)
    token_of = {person: token for token, person in tokens.items()}
    return tokens, Asked(
        tokens,
        [f"tkt_{row['id']}" for row in ids],
        [f"cat_{row['id']}" for row in categories],
        [(token_of[str(row["requester_id"])], f"tkt_{row['id']}") for row in own],
    )


async def measured(url: str, sender: Load, sides: list[Side], asked: Asked) -> list[dict[str, Any]]:
    """The rows of the report."""
    connection = await asyncpg.connect(url)
    await same(connection, sender, sides, asked)
    rows = []
    for operation in ONLY:
        knowing = [side for side in sides if operation in side.operations]
        for at_once in (1, 16):
            costs: dict[str, list[report.Cost]] = {side.name: [] for side in knowing}
            for number in range(ROUNDS):
                # Who goes first alternates, so that what one leaves behind falls on all.
                for side in knowing if number % 2 else reversed(knowing):
                    requests = asked.requests(operation, REQUESTS[operation] * (2 if at_once > 1 else 1), number)
                    costs[side.name].append(await one_round(connection, sender, side, requests, at_once))
            rows.append(report.row(operation, at_once, costs))
            say(f"{operation}, {at_once} at once: measured")
    await connection.close()
    return rows


async def one_round(
    connection: asyncpg.Connection, sender: Load, side: Side, requests: list[Request], at_once: int
) -> report.Cost:
    """One side, once. Warmed up first, so that its connections are open."""
    await connection.execute("DELETE FROM attempts")  # nobody is told to wait here
    sender.send(side, requests[: 4 * at_once], at_once=at_once)
    before = cpu.used([side.pid]), cpu.used(await cpu.backends(connection, side.applications))
    seconds = sender.send(side, requests, at_once=at_once)
    server = cpu.used([side.pid]) - before[0]
    # Those that were opened meanwhile count as well.
    database = cpu.used(await cpu.backends(connection, side.applications)) - before[1]
    return report.Cost(server / len(requests), database / len(requests), seconds)


async def same(connection: asyncpg.Connection, sender: Load, sides: list[Side], asked: Asked) -> None:
    """All answer alike and write alike, or nothing is measured."""
    for operation, count in (("Q1", 200), ("Q2", 20), ("Q3", 20), ("Q4", 10)):
        if operation not in ONLY:
            continue
        requests = asked.requests(operation, count, 1)
        found = [
            [orjson.loads(answer)["data"] for answer in sender.send(side, requests, at_once=1, keep=True)]
            for side in sides
            if operation in side.operations
        ]
        assert all(each == found[0] for each in found), found
        assert all(next(iter(data.values())) for data in found[0])
    for operation, field, jobs in (("M1", "addComment", 1), ("M2", "submitTicket", 2)):
        written = [
            await what_is_written(connection, sender, side, asked.requests(operation, 1, 1), field)
            for side in sides
            if operation in side.operations
        ]
        assert written[0] == written[1], written
        assert written[0][1]["jobs"] == jobs


async def what_is_written(
    connection: asyncpg.Connection, sender: Load, side: Side, requests: list[Request], field: str
) -> tuple[Any, ...]:
    """What a mutation answers, how many rows it writes in each table, and what of them does not vary."""
    await connection.execute("DELETE FROM attempts")
    before = await counts(connection)
    (answer,) = sender.send(side, requests, at_once=1, keep=True)
    after = await counts(connection)
    found = orjson.loads(answer)["data"][field]
    found.get("comment", {}).pop("id", None)
    found.get("comment", {}).pop("createdAt", None)
    ticket = found["ticket"]
    rows = await history_of(connection, UUID(ticket["id"][4:]))
    if field == "addComment":  # the other side has commented before
        rows, found["ticket"] = [rows[0]["subject"], rows[-1]["kind"], sorted(rows[-1])], None
    else:
        del ticket["id"], ticket["number"]
    return found, {table: after[table] - before[table] for table in TABLES}, rows


async def counts(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows each table has."""
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}  # our own names


VARYING = (
    "'id', 'number', 'ticket_id', 'event_id', 'created_at', 'updated_at', 'public_updated_at', 'waiting_since', 'at',"
    "'timer_at'"
)


async def history_of(connection: asyncpg.Connection, ticket_id: UUID) -> list[Any]:
    """What was written of a ticket, without what differs from one to the next."""
    found = []
    for table, column in (("tickets", "id"), ("events", "ticket_id")):
        rows = await connection.fetch(
            f"SELECT to_jsonb(t) - ARRAY[{VARYING}] #- '{{data,message_id}}' AS row FROM {table} t"  # our own names
            f" WHERE {column} = $1 ORDER BY to_jsonb(t) -> 'seq'",
            ticket_id,
        )
        found += [orjson.loads(row["row"]) for row in rows]
    return found


if __name__ == "__main__":
    main()
