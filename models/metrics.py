"""What was counted of tickets: how far each history was read, what waits to be added up, and the sums."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

# What is counted, a column of the sums each. All can be added and subtracted.
MEASURES = (
    "submitted",
    "resolved",
    "resolution_seconds",
    "reopened",
    "opened",  # tickets that became unresolved, less those that became resolved or closed
    "replies",
    "first_responses",
    "first_response_seconds",
    "rated_1",
    "rated_2",
    "rated_3",
    "rated_4",
    "rated_5",
    "resolved_rated",  # of the resolved, those with a rating
    "first_response_met",
    "first_response_breached",
    "resolution_met",
    "resolution_breached",
    "to_team_lead",
    "to_manager",
    "to_director",
    "deflected",
)
# The histograms of durations, each in two columns of the sums: of which measure, and how many buckets make up a digit.
HISTOGRAMS = {
    "first_response_groups": ("first_response_seconds", 32),
    "first_response_buckets": ("first_response_seconds", 1),
    "resolution_groups": ("resolution_seconds", 32),
    "resolution_buckets": ("resolution_seconds", 1),
}


class MeasuredTicket(Base):
    """How far a ticket's history has been counted, and what must be known to go on."""

    __tablename__ = "measured_tickets"

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    seq: Mapped[int]  # of the last event that was counted
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Fact(Base):
    """Something that was counted and waits to be added to the sums."""

    __tablename__ = "metric_facts"
    __table_args__ = (Index(None, "made_at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    made_at: Mapped[dt.datetime]
    start: Mapped[dt.datetime]  # of the quarter of an hour in which it happened
    department_id: Mapped[UUID]
    agent_id: Mapped[UUID]  # all zeros: nobody
    category_id: Mapped[UUID]
    priority: Mapped[int] = mapped_column(SmallInteger)
    measure: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    bucket: Mapped[int | None] = mapped_column(SmallInteger)  # of the histogram, for what has one


class Sums(Base):
    """What was counted in a span of time under a key. NULL is nothing.

    `grain`: 0 a quarter of an hour, 1 a day, 2 a month, in UTC. `split`: which parts of the key count; the others are
    zeros: 0 none, 1 the department, 2 department and agent, 3 department and category, 4 department and priority, 5
    all four, which has quarters alone.

    A histogram is one number to the base of 100,000,000, whose digits say how many fell into each bucket, so that
    histograms are added up as all else is, by PostgreSQL's own sum, two hundred times as fast as bucket by bucket. The
    groups, each of 32 buckets, say which of them need to be looked at.
    """

    __tablename__ = "metric_sums"

    split: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    grain: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    department_id: Mapped[UUID] = mapped_column(primary_key=True)
    start: Mapped[dt.datetime] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    category_id: Mapped[UUID] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    submitted: Mapped[int | None] = mapped_column(BigInteger)
    resolved: Mapped[int | None] = mapped_column(BigInteger)
    resolution_seconds: Mapped[int | None] = mapped_column(BigInteger)
    reopened: Mapped[int | None] = mapped_column(BigInteger)
    opened: Mapped[int | None] = mapped_column(BigInteger)
    replies: Mapped[int | None] = mapped_column(BigInteger)
    first_responses: Mapped[int | None] = mapped_column(BigInteger)
    first_response_seconds: Mapped[int | None] = mapped_column(BigInteger)
    rated_1: Mapped[int | None] = mapped_column(BigInteger)
    rated_2: Mapped[int | None] = mapped_column(BigInteger)
    rated_3: Mapped[int | None] = mapped_column(BigInteger)
    rated_4: Mapped[int | None] = mapped_column(BigInteger)
    rated_5: Mapped[int | None] = mapped_column(BigInteger)
    resolved_rated: Mapped[int | None] = mapped_column(BigInteger)
    first_response_met: Mapped[int | None] = mapped_column(BigInteger)
    first_response_breached: Mapped[int | None] = mapped_column(BigInteger)
    resolution_met: Mapped[int | None] = mapped_column(BigInteger)
    resolution_breached: Mapped[int | None] = mapped_column(BigInteger)
    to_team_lead: Mapped[int | None] = mapped_column(BigInteger)
    to_manager: Mapped[int | None] = mapped_column(BigInteger)
    to_director: Mapped[int | None] = mapped_column(BigInteger)
    deflected: Mapped[int | None] = mapped_column(BigInteger)
    first_response_groups: Mapped[Decimal | None] = mapped_column(Numeric)
    first_response_buckets: Mapped[Decimal | None] = mapped_column(Numeric)
    resolution_groups: Mapped[Decimal | None] = mapped_column(Numeric)
    resolution_buckets: Mapped[Decimal | None] = mapped_column(Numeric)
