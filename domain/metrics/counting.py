"""Counting what happened to tickets: each event once, then all of it added to the sums."""

import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from domain.calendars.working import Hours
from domain.jobs import Count
from domain.metrics import facts, sums
from domain.metrics.facts import NOBODY, About, Counted, Happened, State
from domain.sla import hours_by_id, some_calendars
from infra.desk import Desk
from infra.unit import Unit
from models import (
    Department,
    Event,
    Fact,
    MeasuredTicket,
    Membership,
    Person,
    Role,
    SlaClock,
    SlaTargetKind,
    SlaVersion,
    Ticket,
)

CHANNEL = "metrics"  # where it is told that figures changed; with a person's id, those of their departments
SAVED = "deflected"  # the measure of tickets that articles saved
BATCH = 5_000  # facts that are added at once
ANEW = 0x6465736B6D657472  # an advisory lock: shared by who adds up, alone for who counts anew
PAUSE_SECONDS = 15.0  # until it is asked again whether all was counted anew

# --- Counting ---------------------------------------------------------------------------------------------------------


class Subject(NamedTuple):
    """What is looked up of a ticket to count what happened to it."""

    ticket_id: UUID
    first_responded_at: dt.datetime | None
    calendar_id: UUID | None
    targets: list[str]


def _begun(ticket_ids: Any) -> Any:
    keys = func.unnest(ticket_ids).table_valued(sa.column("id", sa.Uuid())).render_derived(name="k")
    rows = select(keys.c.id, sa.literal_column("0"), sa.literal_column("'{}'::jsonb"))
    return insert(MeasuredTicket).from_select(["ticket_id", "seq", "state"], rows).on_conflict_do_nothing()


def _measured(ticket_ids: Any) -> Select[MeasuredTicket]:
    return (
        select(MeasuredTicket)
        .where(MeasuredTicket.ticket_id == func.any(ticket_ids))
        .order_by(MeasuredTicket.ticket_id)
    )


