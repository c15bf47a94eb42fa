"""What people are told in the app."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Choice, Record
from models.people import Person


class NotificationKind(Choice):
    """What people are notified of."""

    TICKET_RECEIVED = enum.auto()
    TICKET_SUBMITTED = enum.auto()
    TRIAGE_NEEDED = enum.auto()
    TICKET_ASSIGNED = enum.auto()
    COMMENT_ADDED = enum.auto()
    MENTIONED = enum.auto()
    STATUS_CHANGED = enum.auto()
    TICKET_RESOLVED = enum.auto()
    RESOLUTION_CONFIRMED = enum.auto()
    TICKET_REOPENED = enum.auto()
    TICKET_ESCALATED = enum.auto()
    SLA_AT_RISK = enum.auto()
    SLA_BREACHED = enum.auto()
    REVIEW_REQUESTED = enum.auto()
    MAINTENANCE = enum.auto()


class MessageChannel(Choice):
    """How somebody is reached."""

    EMAIL = enum.auto()
    IN_APP = enum.auto()


class Inbox(Base):
    """The counters of one person's notifications, handed out under this row's lock."""

    __tablename__ = "inboxes"
    __table_args__ = (CheckConstraint("unread_count BETWEEN 0 AND last_seq", name="unread_count"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    last_seq: Mapped[int]
    unread_count: Mapped[int]


class Notification(Record):
    """One entry. Its words are made when it is read, as the reader, so it tells nothing that they may not see."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("person_id", "seq"),
        UniqueConstraint("person_id", "cause_id", "kind"),  # each told once, however often its job runs
        Index("notifications_unread_idx", "person_id", "seq", postgresql_where=text("read_at IS NULL")),
        Index(None, "ticket_id", "person_id"),
        Index("notifications_of_maintenance_idx", "cause_id", postgresql_where=text("kind = 'MAINTENANCE'")),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    seq: Mapped[int]
    kind: Mapped[NotificationKind]
    cause_id: Mapped[UUID]  # the event, or what happened to a notice, that it tells of
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    read_at: Mapped[dt.datetime | None]

    actor: Mapped[Person | None] = relationship(foreign_keys=actor_id)


class NotificationPreference(Base):
    """That one person wants one kind by one channel, or doesn't. Without a row, the kind's default holds."""

    __tablename__ = "notification_preferences"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    kind: Mapped[NotificationKind] = mapped_column(primary_key=True)
    channel: Mapped[MessageChannel] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
