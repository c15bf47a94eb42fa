"""Business calendars: making and replacing them, who sees which, and what they say of today."""

import datetime as dt

import pytest

from domain.jobs import RecalculateSla
from models import Role

SAVE = """mutation ($input: SaveBusinessCalendarInput!) { saveBusinessCalendar(input: $input) { __typename
  ... on SaveBusinessCalendarSuccess { businessCalendar { id name timeZone holidayRegion
    hours { weekday opensAt closesAt } holidays { date name } } }
  ... on InvalidInput { problems { field } } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason } } }"""
LISTED = """{ businessCalendars { totalCount nodes { id name isOpen
  upcomingHolidays(first: 2) { day: date name __typename } } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on BusinessCalendar { name isOpen } } }"
DEPARTMENTS = "{ departments { nodes { name calendar { name hours { closesAt } } } } }"
SAVE_DEPARTMENT = """mutation ($input: SaveDepartmentInput!) { saveDepartment(input: $input) { __typename
  ... on SaveDepartmentSuccess { department { calendar { name } } } ... on NotFound { field } } }"""
NOWHERE = "cal_00000000-0000-7000-8000-000000000000"
MONDAY = {"weekday": "MONDAY", "opensAt": "09:00", "closesAt": "17:30"}
ALWAYS = [
    {"weekday": day, "opensAt": "00:00", "closesAt": "24:00"}
    for day in ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
]


@pytest.fixture
def save(api, admin):
    """Saves a calendar as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        given = {"name": "Office", "timeZone": "Europe/Berlin", "hours": [MONDAY]} | given
        answer = (await api(viewer, SAVE, input=given))["saveBusinessCalendar"]
        return answer.get("businessCalendar") or answer

    return saved


async def test_an_admin_makes_a_calendar(save):
    sunday = {"weekday": "SUNDAY", "opensAt": "00:00", "closesAt": "24:00"}
    evening = {"weekday": "MONDAY", "opensAt": "17:30", "closesAt": "18:00"}
    days = [{"date": "2026-12-31", "name": "New Year's Eve"}, {"date": "2026-12-24", "name": "  Christmas Eve "}]

    made = await save(hours=[sunday, evening, MONDAY], holidays=days, holidayRegion="DE-BY")

    assert made.pop("id").startswith("cal_")
    assert made == {
        "name": "Office",
        "timeZone": "Europe/Berlin",
        "holidayRegion": "DE-BY",
        "hours": [MONDAY, evening, sunday],
        "holidays": [{"date": "2026-12-24", "name": "Christmas Eve"}, days[0]],
    }


async def test_saving_takes_the_whole_form(save, work):
    made = await save(holidays=[{"date": "2026-12-31", "name": "Off"}], holidayRegion="FR")

    assert await save(businessCalendarId=made["id"], name="Shop", timeZone="UTC", hours=[]) == {
        "id": made["id"],
        "name": "Shop",
        "timeZone": "UTC",
        "holidayRegion": None,
        "hours": [],
        "holidays": [],
    }
    asked = await work.asked(RecalculateSla)
    assert [str(job.calendar_id) for job in asked] == [made["id"].removeprefix("cal_")]


async def test_another_name_counts_nothing_anew(save, work):
    made = await save()

    await save(businessCalendarId=made["id"], name="Shop")

    assert not await work.asked(RecalculateSla)