def events_of(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    """What has happened to these tickets and is not counted yet, in its order."""
    columns = (Event.ticket_id, Event.seq, Event.kind, Event.at, Event.actor_id, Event.public_seq, Event.data)
    rows = select(*columns).join(MeasuredTicket, MeasuredTicket.ticket_id == Event.ticket_id)
    rows = rows.where(Event.ticket_id == func.any(ticket_ids), Event.seq > MeasuredTicket.seq)
    return rows.order_by(Event.ticket_id, Event.seq)


def subjects(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    """What must be known of these tickets beside their histories."""
    targets = select(SlaClock.target).where(SlaClock.ticket_id == Ticket.id, SlaClock.cancelled_at.is_(None))
    calendar = func.coalesce(SlaVersion.calendar_id, Department.calendar_id)
    rows = select(
        Ticket.id, Ticket.first_responded_at, calendar, func.array(targets.scalar_subquery(), type_=ARRAY(sa.Text()))
    )
    rows = rows.join(Department, Department.id == Ticket.department_id)
    rows = rows.outerjoin(SlaVersion, SlaVersion.id == Ticket.sla_version_id)
    return rows.where(Ticket.id == func.any(ticket_ids))


def staff_of(person_ids: Any) -> Select[*tuple[Any, ...]]:
    """Who of these people answers for the desk."""
    return select(Person.id).where(Person.id == func.any(person_ids), Person.role != Role.CUSTOMER)


async def count(unit: Unit, ticket_ids: Iterable[UUID]) -> None:
    """Count what has happened to these tickets since they were counted last."""
    keys = sorted(set(ticket_ids))
    await unit.run(_begun, keys)
    measured = await unit.lock_all(_measured, keys)
    happened: dict[UUID, list[tuple[int, Happened]]] = defaultdict(list)
    for record in await unit.run(events_of, keys):
        ticket_id, seq, *told = record
        happened[ticket_id].append((seq, event_of(*told)))
    if not happened:
        return
    known = [Subject(*record) for record in await unit.run(subjects, list(happened))]
    calendar_ids = list({each.calendar_id for each in known if each.calendar_id is not None})
    hours = hours_by_id(await unit.read_all(some_calendars, calendar_ids) if calendar_ids else [])
    actors = {event.actor_id for events in happened.values() for _, event in events if event.actor_id}
    staff = frozenset(record[0] for record in await unit.run(staff_of, list(actors)))
    by_id = {each.ticket_id: each for each in known}
    found: list[Counted] = []
    for row in measured:
        events = happened.get(row.ticket_id)
        if not events:
            continue
        state = State(**row.state)
        found += facts.folded(state, [event for _, event in events], about(by_id[row.ticket_id], hours, staff))
        unit.change(row, seq=events[-1][0], state=dataclasses.asdict(state))
    await _write(unit, facts.rows_of(found))


async def count_saved(unit: Unit, at: dt.datetime, department_id: UUID, category_id: UUID, amount: int) -> None:
    """Count a ticket that an article saved at this moment, or with the opposite amount take it back.

    It has neither an agent nor a priority. All zeros: nobody can say of which department and category it would be.
    """
    key = (facts.quarter(at), str(department_id), str(NOBODY), str(category_id), 0, SAVED)
    await _write(unit, [(*key, None, amount)])
    unit.enqueue(Count([]))  # adds it up


async def _write(unit: Unit, rows: Iterable[facts.Row]) -> None:
    """Write facts: what happened in one quarter of an hour to one key together; nothing of what was undone."""
    amounts: Counter[tuple[Any, ...]] = Counter()
    for *key, bucket, amount in rows:
        amounts[*key, NONE if bucket is None else bucket] += amount
    written = [(*key, amount) for key, amount in amounts.items() if amount]
    if written:
        await unit.run(_written, unit.now, *(list(column) for column in zip(*written, strict=True)))


def event_of(kind: str, at: dt.datetime, actor_id: UUID | None, public_seq: int | None, data: str) -> Happened:
    """The event of a record."""
    return Happened(kind, at, actor_id, public_seq is not None, orjson.loads(data))


def about(subject: Subject, hours: dict[UUID | None, Hours | None], staff: frozenset[UUID]) -> About:
    """What the fold is told beside the history."""
    targets = frozenset(SlaTargetKind[name] for name in subject.targets)
    return About(subject.first_responded_at, targets, hours[subject.calendar_id], staff)


COLUMNS = ("start", "department_id", "agent_id", "category_id", "priority", "measure", "bucket", "amount")
NONE = -1  # among numbers of buckets


def _written(moment: Any, *columns: Any) -> Any:
    rows = func.unnest(*columns).table_valued(*COLUMNS).render_derived(name="f")
    given: dict[str, Any] = {name: sa.cast(rows.c[name], getattr(Fact, name).type) for name in COLUMNS}
    given["bucket"] = func.nullif(given["bucket"], NONE)
    return insert(Fact).from_select(["made_at", *COLUMNS], select(moment, *given.values()))


# --- Adding up --------------------------------------------------------------------------------------------------------


async def begins_anew(desk: Desk) -> bool:
    """Whether everything is counted anew just now: what has happened meanwhile is counted after that."""
    ((free,),) = await desk.writes.alone(_free)
    return not free


async def add_up(desk: Desk) -> None:
    """Add what was counted to the sums. Several may do so at once: each takes other facts."""
    while True:
        async with desk.writes.begin() as unit:
            ((free,),) = await unit.run(_free)
            if not free:
                return  # it is all counted anew, after which this is added too
            ((count, department_ids),) = await unit.run(_taken, BATCH)
            if count:
                unit.publish(CHANNEL)
                for record in await unit.run(_members, department_ids):
                    unit.publish(f"{CHANNEL}:{record[0]}")
        if count < BATCH:
            return


def _free() -> Any:
    return select(func.pg_try_advisory_xact_lock_shared(sa.literal_column(str(ANEW))))


def _taken(most: Any) -> Any:
    oldest = select(Fact.id).order_by(Fact.id).limit(most).with_for_update(skip_locked=True)
    taken = sa.delete(Fact).where(Fact.id.in_(oldest)).returning(*(getattr(Fact, name) for name in COLUMNS))
    facts_ = taken.cte("taken")
    spread = sums.spread(facts_.c).cte("spread")
    added = sums.added(spread.c).cte("summed")
    departments = func.array_agg(sa.distinct(facts_.c.department_id))
    return select(func.count(), departments).select_from(facts_).add_cte(added)


def _members(department_ids: Any) -> Any:
    """Who works in these departments, and may measure them for that alone."""
    return select(Membership.person_id).distinct().where(Membership.department_id == func.any(department_ids))
