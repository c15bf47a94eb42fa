"""The clocks of one ticket, brought in line with what the ticket is: the same however often it is done."""

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import history
from domain.calendars.working import Hours, after, between
from domain.happenings import SlaBreached
from infra.unit import Unit
from models import SlaClock, SlaTargetKind, SlaVersion, Ticket, TicketStatus

AHEAD = dt.timedelta(hours=1)  # so long before a target is due, somebody is warned
ENDED = (TicketStatus.RESOLVED, TicketStatus.CLOSED)

Calendars = Mapping[UUID | None, Hours | None]  # by id; around the clock by None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a ticket: its policy's version, and the calendar that its time is counted by."""

    version: SlaVersion
    calendar_id: UUID | None

    def seconds(self, ticket: Ticket, kind: SlaTargetKind) -> int | None:
        """The time allowed for this target; None: there is none."""
        of_priority: dict[str, int | None] = self.version.targets.get(ticket.priority.name, {})
        return of_priority.get(kind.name)


class _Wanted(enum.Enum):
    """What a clock does, as the ticket is."""

    RUNS = enum.auto()
    RESTS = enum.auto()
    DONE = enum.auto()
    NOTHING = enum.auto()  # it does not count


def _wanted(ticket: Ticket, kind: SlaTargetKind, terms: Terms | None, seconds: int | None) -> _Wanted:
    if terms is None or seconds is None or ticket.merged_into_id is not None:
        return _Wanted.NOTHING
    if kind is SlaTargetKind.FIRST_RESPONSE and ticket.first_responded_at is not None:
        return _Wanted.DONE
    if ticket.status in ENDED:  # then nobody waits for a first answer
        return _Wanted.DONE if kind is SlaTargetKind.RESOLUTION else _Wanted.NOTHING
    if ticket.status is TicketStatus.PENDING:
        return _Wanted.RESTS
    if ticket.status is TicketStatus.ON_HOLD and terms.version.pauses_on_hold:
        return _Wanted.RESTS
    return _Wanted.RUNS


def align(
    unit: Unit, ticket: Ticket, terms: Terms | None, known: Iterable[SlaClock], calendars: Calendars
) -> list[SlaClock]:
    """Bring the clocks that are `known` of the locked ticket in line with it, and start those that are missing.

    `calendars` has those of the terms and of the clocks. Gives all its clocks.
    """
    found = {clock.target: clock for clock in known}
    for kind in SlaTargetKind:
        clock = _align(unit, ticket, kind, found.get(kind), terms, calendars)
        if clock is not None:
            found[kind] = clock
    _tell_ticket(unit, ticket, found.values())
    return list(found.values())


def _align(
    unit: Unit,
    ticket: Ticket,
    kind: SlaTargetKind,
    clock: SlaClock | None,
    terms: Terms | None,
    calendars: Calendars,
) -> SlaClock | None:
    seconds = terms.seconds(ticket, kind) if terms else None
    wanted = _wanted(ticket, kind, terms, seconds)
    if clock is None:
        if terms is None or seconds is None or wanted not in {_Wanted.RUNS, _Wanted.RESTS}:
            return None
        clock = _started(unit, ticket, kind, terms, seconds)
    end = unit.now
    if kind is SlaTargetKind.FIRST_RESPONSE and wanted is _Wanted.DONE and ticket.first_responded_at is not None:
        end = ticket.first_responded_at
    _catch_up(unit, ticket, clock, end, done=wanted is _Wanted.DONE)
    if clock.completed_at is not None and wanted in {_Wanted.DONE, _Wanted.NOTHING}:
        return clock  # what it was measured by stays
    if clock.cancelled_at is not None and wanted is _Wanted.DONE and _done_at(ticket, kind) != unit.now:
        return clock  # so does that it did not count when it was done

    calendar_id = terms.calendar_id if terms else clock.calendar_id
    hours = calendars[calendar_id]
    target, used, since = seconds or clock.target_seconds, clock.used_seconds, clock.running_since
    if since is not None and calendar_id != clock.calendar_id:
        used, since = used + between(calendars[clock.calendar_id], since, end), end
    if since is None and wanted is _Wanted.RUNS:
        since = end
    left = target - used  # none: it was due when it was missed, or else is now, however late it runs on
    due_at = after(hours, since or end, left) if left > 0 else clock.breached_at or end
    if since is not None and wanted is not _Wanted.RUNS:
        used, since = used + between(hours, since, end), None
    values: dict[str, Any] = {
        "target_seconds": target,
        "calendar_id": calendar_id,
        "used_seconds": used,
        "running_since": since,
        "paused_at": (clock.paused_at or unit.now) if wanted is _Wanted.RESTS else None,
        "due_at": due_at if wanted in {_Wanted.RUNS, _Wanted.DONE} else None,
        "completed_at": end if wanted is _Wanted.DONE else None,
        "cancelled_at": (clock.cancelled_at or unit.now) if wanted is _Wanted.NOTHING else None,
    }
    if values["due_at"] != clock.due_at and (due_at is None or due_at - AHEAD > unit.now):
        values["warned_at"] = None  # it is far ahead again, so there will be another warning
    _write(unit, clock, values)
    _catch_up(unit, ticket, clock, end, done=wanted is _Wanted.DONE, missed_at=unit.now)
    return clock


