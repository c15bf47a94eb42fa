"""Saved lists of tickets."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Record
from models.departments import Department
from models.people import Person


class TicketView(Record):
    """A filter and an order under a name; `filter` is the TicketFilter as it was given."""

    __tablename__ = "ticket_views"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        # Those of one owner that the same people see.
        Index(
            "ticket_views_department_name_key",
            "owner_id",
            "department_id",
            "name",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "department_id"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"))
    name: Mapped[str]
    filter: Mapped[dict[str, Any]]
    order_field: Mapped[str | None]
    order_direction: Mapped[str | None]
    position: Mapped[int]

    owner: Mapped[Person] = relationship()
    department: Mapped[Department | None] = relationship()
