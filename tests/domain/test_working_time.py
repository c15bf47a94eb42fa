import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.calendars import working
from domain.calendars.working import Hours, after, between, is_open, upcoming

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",  # clocks move by half an hour
    "Pacific/Chatham",
    "America/St_Johns",
    "Pacific/Apia",
]
OFFICE = Hours("Europe/Berlin", tuple((day, 9 * 60, 17 * 60) for day in range(5)), "DE-BY")
NEVER = Hours("Europe/Berlin", ())


def at(text, zone="UTC"):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)


def counted(hours, start, minutes):
    """What a watch counts that looks at the clock on the wall in every minute."""
    zone, total = ZoneInfo(hours.zone), 0
    for number in range(minutes):
        wall = (start + dt.timedelta(minutes=number)).astimezone(zone)
        minute = wall.hour * 60 + wall.minute
        works = any(day == wall.weekday() and opens <= minute < closes for day, opens, closes in hours.spans)
        total += works and wall.date() not in hours.free
    return total


@st.composite
def calendars(draw):
    spans = []
    for day in range(7):
        edges = draw(st.lists(st.integers(0, 1440), max_size=4, unique=True).map(sorted))
        spans += [(day, *edges[place : place + 2]) for place in range(0, len(edges) - 1, 2)]
    free = draw(st.frozensets(st.dates(dt.date(2026, 1, 1), dt.date(2027, 1, 3)), max_size=5))
    return Hours(draw(st.sampled_from(ZONES)), tuple(spans), None, free)


# Around the days on which clocks are moved, and where a year ends.
MOMENTS = st.sampled_from(
    ["2026-03-08", "2026-03-28", "2026-04-04", "2026-09-26", "2026-10-03", "2026-10-24", "2026-11-01", "2026-12-30"]
).flatmap(lambda day: st.integers(0, 2 * 1440).map(lambda minute: at(day) + dt.timedelta(minutes=minute)))


@settings(max_examples=200, deadline=None)
@given(calendars(), MOMENTS, st.integers(0, 4 * 1440))
def test_it_counts_as_somebody_who_looks_at_the_clock_every_minute(hours, start, minutes):
    end = start + dt.timedelta(minutes=minutes)

    assert between(hours, start, end) == 60 * counted(hours, start, minutes)
    assert is_open(hours, start) == bool(counted(hours, start, 1))


@settings(max_examples=200, deadline=None)
@given(calendars(), MOMENTS, st.integers(1, 3 * 86_400))
def test_what_is_used_up_at_an_instant_is_not_a_moment_before(hours, start, seconds):
    due = after(hours, start, seconds)

    if due is None:
        assert between(hours, start, start + dt.timedelta(days=365)) < seconds
        return
    assert between(hours, start, due) == seconds
    assert between(hours, start, due - dt.timedelta(milliseconds=1)) == seconds - 1


@settings(max_examples=50, deadline=None)
@given(calendars(), MOMENTS, st.integers(0, 20 * 86_400), st.integers(0, 20 * 86_400))
def test_parts_add_up(hours, start, one, other):
    middle = start + dt.timedelta(seconds=one)
    end = middle + dt.timedelta(seconds=other)

    assert 0 <= between(hours, start, end) - between(hours, start, middle) - between(hours, middle, end) <= 1


def test_around_the_clock():
    start = at("2026-11-24T09:30")

    assert after(None, start, 90) == start + dt.timedelta(seconds=90)
    assert between(None, start, start + dt.timedelta(days=1, milliseconds=999)) == 86_400
    assert is_open(None, start)


def test_a_day_goes_to_its_end():
    hours = Hours("Asia/Kolkata", tuple((day, 0, 1440) for day in range(7)))
    start = at("2026-11-24T09:30")

    assert after(hours, start, 400 * 86_400) == start + dt.timedelta(days=400)
    assert len(working._year(hours, 2026).begins) == 1


def test_the_very_end_of_a_day_and_of_a_year():
    opens, closes = (at(f"2026-11-27T{time}", "Europe/Berlin") for time in ("09:00", "17:00"))  # a Friday
    moment = dt.timedelta(milliseconds=1)

    assert [is_open(OFFICE, each) for each in (opens - moment, opens, closes - moment, closes)] == [
        *(False, True),
        *(True, False),
    ]
    assert after(OFFICE, opens, 8 * 3600) == closes
    assert after(OFFICE, opens, 8 * 3600 + 1) == at("2026-11-30T09:00:01", "Europe/Berlin")
    assert between(OFFICE, opens, closes) == between(OFFICE, opens, closes + moment) == 8 * 3600
    assert between(OFFICE, opens, opens) == 0

    thursdays = Hours("UTC", ((3, 0, 1440),))
    assert after(thursdays, at("2026-12-31T23:00"), 3600) == at("2027-01-01")
    assert between(thursdays, at("2026-12-31T23:00"), at("2027-01-01")) == 3600


