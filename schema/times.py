"""Spans of time and directions of lists, which many inputs share."""

import datetime as dt
import enum
from typing import Any

import strawberry

from planner.fields import input_field
from schema.enums import described
from schema.inputs import given


class OrderDirection(enum.Enum):
    """The direction of a list."""

    ASC = enum.auto()
    DESC = enum.auto()


described(
    OrderDirection,
    "The direction of a list.",
    ASC="Smallest, oldest or A first.",
    DESC="Largest, newest or Z first.",
)


@strawberry.input(description="A span of time. Either end may be open.")
class TimeRange:
    from_: dt.datetime | None = input_field("From this moment on, itself included. Default: no lower end.", name="from")
    to: dt.datetime | None = input_field("Up to this moment, itself not included. Default: no upper end.")


def span(asked: TimeRange | None) -> tuple[Any, Any]:
    """Both ends of the span, None for an open one."""
    found = given(asked)
    return (None, None) if found is None else (given(found.from_), given(found.to))
