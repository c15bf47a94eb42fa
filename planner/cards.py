"""Cards: what answers show of people and the like again and again, kept by each process and put in its place.

A statement gives the key of a row that it need not read, between two marks, and which shape of card is wanted; the card
comes from here. Where cards were often missing lately, the statement is asked in a form that gives them as well. A card
holds columns of one row alone, the same for every viewer: whether somebody may see the row was decided by the statement
that named it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Any
from weakref import WeakValueDictionary

import structlog

from infra.faults import told
from infra.logs import on_its_own
from infra.postgres import Reads, Unavailable
from planner.compiling import Statement

log = structlog.get_logger(__name__)

MARK = "\x03"  # stands around a card's place: JSON text holds no control character otherwise
GIVEN = "\x02"  # stands between a place and its card, where the statement gives that as well
PLACE = re.compile(rf"({MARK}(\d+):' \|\| CAST\(([^()]+) AS TEXT\) \|\| ')({MARK})")  # of a card, in SQL
MOST_CARDS, HEAVIEST_CARDS = 200_000, 64_000_000  # in all, and in bytes, about
LOOK_SECONDS = 0.5  # how often it is looked which rows have changed
STALE_SECONDS = 2.0  # without a look for so long, nothing here is believed
IDLE_SECONDS = 60.0  # unused for so long, all is let go
# How far back each look goes beyond the one before: longer than a transaction may take from its change to its commit.
MARGIN_SECONDS = 60
MOST_CHANGED = 1_000  # rows in that time whose cards are looked for; after more of them all are let go
# To ask once more for what is missing costs as much as this many cards that are read where they are named.
WORTH_OF_ASKING = 30
REMEMBERED = 32  # about how many answers back it counts that a card was missing


class Shape:
    """What is shown of a row: SQL that gives the card's text out of columns of `c`, a row of the table.

    It lasts as long as the plans that show it: clients may call fields what they like, so there is no end of shapes.
    """

    __slots__ = ("__weakref__", "number", "table", "text")

    def __init__(self, number: int, table: str, text: str) -> None:
        """`number`: by which a card's place names it; no other one ever has it."""
        self.number, self.table, self.text = number, table, text

    @property
    def by_keys(self) -> str:
        """The statement that gives the keys that it's given, each with its card."""
        return f"SELECT c.id::text, ({self.text})::varchar FROM {self.table} c WHERE c.id = ANY($1::uuid[])"  # noqa: S608 # names of ours

    def by_key(self, key: str) -> str:
        """SQL that gives the card of a key, itself SQL."""
        return f"(SELECT {self.text} FROM {self.table} c WHERE c.id = {key})"  # noqa: S608 # names of ours


class Luck:
    """How often the answers of one plan lacked a card lately, and how many cards they show."""

    def __init__(self) -> None:
        self.missing, self.places = 1.0, 0

    def saw(self, places: int, *, missing: bool) -> None:
        """An answer has come."""
        self.missing += (missing - self.missing) / REMEMBERED
        self.places = places

    @property
    def poor(self) -> bool:
        """Whether it costs less to be given the cards as well than to ask for them now and then."""
        return self.missing * WORTH_OF_ASKING > self.places


