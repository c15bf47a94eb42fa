"""Signed-in sessions, the links that open them, and counted attempts."""

import datetime as dt
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Record


class Session(Record):
    """A chain of refresh tokens, of which only the last one is good."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "ended_at"),)  # which ended lately, for refusing their access tokens

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))  # sees this ticket alone
    refresh_count: Mapped[int]  # the number of the token that is good
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    ended_at: Mapped[dt.datetime | None]


class SignInLink(Record):
    """An emailed link that signs in once. The token is signed, so nothing here opens a session by itself."""

    __tablename__ = "sign_in_links"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime] = mapped_column(index=True)
    used_at: Mapped[dt.datetime | None]


class Attempt(Base):
    """How often something was tried within a span of time. It outlives a restart of everything else."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(primary_key=True)  # a digest: no address stands here
    window_starts_at: Mapped[dt.datetime] = mapped_column(primary_key=True, index=True)
    count: Mapped[int]