def _done_at(ticket: Ticket, kind: SlaTargetKind) -> dt.datetime | None:
    """When what the target asks for was done."""
    return ticket.first_responded_at if kind is SlaTargetKind.FIRST_RESPONSE else ticket.resolved_at or ticket.closed_at


def _started(unit: Unit, ticket: Ticket, kind: SlaTargetKind, terms: Terms, seconds: int) -> SlaClock:
    return unit.insert(
        SlaClock,
        ticket_id=ticket.id,
        target=kind,
        target_seconds=seconds,
        calendar_id=terms.calendar_id,
        used_seconds=0,
        running_since=None,
        paused_at=None,
        due_at=None,
        warned_at=None,
        breached_at=None,
        completed_at=None,
        cancelled_at=None,
    )


def _catch_up(
    unit: Unit, ticket: Ticket, clock: SlaClock, end: dt.datetime, *, done: bool, missed_at: dt.datetime | None = None
) -> None:
    """Record a miss that the clock of the desk has not come to yet. `done`: at the very end is in time."""
    if clock.due_at is None or clock.breached_at is not None or (clock.running_since is None and not done):
        return
    if clock.completed_at is not None and missed_at is None:
        return  # it was done before
    if clock.due_at < end or (clock.due_at == end and not done):
        breach(unit, ticket, clock, missed_at or clock.due_at)


def breach(unit: Unit, ticket: Ticket, clock: SlaClock, at: dt.datetime) -> None:
    """Record that the clock's target was missed, which is once."""
    if clock.due_at is None or clock.breached_at is not None:
        return
    unit.change(clock, breached_at=at)
    if ticket.breached_at is None or at < ticket.breached_at:
        unit.change(ticket, breached_at=at)
    history.record(unit, None, ticket, SlaBreached(clock.target, clock.due_at))


def next_look(clock: SlaClock) -> dt.datetime | None:
    """When the desk's clock must look at this one: to warn, or because it is due. None: not by itself."""
    if clock.running_since is None or clock.due_at is None or clock.breached_at is not None:
        return None
    return clock.due_at if clock.warned_at is not None else clock.due_at - AHEAD


def _tell_ticket(unit: Unit, ticket: Ticket, clocks: Iterable[SlaClock]) -> None:
    """What lists and the desk's clock find the ticket by."""
    known = list(clocks)
    due = [clock.due_at for clock in known if clock.running_since is not None and clock.due_at is not None]
    _write(unit, ticket, {"due_at": min(due, default=None)})
    looks = [at for clock in known if (at := next_look(clock)) is not None]
    soonest = min(looks, default=None)
    if soonest is not None and (ticket.timer_at is None or soonest < ticket.timer_at):
        unit.change(ticket, timer_at=soonest)


def _write(unit: Unit, row: Any, values: dict[str, Any]) -> None:
    """These values where they are others than the row has."""
    others = {name: value for name, value in values.items() if getattr(row, name) != value}
    if others:
        unit.change(row, **others)
