"""Signed-in sessions, what opens them, tokens for programs, and counted attempts."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Choice, Record
from models.people import Person


class Session(Record):
    """A chain of refresh tokens, of which only the last one is good; or the life of one token of another issuer."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "ended_at"),)  # which ended lately, for refusing their access tokens

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))  # sees this ticket alone
    refresh_count: Mapped[int]  # the number of the token that is good
    by_link: Mapped[bool] = mapped_column(server_default=text("false"))  # who came so proved to have the address
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


class ExternalIdentity(Record):
    """Who somebody is to another issuer of tokens. There is one person for each of its subjects, and the reverse."""

    __tablename__ = "external_identities"
    __table_args__ = (
        UniqueConstraint("issuer", "subject", name="external_identities_subject_key"),
        UniqueConstraint("person_id", "issuer", name="external_identities_person_key"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[dt.datetime]


class ApiTokenScope(Choice):
    """What a token may do, within its owner's rights."""

    READ = enum.auto()
    WRITE = enum.auto()


class ApiToken(Record):
    """A token for a program. The token itself stands nowhere: its digest does, which nobody can turn back."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index(None, "owner_id", "id"),
        Index(None, "expires_at"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    hint: Mapped[str]  # its first characters
    digest: Mapped[str] = mapped_column(unique=True)
    scope: Mapped[ApiTokenScope]
    created_at: Mapped[dt.datetime]
    last_used_at: Mapped[dt.datetime | None]  # the hour
    expires_at: Mapped[dt.datetime]
    revoked_at: Mapped[dt.datetime | None]

    owner: Mapped[Person] = relationship()


class Attempt(Base):
    """How often something was tried within a span of time. It outlives a restart of everything else."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(primary_key=True)  # a digest: no address stands here
    window_starts_at: Mapped[dt.datetime] = mapped_column(primary_key=True, index=True)
    count: Mapped[int]
