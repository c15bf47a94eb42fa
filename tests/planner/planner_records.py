"""Tables and rows for the planner's tests: people, tickets, comments and events of a small desk."""

from __future__ import annotations

import datetime as dt
import enum
import random
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NOW = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)
WORDS = [
    'printer "on fire"',
    "back\\slash",
    "line\nbreak",
    "über 🔥 €",
    "tab\t\x01",
    "it's 100 % $1 :x",
    "mail",
    "login",
]


class Status(enum.StrEnum):
    OPEN = "OPEN"
    PENDING = "PENDING"
    SOLVED = "SOLVED"


class Table(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dt.datetime: sa.DateTime(timezone=True),
        list[str]: ARRAY(sa.Text),
        str: sa.Text,
        Status: sa.Enum(Status, native_enum=False, length=20),
        dict[str, Any]: JSONB,
    }
    id: Mapped[UUID] = mapped_column(primary_key=True)


class Person(Table):
    __tablename__ = "people"
    name: Mapped[str]
    email: Mapped[str]
    website: Mapped[str | None]
    seen_at: Mapped[dt.datetime | None]


class Ticket(Table):
    __tablename__ = "tickets"
    __table_args__ = (sa.Index("queue", "status", "updated_at", "id"),)
    number: Mapped[int] = mapped_column(unique=True)
    subject: Mapped[str]
    status: Mapped[Status]
    tags: Mapped[list[str]]
    score: Mapped[float]
    urgent: Mapped[bool]
    form: Mapped[dict[str, Any]]
    day: Mapped[dt.date]
    opens: Mapped[dt.time]
    updated_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime | None]
    requester_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Person.id))
    assignee_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(Person.id))
    reviewer_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(Person.id))
    requester: Mapped[Person] = relationship(foreign_keys=requester_id)
    assignee: Mapped[Person | None] = relationship(foreign_keys=assignee_id)
    reviewer: Mapped[Person | None] = relationship(foreign_keys=reviewer_id)


class Comment(Table):
    __tablename__ = "comments"
    __table_args__ = (sa.Index("of_ticket", "ticket_id", "id"),)
    ticket_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Ticket.id))
    author_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Person.id))
    body: Mapped[str]
    internal: Mapped[bool]
    author: Mapped[Person] = relationship()
    ticket: Mapped[Ticket] = relationship()


class Event(Table):
    __tablename__ = "events"
    ticket_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Ticket.id), index=True)
    seq: Mapped[int]
    kind: Mapped[str]
    comment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(Comment.id))
    status: Mapped[Status | None]
    internal: Mapped[bool]
    comment: Mapped[Comment | None] = relationship()


Rows = dict[type[Table], list[Any]]


def make_rows() -> Rows:
    luck = random.Random(7)

    def key() -> UUID:
        return UUID(int=luck.getrandbits(128))

    def text() -> str:
        return " ".join(luck.choices(WORDS, k=4))

    people = [
        Person(
            id=key(),
            name=f"Person {n:02}, {luck.choice(WORDS)}",
            email=f"p{n}@example.com",
            website=luck.choice([None, f"https://example.com/{n}?a=b&c"]),
            seen_at=luck.choice([None, NOW - dt.timedelta(hours=n % 5)]),
        )
        for n in range(40)
    ]

    def maybe() -> UUID | None:
        return luck.choice([None, luck.choice(people).id])

    tickets = [
        Ticket(
            id=key(),
            number=n + 1,
            subject=text(),
            status=luck.choice(list(Status)),
            tags=luck.choices(WORDS, k=n % 3),
            score=luck.choice([0.1, 2.5, 1e20, -3.0]),
            urgent=luck.random() < 0.5,
            form={"n": n, "words": luck.choices(WORDS, k=2), "none": None},
            day=dt.date(2026, 1, 1) + dt.timedelta(days=n // 5),
            opens=dt.time(n % 24, 30),
            updated_at=NOW - dt.timedelta(minutes=n // 2, milliseconds=n % 5),
            due_at=luck.choice([None, NOW + dt.timedelta(hours=n % 7)]),
            requester_id=people[n % 7].id,
            assignee_id=maybe(),
            reviewer_id=maybe(),
        )
        for n in range(120)
    ]
    comments = [
        Comment(id=key(), ticket_id=ticket.id, author_id=luck.choice(people).id, body=text(), internal=n % 4 == 0)
        for ticket in tickets[1:]  # so one has none
        for n in range(6)
    ]
    events = [Event(id=key(), ticket_id=ticket.id, seq=1, kind="submitted", internal=False) for ticket in tickets]
    events += [
        Event(
            id=key(),
            ticket_id=comment.ticket_id,
            seq=2 + n % 6,
            kind="comment_added",
            comment_id=comment.id,
            internal=comment.internal,
        )
        for n, comment in enumerate(comments)
    ]
    events += [
        Event(id=key(), ticket_id=ticket.id, seq=20, kind="status_changed", status=ticket.status, internal=False)
        for ticket in tickets
    ]
    return {Person: people, Ticket: tickets, Comment: comments, Event: events}
