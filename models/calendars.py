"""Working hours and holidays."""

from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Record


class BusinessCalendar(Record):
    """When it is working time, in a time zone of its own.

    `hours` are spans of a week, in order: `{"weekday": 0 to 6 from Monday, "opens": minute of the day, "closes":
    minute of the day, up to 1440}`. `holidays` are further days off, in order: `{"date": "2026-12-25", "name": "…"}`.
    """

    __tablename__ = "business_calendars"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),)

    name: Mapped[str] = mapped_column(unique=True)
    time_zone: Mapped[str]
    hours: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    holiday_region: Mapped[str | None]
    holidays: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
