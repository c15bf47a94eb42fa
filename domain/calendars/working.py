"""Working time: how much of it lies between two instants, and when so much of it is used up.

Hours are wall-clock times. An instant is working time when the clocks of the calendar's zone show one of its hours: an
hour that clocks skip in spring is none, and one that they show twice in autumn counts twice.
"""

import datetime as dt
import itertools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import holidays

from domain import zones
from models import BusinessCalendar

LONGEST = 20  # years after which what is still not due never is
SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000  # in milliseconds, in which everything here is counted
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FIRST_DAY = EPOCH.date().toordinal()
LANGUAGE = "en_US"  # of the names of public holidays, where they are known in it
_REGION = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Hours:
    """When it is working time: spans of a week as weekday from Monday, and the minutes at which they begin and end."""

    zone: str
    spans: tuple[tuple[int, int, int], ...]
    region: str | None = None
    free: frozenset[dt.date] = frozenset()


def hours_of(calendar: BusinessCalendar | None) -> Hours | None:
    """The hours of a calendar; None, which is around the clock, without one."""
    if calendar is None:
        return None
    return hours(calendar.time_zone, calendar.hours, calendar.holiday_region, calendar.holidays)


def hours(zone: str, spans: list[dict[str, Any]], region: str | None, free: list[dict[str, Any]]) -> Hours:
    """The hours of what a calendar's columns hold."""
    return Hours(
        zone,
        tuple((span["weekday"], span["opens"], span["closes"]) for span in spans),
        region,
        frozenset(dt.date.fromisoformat(day["date"]) for day in free),
    )


# --- Counting ---------------------------------------------------------------------------------------------------------


def between(working: Hours | None, start: dt.datetime, end: dt.datetime) -> int:
    """Whole seconds of working time from one instant to a later one; 0 to an earlier one."""
    if end <= start:
        return 0
    if working is None:
        return _milliseconds(end - start) // SECOND
    passed = _in_year(working, end) - _in_year(working, start)
    years = range(start.astimezone(dt.UTC).year, end.astimezone(dt.UTC).year)
    return (passed + sum(_year(working, year).total for year in years)) // SECOND


def after(working: Hours | None, start: dt.datetime, seconds: int) -> dt.datetime | None:
    """The instant at which so many seconds of working time are used up; None when that is never, or not for years."""
    if seconds <= 0:
        return start
    if working is None:
        return start + dt.timedelta(seconds=seconds)
    if not working.spans:
        return None
    wanted = _in_year(working, start) + seconds * SECOND
    first = start.astimezone(dt.UTC).year
    for year in range(first, min(first + LONGEST, dt.MAXYEAR)):
        of_year = _year(working, year)
        if wanted <= of_year.total:
            place = bisect_left(of_year.before, wanted) - 1
            return EPOCH + dt.timedelta(milliseconds=of_year.begins[place] + wanted - of_year.before[place])
        wanted -= of_year.total
    return None


def is_open(working: Hours | None, moment: dt.datetime) -> bool:
    """Whether it is working time at this instant."""
    if working is None:
        return True
    of_year, instant = _year(working, moment.astimezone(dt.UTC).year), _milliseconds(moment - EPOCH)
    place = bisect_right(of_year.begins, instant) - 1
    return place >= 0 and instant < of_year.ends[place]


class _Year(NamedTuple):
    """The working time of a year in UTC: its spans, and how much of it lies before each, in milliseconds."""

    begins: list[int]
    ends: list[int]
    before: list[int]
    total: int


def _in_year(working: Hours, moment: dt.datetime) -> int:
    """The working time of the instant's year before it."""
    of_year, instant = _year(working, moment.astimezone(dt.UTC).year), _milliseconds(moment - EPOCH)
    place = bisect_right(of_year.begins, instant) - 1
    if place < 0:
        return 0
    return of_year.before[place] + min(instant, of_year.ends[place]) - of_year.begins[place]


