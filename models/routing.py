"""Rules that send new tickets where they belong."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Record
from models.departments import Department
from models.people import Person
from models.tickets import TicketPriority


class RoutingRule(Record):
    """The first active rule whose conditions all hold decides; an empty condition always holds."""

    __tablename__ = "routing_rules"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index(None, "position", "id"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int]
    active: Mapped[bool]
    category_ids: Mapped[list[UUID]]
    priorities: Mapped[list[str]]
    service_ids: Mapped[list[UUID]]
    words: Mapped[list[str]]
    email_domains: Mapped[list[str]]
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"))
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    priority: Mapped[TicketPriority | None]
    add_tags: Mapped[list[str]]

    department: Mapped[Department | None] = relationship()
    assignee: Mapped[Person | None] = relationship()
