"""How a template would look, filled in with a ticket or with a sample."""

from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import ARRAY

from domain import access, news, templates, tickets
from domain.access import Viewer
from models import Comment, Department, Person, Role, Ticket

SAMPLE = {
    "name": "Carla Customer",
    "number": "1042",
    "subject": "The export stops at 90 %",
    "agent": "Ada Agent",
    "comment": "Have you tried the new version?",
    "author": "Ada Agent",
    "status": "Open",
    "department": "Technical Support",
    "startsAt": "December 2, 2026, 9:00 PM UTC",
    "endsAt": "December 2, 2026, 11:00 PM UTC",
    "services": "API",
}


def preview(viewer: Viewer, ticket_id: Any, subject: Any, body: Any) -> Any:
    """What a preview is made of: the texts, and the facts of the ticket or, without one, of a sample."""
    access.require(viewer, Role.AGENT)
    texts = {"subject": sa.cast(subject, sa.Text()), "body": sa.cast(body, sa.Text())}
    if ticket_id is None:
        return SimpleNamespace(**texts, **{f"its_{name}": sa.literal(value) for name, value in SAMPLE.items()})
    rows = tickets.one(viewer, ticket_id)
    comment = select(Comment.body).where(Comment.ticket_id == Ticket.id, Comment.body.is_not(None), ~Comment.internal)
    viewers = select(Person.name).where(Person.id == viewer.id).scalar_subquery()
    facts: dict[str, Any] = {
        "name": select(Person.name).where(Person.id == Ticket.requester_id).scalar_subquery(),
        "number": sa.cast(Ticket.number, sa.Text()),
        "subject": Ticket.subject,
        "agent": viewers,
        "comment": sa.func.coalesce(comment.order_by(Comment.id.desc()).limit(1).scalar_subquery(), ""),
        "author": viewers,
        "status": sa.case(*((Ticket.status == status, said) for status, said in news.LABELS.items())),
        "department": select(Department.name).where(Department.id == Ticket.department_id).scalar_subquery(),
        **{name: sa.literal(SAMPLE[name]) for name in templates.OF_NOTICES},
    }
    columns = {f"its_{name}": value for name, value in facts.items()} | texts
    return rows.with_only_columns(Ticket.id, *(value.label(name) for name, value in columns.items()))


def unknown_in(subject: Any, body: Any) -> Any:
    """The names of placeholders in both texts that are none."""
    text = sa.func.coalesce(subject, "") + "\n" + body
    found = sa.func.regexp_matches(text, r"\{\{\s*(\w+)\s*\}\}", "g").column_valued("found")
    name = sa.type_coerce(found, ARRAY(sa.Text()))[sa.literal_column("1")].label("name")
    names = (
        select(name).distinct().where(name != sa.all_(templates.array_of((*templates.KNOWN, *templates.OF_NOTICES))))
    )
    return sa.func.array(names.scalar_subquery(), type_=ARRAY(sa.Text()))
