"""Comments on tickets."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Record
from models.people import Person
from models.tickets import Ticket, TicketChannel


class Comment(Record):
    """What somebody wrote on a ticket; without a body once it was deleted."""

    __tablename__ = "comments"
    __table_args__ = (
        CheckConstraint("length(body) <= 20000", name="body_length"),
        CheckConstraint("(body IS NULL) = (body_html IS NULL)", name="body_html"),
        CheckConstraint("(body IS NULL) = (deleted_at IS NOT NULL)", name="deleted"),
        Index(None, "ticket_id", "id"),
    )

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # NULL: Deskwire itself
    body: Mapped[str | None]
    body_html: Mapped[str | None]
    internal: Mapped[bool]
    channel: Mapped[TicketChannel]
    created_at: Mapped[dt.datetime]
    edited_at: Mapped[dt.datetime | None]
    deleted_at: Mapped[dt.datetime | None]

    ticket: Mapped[Ticket] = relationship()
    author: Mapped[Person | None] = relationship()
