"""Services that customers use and tickets may concern."""

import datetime as dt

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Record


class Service(Record):
    """Something that customers use."""

    __tablename__ = "services"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),)

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    archived_at: Mapped[dt.datetime | None]
