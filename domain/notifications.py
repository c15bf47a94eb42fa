"""What people are told in the app: who is told, what they see of it, and what they have read."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from domain import access, gist, history, templates, tickets
from domain.access import Viewer
from domain.articles import reviews
from domain.maintenance import saying
from domain.news import LABELS
from domain.refusals import InvalidInput
from domain.wording import DESK, Wording, marked
from infra.desk import Desk
from infra.unit import Unit
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

CHANNEL = "person"  # with the person's id behind a colon: where it is told that they have news
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

# --- Reading ----------------------------------------------------------------------------------------------------------


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


# --- Writing ----------------------------------------------------------------------------------------------------------


def channel(person_id: Any) -> str:
    """Where it is told that somebody has news."""
    return f"{CHANNEL}:{person_id}"


NONE = UUID(int=0)


def _told(moment: Any, *columns: Any) -> Any:
    """Writes what may be very many rows: a department and what happened to a hundred tickets. Gives whom it told.

    Counters are taken in one order, so that two who tell the same people can't wait for each other.
    """
    names = ["person_id", "kind", "cause_id", "ticket_id", "actor_id"]
    news = func.unnest(*columns).table_valued(*names, with_ordinality="place").render_derived(name="news")
    known = sa.exists().where(
        Notification.person_id == news.c.person_id,
        Notification.cause_id == news.c.cause_id,
        sa.cast(Notification.kind, sa.Text) == news.c.kind,
    )
    nth = func.row_number().over(partition_by=news.c.person_id, order_by=news.c.place).label("nth")
    count = func.count().over(partition_by=news.c.person_id).label("count")
    fresh = select(*news.c, nth, count).where(~known).cte("fresh")
    one_each = select(fresh.c.person_id, fresh.c.count, fresh.c.count).distinct().order_by(fresh.c.person_id)
    counters = insert(Inbox).from_select(["person_id", "last_seq", "unread_count"], one_each)
    counted = (
        counters.on_conflict_do_update(
            index_elements=[Inbox.person_id],
            set_={
                "last_seq": Inbox.last_seq + counters.excluded.last_seq,
                "unread_count": Inbox.unread_count + counters.excluded.unread_count,
            },
        )
        .returning(Inbox.person_id, Inbox.last_seq)
        .cte("counted")
    )
    given = {
        "id": func.uuidv7(),
        "person_id": fresh.c.person_id,
        "seq": counted.c.last_seq - fresh.c.count + fresh.c.nth,
        "kind": fresh.c.kind,
        "cause_id": fresh.c.cause_id,
        "ticket_id": func.nullif(fresh.c.ticket_id, NONE),
        "actor_id": func.nullif(fresh.c.actor_id, NONE),
        "at": moment,
    }
    rows = select(*given.values()).join_from(fresh, counted, counted.c.person_id == fresh.c.person_id)
    written = insert(Notification).from_select(list(given), rows.order_by(fresh.c.place)).cte("written")
    return select(counted.c.person_id).add_cte(written)


class News(NamedTuple):
    """What one person is told: the event that it tells of, what that is to them, and who did it."""

    person_id: UUID
    kind: NotificationKind
    cause_id: UUID
    ticket_id: UUID | None = None
    actor_id: UUID | None = None


async def tell(unit: Unit, news: Sequence[News]) -> None:
    """Tell people in the app, in this order; each once of the same cause and kind, however often this is called."""
    if not news:
        return
    # A list of values holds no NULL.
    rows = [(each.person_id, each.kind.name, *(key or NONE for key in each[2:])) for each in news]
    for record in await unit.run(_told, unit.now, *(list(column) for column in zip(*rows, strict=True))):
        unit.publish(channel(record["person_id"]))


def _inbox(person_id: Any) -> Select[Inbox]:
    return select(Inbox).where(Inbox.person_id == person_id)


def _mark(person_id: Any, moment: Any, condition: Any, *, read: bool) -> sa.Update:
    unread = Notification.read_at.is_(None)
    return (
        sa.update(Notification)
        .where(Notification.person_id == person_id, unread if read else sa.not_(unread), condition)
        .values(read_at=moment if read else None)
        .returning(Notification.id)
    )


def _mark_some(person_id: Any, moment: Any, ids: Any, read: bool) -> sa.Update:  # noqa: FBT001 # a builder's arguments stand in order
    return _mark(person_id, moment, Notification.id == func.any(ids), read=read)


def _mark_of_ticket(person_id: Any, moment: Any, ticket_id: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.ticket_id == ticket_id, read=read)


def _mark_up_to(person_id: Any, moment: Any, up_to: Any, read: bool) -> sa.Update:  # noqa: FBT001 # as above
    return _mark(person_id, moment, Notification.at <= up_to, read=read)


MOST_IDS = 100


async def mark(unit: Unit, viewer: Viewer, which: dict[str, Any], *, read: bool) -> None:
    """Mark the viewer's notifications as read, or not read again: `ids`, all of a `ticket_id`, or all `up_to` a moment.

    Ids that are not the viewer's change nothing, and look like those that never were.
    """
    access.require_account(viewer)
    ((choice, value),) = which.items()
    if choice == "ids":
        if len(value) > MOST_IDS:
            raise InvalidInput(("which.ids", f"At most {MOST_IDS} are possible."))
        if not value:
            return
    build = {"ids": _mark_some, "ticket_id": _mark_of_ticket, "up_to": _mark_up_to}[choice]
    inbox = await unit.lock(_inbox, viewer.id)
    if inbox is None:  # nothing was ever told them
        return
    count = len(await unit.run(build, viewer.id, unit.now, value, read))
    if count:
        unit.change(inbox, unread_count=inbox.unread_count + (-count if read else count))
        unit.publish(channel(viewer.id))
