"""The large demo: 1,000,000 tickets and 5,000,000 comments, for seeing how everything behaves when there is much."""

import bisect
import datetime as dt
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from domain import words
from domain.metrics import rebuilding
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
    Role,
    SlaClock,
    SlaPolicy,
    SlaTargetKind,
    SlaVersion,
    Ticket,
    TicketChannel,
    TicketPriority,
    TicketStatus,
    TicketWords,
)

CUSTOMERS, AGENTS = 3_000, 60
DEPARTMENTS = ("Accounts", "Shipping", "Returns", "Hardware", "Software", "Networks", "Training", "Partners")
MARK = "customer1@large.example.com"  # when this person is there, all of it is
BATCH = 10_000
YEARS = 3
OPEN_FROM = 0.88  # of all tickets in their order: from there on most are not closed yet
PRODUCTS = ("printer", "invoice", "account", "delivery", "laptop", "password", "subscription", "export", "phone", "map")
MATTERS = (
    "does not work",
    "is late",
    "was lost",
    "shows an error",
    "has the wrong address",
    "needs an update",
    "broke",
)
ANSWERS = (
    "Thank you for writing. Could you send us a photo and the serial number?",
    "We have looked into it and sent a replacement. It should arrive within two days.",
    "Please restart the device, then install the latest version from our site.",
    "Your refund is on its way; the bank needs up to five days.",
    "Our engineers have found the cause. A correction is being tested.",
    "Can you tell us when it happened first, and whether colleagues see it too?",
)
REPLIES = (
    "It still happens, every morning when I open the report.",
    "Here is what you asked for. The label on the back is hard to read.",
    "Great, that helped! One more question: does the warranty cover the cable?",
    "I have tried all of that already, without any luck.",
    "My colleague in Lisbon sees the same on her screen.",
    "When will the courier be here? Somebody must open the gate.",
)
NOTES = (
    "Customer called twice, sounds upset. Handle with care.",
    "Known fault of the March batch, see the wiki.",
    "Waiting for the warehouse to confirm stock.",
)
TAGS = ("vip", "follow-up", "refund", "warranty", "outage", "feature", "spam", "bug", "german", "urgent-call")


