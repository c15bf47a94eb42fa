"""The raising of tickets to higher levels, and the rules that do it by themselves."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Choice, Record
from models.people import Person
from models.tickets import EscalationLevel, Ticket


class EscalationTrigger(Choice):
    """What an escalation rule watches."""

    UNASSIGNED = enum.auto()
    NOT_ANSWERED = enum.auto()
    CUSTOMER_WAITING = enum.auto()
    NOT_RESOLVED = enum.auto()
    SLA_BREACHED = enum.auto()
    NOT_ACKNOWLEDGED = enum.auto()


class EscalationRule(Record):
    """When something has lasted so long, a ticket goes up to this level; an empty condition always holds."""

    __tablename__ = "escalation_rules"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("after_seconds BETWEEN 0 AND 31536000", name="after"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool]
    trigger: Mapped[EscalationTrigger]
    after_seconds: Mapped[int]  # of working time
    level: Mapped[EscalationLevel]
    priorities: Mapped[list[str]]
    department_ids: Mapped[list[UUID]]
    changed_at: Mapped[dt.datetime]


class Escalation(Record):
    """One raising of a ticket. At most one of a ticket has not ended."""

    __tablename__ = "escalations"
    __table_args__ = (
        Index(None, "ticket_id", "id"),
        Index("escalations_in_force_key", "ticket_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    level: Mapped[EscalationLevel]
    reason: Mapped[str | None]
    rule_id: Mapped[UUID | None]  # names a rule that may have been deleted since
    escalated_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    escalated_to_ids: Mapped[list[UUID]]
    at: Mapped[dt.datetime]
    acknowledged_at: Mapped[dt.datetime | None]
    acknowledged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    ended_at: Mapped[dt.datetime | None]

    ticket: Mapped[Ticket] = relationship(foreign_keys=ticket_id)
    escalated_by: Mapped[Person | None] = relationship(foreign_keys=escalated_by_id)
    acknowledged_by: Mapped[Person | None] = relationship(foreign_keys=acknowledged_by_id)
