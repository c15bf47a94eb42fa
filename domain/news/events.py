"""Events of tickets with what they name: each as things are now, and as whoever is told of it may know it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import aliased

from domain import access, articles, history, maintenance, tickets
from domain.access import Viewer
from domain.happenings import SAYING, ResolutionConfirmed, TicketClosed, TicketSubmitted
from domain.tickets import ratings
from models import (
    Article,
    Attachment,
    Comment,
    Department,
    Escalation,
    Event,
    EventText,
    Message,
    Person,
    Resolution,
    Role,
    Service,
    SlaClock,
    Ticket,
)

LONGEST_ARTICLE = 20_000  # characters that an email quotes whole


def of(viewer: Viewer, event_ids: Any) -> Select[*tuple[Any, ...]]:
    """The events that this reader may see, ticket by ticket, with what they name as it is now."""
    actor, author, assignee, into = aliased(Person), aliased(Person), aliased(Person), aliased(Ticket)
    works = access.works_on(viewer, Ticket)
    whole = func.length(Article.body) <= sa.literal_column(str(LONGEST_ARTICLE))
    due = _next_due().lateral("due")
    texts = select(func.jsonb_object_agg(EventText.name, EventText.text)).where(EventText.event_id == Event.id)
    rows = tickets.visible(viewer).join(Event, Event.ticket_id == Ticket.id)
    rows = rows.where(Event.id == func.any(event_ids), access.if_of_side(works, Event.public_seq.is_not(None)))
    rows = (
        rows.outerjoin(actor, actor.id == Event.actor_id)
        .outerjoin(assignee, assignee.id == Ticket.assignee_id)
        .outerjoin(Comment, Comment.id == history.id_in(Event, "comment_id"))
        .outerjoin(author, author.id == Comment.author_id)
        .outerjoin(Resolution, Resolution.id == history.id_in(Event, "resolution_id"))
        .outerjoin(Article, sa.and_(Article.id == Resolution.article_id, articles.readable(viewer, Article)))
        .outerjoin(Escalation, Escalation.id == history.id_in(Event, "escalation_id"))
        .outerjoin(Department, Department.id == Ticket.department_id)
        .outerjoin(into, goes_on_in(viewer, into))
        .outerjoin(due, sa.true())
        .order_by(Ticket.id, Event.seq)
    )
    return rows.with_only_columns(
        Event.id,
        Event.seq,
        Event.kind,
        Event.public_seq,
        sa.cast(Event.data, sa.Text).label("data"),
        sa.cast(texts.scalar_subquery(), sa.Text).label("texts"),
        actor.name.label("actor"),
        assignee.name.label("assignee"),
        Ticket.id.label("ticket_id"),
        Ticket.number,
        Ticket.subject,
        Ticket.body,
        Ticket.body_html,
        sa.cast(Ticket.status, sa.Text).label("status"),
        Ticket.requester_id,
        Ticket.assignee_id,
        due.c.due_at,
        due.c.due_target,
        Department.name.label("department"),
        (sa.literal(works) if isinstance(works, bool) else works).label("works"),
        Comment.body.label("comment"),
        Comment.body_html.label("comment_html"),
        author.name.label("author"),
        _files(works).label("files"),
        _hindered(viewer).label("hindered"),
        by_confirming(Event).label("confirmed"),
        sa.case((Event.kind == ResolutionConfirmed.__name__, ratings.are_seen(viewer, Ticket, works))).label("rated"),
        into.id.label("into_id"),
        into.number.label("into_number"),
        Resolution.summary,
        Resolution.summary_html,
        Resolution.confirm_by,
        Resolution.reminded_at,
        Article.title.label("article"),
        sa.case((whole, Article.body), else_=Article.summary).label("article_body"),
        sa.case((whole, Article.body_html)).label("article_html"),
        Escalation.reason.label("escalation_reason"),
        Escalation.ended_at.label("escalation_ended_at"),
    )


def _next_due() -> Select[*tuple[Any, ...]]:
    """The SLA target that is the next to be met; a missed one is waited for no more."""
    rows = select(SlaClock.due_at, sa.cast(SlaClock.target, sa.Text).label("due_target"))
    rows = rows.where(SlaClock.ticket_id == Ticket.id, SlaClock.running_since.is_not(None))
    return rows.where(SlaClock.breached_at.is_(None)).order_by(SlaClock.due_at, SlaClock.target).limit(1)


def _files(works: access.Works) -> Any:
    """The names of the files that came with what the event names, oldest first; NULL: none, as of all other events."""
    names = names_of_files(works)
    of_comment = names.where(Attachment.comment_id == Comment.id)
    of_ticket = names.where(Attachment.ticket_id == Ticket.id, Attachment.comment_id.is_(None))
    return sa.case(
        (Event.kind.in_(SAYING), of_comment.scalar_subquery()),
        (Event.kind == TicketSubmitted.__name__, of_ticket.scalar_subquery()),
    )


def names_of_files(works: access.Works) -> Select[*tuple[Any, ...]]:
    """The names of files that whoever `works` on their ticket, or does not, may know of, oldest first; NULL: none."""
    names = select(func.array_agg(aggregate_order_by(Attachment.filename, Attachment.id)))
    return names.where(access.if_of_side(works, ~Attachment.internal))


def goes_on_in(viewer: Viewer, into: Any) -> Any:
    """Whether a ticket went into this one, as far as its reader may know of that."""
    seen = access.if_of_side(access.works_on(viewer, into), into.requester_id == viewer.id)
    return sa.and_(into.id == Ticket.merged_into_id, seen)


def by_confirming(event: Any) -> Any:
    """Whether a ticket was closed by its customer's word that it is solved; NULL of all other events."""
    before = aliased(Event)
    place = (before.ticket_id == event.ticket_id, before.seq == event.seq - 1)
    confirmed = sa.exists().where(*place, before.kind == ResolutionConfirmed.__name__)
    return sa.case((event.kind == TicketClosed.__name__, confirmed))


def _hindered(viewer: Viewer) -> Any:
    """The name of the service that a new ticket concerns, while maintenance of it goes on; else NULL."""
    its = select(Service.name).where(Service.id == Ticket.service_id)
    under = its.where(maintenance.status_of(viewer, Service) == maintenance.UNDER)
    return sa.case((Event.kind == TicketSubmitted.__name__, under.scalar_subquery()))


def of_messages(role: Role, message_ids: Any) -> Select[*tuple[Any, ...]]:
    """What messages to people of this role tell of, each as its reader may know it, message by message."""
    those = select(Message.id, Message.recipient_id, Message.event_ids).where(Message.id == func.any(message_ids))
    message = those.subquery("message")
    # As text, since whatever else names a table would be looked for in each of the statements within.
    reader = Viewer(role, sa.literal_column("message.recipient_id", sa.Uuid()))
    told = of(reader, sa.literal_column("message.event_ids", ARRAY(sa.Uuid()))).lateral("told")
    rows = select(message.c.id.label("message_id"), *told.c).join(told, sa.true())
    return rows.order_by(message.c.id, told.c.ticket_id, told.c.seq)