DAY = 86_400
# Around the clock, to the first answer and to the resolution.
TARGETS = {
    TicketPriority.LOW.name: (2 * DAY, 120 * DAY),
    TicketPriority.NORMAL.name: (DAY, 90 * DAY),
    TicketPriority.HIGH.name: (DAY // 3, 30 * DAY),
    TicketPriority.URGENT.name: (DAY // 12, 7 * DAY),
}
KINDS = (SlaTargetKind.FIRST_RESPONSE.name, SlaTargetKind.RESOLUTION.name)

WORDS = """
WITH t AS MATERIALIZED (SELECT id, subject, body, tags, setweight(to_tsvector('simple', subject), 'A') AS heading
    FROM tickets WHERE number >= $1)
INSERT INTO ticket_words (source_id, internal, ticket_id, words)
SELECT id, false, id, heading || setweight(to_tsvector('simple', body), 'B') FROM t
UNION ALL
SELECT id, true, id, heading || setweight(to_tsvector('simple', array_to_string(tags, ', ')), 'B')
FROM t WHERE tags <> '{}'
UNION ALL
SELECT c.id, c.internal, t.id, t.heading || setweight(to_tsvector('simple', c.body), 'B')
FROM t JOIN comments c ON c.ticket_id = t.id
"""


@dataclass
class House:
    """What tickets refer to."""

    requesters: list[UUID] = field(default_factory=list)
    agents: dict[UUID, list[UUID]] = field(default_factory=lambda: defaultdict(list))  # by department
    categories: list[tuple[UUID, UUID]] = field(default_factory=list)  # with their departments
    services: list[UUID] = field(default_factory=list)
    sla_policy_id: UUID | None = None
    sla_version_id: UUID | None = None


class Made(NamedTuple):
    """A ticket and its history, as rows."""

    ticket: dict[str, Any]
    comments: list[dict[str, Any]]
    events: list[dict[str, Any]]
    clocks: list[dict[str, Any]]
    text: dict[str, Any]


class Rate(ProgressColumn):
    """How many are made in a second."""

    def render(self, task: Task) -> Text:
        """The number, once it is known."""
        return Text(f"{task.speed or 0:,.0f}/s")


async def seed(database_url: str, tickets: int = 1_000_000, *, figures: bool = True) -> None:
    """Add `tickets` tickets with their history to what the desk has, all or none. Does nothing when they are there.

    `figures`: whether metrics count them, which takes as long as all the rest.
    """
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT 1 FROM people WHERE email = $1", MARK):
            return
        first = await _reserve(connection, tickets)
        async with connection.transaction():
            luck = random.Random(1)  # noqa: S311 # the same on every machine
            house = await _house(connection, luck)
            await _tickets(connection, house, luck, range(first, first + tickets))
            await _words(connection, first)
        for model in (Person, Ticket, Comment, Event, EventText, SlaClock, TicketWords):
            await connection.execute(f"VACUUM (ANALYZE) {model.__tablename__}")
        if figures:
            await rebuilding.rebuild_and_show(database_url)
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
    ids = (_id(luck, moment) for _ in itertools.count())
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
    made = _made(house, luck, numbers)
    console, started = Console(), time.monotonic()
    columns = TextColumn("tickets"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(numbers))
        while batch := list(itertools.islice(made, BATCH)):
            await _copy(connection, Ticket, (one.ticket for one in batch))
            await _copy(connection, Comment, (comment for one in batch for comment in one.comments))
            await _copy(connection, Event, (event for one in batch for event in one.events))
            await _copy(connection, EventText, (one.text for one in batch))
            await _copy(connection, SlaClock, (clock for one in batch for clock in one.clocks))
            done = batch[-1].ticket["number"] - numbers.start + 1
            progress.update(task, completed=done)
            if not console.is_terminal and done % (5 * BATCH) == 0:
                console.print(f"{done:,} of {len(numbers):,} tickets, {done / (time.monotonic() - started):,.0f}/s")


async def _words(connection: asyncpg.Connection, first: int) -> None:
    """What the tickets from this number on are found by. The index is made anew, which is faster than to fill it."""
    print("What they are found by, and the index of it")  # noqa: T201 # an operator waits
    await connection.execute("DROP INDEX ticket_words_words_idx")
    await connection.execute(WORDS, first)
    await connection.execute("CREATE INDEX ticket_words_words_idx ON ticket_words USING gin (words)")


async def _copy(connection: asyncpg.Connection, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows, all of which name the same columns in the same order."""
    found = iter(rows)
    first = next(found, None)
    if first is None:
        return
    records = (tuple(row.values()) for row in itertools.chain([first], found))
    await connection.copy_records_to_table(model.__tablename__, records=records, columns=list(first))


def _id(luck: random.Random, moment: dt.datetime) -> UUID:
    """A uuid of version 7 of that moment."""
    milliseconds = int(moment.timestamp() * 1000)
    noise = luck.getrandbits(74)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | noise >> 62 << 64 | 0x2 << 62 | noise & (1 << 62) - 1)


def _made(house: House, luck: random.Random, numbers: range) -> Iterator[Made]:
    """The tickets in the order of their numbers, evenly over the last years."""
    end = now()
    step = dt.timedelta(days=365 * YEARS) / len(numbers)
    bodies = [f"My **{thing}** {matter}. What can I do?" for thing in PRODUCTS for matter in MATTERS]
    texts = [(body, words.html(body)) for body in bodies]
    # A few customers and categories have very many, many have few.
    customers = list(itertools.accumulate(1 / (place + 10) for place in range(len(house.requesters))))
    categories = list(itertools.accumulate(1 / (place + 1) for place in range(len(house.categories))))
    for place, number in enumerate(numbers):
        created_at = _cut(end - step * (len(numbers) - place - luck.random()))
        requester_id = house.requesters[bisect.bisect(customers, luck.random() * customers[-1])]
        category_id, department_id = house.categories[bisect.bisect(categories, luck.random() * categories[-1])]
        status, closed_at = _status(luck, created_at, end, share=place / len(numbers))
        fresh = status is TicketStatus.OPEN
        agents = house.agents[department_id]
        ticket = {
            "id": _id(luck, created_at),
            "number": number,
            "subject": f"My {luck.choice(PRODUCTS)} {luck.choice(MATTERS)}",
            **dict(zip(("body", "body_html"), luck.choice(texts), strict=True)),
            "status": status.name,
            **_urgency(luck),
            "category_id": category_id,
            "department_id": department_id,
            "requester_id": requester_id,
            "assignee_id": luck.choice(agents) if agents and not (fresh and luck.random() < 0.5) else None,  # noqa: PLR2004 # half
            "service_id": luck.choice(house.services) if house.services and number % 3 == 0 else None,
            "tags": luck.sample(TAGS, number % 3),
            "channel": TicketChannel.PORTAL.name,
            "created_at": created_at,
            "first_responded_at": None if fresh else _later(luck, created_at, end, hours=8),
            "waiting_since": created_at if fresh else None,
            "closed_at": closed_at,
        }
        comments = list(_comments(luck, ticket, end))
        clocks = list(_clocks(ticket, end))
        ticket |= _due(house, clocks)
        happened = [*_events(ticket, house.sla_policy_id), *_commented(comments), *_missed(clocks)]
        events = _in_order(luck, ticket, sorted(happened, key=lambda one: one.at))
        public = [event for event in events if event["public_seq"]]
        yield Made(
            ticket
            | {"updated_at": max(closed_at or created_at, events[-1]["at"]), "last_seq": len(events)}
            | {"public_updated_at": max(closed_at or created_at, public[-1]["at"]), "public_seq": len(public)},
            comments,
            events,
            clocks,
            {"event_id": events[0]["id"], "name": "subject", "text": ticket["subject"]},
        )


def _cut(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _later(luck: random.Random, moment: dt.datetime, end: dt.datetime, *, hours: float) -> dt.datetime:
    return min(end, _cut(moment + dt.timedelta(hours=luck.expovariate(1 / hours))))


def _status(
    luck: random.Random, created_at: dt.datetime, end: dt.datetime, *, share: float
) -> tuple[TicketStatus, dt.datetime | None]:
    """What became of it, and when it was closed, if it was. `share`: of all tickets, those that came before it."""
    if luck.random() < (0.8 if share > OPEN_FROM else 0.004):
        left = (TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.ON_HOLD, TicketStatus.RESOLVED)
        return luck.choices(left, (6, 2, 1, 1))[0], None
    return TicketStatus.CLOSED, _later(luck, created_at, end, hours=72)


def _urgency(luck: random.Random) -> dict[str, Any]:
    priority = luck.choices(list(TicketPriority), (2, 6, 2, 1))[0]
    return {"priority": priority.name, "priority_rank": priority.value}


class Happened(NamedTuple):
    """What becomes an event."""

    at: dt.datetime
    kind: str
    actor_id: UUID | None
    data: dict[str, Any]
    internal: bool = False


def _events(ticket: dict[str, Any], policy_id: UUID | None) -> Iterator[Happened]:
    """That it was submitted, routed, and given to whoever has it."""
    at = ticket["created_at"]
    submitted = {
        "initial_priority": ticket["priority"],
        "initial_category_id": ticket["category_id"],
        "initial_requester_id": ticket["requester_id"],
        "initial_service_id": ticket["service_id"],
        "initial_tags": ticket["tags"],
        "initial_policy_id": policy_id if ticket["sla_version_id"] else None,
        "channel": ticket["channel"],
    }
    yield Happened(at, "TicketSubmitted", ticket["requester_id"], submitted)
    routed = {"from_department_id": None, "to_department_id": ticket["department_id"], "rule_id": None}
    yield Happened(at, "TicketRouted", None, routed)
    if assignee_id := ticket["assignee_id"]:
        given = {"from_assignee_id": None, "to_assignee_id": assignee_id}
        yield Happened(at, "TicketAssigned", assignee_id, given)


def _comments(luck: random.Random, ticket: dict[str, Any], end: dt.datetime) -> Iterator[dict[str, Any]]:
    """What the desk and the customer write in turn, and what the desk notes for itself."""
    answered_at, agent_id = ticket["first_responded_at"], ticket["assignee_id"]
    at = answered_at or ticket["created_at"]
    for place in range(luck.randint(1, 11) if answered_at and agent_id else luck.randint(0, 1)):
        desk = bool(answered_at and agent_id) and place % 2 == 0
        internal = place > 0 and desk and luck.random() < 0.3  # noqa: PLR2004 # a third
        body = luck.choice(NOTES if internal else ANSWERS if desk else REPLIES)
        if luck.random() < 0.1:  # noqa: PLR2004 # a tenth
            body += f" RMA{luck.getrandbits(32)}"
        yield {
            "id": _id(luck, at),
            "ticket_id": ticket["id"],
            "author_id": agent_id if desk else ticket["requester_id"],
            "body": body,
            "body_html": f"<p>{body}</p>",
            "internal": internal,
            "channel": TicketChannel.PORTAL.name,
            "created_at": at,
        }
        at = _later(luck, at, end, hours=6)


def _clocks(ticket: dict[str, Any], end: dt.datetime) -> Iterator[dict[str, Any]]:
    """Its SLA targets, while it is not resolved."""
    status, created_at, answered_at = ticket["status"], ticket["created_at"], ticket["first_responded_at"]
    if status in {TicketStatus.RESOLVED.name, TicketStatus.CLOSED.name}:
        return
    for kind, seconds in zip(KINDS, TARGETS[ticket["priority"]], strict=True):
        due_at = created_at + dt.timedelta(seconds=seconds)
        done_at = answered_at if kind == SlaTargetKind.FIRST_RESPONSE.name else None
        rests = done_at is None and status == TicketStatus.PENDING.name
        used = ticket["number"] * 61 % seconds if rests else 0
        yield {
            "ticket_id": ticket["id"],
            "target": kind,
            "target_seconds": seconds,
            "used_seconds": used,
            "running_since": None if rests or done_at else created_at,
            "paused_at": min(end, created_at + dt.timedelta(seconds=used)) if rests else None,
            "due_at": None if rests else due_at,
            "breached_at": due_at if not rests and due_at < (done_at or end) else None,
            "completed_at": done_at,
        }


def _due(house: House, clocks: list[dict[str, Any]]) -> dict[str, Any]:
    """What a ticket says of its clocks."""
    running = [clock for clock in clocks if clock["running_since"]]
    looks = [clock["due_at"] - dt.timedelta(hours=1) for clock in running if clock["breached_at"] is None]
    return {
        "sla_version_id": house.sla_version_id if clocks else None,
        "due_at": min((clock["due_at"] for clock in running), default=None),
        "breached_at": min((clock["breached_at"] for clock in clocks if clock["breached_at"]), default=None),
        "timer_at": min(looks, default=None),
    }


def _missed(clocks: Iterable[dict[str, Any]]) -> Iterator[Happened]:
    """That these targets were missed."""
    for clock in clocks:
        if at := clock["breached_at"]:
            data = {"target": clock["target"], "due_at": clock["due_at"].isoformat()}
            yield Happened(at, "SlaBreached", None, data, internal=True)


def _commented(comments: Iterable[dict[str, Any]]) -> Iterator[Happened]:
    """That these were added."""
    for row in comments:
        data = {"comment_id": row["id"]}
        yield Happened(row["created_at"], "CommentAdded", row["author_id"], data, row["internal"])


def _in_order(luck: random.Random, ticket: dict[str, Any], happened: list[Happened]) -> list[dict[str, Any]]:
    """The history, counted for both sides."""
    events, public = [], 0
    for seq, one in enumerate(happened, 1):
        public += not one.internal
        events.append(
            {
                "id": _id(luck, one.at),
                "ticket_id": ticket["id"],
                "seq": seq,
                "public_seq": None if one.internal else public,
                "kind": one.kind,
                "actor_id": one.actor_id,
                "at": one.at,
                "data": orjson.dumps(one.data, default=str).decode(),
            }
        )
    return events
