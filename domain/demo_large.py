"""The large demo: 1,000,000 tickets and 5,000,000 comments, for seeing how everything behaves when there is much."""

import datetime as dt
import itertools
import random
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from domain.demo_lives import KINDS, TARGETS, House, id_at, lives
from domain.metrics import rebuilding
from infra.progress import shown
from infra.unit import now
from models import (
    AssignmentMethod,
    Base,
    Category,
    Comment,
    Department,
    Event,
    EventText,
    Inbox,
    Membership,
    Person,
    Resolution,
    Role,
    SlaClock,
    SlaPolicy,
    SlaVersion,
    Ticket,
    TicketPriority,
    TicketWords,
)

CUSTOMERS, AGENTS = 3_000, 60
DEPARTMENTS = ("Accounts", "Shipping", "Returns", "Hardware", "Software", "Networks", "Training", "Partners")
MARK = "customer1@large.example.com"  # when this person is there, all of it is
BATCH = 10_000

WORDS = """
WITH t AS MATERIALIZED (SELECT id, subject, body, tags, setweight(to_tsvector('simple', subject), 'A') AS heading
    FROM tickets WHERE number BETWEEN $1 AND $2)
INSERT INTO ticket_words (source_id, internal, ticket_id, words)
SELECT id, false, id, heading || setweight(to_tsvector('simple', body), 'B') FROM t
UNION ALL
SELECT id, true, id, heading || setweight(to_tsvector('simple', array_to_string(tags, ', ')), 'B')
FROM t WHERE tags <> '{}'
UNION ALL
SELECT c.id, c.internal, t.id, t.heading || setweight(to_tsvector('simple', c.body), 'B')
FROM t JOIN comments c ON c.ticket_id = t.id
"""


async def seed(database_url: str, tickets: int, *, figures: bool = True) -> None:
    """Add `tickets` tickets with their history to what the desk has, all or none. Does nothing when they are there.

    `figures`: whether metrics count them, which takes some ten minutes of two cores.
    """
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT 1 FROM people WHERE email = $1", MARK):
            return
        first = await _reserve(connection, tickets)
        async with connection.transaction():
            luck = random.Random(1)  # noqa: S311 # the same on every machine
            house = await _house(connection, luck)
            numbers = range(first, first + tickets)
            await _tickets(connection, house, luck, numbers)
            await _words(connection, numbers)
        for model in (Person, Ticket, Comment, Event, EventText, SlaClock, Resolution, TicketWords):
            await connection.execute(f"VACUUM (ANALYZE) {model.__tablename__}")
        if figures:
            with shown("histories") as told:
                await rebuilding.rebuild(database_url, told)
    finally:
        await connection.close()


