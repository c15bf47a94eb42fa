"""Files: those that are on their way, and those that hang on a ticket."""

import datetime as dt
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Record
from models.comments import Comment
from models.people import Person


class Upload(Record):
    """A place for one file that nothing names yet. It becomes an attachment, or is swept away."""

    __tablename__ = "uploads"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    filename: Mapped[str]
    claimed_type: Mapped[str]
    size_bytes: Mapped[int]
    key: Mapped[str]  # of the bytes in the store
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    content_type: Mapped[str | None]  # found in the content
    sha256: Mapped[str | None]
    stored_at: Mapped[dt.datetime | None]


class Attachment(Record):
    """A file on a ticket."""

    __tablename__ = "attachments"
    __table_args__ = (
        CheckConstraint("length(filename) BETWEEN 1 AND 255", name="filename_length"),
        Index(None, "ticket_id", "id"),
        Index(None, "comment_id", "id", postgresql_where=text("comment_id IS NOT NULL")),
    )

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id"))  # NULL: it came with the ticket itself
    filename: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int]
    key: Mapped[str] = mapped_column(unique=True)
    internal: Mapped[bool]
    uploaded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[dt.datetime]

    comment: Mapped[Comment | None] = relationship()
    uploaded_by: Mapped[Person | None] = relationship()
