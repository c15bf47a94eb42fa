"""The scalars of the API beside GraphQL's own: how they are read from a client, and what they are in Python.

Annotate with the names here or, for DateTime and Date, with Python's own types.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NewType
from urllib.parse import urlsplit

import strawberry
from strawberry.types.scalar import ScalarDefinition

DateTime = NewType("DateTime", dt.datetime)
Date = NewType("Date", dt.date)
LocalTime = NewType("LocalTime", str)
URL = NewType("URL", str)
JSON = NewType("JSON", dict[str, Any])

INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
LONGEST_URL = 2000


def instant(value: Any) -> dt.datetime:
    """A moment as a client writes it, in UTC, cut to milliseconds. Raises ValueError with a text for the client."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        try:
            moment = dt.datetime.fromisoformat(value.upper()).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            pass
        else:
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    raise ValueError("Expected a moment with an offset, such as 2026-11-24T09:30:00.000Z.")


def day(value: Any) -> dt.date:
    """A calendar day as a client writes it. Raises ValueError with a text for the client."""
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return dt.date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("Expected a calendar day, such as 2026-12-25.")


def time_of_day(value: Any) -> str:
    """A time of day as a client writes it, to the minute. Raises ValueError with a text for the client."""
    if isinstance(value, str) and TIME_OF_DAY.fullmatch(value):
        return value
    raise ValueError("Expected a time of day, such as 09:30.")


def address(value: Any) -> str:
    """An absolute web address. Raises ValueError with a text for the client."""
    if isinstance(value, str) and len(value) <= LONGEST_URL and not re.search(r"[\s\x00-\x1f\x7f\\]", value):
        try:
            parts = urlsplit(value)
            port = parts.port  # reading it checks it
        except ValueError:
            pass
        else:
            if parts.scheme in {"http", "https"} and parts.hostname and port != 0:
                return value
    raise ValueError("Expected an absolute web address, such as https://example.com/path.")


def json_object(value: Any) -> dict[str, Any]:
    """A JSON object. Raises ValueError with a text for the client."""
    if isinstance(value, dict):
        return value
    raise ValueError("Expected a JSON object.")


def written(value: Any) -> str:
    """A value of one of these scalars as JSON text has it. What is a string already was written by PostgreSQL."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    return str(value)


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="A moment in UTC, ISO 8601 with milliseconds: 2026-11-24T09:30:00.000Z. "
    "As input, any offset is accepted.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time",
    serialize=written,
    parse_value=instant,
)
DATE = strawberry.scalar(
    name="Date",
    description="A calendar day without time zone: 2026-12-25.",
    specified_by_url="https://scalars.graphql.org/andimarek/local-date",
    serialize=written,
    parse_value=day,
)
LOCAL_TIME = strawberry.scalar(
    name="LocalTime",
    description="A time of day without time zone, to the minute: 09:30. 24:00 is the end of a day.",
    specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339#section-5.6",
    serialize=written,
    parse_value=time_of_day,
)
WEB_ADDRESS = strawberry.scalar(
    name="URL",
    description="An absolute web address.",
    specified_by_url="https://url.spec.whatwg.org/",
    serialize=written,
    parse_value=address,
)
JSON_OBJECT = strawberry.scalar(
    name="JSON",
    description="A JSON object.",
    specified_by_url="https://ecma-international.org/publications-and-standards/standards/ecma-404/",
    serialize=lambda value: value,
    parse_value=json_object,
)

SCALARS: dict[object, ScalarDefinition] = {
    DateTime: DATE_TIME,
    dt.datetime: DATE_TIME,
    Date: DATE,
    dt.date: DATE,
    LocalTime: LOCAL_TIME,
    URL: WEB_ADDRESS,
    JSON: JSON_OBJECT,
}
