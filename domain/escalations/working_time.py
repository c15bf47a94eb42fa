"""Instants that lie a span of working time ahead."""

import datetime as dt
from zoneinfo import ZoneInfo

from models import BusinessCalendar

MOST_DAYS = 10_000  # that are looked at before a calendar counts as one without working time


def after(calendar: BusinessCalendar | None, start: dt.datetime, seconds: int) -> dt.datetime | None:
    """The moment when so many seconds of working time have passed since `start`.

    Without a calendar all time is working time. No seconds have passed at once, at whatever hour. None: never.
    """
    if calendar is None or seconds == 0:
        return start + dt.timedelta(seconds=seconds)
    zone, off = ZoneInfo(calendar.time_zone), {day["date"] for day in calendar.holidays}
    day, left = start.astimezone(zone).date(), dt.timedelta(seconds=seconds)
    for _ in range(MOST_DAYS):
        for span in calendar.hours if day.isoformat() not in off else ():
            if span["weekday"] != day.weekday():
                continue
            begins = max(_moment(day, span["opens"], zone), start)
            room = _moment(day, span["closes"], zone) - begins
            if room >= left:
                return begins + left
            left -= max(room, dt.timedelta(0))
        day += dt.timedelta(days=1)
    return None


def _moment(day: dt.date, minute: int, zone: ZoneInfo) -> dt.datetime:
    """This minute of the day, by the clocks of the zone."""
    local = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=minute)
    return local.replace(tzinfo=zone).astimezone(dt.UTC)
