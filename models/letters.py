"""What was given up after all retries, and what was decided about it."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Choice, Record
from models.people import Person


class DeadLetterKind(Choice):
    """What was given up."""

    JOB = enum.auto()
    EMAIL = enum.auto()


class DeadLetterStatus(Choice):
    """What was decided about a dead letter."""

    WAITING = enum.auto()
    RETRIED = enum.auto()
    DISCARDED = enum.auto()


class DeadLetter(Record):
    """A job or email that was given up. It names them, and holds no words of people and nothing that is secret."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index(None, "status", "failed_at", "id"),
        Index(None, "failed_at", "id"),
        Index(None, "name", "failed_at", "id"),
    )

    kind: Mapped[DeadLetterKind]
    source_id: Mapped[UUID]  # of the job, which goes once it is settled, or of the message
    name: Mapped[str]
    recipient_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    ticket_id: Mapped[UUID | None]  # names what may be gone
    attempt_count: Mapped[int]
    error: Mapped[str]
    first_tried_at: Mapped[dt.datetime]
    failed_at: Mapped[dt.datetime]
    status: Mapped[DeadLetterStatus]
    settled_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    settled_at: Mapped[dt.datetime | None]

    settled_by: Mapped[Person | None] = relationship(foreign_keys=settled_by_id)
