"""What the archive of a person's data holds: a file for each table that names them, with the rows that do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from models import (
    ApiToken,
    Article,
    ArticleFeedback,
    ArticleReview,
    Attachment,
    AuditEntry,
    Category,
    Comment,
    Department,
    Escalation,
    Event,
    EventText,
    ExternalIdentity,
    InboundMail,
    Membership,
    Message,
    Notification,
    NotificationPreference,
    Person,
    Resolution,
    Service,
    ServiceSubscription,
    Session,
    SignInLink,
    Ticket,
    TicketView,
    Watcher,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the archive: its name, what it says, its rows, and by which key; None: of an index there are few."""

    name: str
    says: str
    rows: Callable[[Any], Select[*tuple[Any, ...]]]
    key: Any


def _number(column: Any) -> Any:
    """The number of the ticket that a row is about."""
    ticket = aliased(Ticket)
    return select(ticket.number).where(ticket.id == column).scalar_subquery().label("ticket")


def _own(ticket_id: Any, person_id: Any) -> Any:
    ticket = aliased(Ticket)
    return sa.exists().where(ticket.id == ticket_id, ticket.requester_id == person_id)


def _person(person_id: Any) -> Select[*tuple[Any, ...]]:
    columns = (Person.name, Person.email, Person.role, Person.locale, Person.time_zone, Person.active)
    return select(*columns, Person.created_at, Person.last_seen_at).where(Person.id == person_id)


def _departments(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Department.name).join(Membership, Membership.department_id == Department.id).where(
        Membership.person_id == person_id
    )  # fmt: skip


def _tickets(person_id: Any) -> Select[*tuple[Any, ...]]:
    rows = select(
        Ticket.number, Ticket.subject, Ticket.body, Ticket.topic, Ticket.status, Ticket.priority, Ticket.channel,
        Category.name.label("category"), Department.name.label("department"), Service.name.label("service"),
        Ticket.created_at, Ticket.public_updated_at.label("updated_at"), Ticket.resolved_at, Ticket.closed_at,
    )  # fmt: skip
    rows = rows.join(Category, Category.id == Ticket.category_id).join(
        Department, Department.id == Ticket.department_id
    )
    return rows.outerjoin(Service, Service.id == Ticket.service_id).where(Ticket.requester_id == person_id)


def _comments(person_id: Any) -> Select[*tuple[Any, ...]]:
    rows = select(
        _number(Comment.ticket_id), Person.name.label("author"), Comment.internal, Comment.channel, Comment.body,
        Comment.created_at, Comment.edited_at, Comment.deleted_at,
    )  # fmt: skip
    seen = sa.and_(sa.not_(Comment.internal), _own(Comment.ticket_id, person_id))
    return rows.outerjoin(Person, Person.id == Comment.author_id).where(sa.or_(Comment.author_id == person_id, seen))


def _resolutions(person_id: Any) -> Select[*tuple[Any, ...]]:
    columns = (Resolution.summary, Resolution.state, Resolution.rating, Resolution.feedback)
    moments = (Resolution.resolved_at, Resolution.answered_at, Resolution.rated_at)
    return select(_number(Resolution.ticket_id), *columns, *moments).where(_own(Resolution.ticket_id, person_id))


def _escalations(person_id: Any) -> Select[*tuple[Any, ...]]:
    columns = (Escalation.level, Escalation.reason, Escalation.at)
    return select(_number(Escalation.ticket_id), *columns).where(Escalation.escalated_by_id == person_id)


def _history(person_id: Any) -> Select[*tuple[Any, ...]]:
    said = select(func.jsonb_object_agg(EventText.name, EventText.text)).where(EventText.event_id == Event.id)
    theirs = sa.case((Event.actor_id == person_id, sa.cast(said.scalar_subquery(), sa.Text())), else_=sa.null())
    seen = sa.and_(Event.public_seq.is_not(None), _own(Event.ticket_id, person_id))
    rows = select(_number(Event.ticket_id), Event.kind, Event.at, theirs.label("texts"))
    return rows.where(sa.or_(Event.actor_id == person_id, seen))


def _files(person_id: Any) -> Select[*tuple[Any, ...]]:
    columns = (Attachment.filename, Attachment.content_type, Attachment.size_bytes, Attachment.created_at)
    seen = sa.and_(sa.not_(Attachment.internal), _own(Attachment.ticket_id, person_id))
    rows = select(_number(Attachment.ticket_id), *columns, Attachment.key.label("stored"))
    return rows.where(sa.or_(Attachment.uploaded_by_id == person_id, seen))


def _of(model: Any, owner: Any, *names: str, ticket: bool = False) -> Callable[[Any], Select[*tuple[Any, ...]]]:
    """Columns of the rows of a table that name the person as their owner."""

    def rows(person_id: Any) -> Select[*tuple[Any, ...]]:
        numbered = [_number(model.ticket_id)] if ticket else []
        return select(*numbered, *(getattr(model, name) for name in names)).where(owner == person_id)

    return rows


