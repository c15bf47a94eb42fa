"""People, whoever they are to the desk, and the departments that staff work in."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Choice, Record

# What a person is found by, and when they were last seen, as the indexes say it.
WORDS_OF_PERSON = (
    "to_tsvector('simple'::regconfig, (name || ' '::text) || translate(email, '@.-_+'::text, '     '::text))"
)
SEEN = "coalesce(last_seen_at, '-infinity'::timestamptz)"


class Role(Choice):
    """What someone is at the desk; each from AGENT on has the rights of the one before."""

    CUSTOMER = 0
    AGENT = 1
    TEAM_LEAD = 2
    MANAGER = 3
    DIRECTOR = 4
    ADMIN = 5


class Person(Record):
    """Someone known to the desk, customer or staff."""

    __tablename__ = "people"
    __table_args__ = (
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        Index(None, "name", "id"),
        Index("people_over_all_idx", "role", "id", postgresql_where=text("role IN ('DIRECTOR', 'ADMIN')")),
        Index(None, "created_at", "id"),
        Index("people_last_seen_idx", text(SEEN), "id"),
        Index("people_words_idx", text(WORDS_OF_PERSON), postgresql_using="gin"),
    )

    name: Mapped[str]
    email: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    password_hash: Mapped[str | None]
    active: Mapped[bool]
    avatar_key: Mapped[str | None]  # where the picture's file is; None: no picture
    avatar_type: Mapped[str | None]
    avatar_bytes: Mapped[int | None]
    last_seen_at: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]
    changed_at: Mapped[dt.datetime] = mapped_column(server_default=text("now()"), index=True)  # by a trigger


class Membership(Base):
    """That a member of staff works in a department."""

    __tablename__ = "memberships"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"), primary_key=True, index=True)


class AvailabilityStatus(Choice):
    """Whether new tickets are assigned to an agent."""

    AVAILABLE = enum.auto()
    BUSY = enum.auto()
    AWAY = enum.auto()


class Availability(Base):
    """Whether an agent takes new tickets; without a row they do. It ends by itself at `until`."""

    __tablename__ = "availabilities"
    __table_args__ = (CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    status: Mapped[AvailabilityStatus]
    until: Mapped[dt.datetime | None]
    capacity: Mapped[int | None]  # most open tickets assigned automatically; None: the department's number
    last_assigned_at: Mapped[dt.datetime | None]  # automatically, for taking turns
