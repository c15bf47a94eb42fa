"""Planned maintenance: its notices, what happened to each, and who was told."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Choice, Record
from models.people import Person


class MaintenanceSeverity(Choice):
    """How much maintenance hinders."""

    INFO = enum.auto()
    MINOR = enum.auto()
    MAJOR = enum.auto()
    CRITICAL = enum.auto()


class MaintenanceStatus(Choice):
    """The state of maintenance."""

    SCHEDULED = enum.auto()
    IN_PROGRESS = enum.auto()
    COMPLETED = enum.auto()
    CANCELLED = enum.auto()


class MaintenanceAudience(Choice):
    """Who is told of maintenance and sees its notice."""

    SUBSCRIBERS = enum.auto()
    EVERYONE = enum.auto()
    STAFF = enum.auto()


class HappeningKind(Choice):
    """What happened to a notice."""

    ANNOUNCED = enum.auto()
    CHANGED = enum.auto()
    REMINDED = enum.auto()
    POSTED = enum.auto()  # an update: words, another status, or both


AHEAD = "status IN ('SCHEDULED', 'IN_PROGRESS')"


class MaintenanceNotice(Record):
    """Maintenance, as it was announced. `message` has placeholders, which are filled in for each reader."""

    __tablename__ = "maintenance_notices"
    __table_args__ = (
        CheckConstraint("length(title) BETWEEN 1 AND 200", name="title_length"),
        CheckConstraint("least(starts_at, started_at) < ends_at", name="window"),
        Index(None, "starts_at", "id"),
        Index("maintenance_notices_ahead_idx", "starts_at", "id", postgresql_where=text(AHEAD)),
        Index("maintenance_notices_timer_idx", "timer_at", postgresql_where=text("timer_at IS NOT NULL")),
        Index(None, "changed_at"),
    )

    title: Mapped[str]
    message: Mapped[str]
    severity: Mapped[MaintenanceSeverity]
    status: Mapped[MaintenanceStatus]
    audience: Mapped[MaintenanceAudience]
    channels: Mapped[list[str]]  # names of MessageChannel
    starts_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    remind_before_seconds: Mapped[int | None]
    reminder_at: Mapped[dt.datetime | None]  # None: not, or not any more
    automatic: Mapped[bool]
    timer_at: Mapped[dt.datetime | None]  # when the clock has something to do
    version: Mapped[int]  # counts what happened
    changed_at: Mapped[dt.datetime]
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[dt.datetime]

    created_by: Mapped[Person | None] = relationship()


class MaintenanceService(Base):
    """That a notice concerns a service."""

    __tablename__ = "maintenance_services"

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_notices.id"), primary_key=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), primary_key=True, index=True)


class MaintenanceHappening(Record):
    """Something that happened to a notice. What it says never changes; beside that stands how far it was told."""

    __tablename__ = "maintenance_happenings"
    __table_args__ = (Index(None, "notice_id", "at", "id"),)

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_notices.id"))
    kind: Mapped[HappeningKind]
    status: Mapped[MaintenanceStatus]  # from then on
    message: Mapped[str | None]
    message_html: Mapped[str | None]
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # None: it came by itself
    at: Mapped[dt.datetime]
    told_at: Mapped[dt.datetime | None]  # when everybody had been told, or nobody was to be any more
    unwanted_emails: Mapped[int] = mapped_column(server_default=text("0"))  # not written, since nobody wanted them
    unwanted_in_app: Mapped[int] = mapped_column(server_default=text("0"))

    author: Mapped[Person | None] = relationship()


class MaintenanceRecipient(Base):
    """That somebody was told of a notice, and so hears of what becomes of it."""

    __tablename__ = "maintenance_recipients"

    notice_id: Mapped[UUID] = mapped_column(ForeignKey("maintenance_notices.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)
