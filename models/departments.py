"""Departments, which own tickets."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Choice, Record
from models.calendars import BusinessCalendar


class AssignmentMethod(Choice):
    """How new tickets find an agent."""

    MANUAL = enum.auto()
    ROUND_ROBIN = enum.auto()
    LEAST_BUSY = enum.auto()


class Department(Record):
    """A part of the desk that owns tickets."""

    __tablename__ = "departments"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("agent_capacity BETWEEN 1 AND 500", name="capacity"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    assignment: Mapped[AssignmentMethod]
    agent_capacity: Mapped[int | None]
    calendar_id: Mapped[UUID | None] = mapped_column(  # None: around the clock
        ForeignKey("business_calendars.id"), index=True
    )
    archived_at: Mapped[dt.datetime | None]
    changed_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"), index=True)  # by a trigger

    calendar: Mapped[BusinessCalendar | None] = relationship()
