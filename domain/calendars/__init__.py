"""Business calendars: who sees them, and how an admin keeps them."""

import datetime as dt
import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, waking, words, zones
from domain.access import Viewer
from domain.calendars import working
from domain.jobs import RecalculateSla
from domain.refusals import Conflict, ConflictReason, Problems
from infra.unit import Unit
from models import BusinessCalendar, Department, Role

MOST_HOURS, MOST_HOLIDAYS, MOST_UPCOMING = 28, 200, 50
OVER_MIDNIGHT = "The end must come after the beginning. Over midnight: until 24:00, and from 00:00 of the next day."
COUNTED_BY = ("time_zone", "hours", "holiday_region", "holidays")


class Weekday(enum.Enum):
    """A day of the week; the value is its place from Monday."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[BusinessCalendar]:
    """The calendars, for staff."""
    access.require(viewer, Role.AGENT)
    return select(BusinessCalendar)


def seen(viewer: Viewer) -> Select[BusinessCalendar]:
    """The calendars where an id names one: for everyone else only those of departments in use."""
    rows = select(BusinessCalendar)
    if viewer.is_staff:
        return rows
    used = sa.exists().where(Department.calendar_id == BusinessCalendar.id, Department.archived_at.is_(None))
    return rows.where(used)


def one(viewer: Viewer, calendar_id: Any) -> Select[BusinessCalendar]:
    """The calendar."""
    return visible(viewer).where(BusinessCalendar.id == calendar_id)


@dataclass(frozen=True, slots=True)
class Hours:
    """Working hours on one day of the week, as times of day."""

    weekday: Weekday
    opens_at: str
    closes_at: str


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day off."""

    date: dt.date
    name: str


def hours_in(stored: list[dict[str, Any]]) -> list[Hours]:
    """The hours that a calendar's column holds."""
    return [Hours(Weekday(span["weekday"]), _time(span["opens"]), _time(span["closes"])) for span in stored]


def holidays_in(stored: list[dict[str, Any]]) -> list[Holiday]:
    """The days off that a calendar's column holds."""
    return [Holiday(dt.date.fromisoformat(day["date"]), day["name"]) for day in stored]


def upcoming(zone: str, region: str | None, stored: list[dict[str, Any]], moment: dt.datetime, most: int) -> Any:
    """Public holidays and further days off from today on, next first."""
    free = {holiday.date: holiday.name for holiday in holidays_in(stored)}
    return [Holiday(*day) for day in working.upcoming(zone, region, free, moment, most)]


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a calendar is, as an admin fills it in."""

    name: str
    time_zone: str
    hours: list[Hours]
    holiday_region: str | None
    holidays: list[Holiday]


def _departments_by(calendar_id: Any) -> Select[UUID]:
    return select(Department.id).where(Department.calendar_id == calendar_id)


async def save(unit: Unit, viewer: Viewer, calendar_id: UUID | None, form: Form) -> UUID:
    """Make a calendar, or replace the one of this id; what was counted by it is counted anew. Raises Conflict TAKEN."""
    access.require(viewer, Role.ADMIN)
    values = _checked(form)
    taken = Conflict(ConflictReason.TAKEN, "Another calendar has this name.")
    unit.translate("business_calendars_name_key", taken)
    if calendar_id is None:
        return unit.insert(BusinessCalendar, **values).id
    row = access.found(await unit.lock(one, viewer, calendar_id), "businessCalendarId", "calendar")
    if any(getattr(row, name) != values[name] for name in COUNTED_BY):
        unit.enqueue(RecalculateSla(policy_id=None, calendar_id=row.id, department_id=None))
        if by_it := [record[0] for record in await unit.run(_departments_by, row.id)]:
            waking.wake(unit, department_ids=by_it)  # what escalates by its hours does so at other times now
    unit.change(row, **values)
    return row.id


def _checked(form: Form) -> dict[str, Any]:
    problems = Problems()
    values = {
        "name": words.line(problems, "name", form.name, most=100, what="The name"),
        "time_zone": form.time_zone,
        "hours": [
            {"weekday": hours.weekday.value, "opens": _minute(hours.opens_at), "closes": _minute(hours.closes_at)}
            for hours in sorted(form.hours, key=lambda hours: (hours.weekday.value, hours.opens_at))
        ],
        "holiday_region": form.holiday_region,
        "holidays": [
            {"date": holiday.date.isoformat(), "name": holiday.name}
            for holiday in sorted(_holidays(problems, form.holidays), key=lambda holiday: holiday.date)
        ],
    }
    if fault := zones.fault(form.time_zone):
        problems.add("timeZone", fault)
    for field, message in _wrong_hours(form.hours):
        problems.add(field, message)
    if form.holiday_region is not None and not working.is_region(form.holiday_region):
        problems.add("holidayRegion", "The public holidays of this region are not known. Name one such as DE or DE-BY.")
    problems.refuse()
    return values


def _wrong_hours(hours: list[Hours]) -> Iterator[tuple[str, str]]:
    if len(hours) > MOST_HOURS:
        yield "hours", f"At most {MOST_HOURS} are possible."
    for number, each in enumerate(hours):
        if each.closes_at <= each.opens_at:
            yield f"hours.{number}.closesAt", OVER_MIDNIGHT
    in_order = sorted(enumerate(hours), key=lambda item: (item[1].weekday.value, item[1].opens_at))
    for (_, one), (number, other) in itertools.pairwise(in_order):
        if one.weekday is other.weekday and other.opens_at < one.closes_at:
            yield f"hours.{number}", "These hours overlap others of the day."


def _holidays(problems: Problems, holidays: list[Holiday]) -> list[Holiday]:
    if len(holidays) > MOST_HOLIDAYS:
        problems.add("holidays", f"At most {MOST_HOLIDAYS} are possible.")
    found: dict[dt.date, Holiday] = {}
    for number, holiday in enumerate(holidays):
        name = words.line(problems, f"holidays.{number}.name", holiday.name, most=100, what="The name")
        if holiday.date in found:
            problems.add(f"holidays.{number}.date", "This day is there already.")
        found[holiday.date] = Holiday(holiday.date, name)
    return list(found.values())