class Cards:
    """The cards of one process."""

    def __init__(self, reads: Reads) -> None:
        """`reads`: where rows are read."""
        self.reads = reads
        self.kept: dict[bytes, bytes] = {}  # the text by what stands between the marks: a shape's number and a key
        self.places: dict[str, list[bytes]] = defaultdict(list)  # of what is kept, by the key alone
        self.weight = 0
        self.shapes: WeakValueDictionary[int, Shape] = WeakValueDictionary()
        self.known: WeakValueDictionary[Hashable, Shape] = WeakValueDictionary()
        self.numbers = itertools.count()
        self.tables: dict[str, str] = {}  # the column that tells when a row last changed, by table
        self.looked_at = self.used_at = 0.0
        self.since: Any = None  # PostgreSQL's time of the last look
        self.watching: asyncio.Task[None] | None = None

    def shape(self, key: Hashable, table: str, changed: str, make: Callable[[], str]) -> Shape:
        """A shape of card of a table's rows. `make`: gives its text, as in `Shape`."""
        shape = self.known.get(key)
        if shape is None:
            if self.tables.setdefault(table, changed) != changed:
                raise ValueError(f"Two columns tell when a row of {table} last changed.")
            shape = self.known[key] = Shape(next(self.numbers), table, make())
            self.shapes[shape.number] = shape
        return shape

    def giving(self, statement: Statement) -> Statement:
        """The same statement, which gives the cards as well as their places.

        Made of the text: planned anew, it would take as long again.
        """

        def given(found: re.Match[str]) -> str:
            before, number, key, after = found.groups()
            card = self.shapes[int(number)].by_key(key)
            return f"{before[:-1]}coalesce('{GIVEN}' || {card}, '') || '{after}"

        return statement._replace(sql=PLACE.sub(given, statement.sql))

    async def filled(self, text: bytes, luck: Luck) -> bytes:
        """The text with cards in their places. `luck`: of the plan whose answer it is.

        Raises Unavailable, and LookupError for a key without a row.
        """
        pieces = text.split(MARK.encode())
        if len(pieces) == 1:
            return text
        self.used_at = now = time.monotonic()
        if now - self.looked_at > STALE_SECONDS:
            await self.begin()
        missing = False
        try:
            pieces[1::2] = map(self.kept.__getitem__, pieces[1::2])
        except KeyError:
            missing, pieces[1::2] = await self.found(pieces[1::2])
        luck.saw(len(pieces) // 2, missing=missing)
        return b"".join(pieces)

    async def found(self, places: list[bytes]) -> tuple[bool, list[bytes]]:
        """Whether any of these cards was not kept, and the cards; from now on they are."""
        known: dict[bytes, bytes] = {}
        named, missing, given = [], False, GIVEN.encode()
        for place, _, card in [each.partition(given) for each in places]:
            named.append(place)
            if place not in self.kept:
                missing = True
            if card := card or self.kept.get(place, b""):
                known[place] = card
        if missing:
            self.keep(known)
            known |= await self.fetched(set(named) - known.keys())
        return missing, [known[place] for place in named]

    def keep(self, cards: dict[bytes, bytes]) -> None:
        """Keep cards, by their places."""
        new = {place: card for place, card in cards.items() if place not in self.kept}
        weight = sum(map(len, new.values()))
        if len(self.kept) + len(new) > MOST_CARDS or self.weight + weight > HEAVIEST_CARDS:
            self.clear()
        self.kept |= new
        self.weight += weight
        for place in new:
            self.places[place.partition(b":")[2].decode()].append(place)

    def clear(self) -> None:
        """Let go of all cards."""
        self.kept.clear()
        self.places.clear()
        self.weight = 0

    async def fetched(self, places: Iterable[bytes]) -> dict[bytes, bytes]:
        """The cards of these places, which are kept from now on."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for place in places:
            name, _, key = place.decode().partition(":")
            wanted[int(name)].append(key)
        found: dict[bytes, bytes] = {}
        for number, keys in wanted.items():
            for row_id, text in await self.reads.fetch(self.shapes[number].by_keys, [keys]):
                found[f"{number}:{row_id}".encode()] = text
        self.keep(found)
        return found

    # --- What has changed ---------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Begin anew, without anything that may be stale, and look from now on."""
        self.clear()
        self.since = None
        await self.look()
        if self.watching is None or self.watching.done():
            self.watching = on_its_own(self.watch())

    async def watch(self) -> None:
        """Look again and again, as long as cards are used."""
        while time.monotonic() - self.used_at < IDLE_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                log.warning("cards_not_looked_at", error=told(error.__cause__ or error))
        self.looked_at = 0.0
        self.clear()

    @property
    def looking(self) -> str:
        """The statement that gives the time, and the keys of what has changed since the time that it is given."""
        changed = " UNION ALL ".join(
            f"(SELECT id::text FROM {table} WHERE {column} > $1::timestamptz - interval '{MARGIN_SECONDS} s'"  # noqa: S608 # names of ours
            f" ORDER BY {column} DESC LIMIT {MOST_CHANGED + 1})"
            for table, column in self.tables.items()
        )
        return f"SELECT clock_timestamp(), ARRAY({changed})"

    async def look(self) -> None:
        """Let go of the cards of rows that have changed since the last look."""
        began = time.monotonic()
        ((self.since, keys),) = await self.reads.fetch(self.looking, [self.since])
        if len(keys) > MOST_CHANGED:
            self.clear()
        else:
            for key in keys:
                for place in self.places.pop(key, ()):
                    self.weight -= len(self.kept.pop(place))
        self.looked_at = began

    async def close(self) -> None:
        """Stop looking."""
        if self.watching is not None:
            self.watching.cancel()
            await asyncio.gather(self.watching, return_exceptions=True)
