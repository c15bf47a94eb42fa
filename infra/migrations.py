"""Which migrations this version knows, and whether the database's tables are those that its code needs."""

import asyncio
import re
from functools import cache
from pathlib import Path

import asyncpg
import structlog

from infra.faults import told
from infra.postgres import NO_ANSWER, Reads

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).resolve().parent.parent / "migrations" / "versions"
# Read as text: Alembic would take half a second to say it.
REVISIONS = re.compile(r'^revision = "(\w+)"$.*?^down_revision = (?:"(\w+)"|None)$', re.MULTILINE | re.DOTALL)
STANDS = "SELECT version_num::varchar FROM alembic_version"
LOOK_SECONDS = 1.0
CONNECT_SECONDS = 5.0


@cache
def _known() -> dict[str, str]:
    """Each migration, and the one before it; none is empty."""
    return {found[1]: found[2] or "" for file in FOLDER.glob("*.py") if (found := REVISIONS.search(file.read_text()))}


def head() -> str:
    """The last one that this version brings."""
    (last,) = _known().keys() - _known().values()
    return last


def is_newer(stands: str | None) -> bool:
    """Whether a database at this migration was migrated by a later version, with whose tables this one works."""
    return stands is not None and stands not in _known()


def suffices(stands: str | None) -> bool:
    """Whether this version's code has all the tables that it needs in a database that is at this migration."""
    return stands == head() or is_newer(stands)


async def stands(connection: asyncpg.Connection) -> str | None:
    """The migration that a database is at; None when it has no tables yet."""
    try:
        at: str | None = await connection.fetchval(STANDS)
    except asyncpg.UndefinedTableError:
        return None
    return at


async def stands_at(url: str) -> str | None:
    """The migration that the database at `url` is at; None when it has no tables yet."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        return await stands(connection)
    finally:
        await connection.close()


async def is_migrated(reads: Reads) -> bool:
    """Whether this version can work with the database as it is now. Raises as a read does."""
    try:
        rows = await reads.fetch(STANDS, [])
    except asyncpg.UndefinedTableError:
        return False
    return bool(rows) and suffices(rows[0][0].decode())


async def awaited(reads: Reads) -> None:
    """Wait until this version can work with the database. The log says for what, and again when that changes."""
    known: str | None = None
    while True:
        try:
            if await is_migrated(reads):
                return
            why = ""
        except NO_ANSWER as error:
            why = told(error)  # it is waited for as well
        if why != known:
            log.warning("waits_for_the_database_at_migration", migration=head(), **({"error": why} if why else {}))
            known = why
        await asyncio.sleep(LOOK_SECONDS)
