"""Mail that came in."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Choice, Record


class InboundOutcome(Choice):
    """What became of a mail that came in."""

    COMMENTED = enum.auto()
    SUBMITTED = enum.auto()
    WAITING = enum.auto()  # for somebody who decides where it belongs
    BOUNCED = enum.auto()  # it told that one of ours was not delivered
    IGNORED = enum.auto()  # written by a machine, or by somebody who may not


class InboundMail(Record):
    """One mail that came in, known by its digest, so that it counts once however often it is handed over."""

    __tablename__ = "inbound_mails"
    __table_args__ = (
        Index("inbound_mails_digest_key", "digest", unique=True),
        Index("inbound_mails_received_at_idx", "received_at"),
        Index("inbound_mails_waiting_idx", "received_at", postgresql_where=text("outcome = 'WAITING'")),
    )

    digest: Mapped[str]
    sender: Mapped[str]
    received_at: Mapped[dt.datetime]
    outcome: Mapped[InboundOutcome]
    reason: Mapped[str | None]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id"))
    file_key: Mapped[str | None]  # of the mail as it came, kept while it waits
    recipient: Mapped[str | None]  # the address that it was sent to, likewise
