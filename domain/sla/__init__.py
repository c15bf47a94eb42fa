"""SLA targets: which policy applies to a ticket, and its clocks in line with what the ticket is."""

import enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import history
from domain.calendars.working import Hours, hours_of
from domain.happenings import SlaPolicyChanged
from domain.sla.clocks import Terms, align
from infra.rows import changed
from infra.unit import Unit
from models import (
    BusinessCalendar,
    Category,
    Department,
    SlaClock,
    SlaPolicy,
    SlaTargetKind,
    SlaVersion,
    Ticket,
    TicketStatus,
)

# --- Reading ----------------------------------------------------------------------------------------------------------


def applying(department_id: Any, category_id: Any) -> Select[SlaVersion]:
    """The present version of the policy that applies to tickets of the department and category that come in now.

    Without a department it is the category's.
    """
    policy = (
        select(SlaPolicy.id)
        .where(SlaPolicy.active, *_holding(_place(department_id, category_id), category_id))
        .order_by(SlaPolicy.position, SlaPolicy.id)
        .limit(1)
    )
    rows = select(SlaVersion).where(SlaVersion.policy_id == policy.scalar_subquery())
    return rows.order_by(SlaVersion.number.desc()).limit(1)


def _place(department_id: Any, category_id: Any) -> Any:
    if department_id is not None:
        return department_id
    return select(Category.department_id).where(Category.id == category_id).scalar_subquery()


def _holding(department_id: Any, category_id: Any) -> list[Any]:
    """That the conditions of a policy hold; one that is empty does."""
    return [
        sa.or_(sa.func.cardinality(ids) == 0, sa.cast(wanted, sa.Uuid()) == sa.func.any(ids))
        for ids, wanted in ((SlaPolicy.department_ids, department_id), (SlaPolicy.category_ids, category_id))
    ]


def _kept(version_id: Any, department_id: Any, category_id: Any) -> Select[SlaVersion]:
    """The version, while the conditions of its policy hold."""
    rows = select(SlaVersion).join(SlaPolicy, SlaPolicy.id == SlaVersion.policy_id)
    return rows.where(SlaVersion.id == version_id, *_holding(department_id, category_id))


def _version(version_id: Any) -> Select[SlaVersion]:
    return select(SlaVersion).where(SlaVersion.id == version_id)


def _department(department_id: Any, category_id: Any) -> Select[Department]:
    return select(Department).where(Department.id == _place(department_id, category_id))


def _calendar(department_id: Any, category_id: Any) -> Select[BusinessCalendar]:
    """The calendar by which the time of a ticket that comes in is counted."""
    of_version = applying(department_id, category_id).with_only_columns(SlaVersion.calendar_id).scalar_subquery()
    of_department = _department(department_id, category_id).with_only_columns(Department.calendar_id).scalar_subquery()
    return select(BusinessCalendar).where(BusinessCalendar.id == sa.func.coalesce(of_version, of_department))


def _clock(ticket_id: Any, target: SlaTargetKind) -> Select[SlaClock]:
    return select(SlaClock).where(SlaClock.ticket_id == ticket_id, SlaClock.target == target)


def _calendars(ticket_id: Any, version_id: Any, department_id: Any, category_id: Any) -> Select[BusinessCalendar]:
    """All calendars by which the ticket's time was or may now be counted."""
    ids = [
        select(Department.calendar_id).where(Department.id == department_id),
        applying(department_id, category_id).with_only_columns(SlaVersion.calendar_id),
        select(SlaClock.calendar_id).where(SlaClock.ticket_id == ticket_id),
    ]
    if version_id is not None:
        ids.append(select(SlaVersion.calendar_id).where(SlaVersion.id == version_id))
    return select(BusinessCalendar).where(BusinessCalendar.id.in_(sa.union_all(*ids)))


COUNTING = (TicketStatus.OPEN, TicketStatus.ON_HOLD)  # in no other state a ticket has a target that is due


def due_or(never: str) -> Any:
    """When the ticket's next target is due, for ordering; `never` where nothing is. As the indexes have it."""
    return sa.func.coalesce(Ticket.due_at, never_due(never))


def never_due(never: str) -> Any:
    """The instant that stands for none: infinity, or -infinity."""
    return sa.literal_column(f"'{never}'::timestamptz", sa.DateTime(timezone=True))


class SlaState(enum.Enum):
    """The state of an SLA target."""

    RUNNING = enum.auto()
    PAUSED = enum.auto()
    MET = enum.auto()
    BREACHED = enum.auto()
    CANCELLED = enum.auto()


def policy_of(ticket: Any) -> Select[SlaPolicy]:
    """The policy that applies to the ticket."""
    rows = select(SlaPolicy).join(SlaVersion, SlaVersion.policy_id == SlaPolicy.id)
    return rows.where(SlaVersion.id == ticket.sla_version_id)


