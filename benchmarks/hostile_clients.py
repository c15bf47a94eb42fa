"""What others notice of one who floods: how long their queries take, alone and beside each kind of flood.

A whole desk is started as it is configured by itself. Ten agents ask for a ticket or a page of tickets, RATE (50)
times a second in all; beside them one person, in a process of their own, does for SECONDS (10) what they can to be in
the way, from as many connections as they like. The others' p99 meanwhile is put beside that of the time before, each
as the median of ROUNDS (3), since four slow answers of four hundred decide it.
"""

import asyncio
import os
import random
import statistics
import subprocess
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
from bench.hostile import KINDS  # noqa: E402 # as above
from bench.operations import Q1, Q2, Q3  # noqa: E402 # as above
from bench.report import share  # noqa: E402 # as above
from bench.running import agents, ask, running, settings_of  # noqa: E402 # as above
from rich.console import Console  # noqa: E402 # as above

from domain import demo_large  # noqa: E402 # as above
from infra import embedded  # noqa: E402 # as above
from infra.desk import Desk  # noqa: E402 # as above

RATE, SECONDS, TICKETS = int(os.environ.get("RATE", "50")), int(os.environ.get("SECONDS", "10")), 5000
ROUNDS = int(os.environ.get("ROUNDS", "3"))
OTHERS, FLOODS = 10, str(ROOT / "benchmarks" / "bench" / "hostile.py")
GOAL = 2


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
    async with Desk.open(settings_of(port, folder)) as desk:
        await demo_large.seed(desk.settings.database_url, TICKETS, figures=False)
        connection = await asyncpg.connect(desk.settings.database_url)
        await connection.execute(
            "UPDATE tickets SET department_id = (SELECT id FROM departments WHERE name = 'Technical Support')"
        )
        ids = [UUID(str(row["id"])) for row in await connection.fetch("SELECT id FROM tickets")]
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        *tokens, enemy = await agents(desk, OTHERS + 1)
    await asked(port, tokens, ids)  # warms up, as does what others have asked for before that the flood asks for
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        await asyncio.gather(*(ask(http, token, Q3, {"statuses": ["OPEN"]}) for token in tokens * 3))
    found = {}
    for kind in KINDS:
        arguments = [kind, str(port), enemy, f"tkt_{ids[0]}", str(SECONDS)]
        rounds = []
        for _ in range(ROUNDS):
            before = await asked(port, tokens, ids)
            process = await asyncio.create_subprocess_exec(sys.executable, FLOODS, *arguments, stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert await process.stdout.readline() == b"begins\n"
            meanwhile = await asked(port, tokens, ids)
            said, _ = await process.communicate()
            assert process.returncode == 0
            rounds.append((int(said), *(share(seconds, each) for seconds in (before, meanwhile) for each in (50, 99))))
            await asyncio.sleep(3)
        done, *times = (statistics.median(each) for each in zip(*rounds, strict=True))
        found[kind] = {"done": done, "before": times[:2], "meanwhile": times[2:]}
        say(f"{kind}: {found[kind]}")
    return found


say = Console(stderr=True).print


def main() -> None:
    """Start a desk, ask, flood, tell."""
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
    main()