@lru_cache(maxsize=256)
def _year(working: Hours, year: int) -> _Year:
    begins, ends, before, total = list[int](), list[int](), list[int](), 0
    for begin, end in _spans(working, year):
        if ends and ends[-1] == begin:
            ends[-1] = end
        else:
            begins.append(begin)
            ends.append(end)
            before.append(total)
        total += end - begin
    return _Year(begins, ends, before, total)


def _spans(working: Hours, year: int) -> Iterator[tuple[int, int]]:
    """The spans of a year in UTC, in order."""
    week: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    for weekday, opens, closes in sorted(working.spans):
        week[weekday].append((opens * MINUTE, closes * MINUTE))
    free = working.free.union(*(public(working.region, near) for near in (year - 1, year, year + 1)))
    days_off = {day.toordinal() for day in free}
    for start, end, offset in _offsets(working.zone, year):
        # While clocks are not moved, what they show is the instant and an offset.
        for day in range((start + offset) // DAY, (end + offset - 1) // DAY + 1):
            if day + FIRST_DAY in days_off:
                continue
            midnight = day * DAY - offset
            for opens, closes in week[(day + 3) % 7]:  # the first day of all was a Thursday
                begin, close = max(midnight + opens, start), min(midnight + closes, end)
                if begin < close:
                    yield begin, close


@lru_cache(maxsize=512)
def _offsets(zone: str, year: int) -> list[tuple[int, int, int]]:
    """Stretches of a year in UTC within which clocks are not moved, each with how far they are ahead."""
    clocks = zones.zone(zone)

    def ahead(instant: int) -> int:
        offset = (EPOCH + dt.timedelta(milliseconds=instant)).astimezone(clocks).utcoffset()
        return _milliseconds(offset or dt.timedelta())

    def moves(before: int, instant: int) -> bool:
        return ahead(instant) != before

    start, end = (_milliseconds(dt.datetime(y, 1, 1, tzinfo=dt.UTC) - EPOCH) for y in (year, year + 1))
    moved = [start]
    for low, high in itertools.pairwise(range(start, end + 1, DAY)):
        before = ahead(low)
        if before != ahead(high):
            moved.append(bisect_left(range(high), True, low, high, key=partial(moves, before)))
    return [(one, other, ahead(one)) for one, other in itertools.pairwise([*moved, end])]


def _milliseconds(span: dt.timedelta) -> int:
    return span // dt.timedelta(milliseconds=1)


# --- Days off ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def public(region: str | None, year: int) -> dict[dt.date, str]:
    """The public holidays of a country or region in a year, with their names."""
    if region is None:
        return {}
    return dict(sorted(_public_holidays(region, year).items()))


def _public_holidays(region: str, year: int) -> dict[dt.date, str]:
    found = _REGION.fullmatch(region)
    if found is None:
        raise NotImplementedError(region)
    country, subdivision = found[1], found[2]
    known = holidays.country_holidays(country, subdiv=subdivision).supported_languages
    language = LANGUAGE if LANGUAGE in known else None
    return dict(holidays.country_holidays(country, subdiv=subdivision, years=year, language=language))


def is_region(region: str) -> bool:
    """Whether the public holidays of this country or region are known."""
    try:
        _public_holidays(region, 2026)
    except NotImplementedError:
        return False
    return True


def upcoming(
    zone: str, region: str | None, free: dict[dt.date, str], moment: dt.datetime, most: int
) -> list[tuple[dt.date, str]]:
    """Public holidays and the days off that are `free`, from the zone's today on, next first, at most so many."""
    today = moment.astimezone(zones.zone(zone)).date()
    found = {day: name for day, name in free.items() if day >= today}
    for year in range(today.year, min(today.year + LONGEST, dt.MAXYEAR)):
        if region is None or sum(day.year < year for day in found) >= most:
            break
        # A day off of our own that is a public holiday too has the name that we gave it.
        found = {day: name for day, name in public(region, year).items() if day >= today} | found
    return sorted(found.items())[:most]
