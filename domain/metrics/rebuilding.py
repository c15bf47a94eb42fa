"""Counting everything anew from the histories, while the desk goes on: what happens meanwhile is counted after it."""

import gc
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, insert, select

from domain.metrics import counting, facts, figures, sums
from domain.metrics.counting import COLUMNS, Subject
from domain.metrics.facts import Counted, Happened, State
from domain.metrics.sums import NOBODY
from domain.ranges import FIRST
from domain.sla import hours_by_id
from infra.pool import Pool
from infra.progress import Told
from infra.transactions import Transaction
from infra.unit import Unit
from models import ArticleFeedback, BusinessCalendar, Event, Fact, MeasuredTicket, Person, Role, Sums, Ticket

BATCH = 5_000  # tickets
# Facts of this one counting, which nobody else sees, without what finds and keeps those of the live ones.
COUNTED = sa.Table("counted", sa.MetaData(), *(sa.Column(name, getattr(Fact, name).type) for name in COLUMNS))
MAKE_COUNTED = f"CREATE TEMPORARY TABLE counted AS SELECT {', '.join(COLUMNS)} FROM metric_facts LIMIT 0"  # noqa: S608 # as below
# What is grouped is put in order first, in memory: a hash table of sums of histograms has kilobytes for each group.
ORDERLY = "SET LOCAL work_mem = '192MB'; SET LOCAL enable_hashagg = off"


def _tickets(after: Any, most: Any) -> Select[*tuple[Any, ...]]:
    return select(Ticket.id, Ticket.last_seq).where(Ticket.id > after).order_by(Ticket.id).limit(most)


def _events(ticket_ids: Any, kinds: Any, staff: Any) -> Select[*tuple[Any, ...]]:
    """Their histories, without what the fold would pass over."""
    columns = (Event.ticket_id, Event.kind, Event.at, Event.actor_id, Event.public_seq, Event.data)
    by_staff = func.coalesce(Event.data["by_staff"].as_boolean(), Event.actor_id == func.any(staff))
    heard = sa.or_(Event.kind != "CommentAdded", sa.and_(Event.public_seq.is_not(None), by_staff))
    rows = select(*columns).where(Event.ticket_id == func.any(ticket_ids), Event.kind == func.any(kinds), heard)
    return rows.order_by(Event.ticket_id, Event.seq)


def _staff() -> Select[*tuple[Any, ...]]:
    return select(Person.id).where(Person.role != Role.CUSTOMER)


def _calendars() -> Select[BusinessCalendar]:
    return select(BusinessCalendar)


def _saved() -> Any:
    """The facts of tickets that articles saved, from what readers said."""
    said = ArticleFeedback
    kept: list[Any] = [figures.quarter(said.saved_at), said.saved_department_id, NOBODY, said.saved_category_id]
    kept += [sa.literal_column(each) for each in ("0", f"'{counting.SAVED}'", "1")]
    columns = [name for name in COLUMNS if name != "bucket"]
    return insert(COUNTED).from_select(columns, select(*kept).where(said.saved_at.is_not(None)))


def _summed() -> Any:
    """The sums of all four parts of a key, of which all others are made."""
    return sums.filled(sums.spread(COUNTED.c, [sums.WHOLE]).subquery("spread").c)


async def rebuild(database_url: str, told: Told) -> int:
    """Count all histories anew, in one transaction; gives the number of tickets. `told`: so many of so many are done.

    Until it ends everybody reads the figures of before, and nothing else is counted: jobs for that wait.
    """
    connection = await asyncpg.connect(database_url, server_settings={"timezone": "UTC", "jit": "off"})
    try:
        # Before the transaction: what is added up in it would be in its way.
        await connection.execute("SELECT pg_advisory_lock($1)", counting.ANEW)
        async with connection.transaction(isolation="repeatable_read"):
            # Before the first look, so that nothing was counted that the look does not find.
            await connection.execute(f"LOCK TABLE {MeasuredTicket.__tablename__} IN EXCLUSIVE MODE")
            for model in (MeasuredTicket, Fact, Sums):
                await connection.execute(f"DELETE FROM {model.__tablename__}")  # noqa: S608 # names of our own
            await connection.execute(MAKE_COUNTED)
            await connection.execute(ORDERLY)
            unit = Unit(Transaction(Pool(database_url, size=1, longest=math.inf), connection))
            with _uncollected():
                done = await _counted(connection, unit, told)
            await unit.run(_saved)
            await unit.run(_summed)
            for split, grain in sums.KINDS[1:]:
                await unit.run(partial(sums.made, split, grain))
        for model in (MeasuredTicket, Fact, Sums):
            await connection.execute(f"VACUUM (ANALYZE) {model.__tablename__}")
    finally:
        await connection.close()
    return done


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without a look for cycles, of which there are none, among millions of events: half of what the fold takes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _counted(connection: asyncpg.Connection, unit: Unit, told: Told) -> int:
    """Write the facts of all tickets, and how far each was counted."""
    total = await connection.fetchval(f"SELECT count(*) FROM {Ticket.__tablename__}")  # noqa: S608 # as above
    staff = frozenset(record[0] for record in await unit.run(_staff))
    hours = hours_by_id(await unit.read_all(_calendars))
    done, after = 0, FIRST
    while records := await unit.run(_tickets, after, BATCH):
        last = {record[0]: record[1] for record in records}
        happened: dict[UUID, list[Happened]] = defaultdict(list)
        for ticket_id, *event in await unit.run(_events, list(last), list(facts.KINDS), list(staff)):
            happened[ticket_id].append(counting.event_of(*event))
        found: list[Counted] = []
        measured = []
        for record in await unit.run(counting.subjects, list(last)):
            subject = Subject(*record)
            state = State()
            found += facts.folded(state, happened[subject.ticket_id], counting.about(subject, hours, staff))
            measured.append((subject.ticket_id, last[subject.ticket_id], orjson.dumps(state).decode()))
        await connection.copy_records_to_table(
            MeasuredTicket.__tablename__, records=measured, columns=["ticket_id", "seq", "state"]
        )
        rows = facts.rows_of(found)
        await connection.copy_records_to_table(COUNTED.name, records=rows, columns=list(COLUMNS))
        done, after = done + len(records), records[-1][0]
        told(done, total)
    return done
