"""SLA policies, their versions, and the clocks that run for tickets."""

import datetime as dt
import enum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Choice, Record


class SlaTargetKind(Choice):
    """What an SLA target is for."""

    FIRST_RESPONSE = enum.auto()
    RESOLUTION = enum.auto()


class SlaPolicy(Record):
    """A set of SLA targets. The first active one whose conditions all hold applies; an empty condition always holds.

    What it asks for stands in its versions, since a ticket keeps the one that it got.
    """

    __tablename__ = "sla_policies"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index(None, "position", "id"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    position: Mapped[int]
    active: Mapped[bool]
    department_ids: Mapped[list[UUID]]
    category_ids: Mapped[list[UUID]]


class SlaVersion(Record):
    """What a policy asked for from some moment on. The one of the highest number is the policy's present one.

    `targets` by priority: `{"URGENT": {"FIRST_RESPONSE": seconds or null, "RESOLUTION": seconds or null}}`.
    """

    __tablename__ = "sla_versions"
    __table_args__ = (UniqueConstraint("policy_id", "number"),)

    policy_id: Mapped[UUID] = mapped_column(ForeignKey("sla_policies.id"))
    number: Mapped[int]  # counts up from 1
    targets: Mapped[dict[str, Any]] = mapped_column(JSONB)
    calendar_id: Mapped[UUID | None] = mapped_column(  # None: the ticket's department's
        ForeignKey("business_calendars.id"), index=True
    )
    pauses_on_hold: Mapped[bool]
    created_at: Mapped[dt.datetime]


class SlaClock(Base):
    """One SLA target of one ticket.

    It runs from `running_since` with `used_seconds` of working time spent before, and then is due at `due_at`; it
    rests without a `running_since`. Completed, or cancelled, it no longer counts.
    """

    __tablename__ = "sla_clocks"

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    target: Mapped[SlaTargetKind] = mapped_column(primary_key=True)
    target_seconds: Mapped[int]
    calendar_id: Mapped[UUID | None] = mapped_column(ForeignKey("business_calendars.id"))  # that it counts by
    used_seconds: Mapped[int]  # of working time, up to `running_since`, or to now while it rests
    running_since: Mapped[dt.datetime | None]
    paused_at: Mapped[dt.datetime | None]
    due_at: Mapped[dt.datetime | None]  # None while it rests; once completed, when it was due
    warned_at: Mapped[dt.datetime | None]
    breached_at: Mapped[dt.datetime | None]
    completed_at: Mapped[dt.datetime | None]
    cancelled_at: Mapped[dt.datetime | None]
