"""How much CPU processes have used, as Linux counts it: in nanoseconds, all threads."""

import os
from collections.abc import Iterable
from pathlib import Path

import asyncpg

PARTS = {"serve": "API", "work": "worker", "catch-mail": "mail server"}  # by the commands of a whole desk


def used(pids: Iterable[int]) -> float:
    """Seconds of CPU that these processes have used so far."""
    return (
        sum(
            int(counts.read_text().split()[0])
            for pid in pids
            for counts in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )
        / 1e9
    )


async def backends(connection: asyncpg.Connection, name: str) -> list[int]:
    """The processes of PostgreSQL that serve connections whose name begins so."""
    rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, $1)", name)
    return [row[0] for row in rows]


def by_part(up: int) -> dict[str, float]:
    """Seconds of CPU that each part of a whole desk has used so far, and this process, which loads it.

    `up`: the desk's first process.
    """
    parents = {int(file.parent.name): _parent(file) for file in Path("/proc").glob("[0-9]*/stat")}
    found = dict.fromkeys((*PARTS.values(), "PostgreSQL", "Valkey"), 0.0)
    for pid in parents:
        above, line = pid, [pid]
        while above := parents.get(above, 0):
            line.append(above)
        if up in line and pid != up:
            found[_part(pid)] = found.get(_part(pid), 0.0) + used([pid])
    return found | {"load": used([os.getpid()])}


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return 0


def _part(pid: int) -> str:
    said = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    if "desk.py" in said:
        return next((name for command, name in PARTS.items() if said.rstrip().endswith(f" {command}")), "others")
    return "Valkey" if "valkey" in said else "PostgreSQL" if "postgres" in said else "others"
