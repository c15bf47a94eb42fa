"""Business calendars as the API shows them."""

import datetime as dt
from typing import Annotated, Any, Union

import orjson
import sqlalchemy as sa
import strawberry

import models
from domain import calendars
from domain.access import Viewer
from domain.calendars import Weekday, working
from infra.unit import now
from planner.fields import Computed, Payload, argument, attribute, computed, payload
from planner.nodes import Node, stored
from planner.scalars import LocalTime
from schema.enums import described
from schema.inputs import optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

described(
    Weekday,
    "A day of the week.",
    **{day.name: f"{day.name.capitalize()}." for day in Weekday},
)


@strawberry.type(description="Working hours on one day of the week. A day may have several.")
class BusinessHours:
    weekday: Weekday = attribute("The day.")
    opens_at: LocalTime = attribute("Beginning.")
    closes_at: LocalTime = attribute("End, after the beginning.")


@strawberry.type(description="A day off.")
class Holiday:
    date: dt.date = attribute("The day.")
    name: str = attribute("Its name.")


def _text(column: Any) -> Any:
    return sa.cast(column, sa.Text())


def _hours(_given: Any, hours: str) -> list[calendars.Hours]:
    return calendars.hours_in(orjson.loads(hours))


def _holidays(_given: Any, holidays: str) -> list[calendars.Holiday]:
    return calendars.holidays_in(orjson.loads(holidays))


def _upcoming(_given: Any, zone: str, region: str | None, holidays: str, first: int) -> list[calendars.Holiday]:
    return calendars.upcoming(zone, region, orjson.loads(holidays), now(), first)


def _is_open(_given: Any, zone: str, hours: str, region: str | None, holidays: str) -> bool:
    return working.is_open(working.hours(zone, orjson.loads(hours), region, orjson.loads(holidays)), now())


@stored(models.BusinessCalendar, "cal")
@strawberry.type(description="Working hours and holidays.")
class BusinessCalendar(Node):
    name: str = attribute("Its name.")
    time_zone: str = attribute("IANA time zone of its hours.")
    holiday_region: str | None = attribute(
        "Country or region whose public holidays are free, ISO 3166, such as DE-BY; null: none."
    )

    @computed("Working hours of a week, in order, at most 28; none: closed.", most=calendars.MOST_HOURS)
    def hours(calendar: models.BusinessCalendar, viewer: Viewer) -> list[BusinessHours]:
        return Computed(_hours, _text(calendar.hours))

    @computed("Further days off, in order, at most 200.", most=calendars.MOST_HOLIDAYS)
    def holidays(calendar: models.BusinessCalendar, viewer: Viewer) -> list[Holiday]:
        return Computed(_holidays, _text(calendar.holidays))

    @computed("Public holidays and further days off from today on, next first.", most=calendars.MOST_UPCOMING)
    def upcoming_holidays(
        calendar: models.BusinessCalendar,
        viewer: Viewer,
        first: Annotated[int, argument("How many: 1 to 50.", least=1, most=calendars.MOST_UPCOMING)] = 10,
    ) -> list[Holiday]:
        return Computed(_upcoming, calendar.time_zone, calendar.holiday_region, _text(calendar.holidays), first)

    @computed("Whether it is working time now.")
    def is_open(calendar: models.BusinessCalendar, viewer: Viewer) -> bool:
        hours, holidays = _text(calendar.hours), _text(calendar.holidays)
        return Computed(_is_open, calendar.time_zone, hours, calendar.holiday_region, holidays)


@strawberry.input(description="Working hours on one day of the week.")
class BusinessHoursInput:
    weekday: Weekday = required("The day.")
    opens_at: LocalTime = required("Beginning.")
    closes_at: LocalTime = required("End, after the beginning.")


@strawberry.input(description="A day off.")
class HolidayInput:
    date: dt.date = required("The day.")
    name: str = required("Its name, 1 to 100 characters.")


@strawberry.input(description="What saveBusinessCalendar needs.")
class SaveBusinessCalendarInput:
    business_calendar_id: strawberry.ID | None = optional("The calendar to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    time_zone: str = required("IANA time zone.")
    hours: list[BusinessHoursInput] = required("Working hours of a week, at most 28, not overlapping.")
    holiday_region: str | None = optional("Country or region whose public holidays are free, ISO 3166; default: none.")
    holidays: list[HolidayInput] = strawberry.field(description="Further days off, at most 200.", default_factory=list)


@strawberry.type(description="Saved.")
class SaveBusinessCalendarSuccess:
    business_calendar: Payload[BusinessCalendar] = payload("The calendar.", calendars.one)


SaveBusinessCalendarResult = Annotated[
    Union[SaveBusinessCalendarSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveBusinessCalendarResult", description="What saveBusinessCalendar answers."),
]
