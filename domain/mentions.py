"""Mentions: whom a comment for the desk alone calls, by an @ and a name."""

import itertools
import re
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access
from infra.unit import Unit
from models import Person, Ticket

_WORD = re.compile(r"\w")


def _workers(ticket_id: Any) -> Select[*tuple[Any, ...]]:
    rows = select(Person.id, Person.name).join(Ticket, Ticket.id == ticket_id)
    return rows.where(access.worked_on_by(Person, Ticket))


def _named(body: str, names: Collection[str]) -> set[str]:
    """Which of these names, in small letters, stand behind an @: at each place the longest, as one begins another."""
    text, named = body.lower(), set[str]()
    lengths = sorted({len(name) for name in names}, reverse=True)
    for sign in re.finditer("@", text):
        begin = sign.end()
        ends = (begin + length for length in lengths)
        said = (text[begin:end] for end in ends if text[begin:end] in names and not _WORD.match(text, end))
        named |= set(itertools.islice(said, 1))
    return named


async def of(unit: Unit, ticket_id: UUID, *bodies: str) -> list[list[UUID]]:
    """Whom each of these texts calls, of those who work on the ticket."""
    if not any("@" in body for body in bodies):
        return [[] for _ in bodies]
    workers = [(record["id"], record["name"].lower()) for record in await unit.run(_workers, ticket_id)]
    names = {name for _, name in workers}
    called = [_named(body, names) for body in bodies]
    return [[person_id for person_id, name in workers if name in those] for those in called]


async def added(unit: Unit, ticket_id: UUID, before: str, after: str) -> list[UUID]:
    """Whom a text calls that did not while it said what it did `before`."""
    earlier, later = await of(unit, ticket_id, before, after)
    return [person_id for person_id in later if person_id not in earlier]
