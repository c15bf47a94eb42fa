"""Tickets and who watches them."""

import datetime as dt
import enum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Choice, Record
from models.departments import Department
from models.full_text import Words
from models.people import Person
from models.services import Service

if TYPE_CHECKING:
    from models.categories import Category


class TicketStatus(Choice):
    """The state of a ticket."""

    OPEN = enum.auto()
    PENDING = enum.auto()
    ON_HOLD = enum.auto()
    RESOLVED = enum.auto()
    CLOSED = enum.auto()


UNRESOLVED = (TicketStatus.OPEN, TicketStatus.PENDING, TicketStatus.ON_HOLD)


class TicketPriority(Choice):
    """How urgent a ticket is; the value is its rank."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4


class TicketChannel(Choice):
    """How a ticket or comment came in."""

    PORTAL = enum.auto()
    EMAIL = enum.auto()
    AGENT = enum.auto()
    API = enum.auto()


class EscalationLevel(Choice):
    """A level of escalation, lowest first; the value is its rank."""

    TEAM_LEAD = 1
    MANAGER = 2
    DIRECTOR = 3


class TicketLinkKind(Choice):
    """What one ticket is to another."""

    RELATED = enum.auto()
    BLOCKED_BY = enum.auto()
    BLOCKS = enum.auto()


# Since when a customer waits, and when the next target is due, for the two directions of a list.
WAITING_LAST = "coalesce(waiting_since, 'infinity'::timestamptz)"
WAITING_FIRST = "coalesce(waiting_since, '-infinity'::timestamptz)"
DUE_LAST = "coalesce(due_at, 'infinity'::timestamptz)"
DUE_FIRST = "coalesce(due_at, '-infinity'::timestamptz)"


class Ticket(Record):
    """A customer's request for help.

    What customers must not notice counts in columns of its own: `public_seq` and `public_updated_at`
    stand still when something internal happens.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        CheckConstraint("length(subject) BETWEEN 1 AND 200", name="subject_length"),
        CheckConstraint("length(body) <= 20000", name="body_length"),
        CheckConstraint("public_seq <= last_seq", name="public_seq"),
        CheckConstraint("(triage_pending IS NULL) OR topic IS NOT NULL OR channel = 'EMAIL'", name="triage_topic"),
        Index("tickets_updated_at_idx", text("updated_at DESC"), "id"),
        Index("tickets_of_requester_idx", "requester_id", text("public_updated_at DESC"), "id"),
        Index("tickets_of_department_idx", "department_id", text("updated_at DESC"), "id"),
        # A list in any other order is read from each department and status of its own.
        Index("tickets_by_updated_idx", "department_id", "status", text("updated_at DESC"), "id"),
        Index("tickets_by_created_idx", "department_id", "status", text("created_at DESC"), "id"),
        # Very many are equal in these, and stand in order of submission whichever way the list runs.
        Index("tickets_by_priority_asc_idx", "department_id", "status", "priority_rank", "id"),
        Index("tickets_by_priority_desc_idx", "department_id", "status", text("priority_rank DESC"), "id"),
        # Who waits for nothing comes last, whichever way.
        Index("tickets_by_waiting_asc_idx", "department_id", "status", text(WAITING_LAST), "id"),
        Index("tickets_by_waiting_desc_idx", "department_id", "status", text(f"{WAITING_FIRST} DESC"), "id"),
        Index("tickets_by_due_asc_idx", "department_id", "status", text(DUE_LAST), "id"),
        Index("tickets_by_due_desc_idx", "department_id", "status", text(f"{DUE_FIRST} DESC"), "id"),
        # What an agent takes next: the highest escalation, then what is due, urgent, and waits longest.
        Index(
            "tickets_to_take_idx",
            "department_id",
            text("escalation_rank DESC"),
            text(DUE_LAST),
            text("priority_rank DESC"),
            text(WAITING_LAST),
            "id",
            postgresql_where=text("status = 'OPEN' AND assignee_id IS NULL"),
        ),
        Index(
            "tickets_escalated_idx",
            "department_id",
            "escalation_rank",
            text("updated_at DESC"),
            "id",
            postgresql_where=text("escalation_rank > 0"),
        ),
        Index(
            "tickets_breached_idx",
            "department_id",
            "status",
            text("updated_at DESC"),
            "id",
            postgresql_where=text("breached_at IS NOT NULL"),
        ),
        Index(
            "tickets_resolved_idx",
            "department_id",
            text("resolved_at DESC"),
            "id",
            postgresql_where=text("resolved_at IS NOT NULL"),
        ),
        Index(
            "tickets_rated_idx",
            "department_id",
            "rating",
            text("updated_at DESC"),
            "id",
            postgresql_where=text("rating IS NOT NULL"),
        ),
        Index("tickets_unresolved_idx", "id", postgresql_where=text("status IN ('OPEN', 'PENDING', 'ON_HOLD')")),
        Index("tickets_timer_idx", "timer_at", postgresql_where=text("timer_at IS NOT NULL")),
        Index("tickets_merged_into_idx", "merged_into_id", "id", postgresql_where=text("merged_into_id IS NOT NULL")),
        Index(
            "tickets_of_sla_version_idx",
            "sla_version_id",
            "id",
            postgresql_where=text("status IN ('OPEN', 'PENDING', 'ON_HOLD') AND sla_version_id IS NOT NULL"),
        ),
        Index("tickets_of_assignee_idx", "assignee_id", "status", text("updated_at DESC"), "id"),
        Index(None, "assignee_id", "department_id"),  # what an agent has outside of their departments
        Index(
            "tickets_to_triage_idx",
            "department_id",
            text("updated_at DESC"),
            "id",
            postgresql_where=text("triage_pending IS TRUE"),
        ),
        Index("tickets_tags_idx", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'::text[]")),
        Index(None, "category_id"),
        Index(None, "service_id", postgresql_where=text("service_id IS NOT NULL")),
    )

    number: Mapped[int] = mapped_column(Identity(start=1001), unique=True)
    subject: Mapped[str]
    body: Mapped[str]
    body_html: Mapped[str]
    status: Mapped[TicketStatus]
    priority: Mapped[TicketPriority]
    priority_rank: Mapped[int]
    category_id: Mapped[UUID] = mapped_column(ForeignKey("categories.id"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id"))
    requester_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("services.id"))
    tags: Mapped[list[str]]
    channel: Mapped[TicketChannel]
    topic: Mapped[str | None]
    triage_pending: Mapped[bool | None]  # NULL: the customer chose a plain category
    suggested_category_id: Mapped[UUID | None] = mapped_column(ForeignKey("categories.id"))
    triaged_at: Mapped[dt.datetime | None]
    triaged_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    public_updated_at: Mapped[dt.datetime]
    last_seq: Mapped[int]  # of its history: counts up under this row's lock
    public_seq: Mapped[int]  # the same without what is internal
    first_responded_at: Mapped[dt.datetime | None]
    waiting_since: Mapped[dt.datetime | None]
    resumes_at: Mapped[dt.datetime | None]
    closed_at: Mapped[dt.datetime | None]
    resolved_at: Mapped[dt.datetime | None]  # while it is resolved or closed after that
    rating: Mapped[int | None]  # of its last resolution
    sla_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("sla_versions.id"))
    due_at: Mapped[dt.datetime | None]  # the soonest of its running SLA clocks
    breached_at: Mapped[dt.datetime | None]  # when it first missed an SLA target
    escalation_rank: Mapped[int] = mapped_column(server_default=text("0"))  # of the escalation in force; 0: none
    escalates_since: Mapped[dt.datetime | None]  # since when rules count anew: an escalation's end, or reopening
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))
    timer_at: Mapped[dt.datetime | None]  # when the clock must look at it next

    category: Mapped["Category"] = relationship(foreign_keys=category_id)
    department: Mapped[Department] = relationship()
    requester: Mapped[Person] = relationship(foreign_keys=requester_id)
    assignee: Mapped[Person | None] = relationship(foreign_keys=assignee_id)
    service: Mapped[Service | None] = relationship()
    triaged_by: Mapped[Person | None] = relationship(foreign_keys=triaged_by_id)


