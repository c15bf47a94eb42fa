"""What people see of what they are told in the app."""

from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from domain import access, gist, history, templates, tickets
from domain.access import Viewer
from domain.articles import reviews
from domain.maintenance import saying
from domain.news import LABELS
from domain.wording import DESK, Wording, marked
from infra.desk import Desk
from models import (
    Article,
    ArticleReview,
    Comment,
    Department,
    Event,
    Inbox,
    MaintenanceNotice,
    MessageTemplate,
    MessageTemplateUse,
    Notification,
    NotificationKind,
    Person,
    Ticket,
    TicketStatus,
)

MAINTENANCE, REVIEW = NotificationKind.MAINTENANCE, NotificationKind.REVIEW_REQUESTED
# What a notification says.
TITLES = {
    NotificationKind.TICKET_RECEIVED: marked("We have received your ticket #{number}"),
    NotificationKind.TICKET_SUBMITTED: marked("New ticket #{number}"),
    NotificationKind.TRIAGE_NEEDED: marked("Ticket #{number} needs its category found"),
    NotificationKind.TICKET_ASSIGNED: marked("Ticket #{number} was assigned to you"),
    NotificationKind.COMMENT_ADDED: marked("New comment on ticket #{number}"),
    NotificationKind.MENTIONED: marked("You were mentioned on ticket #{number}"),
    NotificationKind.STATUS_CHANGED: marked("Ticket #{number} has a new status"),
    NotificationKind.TICKET_RESOLVED: marked("Ticket #{number} is solved: please confirm"),
    NotificationKind.RESOLUTION_CONFIRMED: marked("The customer has responded to the solution of ticket #{number}"),
    NotificationKind.TICKET_REOPENED: marked("Ticket #{number} was opened again"),
    NotificationKind.TICKET_ESCALATED: marked("Ticket #{number} was escalated"),
    NotificationKind.SLA_AT_RISK: marked("Ticket #{number} is due within the hour"),
    NotificationKind.SLA_BREACHED: marked("Ticket #{number} has missed its target"),
    NotificationKind.REVIEW_REQUESTED: marked("Please review an article"),
}


def visible(viewer: Viewer) -> Select[Notification]:
    """The viewer's own notifications. A session for one ticket has none."""
    rows = select(Notification)
    if viewer.role is None or viewer.ticket_id is not None:
        return rows.where(sa.false())
    return rows.where(Notification.person_id == viewer.id)


def one(viewer: Viewer, notification_id: Any) -> Select[Notification]:
    """The notification, if it is the viewer's."""
    return visible(viewer).where(Notification.id == notification_id)


def unread_of(viewer: Viewer, person_id: Any) -> Select[*tuple[Any, ...]]:
    """How many notifications this person has not read. A session for one ticket has none."""
    inbox = select(Inbox.unread_count).where(Inbox.person_id == person_id)
    if viewer.ticket_id is not None:
        inbox = inbox.where(sa.false())
    return select(func.coalesce(inbox.scalar_subquery(), 0).label("count"))


def unread_about(viewer: Viewer, ticket: Any) -> Any:
    """How many of them about this ticket are not read."""
    rows = visible(viewer).where(Notification.ticket_id == ticket.id, Notification.read_at.is_(None))
    return rows.with_only_columns(func.count(), maintain_column_froms=True).scalar_subquery()


def subject_of(viewer: Viewer, notification: Any) -> Select[Ticket]:
    """The ticket that it is about, while the viewer can see it."""
    return tickets.visible(viewer).where(Ticket.id == notification.ticket_id)


def own_words(viewer: Viewer, notification: Any, column: Any) -> Any:
    """A column of the desk's own text for this kind, in the viewer's language or else the desk's; NULL: it has none."""
    theirs, named = func.lower(locale(viewer)), func.lower(MessageTemplate.locale)
    languages = (theirs, func.split_part(theirs, "-", 1), DESK)
    rows = select(column).where(
        MessageTemplate.use == MessageTemplateUse.IN_APP,
        MessageTemplate.kind == notification.kind,
        named.in_(languages),
    )
    nearest = sa.case(*((named == each, place) for place, each in enumerate(languages)))
    return rows.order_by(nearest).limit(1).scalar_subquery()


