"""Business calendars: listing and keeping them."""

import models
from domain import calendars
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import planned
from planner.pages import Connection, PageArguments
from resolvers.writing import mutation, optional_key
from schema.calendars import (
    BusinessCalendar,
    SaveBusinessCalendarInput,
    SaveBusinessCalendarResult,
    SaveBusinessCalendarSuccess,
)
from schema.context import Context
from schema.inputs import given


@planned("Working hours and holidays, by name. Staff.")
def business_calendars(viewer: Viewer, page: PageArguments) -> Connection[BusinessCalendar] | None:
    order = [models.BusinessCalendar.name, models.BusinessCalendar.id]
    return page.of(calendars.visible(viewer), order=order)


@mutation("Makes or replaces working hours and holidays. Due times that depend on it are recalculated. Admins.")
async def save_business_calendar(
    unit: Unit, context: Context, input: SaveBusinessCalendarInput
) -> SaveBusinessCalendarResult:
    form = calendars.Form(
        name=input.name,
        time_zone=input.time_zone,
        hours=[calendars.Hours(each.weekday, each.opens_at, each.closes_at) for each in input.hours],
        holiday_region=given(input.holiday_region),
        holidays=[calendars.Holiday(each.date, each.name) for each in input.holidays],
    )
    calendar_id = optional_key(input.business_calendar_id, models.BusinessCalendar, "businessCalendarId")
    saved = await calendars.save(unit, context.viewer, calendar_id, form)
    return SaveBusinessCalendarSuccess(business_calendar=saved)