async def test_who_works_over_midnight_is_told_how_to_say_so(api, admin):
    night = MONDAY | {"opensAt": "22:00", "closesAt": "06:00"}
    text = """mutation ($input: SaveBusinessCalendarInput!) { saveBusinessCalendar(input: $input) {
      ... on InvalidInput { message } ... on SaveBusinessCalendarSuccess { businessCalendar { name } } } }"""
    form = {"name": "Night", "timeZone": "UTC", "hours": [night]}

    refused = await api(admin, text, input=form)
    assert "until 24:00, and from 00:00 of the next day" in refused["saveBusinessCalendar"]["message"]

    split = [night | {"closesAt": "24:00"}, {"weekday": "TUESDAY", "opensAt": "00:00", "closesAt": "06:00"}]
    saved = await api(admin, text, input=form | {"hours": split})
    assert saved["saveBusinessCalendar"]["businessCalendar"] == {"name": "Night"}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"timeZone": "Mars/Base"}, ["timeZone"]),
        ({"timeZone": "../etc/passwd"}, ["timeZone"]),
        ({"holidayRegion": "DE-XX"}, ["holidayRegion"]),
        ({"holidayRegion": ""}, ["holidayRegion"]),
        ({"hours": [MONDAY | {"closesAt": "09:00"}]}, ["hours.0.closesAt"]),
        ({"hours": [MONDAY, MONDAY | {"opensAt": "17:29", "closesAt": "20:00"}]}, ["hours.1"]),
        ({"hours": [MONDAY | {"opensAt": "24:00", "closesAt": "24:00"}]}, ["hours.0.closesAt"]),
        (
            {"hours": [MONDAY | {"opensAt": f"{n // 60:02}:{n % 60:02}", "closesAt": "24:00"} for n in range(29)]},
            ["hours", *(f"hours.{number}" for number in range(1, 29))],
        ),
        ({"holidays": [{"date": "2026-12-31", "name": ""}]}, ["holidays.0.name"]),
        ({"holidays": [{"date": "2026-12-31", "name": "A"}, {"date": "2026-12-31", "name": "B"}]}, ["holidays.1.date"]),
        (
            {
                "holidays": [
                    {"date": str(dt.date(2026, 1, 1) + dt.timedelta(days=n)), "name": "Off"} for n in range(201)
                ]
            },
            ["holidays"],
        ),
        ({"timeZone": "x", "name": ""}, ["name", "timeZone"]),
    ],
)
async def test_what_is_wrong_is_refused(save, database, given, fields):
    before = await database.counts()

    answer = await save(**given)

    assert answer["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


@pytest.mark.parametrize("time", ["9:00", "25:00", "24:01", "09:60", "09:00:00", ""])
async def test_what_is_no_time_of_day(api, admin, database, time):
    before = await database.counts()

    given = {"name": "Office", "timeZone": "UTC", "hours": [MONDAY | {"opensAt": time}]}
    assert "Expected a time of day" in (await api.answer(admin, SAVE, input=given))["errors"][0]["message"]
    assert await database.counts() == before


async def test_names_are_taken_once_and_ids_name_calendars(save, database, support):
    await save()
    other = await save(name="Shop")
    before = await database.counts()

    assert await save() == {"__typename": "Conflict", "reason": "TAKEN"}
    assert await save(businessCalendarId=other["id"]) == {"__typename": "Conflict", "reason": "TAKEN"}
    assert await save(businessCalendarId=NOWHERE) == {"__typename": "NotFound", "field": "businessCalendarId"}
    wrong = await save(businessCalendarId=support.gid)
    assert wrong == {"__typename": "InvalidInput", "problems": [{"field": "businessCalendarId"}]}
    assert await database.counts() == before


async def test_only_admins_save(save, api, database, customer, agent, director):
    made = await save()
    before = await database.counts()

    for viewer in (customer, agent, director):
        for given in ({}, {"businessCalendarId": made["id"]}, {"businessCalendarId": NOWHERE}):
            assert (await save(viewer, **given))["__typename"] == "NotAllowed"
    assert await api.refused(None, SAVE, input={"name": "x", "timeZone": "UTC", "hours": []}) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_staff_list_them_by_name(save, api, agent, director, customer):
    await save(name="Shop", hours=ALWAYS, timeZone="UTC")
    await save(name="Closed", hours=[], holidays=[{"date": "2000-01-01", "name": "Gone"}])

    for viewer in (agent, director):
        listed = (await api(viewer, LISTED))["businessCalendars"]
        assert [(each["name"], each["isOpen"]) for each in listed["nodes"]] == [("Closed", False), ("Shop", True)]
        assert [each["upcomingHolidays"] for each in listed["nodes"]] == [[], []]
    assert await api.refused(customer, LISTED) == "NOT_ALLOWED"
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"


async def test_the_next_days_off(save, api, agent):
    today = dt.datetime.now(dt.UTC).date()
    days = [{"date": str(today + dt.timedelta(days=n)), "name": f"Day {n}"} for n in (-2, 9000, 9001, 9002)]
    await save(holidays=days, timeZone="UTC")

    (found,) = (await api(agent, LISTED))["businessCalendars"]["nodes"]

    assert found["upcomingHolidays"] == [
        {"day": days[1]["date"], "name": "Day 9000", "__typename": "Holiday"},
        {"day": days[2]["date"], "name": "Day 9001", "__typename": "Holiday"},
    ]


@pytest.mark.parametrize("first", [0, 51])
async def test_how_many_days_off(save, api, agent, first):
    await save()
    text = "query ($n: Int!) { businessCalendars { nodes { upcomingHolidays(first: $n) { name } } } }"

    assert await api.refused(agent, text, n=first) == "BAD_REQUEST"


async def test_a_department_has_a_calendar_which_everyone_sees(save, api, work, admin, support, customer, stranger):
    made, other = await save(), await save(name="Secret")
    assert (await api(customer, NODE, id=made["id"]))["node"] is None

    given = {"departmentId": support.gid, "name": support.name, "calendarId": made["id"]}
    answer = await api(admin, SAVE_DEPARTMENT, input=given)

    assert answer["saveDepartment"]["department"] == {"calendar": {"name": "Office"}}
    assert [str(job.department_id) for job in await work.asked(RecalculateSla)] == [str(support.id)]
    (found,) = (await api(customer, DEPARTMENTS))["departments"]["nodes"]
    assert found["calendar"] == {"name": "Office", "hours": [{"closesAt": "17:30"}]}
    assert (await api(customer, NODE, id=made["id"]))["node"]["name"] == "Office"
    assert (await api(stranger, NODE, id=other["id"]))["node"] is None


async def test_a_department_needs_a_calendar_that_is_there(api, admin, database, support):
    before = await database.counts()
    given = {"departmentId": support.gid, "name": support.name, "calendarId": NOWHERE}

    answer = await api(admin, SAVE_DEPARTMENT, input=given)

    assert answer["saveDepartment"] == {"__typename": "NotFound", "field": "calendarId"}
    assert await database.counts() == before


@pytest.mark.parametrize("role", [Role.AGENT, Role.TEAM_LEAD])
async def test_staff_find_any_by_its_id(save, api, house, support, role):
    made, viewer = await save(), await house.person("Sam", role, support)

    assert (await api(viewer, NODE, id=made["id"]))["node"]["name"] == "Office"
