"""Messages that leave the house, a row each."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Choice, Record


class MessageKind(Choice):
    """What a message says."""

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
    SIGN_IN_LINK = enum.auto()
    INVITATION = enum.auto()
    PASSWORD_CHANGED = enum.auto()
    ADDRESS_CHANGED = enum.auto()
    ROLE_CHANGED = enum.auto()
    SHUT_OUT = enum.auto()
    TOKEN_MADE = enum.auto()
    SESSION_ENDED = enum.auto()


class DeliveryStatus(Choice):
    """What became of a message."""

    QUEUED = enum.auto()
    SENT = enum.auto()
    FAILED = enum.auto()
    SKIPPED = enum.auto()


class Message(Record):
    """An email to one person. It is put into words when it is sent, so no link or secret lies here."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("messages_waiting_idx", "not_before", postgresql_where=text("status = 'QUEUED'")),
        Index(None, "comment_id", "recipient_id", postgresql_where=text("comment_id IS NOT NULL")),
        # A letter about maintenance tells of one happening.
        Index(
            "messages_of_maintenance_idx",
            text("(event_ids[1])"),
            "status",
            "not_before",  # so that the next ones are found at once, however many wait
            "id",
            postgresql_where=text("kind = 'MAINTENANCE'"),
        ),
    )

    kind: Mapped[MessageKind]
    status: Mapped[DeliveryStatus]
    recipient_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    address: Mapped[str | None]  # where it goes; None: where its recipient is to be reached when it is sent
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    event_ids: Mapped[list[UUID]] = mapped_column(server_default=text("'{}'::uuid[]"))  # what it tells of, in order
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id"))
    link_id: Mapped[UUID | None] = mapped_column(ForeignKey("sign_in_links.id", ondelete="SET NULL"), index=True)
    not_before: Mapped[dt.datetime]
    attempts: Mapped[int]
    last_error: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    sent_at: Mapped[dt.datetime | None]