def facts(viewer: Viewer, notification: Any, own: Any) -> Any:
    """What may stand in the desk's own text, as JSON in a text; NULL without one, or without sight of the ticket, or of
    the comment that it is about.
    """
    rows = subject_of(viewer, notification).join(Department, Department.id == Ticket.department_id)
    rows = rows.outerjoin(Person, Person.id == Ticket.assignee_id)
    comment, author = _written(viewer, notification)
    rows = rows.where(sa.or_(notification.kind.not_in(templates.ABOUT_COMMENTS), comment.is_not(None)))
    known = func.jsonb_build_object(
        *("number", sa.cast(Ticket.number, sa.Text), "subject", Ticket.subject),
        *("status", Ticket.status, "department", Department.name, "agent", func.coalesce(Person.name, "")),
        *("name", select(Person.name).where(Person.id == viewer.id).scalar_subquery()),
        *("comment", func.coalesce(comment, ""), "author", func.coalesce(author, "")),
    )
    found = rows.with_only_columns(sa.cast(known, sa.Text), maintain_column_froms=True).scalar_subquery()
    name = select(Person.name).where(Person.id == viewer.id).scalar_subquery()

    def named(rows: Select[Any], title: Any) -> Any:
        known = func.jsonb_build_object(*("subject", title, "name", name))
        return rows.with_only_columns(sa.cast(known, sa.Text), maintain_column_froms=True).scalar_subquery()

    article = review_of(viewer, notification).join(Article, Article.id == ArticleReview.article_id)
    return sa.case(
        (own.is_(None), sa.null()),
        (_is_of(notification, MAINTENANCE), named(notice_of(viewer, notification), MaintenanceNotice.title)),
        (_is_of(notification, REVIEW), named(article, Article.title)),
        else_=found,
    )


def _written(viewer: Viewer, notification: Any) -> tuple[Any, Any]:
    """The words of the comment that it tells of and who wrote them, as far as the viewer may read it."""
    author = aliased(Person)
    rows = select(Comment).join(Event, history.id_in(Event, "comment_id") == Comment.id)
    rows = rows.outerjoin(author, author.id == Comment.author_id).where(
        Event.id == notification.cause_id, access.unless_internal(viewer, Ticket, ~Comment.internal)
    )
    body, name = (
        rows.with_only_columns(column, maintain_column_froms=True).correlate(Ticket).scalar_subquery()
        for column in (Comment.body, author.name)
    )
    return body, name


def _is_of(notification: Any, kind: NotificationKind) -> Any:
    return notification.kind == kind


def notice_of(viewer: Viewer, notification: Any) -> Select[MaintenanceNotice]:
    """The notice of maintenance that it is about, while the viewer can see it."""
    return saying.notice_of(viewer, notification.cause_id).where(_is_of(notification, MAINTENANCE))


def review_of(viewer: Viewer, notification: Any) -> Select[ArticleReview]:
    """The review that it asks for, while the viewer can see it."""
    return reviews.one(viewer, notification.cause_id).where(_is_of(notification, REVIEW))


def told(viewer: Viewer, notification: Any) -> Any:
    """What it says of maintenance, or the title of the article to review; NULL without sight of it, or of tickets."""
    return sa.case(
        (_is_of(notification, MAINTENANCE), saying.told(viewer, notification.cause_id)),
        (_is_of(notification, REVIEW), reviews.told(viewer, notification.cause_id)),
    )


def body_of(
    desk: Desk,
    kind: str,
    happened: str | None,
    locale: str | None,
    own: str | None,
    facts: str | None,
    told: str | None,
    zone: str | None,
) -> str | None:
    """The ticket's subject and what happened, the article's title, what happens to services, or the desk's own words.

    None without sight of it.
    """
    if own is not None and facts is not None:
        return templates.plain(templates.written(own, _known(desk, facts, locale)))
    if kind == MAINTENANCE.name:
        return saying.body_in_app(told, locale, zone)
    return told if kind == REVIEW.name else gist.said(happened, desk.settings.desk_name, Wording(locale, zone))


def title_of(
    desk: Desk, kind: str, number: int, locale: str | None, own: str | None, facts: str | None, told: str | None
) -> str:
    """One line about it, in its reader's language or the desk's own words; `kind`: by its name."""
    if own is not None and facts is not None and (title := templates.line(own, _known(desk, facts, locale))):
        return title
    if kind == MAINTENANCE.name:
        return saying.title_in_app(told, locale)
    text = TITLES.get(NotificationKind[kind])
    return Wording(locale).said(text, number=number) if text else ""


def _known(desk: Desk, facts: str, locale: str | None) -> dict[str, str]:
    """What may stand in the desk's own words."""
    known: dict[str, str] = orjson.loads(facts)
    known |= {"desk": desk.settings.desk_name, "link": desk.settings.public_url}
    if "status" in known:
        known["status"] = Wording(locale).said(LABELS[TicketStatus[known["status"]]])
    return known


def happened(viewer: Viewer, notification: Any, own: Any) -> Any:
    """What happened to the ticket, as JSON in a text; NULL where the desk has `own` words, or without sight of it."""
    return sa.case((own.is_(None), gist.of(viewer, notification)))


def number(notification: Any) -> Any:
    """The number of the ticket that it is about."""
    return select(Ticket.number).where(Ticket.id == notification.ticket_id).scalar_subquery()


def locale(viewer: Viewer) -> Any:
    """The language that the viewer reads."""
    return select(Person.locale).where(Person.id == viewer.id).scalar_subquery()


def zone(viewer: Viewer) -> Any:
    """The time zone that the viewer lives in."""
    return select(Person.time_zone).where(Person.id == viewer.id).scalar_subquery()
