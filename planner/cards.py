"""Cards: what answers show of people and the like again and again, kept by each process and put in its place.

A statement gives the key of a row that it need not read, between two marks, and which shape of card is wanted; the card
comes from here. A card holds columns of one row alone, the same for every viewer: whether somebody may see the row was
decided by the statement that named it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import structlog

from infra.faults import told
from infra.postgres import Reads, Unavailable
from planner.text import Statement

log = structlog.get_logger(__name__)

MARK = "\x03"  # stands around a card's place: JSON text holds no control character otherwise
MOST_CARDS = 200_000
LOOK_SECONDS = 0.5  # how often it is looked which rows have changed
STALE_SECONDS = 2.0  # without a look for so long, nothing here is believed
IDLE_SECONDS = 60.0  # unused for so long, all is let go
# How far back each look goes beyond the one before: longer than a transaction may take from its change to its commit.
MARGIN_SECONDS = 60


class Cards:
    """The cards of one process."""

    def __init__(self, reads: Reads) -> None:
        """`reads`: where rows are read."""
        self.reads = reads
        self.kept: dict[bytes, bytes] = {}  # the text by what stands between the marks: a shape's number and a key
        self.shapes: list[Statement] = []
        self.numbers: dict[Hashable, int] = {}
        self.tables: dict[str, str] = {}  # the column that tells when a row last changed, by table
        self.looked_at = self.used_at = 0.0
        self.since: Any = None  # PostgreSQL's time of the last look
        self.watching: asyncio.Task[None] | None = None

    def shape(self, key: Hashable, table: str, changed: str, make: Callable[[], Statement]) -> int:
        """The number of a shape of card. `make`: its statement, which takes keys and gives each with its text."""
        number = self.numbers.get(key)
        if number is None:
            if self.tables.setdefault(table, changed) != changed:
                raise ValueError(f"Two columns tell when a row of {table} last changed.")
            self.shapes.append(make())
            number = self.numbers[key] = len(self.shapes) - 1
        return number

    async def filled(self, text: bytes) -> bytes:
        """The text with cards in their places. Raises Unavailable, and LookupError for a key without a row."""
        pieces = text.split(MARK.encode())
        if len(pieces) == 1:
            return text
        self.used_at = now = time.monotonic()
        if now - self.looked_at > STALE_SECONDS:
            await self.begin()
        try:
            pieces[1::2] = map(self.kept.__getitem__, pieces[1::2])
        except KeyError:
            known = {place: self.kept[place] for place in pieces[1::2] if place in self.kept}
            known |= await self.fetched(set(pieces[1::2]) - known.keys())
            pieces[1::2] = map(known.__getitem__, pieces[1::2])
        return b"".join(pieces)

    async def fetched(self, places: Iterable[bytes]) -> dict[bytes, bytes]:
        """The cards of these places, which are kept from now on."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for place in places:
            name, _, key = place.decode().partition(":")
            wanted[int(name)].append(key)
        found: dict[bytes, bytes] = {}
        for number, keys in wanted.items():
            statement = self.shapes[number]
            for row_id, text in await self.reads.fetch(statement.sql, statement.arguments([keys])):
                found[f"{number}:{row_id}".encode()] = text
        if len(self.kept) + len(found) > MOST_CARDS:
            self.kept.clear()
        self.kept |= found
        return found

    # --- What has changed ---------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Begin anew, without anything that may be stale, and look from now on."""
        self.kept.clear()
        self.since = None
        await self.look()
        if self.watching is None or self.watching.done():
            self.watching = asyncio.get_running_loop().create_task(self.watch())

    async def watch(self) -> None:
        """Look again and again, as long as cards are used."""
        while time.monotonic() - self.used_at < IDLE_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("cards_not_looked_at", error=told(error.__cause__ or error))
        self.looked_at = 0.0
        self.kept.clear()

    async def look(self) -> None:
        """Let go of the cards of rows that have changed since the last look."""
        began = time.monotonic()
        changed = " UNION ALL ".join(
            f"SELECT id::text FROM {table} WHERE {column} > $1::timestamptz - interval '{MARGIN_SECONDS} s'"  # noqa: S608 # names of ours
            for table, column in self.tables.items()
        )
        ((self.since, keys),) = await self.reads.fetch(f"SELECT clock_timestamp(), ARRAY({changed})", [self.since])
        for key in keys:
            for number in range(len(self.shapes)):
                self.kept.pop(f"{number}:{key}".encode(), None)
        self.looked_at = began

    async def close(self) -> None:
        """Stop looking."""
        if self.watching is not None:
            self.watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.watching
