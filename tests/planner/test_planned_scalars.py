"""Scalars: what is accepted from clients."""

import datetime as dt

import pytest

from planner import scalars


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T09:30:00.000Z", dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)),
        ("2026-11-24t09:30:00z", dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)),
        ("2026-11-24T09:30Z", dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)),
        ("2026-11-24T10:30:00.1239999+01:00", dt.datetime(2026, 11, 24, 9, 30, 0, 123_000, tzinfo=dt.UTC)),
        ("0001-01-01T00:00:00Z", dt.datetime(1, 1, 1, tzinfo=dt.UTC)),
        ("9999-12-31T23:59:59.9999Z", dt.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=dt.UTC)),
    ],
)
def test_moments(text, moment):
    assert scalars.instant(text) == moment
    assert scalars.instant(text).utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T09:30:00",
        "2026-11-24",
        "2026-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-11-24 09:30:00Z",
        "2026-11-24T24:30:00Z",
        "2026-W01-1T00:00:00Z",
        "20261124T093000Z",
        "٢٠٢٦-11-24T09:30:00Z",
        " 2026-11-24T09:30:00Z",
        1764000000,
        None,
    ],
)
def test_no_moments(text):
    with pytest.raises(ValueError, match="Expected a moment"):
        scalars.instant(text)


def test_days_and_times_of_day():
    assert scalars.day("2026-12-25") == dt.date(2026, 12, 25)
    for text in ("2026-12-32", "20261225", "2026-W01-1", "", 5):
        with pytest.raises(ValueError, match="Expected a calendar day"):
            scalars.day(text)
    for text in ("00:00", "09:30", "23:59", "24:00"):
        assert scalars.time_of_day(text) == text
    for text in ("24:01", "9:30", "09:60", "09:30:00", "", None):
        with pytest.raises(ValueError, match="Expected a time of day"):
            scalars.time_of_day(text)


def test_a_moment_is_written_in_utc_to_the_millisecond_with_four_digits_of_its_year():
    east = dt.timezone(dt.timedelta(hours=1))
    assert scalars.written(dt.datetime(2026, 11, 24, 10, 30, 0, 999_999, tzinfo=east)) == "2026-11-24T09:30:00.999Z"
    assert scalars.written(dt.datetime(33, 4, 3, tzinfo=dt.UTC)) == "0033-04-03T00:00:00.000Z"


def test_addresses_and_objects():
    longest = "https://example.com/".ljust(2000, "x")
    for text in (
        "https://example.com",
        "http://localhost:8000/a?b=c#d",
        "https://[::1]/",
        "https://bücher.example/",
        "http://x:1",
        longest,
    ):
        assert scalars.address(text) == text
    for text in (
        "example.com",
        "//example.com",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://a b",
        "http://x:99999",
        "http://x:0",
        longest + "x",
        "ftp://x",
        5,
    ):
        with pytest.raises(ValueError, match="Expected an absolute web address"):
            scalars.address(text)
    assert scalars.json_object({"a": [1]}) == {"a": [1]}
    for value in ([], "x", 1, None):
        with pytest.raises(ValueError, match="Expected a JSON object"):
            scalars.json_object(value)
