"""Services that customers use, tickets may concern and maintenance may hinder, and who wants to hear of that."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Record


class Service(Record):
    """Something that customers use."""

    __tablename__ = "services"
    __table_args__ = (CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),)

    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    archived_at: Mapped[dt.datetime | None]


class ServiceSubscription(Base):
    """That somebody wants to hear of maintenance of a service."""

    __tablename__ = "service_subscriptions"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)
