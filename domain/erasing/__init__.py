"""Erasing a person: what they wrote, and what is written of them, is blanked; histories, figures, ids and counts stay.

For whoever operates the desk. It goes through all tables in batches that are transactions of their own, since nobody
is to wait for it and no index has to be kept for it; and it can be begun again wherever it ended.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import history, people, profiles
from domain.erasing.rules import ERASED, PERSON, RULES, Rule
from domain.jobs import EraseFiles
from domain.ranges import FIRST
from domain.refusals import NotFound
from domain.tickets import search
from infra.desk import Desk
from infra.postgres import Unavailable
from infra.settings import Settings
from infra.unit import Unit
from models import AuditEntry, Comment, Person, Ticket

BATCH = 500  # rows that are looked at by one transaction
PAUSES = (0.1, 0.5, 2.0, 10.0)  # in seconds, before a batch is tried again that came at the wrong moment
UNDER_WAY_SECONDS = 2.0  # in so long what was begun has been written
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who could be erased."""

    id: UUID
    name: str
    role: str
    tickets: int


def _tickets(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(func.count()).select_from(Ticket).where(Ticket.requester_id == person_id)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _blanked(person_id: Any) -> sa.Update:
    # Not by `unit.change`: the audit log would tell what was there before.
    return sa.update(Person).where(Person.id == person_id).values(**PERSON)


def _allowed() -> Select[*tuple[Any, ...]]:
    """Has the audit log let personal values be blanked, until the transaction ends."""
    return select(func.set_config("deskwire.erasing", "on", sa.true()))


async def find(desk: Desk, email: str) -> Found:
    """Whoever has this address, active or not. Raises NotFound."""
    async with desk.writes.begin() as unit:
        person = await unit.read(people.by_email_for_anyone, email.strip().lower())
        if person is None:
            raise NotFound("email", "person")
        count = (await unit.run(_tickets, person.id))[0][0]
        return Found(person.id, person.name, person.role.name, count)


async def erase(settings: Settings, email: str, agreed: Callable[[Found], bool], told: Told) -> bool:
    """Erase whoever has this address, if that is `agreed` to; whether it was. Raises NotFound, Conflict."""
    async with Desk.open(settings) as desk:
        found = await find(desk, email)
        if not agreed(found):
            return False
        await erase_person(desk, found.id, told)
        return True


async def erase_person(desk: Desk, person_id: UUID, told: Told) -> None:
    """Shut somebody out, blank what is theirs, table by table, and at last who they are.

    `told`: what is done so far. Raises Conflict for the last active admin.
    """
    async with desk.writes.begin() as unit:
        email = (await profiles.shut_out(unit, person_id)).email
    # What they just wrote, or others to them, may be on its way into a table: they were looked at before they went.
    await asyncio.sleep(UNDER_WAY_SECONDS)
    for rule in RULES:
        if count := await _go_through(desk, rule, person_id, email):
            told(f"{rule.model.__tablename__}: {count:,}")
    async with desk.writes.begin() as unit:
        person = await unit.lock(_person, person_id)
        if person is None:
            raise NotFound("email", "person")
        if person.avatar_key is not None:
            unit.enqueue(EraseFiles([person.avatar_key]))
        await unit.run(_blanked, person_id)
        unit.trail.about("people", person_id, "Erased a person.")


async def _go_through(desk: Desk, rule: Rule, person_id: UUID, email: str) -> int:
    """Apply a rule to a whole table, batch by batch; gives how many rows changed."""
    after, count, tries = FIRST, 0, 0
    while True:
        try:
            async with desk.writes.begin() as unit:
                last = await unit.run(rule.end, after, BATCH)
                if not last:
                    return count
                if rule.model is AuditEntry:
                    await unit.run(_allowed)
                changed = await unit.run(rule.apply, person_id, email, after, last[0][0])
                keys = list(dict.fromkeys(record[0] for record in changed))
                await _follow(unit, rule, keys)
                files = [record[1] for record in changed if record[1] is not None]
                for start in range(0, len(files), 500):
                    unit.enqueue(EraseFiles(files[start : start + 500]))
        except Unavailable:  # also when nobody knows whether it was done: what is done stays so
            if tries == len(PAUSES):
                raise
            await asyncio.sleep(PAUSES[tries])
            tries += 1
            continue
        after, count, tries = last[0][0], count + len(changed), 0


async def _follow(unit: Unit, rule: Rule, keys: list[UUID]) -> None:
    """What has to fit the rows that changed: what they are found by, and what is shown of them just now."""
    if not keys:
        return
    if rule.model is Comment:
        await search.forget_all(unit, keys)
    elif rule.model is Ticket:
        await search.forget_all(unit, keys)
        await search.reword_all(unit, keys, ERASED)
        for key in keys:
            unit.publish(history.channel(key), str(key))
