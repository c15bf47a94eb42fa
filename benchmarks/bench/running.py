"""A whole desk that runs beside a measurement, and how it is asked."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson

from domain import people, sessions
from domain.people import Newcomer
from infra.desk import Desk
from infra.settings import Settings
from models import Role

LIMITS = ("MAX_CONNECTIONS_PER_PERSON", "MAX_OPERATIONS_PER_PERSON", "MAX_OPERATIONS_PER_SECOND")
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(folder: Path, port: int, *, limited: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A desk of its own, with everything. `limited`: each person to what they are by default."""
    environment = dict(os.environ) | {"PORT": str(port), "DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    environment |= {"ACCESS_TOKEN_SECONDS": "3600"}  # nobody renews theirs here
    if not limited:  # one customer stands for all of them
        environment |= dict.fromkeys(LIMITS, "1000000")
    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "desk.py", "up"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/ready").raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()


def settings_of(port: int, folder: Path) -> Settings:
    """The settings that the running desk's own processes have."""
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            pairs = dict(pair.partition("=")[::2] for pair in file.read_bytes().decode(errors="replace").split("\0"))
        except OSError:
            continue
        if pairs.get("PORT") == str(port) and pairs.get("DATA_DIR") == str(folder) and "DATABASE_URL" in pairs:
            os.environ |= {name: value for name, value in pairs.items() if name.lower() in Settings.model_fields}
            os.environ["DESKWIRE_EMBEDDED"] = "1"
            return Settings()
    raise RuntimeError("The desk's processes are not to be found.")


async def ask(http: httpx.AsyncClient, token: str, query: str, variables: dict[str, Any]) -> Any:
    """The data of an answer."""
    answer = await http.post(
        "/graphql",
        content=orjson.dumps({"query": query, "variables": variables}),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    answer.raise_for_status()
    return answer.json()["data"]


def resident(pid: int) -> int:
    """Memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def serving(port: int) -> int:
    """The process that listens on a port."""
    inode = next(
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    )
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(link.readlink()) == f"socket:[{inode}]":
                return int(link.parts[2])
        except OSError:
            continue
    raise RuntimeError("Nobody listens.")


async def agents(desk: Desk, count: int) -> list[str]:
    """Access tokens of so many new agents of Technical Support."""
    connection = await asyncpg.connect(desk.settings.database_url)
    department: UUID = await connection.fetchval("SELECT id FROM departments WHERE name = 'Technical Support'")
    await connection.close()
    tokens = []
    for number in range(count):
        newcomer = Newcomer(
            f"Agent {number}", f"fan{number}.{time.time_ns()}@example.com", Role.AGENT, [department], None, invite=False
        )
        async with desk.writes.begin() as unit:
            person = await people.add(unit, newcomer)
        async with desk.writes.begin() as unit:
            tokens.append((await sessions.open_for(desk, unit, person)).access_token)
    return tokens
