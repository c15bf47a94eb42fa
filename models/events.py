"""The append-only history of tickets."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Record
from models.people import Person
from models.tickets import Ticket


class Event(Record):
    """Something that happened to a ticket.

    `data` holds ids, enums, numbers and flags, never people's words: those stand in `event_texts`, where they can be
    blanked without touching the history.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("ticket_id", "seq"),
        Index(
            "events_ticket_id_public_seq_key",
            "ticket_id",
            "public_seq",
            unique=True,
            postgresql_where=text("public_seq IS NOT NULL"),
        ),
        Index(  # since when a ticket has no agent, or waits for the desk again
            "events_turning_idx",
            "ticket_id",
            "kind",
            "seq",
            postgresql_where=text("kind IN ('TicketAssigned', 'StatusChanged')"),
        ),
        CheckConstraint("public_seq <= seq", name="public_seq"),
    )

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    seq: Mapped[int]
    public_seq: Mapped[int | None]  # NULL: internal, customers see nothing of it
    kind: Mapped[str]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    at: Mapped[dt.datetime]
    data: Mapped[dict[str, Any]]

    ticket: Mapped[Ticket] = relationship()
    actor: Mapped[Person | None] = relationship()


class EventText(Base):
    """What somebody wrote, as an event found it; blank once erased."""

    __tablename__ = "event_texts"

    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