class Watcher(Base):
    """That someone follows a ticket which is not theirs."""

    __tablename__ = "watchers"

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)


class TicketLink(Base):
    """What another ticket is to one. Each link stands here twice, once as seen from either."""

    __tablename__ = "ticket_links"

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    other_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    kind: Mapped[TicketLinkKind]
    created_at: Mapped[dt.datetime]

    other: Mapped[Ticket] = relationship(foreign_keys=other_id)


class PresenceActivity(Choice):
    """What someone is doing on a ticket's page."""

    VIEWING = enum.auto()
    TYPING = enum.auto()
    TYPING_INTERNALLY = enum.auto()


class Presence(Base):
    """That somebody is on a ticket's page until `expires_at`. The table is not logged: a crash empties it."""

    __tablename__ = "presences"
    __table_args__ = (Index(None, "expires_at"), {"prefixes": ["UNLOGGED"]})

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)
    activity: Mapped[PresenceActivity]
    arrived_at: Mapped[dt.datetime]
    since: Mapped[dt.datetime]  # when this activity began
    expires_at: Mapped[dt.datetime]

    person: Mapped[Person] = relationship()


class TicketWords(Base):
    """What a ticket is found by: a row for its subject and body, one for its tags, one for each comment.

    Each holds the subject's words too, so that a search finds what says half of it there and half in the text. They
    stand apart from the texts because a ticket changes often, and its words hardly ever.
    """

    __tablename__ = "ticket_words"
    __table_args__ = (
        Index(None, "ticket_id"),
        Index("ticket_words_words_idx", "words", postgresql_using="gin"),
    )

    source_id: Mapped[UUID] = mapped_column(primary_key=True)  # of the ticket or the comment
    internal: Mapped[bool] = mapped_column(primary_key=True)
    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"))
    words: Mapped[str] = mapped_column(Words)