async def _reserve(connection: asyncpg.Connection, tickets: int) -> int:
    """The first of as many numbers in a row; tickets that come in meanwhile get later ones."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE tickets IN EXCLUSIVE MODE")  # for this moment nobody takes a number
        sequence = "pg_get_serial_sequence('tickets', 'number')"
        first: int = await connection.fetchval(f"SELECT nextval({sequence})")
        await connection.execute(f"SELECT setval({sequence}, $1)", first + tickets - 1)
        return first


async def _house(connection: asyncpg.Connection, luck: random.Random) -> House:
    """More people, departments and categories; with them, what was there before."""
    moment = now()
    ids = (id_at(luck, moment) for _ in itertools.count())
    departments = [
        {
            "id": next(ids),
            "name": name,
            "description": None,
            "assignment": AssignmentMethod.MANUAL.name,
            "agent_capacity": None,
            "archived_at": None,
        }
        for name in DEPARTMENTS
    ]
    categories = [
        {
            "id": next(ids),
            "name": f"{row['name']}: {what}",
            "description": None,
            "department_id": row["id"],
            "default_priority": TicketPriority.NORMAL.name,
            "is_other": False,
            "position": 100 + number,
            "archived_at": None,
        }
        for number, (row, what) in enumerate(itertools.product(departments, ("questions", "complaints")))
    ]
    # They sign in as the demo's agents do.
    password_hash = await connection.fetchval(
        "SELECT password_hash FROM people WHERE role = 'AGENT' ORDER BY id LIMIT 1"
    )
    customers = [_person(next(ids), moment, "Customer", number, None) for number in range(1, CUSTOMERS + 1)]
    agents = [_person(next(ids), moment, "Agent", number, password_hash) for number in range(1, AGENTS + 1)]
    memberships = [
        {"person_id": agent["id"], "department_id": department["id"]}
        for number, agent in enumerate(agents)
        # Every fourth works in two of them.
        for department in (departments * 2)[number % 8 : number % 8 + (2 if number % 4 == 0 else 1)]
    ]
    inboxes = [{"person_id": row["id"], "last_seq": 0, "unread_count": 0} for row in (*customers, *agents)]
    for model, rows in (
        (Department, departments),
        (Category, categories),
        (Person, customers + agents),
        (Membership, memberships),
        (Inbox, inboxes),
    ):
        await _copy(connection, model, rows)
    house = House([row["id"] for row in customers], sla_version_id=next(ids), sla_policy_id=next(ids))
    await _policy(connection, house.sla_policy_id, house.sla_version_id, moment)
    for row in await connection.fetch("SELECT department_id, person_id FROM memberships ORDER BY 1, 2"):
        house.agents[row[0]].append(row[1])
    found = await connection.fetch("SELECT id, department_id FROM categories WHERE NOT is_other ORDER BY position, id")
    house.categories = [(row[0], row[1]) for row in found]
    house.services = [row[0] for row in await connection.fetch("SELECT id FROM services ORDER BY id")]
    return house


async def _policy(
    connection: asyncpg.Connection, policy_id: UUID | None, version_id: UUID | None, moment: dt.datetime
) -> None:
    """The policy by which these tickets have targets; a desk's own goes before it."""
    position = await connection.fetchval("SELECT count(*) FROM sla_policies")
    policy = {"id": policy_id, "name": "Large demo", "position": position, "active": False}
    await _copy(connection, SlaPolicy, [policy | {"department_ids": [], "category_ids": []}])
    targets = {priority: dict(zip(KINDS, times, strict=True)) for priority, times in TARGETS.items()}
    version = {"id": version_id, "policy_id": policy_id, "number": 1, "targets": orjson.dumps(targets).decode()}
    await _copy(connection, SlaVersion, [version | {"pauses_on_hold": False, "created_at": moment}])


def _person(key: UUID, moment: dt.datetime, what: str, number: int, password_hash: str | None) -> dict[str, Any]:
    return {
        "id": key,
        "name": f"{what} {number}",
        "email": f"{what.lower()}{number}@large.example.com",
        "role": Role[what.upper()].name,
        "locale": None,
        "time_zone": None,
        "password_hash": password_hash,
        "active": True,
        "last_seen_at": None,
        "created_at": moment,
    }


async def _tickets(connection: asyncpg.Connection, house: House, luck: random.Random, numbers: range) -> None:
    made = lives(house, luck, numbers)
    with shown("tickets") as told:
        while batch := list(itertools.islice(made, BATCH)):
            await _copy(connection, Ticket, (one.ticket for one in batch))
            await _copy(connection, Comment, (comment for one in batch for comment in one.comments))
            await _copy(connection, Event, (event for one in batch for event in one.events))
            await _copy(connection, EventText, (one.text for one in batch))
            await _copy(connection, SlaClock, (clock for one in batch for clock in one.clocks))
            await _copy(connection, Resolution, (one.resolution for one in batch if one.resolution))
            told(batch[-1].ticket["number"] - numbers.start + 1, len(numbers))


async def _words(connection: asyncpg.Connection, numbers: range) -> None:
    """What the tickets with these numbers are found by. The index is made anew, which is faster than to fill it."""
    print("What they are found by, and the index of it")  # noqa: T201 # an operator waits
    await connection.execute("DROP INDEX ticket_words_words_idx")
    await connection.execute(WORDS, numbers[0], numbers[-1])
    await connection.execute("CREATE INDEX ticket_words_words_idx ON ticket_words USING gin (words)")


async def _copy(connection: asyncpg.Connection, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows, all of which name the same columns in the same order."""
    found = iter(rows)
    first = next(found, None)
    if first is None:
        return
    records = (tuple(row.values()) for row in itertools.chain([first], found))
    await connection.copy_records_to_table(model.__tablename__, records=records, columns=list(first))
