"""What an email says of events of tickets: each as things are now, and as its reader may know it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from markupsafe import Markup, escape
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import aliased

from domain import access, articles, history, maintenance, tickets
from domain.access import Viewer
from domain.happenings import CommentAdded, ResolutionConfirmed, TicketClosed, TicketReopened, TicketSubmitted
from domain.tickets import ratings
from domain.wording import Wording, marked
from models import (
    Article,
    Attachment,
    Comment,
    Department,
    Escalation,
    Event,
    EventText,
    Message,
    MessageKind,
    Person,
    Resolution,
    Role,
    Service,
    Ticket,
    TicketStatus,
)

# What happened, in the words of emails and notifications.
SOLVED = marked("{name} has solved it.")
SOLVED_BEFORE = marked("A reminder: {name} has solved it.")
REOPENED = marked("{name} has opened it again.")
CONFIRMED = marked("{name} has confirmed that it is solved.")
RATED = marked("{name} rates the help with {rating} of 5.")
CLOSED = marked("{name} has closed it.")
EXPIRED = marked("It is closed, since nobody has said that anything is left to do.")
RESUMES = marked("It continues on {moment}.")
MERGED = marked("It was merged with another one, where it goes on.")
MERGED_INTO = marked("It was merged with #{number}, where it goes on.")
TOOK_IN = marked("A ticket that you follow was merged with this one, where it goes on.")
LONGEST_ARTICLE = 20_000  # characters that an email quotes whole
OVER = ("RESOLVED", "CLOSED")
TO_CUSTOMERS = {
    "OPEN": marked("We are working on it."),
    "PENDING": marked("We are waiting for your answer."),
    "ON_HOLD": marked("It is on hold."),
}
TO_STAFF = TO_CUSTOMERS | {"OPEN": marked("It is open."), "PENDING": marked("It is waiting for the customer.")}
LABELS = {
    TicketStatus.OPEN: marked("Open"),
    TicketStatus.PENDING: marked("Pending"),
    TicketStatus.ON_HOLD: marked("On hold"),
    TicketStatus.RESOLVED: marked("Solved"),
    TicketStatus.CLOSED: marked("Closed"),
}
TARGETS = {
    "FIRST_RESPONSE": marked("The target for the first answer was missed; it was due on {moment}."),
    "RESOLUTION": marked("The target for the solution was missed; it was due on {moment}."),
}
LEVELS = {
    "TEAM_LEAD": marked("{name} has escalated it to the team lead."),
    "MANAGER": marked("{name} has escalated it to the manager."),
    "DIRECTOR": marked("{name} has escalated it to the director."),
}


class Block(NamedTuple):
    """A sentence of ours, or what somebody wrote, with HTML of its own."""

    text: str
    html: Markup | None = None
    quote: bool = False  # whether it stands apart from what the desk says


@dataclass(frozen=True, slots=True)
class Fact:
    """An event with what it names, as its reader may know it."""

    record: Any
    reader_id: UUID
    desk_name: str
    written_at: dt.datetime  # when it was to be told

    def __getattr__(self, name: str) -> Any:
        return self.record[name]

    @property
    def actor(self) -> str:
        """Who did it."""
        return self.record["actor"] or self.desk_name

    @property
    def data(self) -> dict[str, Any]:
        """What the event holds."""
        return dict(orjson.loads(self.record["data"]))

    def written(self, name: str) -> list[Block]:
        """What somebody wrote by this name, unless it was erased or nothing."""
        text = orjson.loads(self.record["texts"] or "{}").get(name)
        return [quoted(text)] if text else []


def quoted(text: str, html: str | None = None) -> Block:
    """What somebody wrote; `html`: made safe when it was written."""
    made = escape(text).replace("\n", Markup("<br>")) if html is None else Markup(html)  # noqa: S704 # see above
    return Block(text, made, quote=True)


# --- Reading ----------------------------------------------------------------------------------------------------------


def of(viewer: Viewer, event_ids: Any) -> Select[*tuple[Any, ...]]:
    """The events that this reader may see, ticket by ticket, with what they name as it is now."""
    actor, author, assignee, into = aliased(Person), aliased(Person), aliased(Person), aliased(Ticket)
    works = access.works_on(viewer, Ticket)
    whole = func.length(Article.body) <= sa.literal_column(str(LONGEST_ARTICLE))
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
        Ticket.due_at,
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


def _files(works: access.Works) -> Any:
    """The names of the files that came with what the event names, oldest first; NULL: none, as of all other events."""
    seen = access.if_of_side(works, ~Attachment.internal)
    names = select(func.array_agg(aggregate_order_by(Attachment.filename, Attachment.id))).where(seen)
    of_comment = names.where(Attachment.comment_id == Comment.id)
    of_ticket = names.where(Attachment.ticket_id == Ticket.id, Attachment.comment_id.is_(None))
    return sa.case(
        (Event.kind == CommentAdded.__name__, of_comment.scalar_subquery()),
        (Event.kind == TicketSubmitted.__name__, of_ticket.scalar_subquery()),
    )


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


# --- Saying -----------------------------------------------------------------------------------------------------------


def _submitted(fact: Fact, w: Wording) -> list[Block]:
    if fact.requester_id == fact.reader_id:
        received = marked("We have received your request and will get back to you. Its number is #{number}.")
        return [Block(w.said(received, number=fact.number))]
    came = w.said("{name} has submitted it; it is with {department}:", name=fact.actor, department=fact.department)
    return [Block(came), quoted(fact.body, fact.body_html), *with_files(fact, w)]


def _routed(fact: Fact, w: Wording) -> list[Block]:
    blocks = [Block(w.said("It is with {department} now.", department=fact.department))]
    if fact.data.get("escalation_id") and fact.escalation_ended_at is None:
        blocks += [Block(w.said("It is escalated.")), *_why_escalated(fact)]
    return blocks


def _assigned(fact: Fact, w: Wording) -> list[Block]:
    if fact.assignee_id != fact.reader_id:  # somebody else has it by now
        return []
    return [Block(w.said("{name} has assigned it to you.", name=fact.actor)), quoted(fact.body, fact.body_html)]


def _handed_over(fact: Fact, w: Wording) -> list[Block]:
    if fact.requester_id != fact.reader_id:
        return []
    return [Block(w.said("{name} has made it a request of yours.", name=fact.actor))]


def _commented(fact: Fact, w: Wording) -> list[Block]:
    if not fact.comment and not fact.files:  # deleted since, or erased with whoever wrote it
        return []
    name = fact.author or fact.desk_name
    said = marked("{name} has written:")
    if fact.public_seq is None:
        said = marked("{name} has noted, for the desk alone:")
    words = [quoted(fact.comment, fact.comment_html)] if fact.comment else []
    return [Block(w.said(said, name=name)), *words, *with_files(fact, w)]


def with_files(fact: Fact, w: Wording) -> list[Block]:
    """The names of the files that came along, if any did."""
    return [Block(w.said("Attached: {names}", names=", ".join(fact.files)))] if fact.files else []


def _moved(fact: Fact, w: Wording) -> list[Block]:
    status = fact.data["to_status"]
    if status != fact.status:  # it has moved on since
        return []
    blocks = [Block(w.said((TO_STAFF if fact.works else TO_CUSTOMERS)[status]))]
    if resumes_at := fact.data["resumes_at"]:
        moment = w.moment(dt.datetime.fromisoformat(resumes_at))
        blocks.append(Block(w.said(RESUMES, moment=moment)))
    return [*blocks, *(fact.written("reason") if fact.works else [])]


def _resolved(fact: Fact, w: Wording) -> list[Block]:
    if fact.status not in OVER:  # opened again since
        return []
    reminds = fact.reminded_at is not None and fact.reminded_at <= fact.written_at
    blocks = [Block(w.said(SOLVED_BEFORE if reminds else SOLVED, name=fact.actor))]
    if fact.summary:
        blocks.append(quoted(fact.summary, fact.summary_html))
    if fact.article:
        blocks.append(Block(w.said("The answer stands in our article “{title}”:", title=fact.article)))
        blocks.append(quoted(fact.article_body, fact.article_html))
    if fact.requester_id == fact.reader_id and fact.confirm_by:
        ask = marked(
            "Is it solved for you? Please confirm it, or open it again. Without an answer it closes on {moment}."
        )
        blocks.append(Block(w.said(ask, moment=w.moment(fact.confirm_by))))
    return blocks


def _confirmed(fact: Fact, w: Wording) -> list[Block]:
    confirmed = Block(w.said(CONFIRMED, name=fact.actor))
    if not fact.rated:  # its reader may not know how
        return [confirmed]
    rating = fact.data["rating"]
    said = confirmed if rating is None else Block(w.said(RATED, name=fact.actor, rating=rating))
    return [said, *fact.written("feedback")]


def _closed(fact: Fact, w: Wording) -> list[Block]:
    if fact.status != "CLOSED":
        return []
    if fact.data["expired"]:
        return [Block(w.said(EXPIRED))]
    if fact.confirmed:
        return [Block(w.said(CONFIRMED, name=fact.actor))]
    return [Block(w.said(CLOSED, name=fact.actor)), *(fact.written("close_reason") if fact.works else [])]


def _merged(fact: Fact, w: Wording) -> list[Block]:
    if fact.data["took_in"]:
        return [Block(w.said(TOOK_IN))]
    if fact.into_number:  # of which its reader may know
        return [Block(w.said(MERGED_INTO, number=fact.into_number))]
    return [Block(w.said(MERGED))]


def _reopened(fact: Fact, w: Wording) -> list[Block]:
    if fact.status in OVER:
        return []
    return [Block(w.said(REOPENED, name=fact.actor)), *fact.written("reason")]


def _escalated(fact: Fact, w: Wording) -> list[Block]:
    if fact.escalation_ended_at is not None:
        return []
    return [Block(w.said(LEVELS[fact.data["level"]], name=fact.actor)), *_why_escalated(fact)]


def _why_escalated(fact: Fact) -> list[Block]:
    """The reason, for the desk."""
    return [quoted(fact.escalation_reason)] if fact.works and fact.escalation_reason else []


def _breached(fact: Fact, w: Wording) -> list[Block]:
    moment = w.moment(dt.datetime.fromisoformat(fact.data["due_at"]))
    return [Block(w.said(TARGETS[fact.data["target"]], moment=moment))]


SAID: dict[str, Callable[[Fact, Wording], list[Block]]] = {
    "TicketSubmitted": _submitted,
    "TicketRouted": _routed,
    "TicketAssigned": _assigned,
    "RequesterChanged": _handed_over,
    "CommentAdded": _commented,
    "StatusChanged": _moved,
    "TicketResolved": _resolved,
    "ResolutionConfirmed": _confirmed,
    "TicketClosed": _closed,
    "TicketMerged": _merged,
    "TicketReopened": _reopened,
    "TicketEscalated": _escalated,
    "SlaBreached": _breached,
}


class Section(NamedTuple):
    """The news of one ticket."""

    fact: Fact  # of the last event
    blocks: list[Block]
    comment: Fact | None = None  # of the last event that names one, if it is still there


def _at_risk(fact: Fact, w: Wording) -> list[Block]:
    if fact.due_at is None or fact.status in OVER:  # done since
        return []
    return [Block(w.said("A target is due on {moment}.", moment=w.moment(fact.due_at)))]


def sections(message: Message, records: Sequence[Any], desk_name: str, w: Wording) -> list[Section]:
    """The news that a message tells, by ticket, without tickets of which nothing is left to say."""
    at_risk = message.kind is MessageKind.SLA_AT_RISK  # says that they are due, instead
    found: dict[UUID, Section] = {}
    for record in records:
        fact = Fact(record, message.recipient_id, desk_name, message.created_at)
        blocks = _at_risk(fact, w) if at_risk else SAID[fact.kind](fact, w)
        if blocks:
            earlier = found.get(fact.ticket_id)
            before = earlier.blocks if earlier else []
            if fact.kind == TicketReopened.__name__:  # the customer's reason is a comment, too, which is read once
                said = {block.text for block in before}
                blocks = [block for block in blocks if block.text not in said]
            comment = fact if fact.comment is not None else earlier and earlier.comment
            found[fact.ticket_id] = Section(fact, [*before, *blocks], comment)
    return list(found.values())