def _watched(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(_number(Watcher.ticket_id)).where(Watcher.person_id == person_id)


def _feedback(person_id: Any) -> Select[*tuple[Any, ...]]:
    said = (ArticleFeedback.helpful, ArticleFeedback.rating, ArticleFeedback.comment, ArticleFeedback.at)
    rows = select(Article.title, Article.slug, ArticleFeedback.version_number, *said)
    return rows.join(Article, Article.id == ArticleFeedback.article_id).where(ArticleFeedback.person_id == person_id)


def _reviews(person_id: Any) -> Select[*tuple[Any, ...]]:
    asked, closed = ArticleReview.requested_by_id == person_id, ArticleReview.closed_by_id == person_id
    note, outcome = (
        sa.case((theirs, said), else_=sa.null()).label(said.key)
        for theirs, said in ((asked, ArticleReview.note), (closed, ArticleReview.outcome))
    )
    moments = (ArticleReview.requested_at, ArticleReview.closed_at)
    rows = select(Article.title, Article.slug, ArticleReview.status, note, outcome, *moments)
    return rows.join(Article, Article.id == ArticleReview.article_id).where(sa.or_(asked, closed))


def _subscriptions(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Service.name).join(ServiceSubscription, ServiceSubscription.service_id == Service.id).where(
        ServiceSubscription.person_id == person_id
    )  # fmt: skip


def _audit(person_id: Any) -> Select[*tuple[Any, ...]]:
    theirs = AuditEntry.actor_id == person_id
    network = sa.case((theirs, AuditEntry.ip_address), else_=sa.null()).label("ip_address")
    about = AuditEntry.subject_id == person_id
    changes = sa.case((about, sa.cast(AuditEntry.changes, sa.Text())), else_=sa.null()).label("changes")
    columns = (AuditEntry.at, AuditEntry.action, AuditEntry.summary)
    return select(*columns, network, changes).where(sa.or_(theirs, about))


PARTS = [
    Part("person", "who they are to the desk", _person, Person.id),
    Part("departments", "where they work", _departments, Department.id),
    Part("tickets", "what they asked", _tickets, Ticket.id),
    Part("comments", "what was answered to them, and all that they wrote", _comments, Comment.id),
    Part("resolutions", "how their tickets were solved, and what they said to that", _resolutions, Resolution.id),
    Part("escalations", "which tickets they raised to a higher level, and why", _escalations, Escalation.id),
    Part("history", "what happened to their tickets, and what they did on any", _history, Event.id),
    Part("files", "the files on their tickets, and those that they sent", _files, Attachment.id),
    Part("watched", "the tickets that they follow", _watched, Watcher.ticket_id),
    Part("services", "the services whose maintenance they are told of", _subscriptions, Service.id),
    Part("emails", "which emails were written to them, and what became of these",
         _of(Message, Message.recipient_id, "kind", "address", "status", "created_at", "sent_at", ticket=True),
         Message.id),
    Part("mails", "which emails came from them",
         _of(InboundMail, InboundMail.person_id, "sender", "received_at", "outcome", ticket=True), InboundMail.id),
    Part("notifications", "what they were told in the app",
         _of(Notification, Notification.person_id, "kind", "at", "read_at", ticket=True), Notification.id),
    Part("preferences", "what they want to be told, and how",
         _of(NotificationPreference, NotificationPreference.person_id, "kind", "channel", "enabled"), None),
    Part("views", "the lists of tickets that they saved", _of(TicketView, TicketView.owner_id, "name", "filter"),
         TicketView.id),
    Part("feedback", "what they think of articles", _feedback, ArticleFeedback.id),
    Part("reviews", "which reviews of articles they asked for or closed", _reviews, ArticleReview.id),
    Part("articles", "the articles that they wrote",
         _of(Article, Article.author_id, "title", "slug", "status", "published_at"), Article.id),
    Part("sessions", "when they were signed in",
         _of(Session, Session.person_id, "created_at", "expires_at", "ended_at", "by_link"), Session.id),
    Part("links", "which links to sign in were mailed to them",
         _of(SignInLink, SignInLink.person_id, "created_at", "expires_at", "used_at"), SignInLink.id),
    Part("identities", "who they are to other issuers of tokens",
         _of(ExternalIdentity, ExternalIdentity.person_id, "issuer", "subject", "created_at"), ExternalIdentity.id),
    Part("tokens", "their tokens for programs, without the tokens themselves",
         _of(ApiToken, ApiToken.owner_id, "name", "scope", "created_at", "expires_at", "revoked_at", "last_used_at"),
         ApiToken.id),
    Part("audit", "what they changed or came in by, and what was changed of them", _audit, AuditEntry.id),
]  # fmt: skip
