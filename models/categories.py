"""Categories of tickets, which decide where a ticket goes."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Record
from models.departments import Department
from models.tickets import TicketPriority


class Category(Record):
    """A kind of matter. Exactly one is for everything else, and is always last."""

    __tablename__ = "categories"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("NOT (is_other AND archived_at IS NOT NULL)", name="other_stays"),
        Index("categories_other_key", "is_other", unique=True, postgresql_where=text("is_other")),
        Index(None, "is_other", "position", "id"),
    )

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"), index=True)
    default_priority: Mapped[TicketPriority]
    is_other: Mapped[bool]
    position: Mapped[int]
    archived_at: Mapped[dt.datetime | None]

    department: Mapped[Department] = relationship()
