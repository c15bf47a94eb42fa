"""How much CPU processes have used, as Linux counts it: in nanoseconds, all threads."""

from collections.abc import Iterable
from pathlib import Path

import asyncpg


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
