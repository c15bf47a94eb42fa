"""How tickets were resolved, and what their customers said to that."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Choice, Record
from models.people import Person
from models.tickets import EscalationLevel


class ResolutionState(Choice):
    """What the customer said to a resolution."""

    AWAITING = enum.auto()
    CONFIRMED = enum.auto()
    REJECTED = enum.auto()
    EXPIRED = enum.auto()


class Resolution(Record):
    """One resolving of a ticket; a ticket that was reopened may have several.

    It is credited to whoever resolved it, and to the assignee, department and level of that moment.
    """

    __tablename__ = "resolutions"
    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("length(summary) <= 20000", name="summary_length"),
        CheckConstraint("length(feedback) <= 2000", name="feedback_length"),
        CheckConstraint("(summary IS NULL) = (summary_html IS NULL)", name="summary_html"),
        Index(None, "ticket_id", "id"),
    )

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    summary: Mapped[str | None]
    summary_html: Mapped[str | None]
    article_id: Mapped[UUID | None] = mapped_column(ForeignKey("articles.id"), index=True)  # that answers it
    resolved_at: Mapped[dt.datetime]
    resolved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    escalation_level: Mapped[EscalationLevel | None]
    state: Mapped[ResolutionState]
    confirm_by: Mapped[dt.datetime | None]  # None once settled
    reminded_at: Mapped[dt.datetime | None]
    answered_at: Mapped[dt.datetime | None]
    rating: Mapped[int | None]
    feedback: Mapped[str | None]
    rated_at: Mapped[dt.datetime | None]

    resolved_by: Mapped[Person | None] = relationship(foreign_keys=resolved_by_id)