def test_spans_may_stand_in_any_order():
    day = (0, 9 * 60, 12 * 60), (0, 13 * 60, 17 * 60)
    monday, evening = at("2026-11-30T00:00"), at("2026-11-30T15:00")

    assert between(Hours("UTC", day[::-1]), monday, evening) == between(Hours("UTC", day), monday, evening) == 5 * 3600


@pytest.mark.parametrize(
    ("zone", "region", "start"),
    [("Pacific/Auckland", "NZ", "2026-12-31T12:00"), ("America/New_York", "PH", "2027-01-01T01:00")],
)
def test_a_holiday_may_lie_in_another_year_than_where_it_is_utc(zone, region, start):
    """The first of January, which there begins in December; and the last of December, which ends in January."""
    hours = tuple((day, 0, 1440) for day in range(7))
    span = at(start), at(start) + dt.timedelta(hours=3)

    assert (between(Hours(zone, hours, region), *span), between(Hours(zone, hours), *span)) == (0, 3 * 3600)


def test_office_hours_over_weekends_and_holidays():
    # A Thursday; Friday is a holiday in Bavaria, then comes a weekend.
    assert after(OFFICE, at("2026-12-24T16:00", "Europe/Berlin"), 2 * 3600) == at("2026-12-28T10:00", "Europe/Berlin")
    # Epiphany is one in Bavaria, and not in Berlin.
    epiphany = (at("2027-01-06T00:00", "Europe/Berlin"), at("2027-01-07T00:00", "Europe/Berlin"))
    assert between(OFFICE, *epiphany) == 0
    assert between(Hours(OFFICE.zone, OFFICE.spans, "DE-BE"), *epiphany) == 8 * 3600


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
    ],
)
def test_days_on_which_clocks_are_moved(zone, day, hours):
    start = at(day, zone)
    always = Hours(zone, tuple((weekday, 0, 1440) for weekday in range(7)))

    assert between(always, start, at(f"{dt.date.fromisoformat(day) + dt.timedelta(days=1)}", zone)) == hours * 3600


def test_an_hour_that_is_skipped_and_one_that_comes_twice():
    night = Hours("Europe/Berlin", ((6, 2 * 60, 3 * 60),))

    assert between(night, at("2026-03-28"), at("2026-03-30")) == 0
    assert between(night, at("2026-10-24"), at("2026-10-26")) == 2 * 3600
    assert is_open(night, at("2026-10-25T00:30"))
    assert is_open(night, at("2026-10-25T01:30"))


def test_a_calendar_without_hours_is_never_due():
    assert after(NEVER, at("2026-11-24"), 1) is None
    assert after(NEVER, at("2026-11-24"), 0) == at("2026-11-24")
    assert between(NEVER, at("2026-11-24"), at("2030-11-24")) == 0
    assert not is_open(NEVER, at("2026-11-24"))
    # One minute in a week is not enough for a year of work in anybody's life.
    assert after(Hours("UTC", ((0, 0, 1),)), at("2026-11-24"), 31_536_000) is None


def test_years_are_gone_through_once():
    start = at("2026-11-24")
    working._year.cache_clear()
    for number in range(1_000):
        after(OFFICE, start + dt.timedelta(minutes=number), 1800 * 3600)

    assert working._year.cache_info().misses <= 2


def test_the_days_off_that_come():
    free = {dt.date(2026, 11, 23): "Gone", dt.date(2026, 12, 24): "Christmas Eve", dt.date(2026, 12, 25): "Ours"}

    assert upcoming("Europe/Berlin", "DE-BY", free, at("2026-11-23T23:30"), 4) == [
        (dt.date(2026, 12, 24), "Christmas Eve"),
        (dt.date(2026, 12, 25), "Ours"),
        (dt.date(2026, 12, 26), "Second Day of Christmas"),
        (dt.date(2027, 1, 1), "New Year's Day"),
    ]
    assert upcoming("UTC", None, free, at("2026-12-24T12:00"), 50) == list(free.items())[1:]
    assert len(upcoming("UTC", "DE", {}, at("2026-12-24T12:00"), 50)) == 50
    far = {dt.date(2030, 5, day): "Far" for day in (6, 7)}
    assert [day for day, _ in upcoming("UTC", "DE", far, at("2026-12-24T12:00"), 2)] == [
        dt.date(2026, 12, 25),
        dt.date(2026, 12, 26),
    ]


@pytest.mark.parametrize("region", ["DE", "DE-BY", "US-CA", "GB-ENG", "FR"])
def test_regions(region):
    assert working.is_region(region)


@pytest.mark.parametrize("region", ["", "de", "XX", "DE-XX", "DE-", "Germany", "DE-Augsburg", "DE BY", "__"])
def test_what_is_no_region(region):
    assert not working.is_region(region)
