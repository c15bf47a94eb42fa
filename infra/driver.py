"""Connections to PostgreSQL; those of a process that traces tell how long each statement took."""

import functools
import re
from typing import Any, Final

import asyncpg
from opentelemetry.trace import SpanKind

from infra import tracing

# What asyncpg raises of a statement or a connection, whoever is to blame. A TimeoutError is an OSError.
FAULTS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# What it raises where no connection can be had now.
CANNOT_CONNECT: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # it starts or stops
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
    OSError,
)
MOST_SUMMARY: Final = 200  # characters
MOST_DESCRIBED, LONGEST_DESCRIBED = 2000, 20_000  # statements, and characters of one that is kept
VERBS: Final = {"INSERT INTO": "INSERT", "UPDATE": "UPDATE", "DELETE FROM": "DELETE"}
_TOUCHED: Final = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|FROM|JOIN) ([a-z_]+)\b")


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """A new connection, as asyncpg makes it."""
    if tracing.is_on():
        options["connection_class"] = Traced
    with tracing.span("connect", SpanKind.CLIENT, {"db.system.name": "postgresql"}):
        return await asyncpg.connect(url, **options)


class Traced(asyncpg.Connection):
    """A connection whose statements are spans, where they are a part of something."""

    __slots__ = ()

    async def fetch(self, query: str, *arguments: Any, **options: Any) -> list[asyncpg.Record]:  # type: ignore[override] # it has several signatures
        """Asyncpg's: the rows of a statement."""
        with _statement(query):
            return await super().fetch(query, *arguments, **options)

    async def execute(self, query: str, *arguments: Any, **options: Any) -> str:
        """Asyncpg's: run a command."""
        with _statement(query):
            return await super().execute(query, *arguments, **options)

    async def prepare(self, query: str, **options: Any) -> Any:
        """Asyncpg's: a statement that stays prepared."""
        with _statement(query, "PREPARE "):
            return Prepared(query, await super().prepare(query, **options))


class Prepared:
    """A prepared statement of such a connection."""

    __slots__ = ("_query", "_statement")

    def __init__(self, query: str, statement: Any) -> None:
        self._query, self._statement = query, statement

    async def fetch(self, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of the statement."""
        with _statement(self._query):
            found: list[asyncpg.Record] = await self._statement.fetch(*arguments)
            return found


def _statement(query: str, doing: str = "") -> Any:
    if not tracing.is_recording():
        return tracing.NOTHING
    summary = summary_of(query)
    # Values are never part of a text: each is an argument.
    attributes = {"db.system.name": "postgresql", "db.query.summary": summary, "db.query.text": query}
    return tracing.span(f"{doing}{summary}", SpanKind.CLIENT, attributes)


def summary_of(query: str) -> str:
    """What a statement does to which tables, such as `INSERT comments UPDATE tickets` or `SELECT tickets people`."""
    return _kept(query) if len(query) <= LONGEST_DESCRIBED else _summary(query)


@functools.lru_cache(MOST_DESCRIBED)
def _kept(query: str) -> str:
    return _summary(query)


def _summary(query: str) -> str:
    from models import Base  # asked for by what traces alone; others do without the models, and start sooner

    said: dict[str, None] = {}
    read: dict[str, None] = {}
    for verb, table in _TOUCHED.findall(query):
        if table in Base.metadata.tables:
            if verb in VERBS:
                said[f"{VERBS[verb]} {table}"] = None
            else:
                read[table] = None
    words = list(said) or ["SELECT", *read] if said or read else query.split(maxsplit=1)[:1]
    summary = ""
    for word in words:
        if len(summary) + len(word) >= MOST_SUMMARY:
            break
        summary = f"{summary} {word}".lstrip()
    return summary
