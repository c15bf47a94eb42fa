"""What happens later, a row each, and what must not happen twice."""

import datetime as dt
import enum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Choice, Record


class JobState(Choice):
    """Where a job stands."""

    QUEUED = enum.auto()
    RUNNING = enum.auto()
    DONE = enum.auto()
    DEAD = enum.auto()


class JobRow(Record):
    """A job. The queue in Redis only wakes; this row decides."""

    __tablename__ = "jobs"
    __table_args__ = (
        # When it is owed: at its due time, or when whoever performs it has not been heard of.
        Index("jobs_owed_idx", "due_at", postgresql_where=text("state IN ('QUEUED', 'RUNNING')")),
        # What may be performed together.
        Index("jobs_fresh_idx", "kind", "due_at", postgresql_where=text("state = 'QUEUED' AND attempts = 0")),
        Index("jobs_dead_idx", "settled_at", postgresql_where=text("state = 'DEAD'")),
        Index("jobs_settled_idx", "settled_at", postgresql_where=text("settled_at IS NOT NULL")),
    )

    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[JobState]
    attempts: Mapped[int]  # counts up at each claim, and so fences off who lost theirs
    lost: Mapped[int] = mapped_column(server_default=text("0"))  # how often whoever performed it was not heard of again
    due_at: Mapped[dt.datetime]  # while it runs: when its lease ends
    last_error: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    settled_at: Mapped[dt.datetime | None]
    trace: Mapped[str | None]  # of what asked for it, as a `traceparent`, where that was traced


class IdempotencyKey(Base):
    """What a mutation answered, for a repeat with the same key."""

    __tablename__ = "idempotency_keys"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    mutation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[dt.datetime] = mapped_column(index=True)