def clock_of(ticket: Any, target: SlaTargetKind) -> Select[SlaClock]:
    """The ticket's clock for this target."""
    return select(SlaClock).where(SlaClock.ticket_id == ticket.id, SlaClock.target == target)


def state_of(clock: Any) -> Any:
    """The clock's state as of now, whether the desk's own clock has come to it or not."""
    states = (
        (breached_at_of(clock).is_not(None), SlaState.BREACHED),
        (clock.cancelled_at.is_not(None), SlaState.CANCELLED),
        (clock.completed_at.is_not(None), SlaState.MET),
        (clock.paused_at.is_not(None), SlaState.PAUSED),
    )
    cases = ((condition, sa.literal_column(f"'{state.name}'", sa.Text())) for condition, state in states)
    return sa.case(*cases, else_=sa.literal_column(f"'{SlaState.RUNNING.name}'", sa.Text()))


def breached_at_of(clock: Any) -> Any:
    """When the target was missed, as of now."""
    passed = sa.and_(clock.running_since.is_not(None), clock.due_at <= sa.func.now())
    return sa.func.coalesce(clock.breached_at, sa.case((passed, clock.due_at)))


def remaining_of(clock: Any) -> Any:
    """Seconds of working time that are left while the clock rests."""
    return sa.case((clock.paused_at.is_not(None), sa.func.greatest(clock.target_seconds - clock.used_seconds, 0)))


def some_calendars(ids: Any) -> Select[BusinessCalendar]:
    """These calendars."""
    return select(BusinessCalendar).where(BusinessCalendar.id == sa.func.any(ids))


# --- Writing ----------------------------------------------------------------------------------------------------------


def at_first(category_id: UUID, department_id: UUID | None = None) -> list[tuple[Any, ...]]:
    """What reads what is asked of tickets that come in, for `read_together`, each at most a row; `begin` has to see it.

    Without a department it is the category's.
    """
    return [(build, department_id, category_id) for build in (applying, _department, _calendar)]


def begin(unit: Unit, ticket: Ticket, found: list[list[Any]]) -> UUID | None:
    """Start the clocks of a new ticket, by what `at_first` gave; gives the policy that applies, if any."""
    [versions, [department], calendars] = found
    if not versions:
        return None
    version: SlaVersion = versions[0]
    unit.change(ticket, sla_version_id=version.id)
    align(unit, ticket, terms_of(version, department), [], hours_by_id(calendars))
    return version.policy_id


async def follow(unit: Unit, ticket: Ticket) -> None:
    """Bring the clocks of a ticket in line with what it is now. Every change of a ticket that could matter calls this.

    It keeps the version of the policy that it got until its department or category changes and the policy's conditions
    do not hold any more. Then it gets the first policy that applies.
    """
    moved = changed(ticket, "department_id", "category_id")
    if ticket.sla_version_id is None and not moved:
        return
    await unit.hold()  # its clocks may be moved without a change of the ticket
    place = (ticket.department_id, ticket.category_id)
    fresh = [clock for clock in unit.made(SlaClock) if clock.ticket_id == ticket.id]
    [found, departments, kept, present, first, second, calendars] = await unit.read_together(
        (applying, *place),
        (_department, *place),
        (_kept, ticket.sla_version_id, *place),
        (_version, ticket.sla_version_id),
        (_clock, ticket.id, SlaTargetKind.FIRST_RESPONSE),
        (_clock, ticket.id, SlaTargetKind.RESOLUTION),
        (_calendars, ticket.id, ticket.sla_version_id, *place),
    )
    version: SlaVersion | None = next(iter(present), None)
    if moved and not kept:
        chosen: SlaVersion | None = next(iter(found), None)
        _change(unit, ticket, version, chosen)
        version = chosen
    terms = None if version is None else terms_of(version, departments[0])
    clocks: list[SlaClock] = [*first, *second, *fresh]
    hours = hours_by_id(calendars)
    if unknown := {clock.calendar_id for clock in clocks} - hours.keys():  # this unit moved it before
        hours |= hours_by_id(await unit.read_all(some_calendars, list(unknown)))
    align(unit, ticket, terms, clocks, hours)


def _change(unit: Unit, ticket: Ticket, before: SlaVersion | None, after: SlaVersion | None) -> None:
    unit.change(ticket, sla_version_id=after.id if after else None)
    old, new = before.policy_id if before else None, after.policy_id if after else None
    if old != new:
        history.record(unit, None, ticket, SlaPolicyChanged(old, new))


def terms_of(version: SlaVersion, department: Department) -> Terms:
    """What the version asks of a ticket of the department."""
    return Terms(version, version.calendar_id or department.calendar_id)


def hours_by_id(calendars: list[BusinessCalendar]) -> dict[UUID | None, Hours | None]:
    """The hours of each calendar, and around the clock without one."""
    return {None: None} | {calendar.id: hours_of(calendar) for calendar in calendars}
