"""What a notification says of an event in short: as things are now, and as its reader may know it."""

import datetime as dt
import re
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from domain import access, history, news, tickets, words
from domain.access import Viewer
from domain.happenings import (
    SAYING,
    ResolutionConfirmed,
    SlaBreached,
    StatusChanged,
    TicketClosed,
    TicketEscalated,
    TicketMerged,
    TicketReopened,
    TicketResolved,
)
from domain.news import events
from domain.tickets import ratings
from domain.wording import Wording
from models import Attachment, Comment, Escalation, Event, Person, Resolution, Ticket, TicketStatus

MOST = 200  # characters of what somebody wrote
MOST_READ = 1_000  # of its HTML, which has more of them
_HALF = re.compile(r"(?:<[^>]*|&[^;]*)\Z")  # a tag or a sign that ends behind that
# What happened, in the words that an email has for it. Of other events the ticket's subject says enough.
SAID = {
    TicketResolved.__name__: news.SOLVED,
    TicketReopened.__name__: news.REOPENED,
    ResolutionConfirmed.__name__: news.CONFIRMED,
}

# --- Reading ----------------------------------------------------------------------------------------------------------


def of(viewer: Viewer, notification: Any) -> Any:
    """The ticket's subject and what is known of the event, as JSON in a text; NULL without sight of the ticket."""
    works = access.works_on(viewer, Ticket)
    seen = access.if_of_side(works, Event.public_seq.is_not(None))
    its = sa.and_(Event.id == notification.cause_id, Event.ticket_id == Ticket.id, seen)
    rows = tickets.visible(viewer).where(Ticket.id == notification.ticket_id).outerjoin(Event, its)
    rows = rows.outerjoin(Person, Person.id == Event.actor_id)
    rated = ratings.are_seen(viewer, Ticket, works)
    known = func.jsonb_build_object(
        *("subject", Ticket.subject, "kind", Event.kind, "name", Person.name, "data", Event.data),
        *("html", _html(works), "text", _text(works, rated), "files", _files(works), "rated", rated),
        *("confirmed", events.by_confirming(Event), "into", _into(viewer)),
    )
    return rows.with_only_columns(sa.cast(known, sa.Text), maintain_column_froms=True).scalar_subquery()


def _html(works: access.Works) -> Any:
    """The beginning of what somebody wrote with the event, as HTML; NULL once it is deleted."""
    comment = select(func.left(Comment.body_html, MOST_READ + 1)).where(
        Comment.id == history.id_in(Event, "comment_id"), access.if_of_side(works, ~Comment.internal)
    )
    summary = select(func.left(Resolution.summary_html, MOST_READ + 1)).where(
        Resolution.id == history.id_in(Event, "resolution_id")
    )
    return sa.case(
        (Event.kind.in_(SAYING), comment.correlate(Event, Ticket).scalar_subquery()),
        (Event.kind == TicketResolved.__name__, summary.correlate(Event).scalar_subquery()),
    )


def _into(viewer: Viewer) -> Any:
    """The number of the ticket that took it in; NULL: none that its reader may know of."""
    into = aliased(Ticket)
    number = select(into.number).where(events.goes_on_in(viewer, into)).correlate(Ticket)
    return sa.case((Event.kind == TicketMerged.__name__, number.scalar_subquery()))


def _files(works: access.Works) -> Any:
    """The names of the files that came with a comment, oldest first; NULL: none, as of all else."""
    names = events.names_of_files(works).where(Attachment.comment_id == history.id_in(Event, "comment_id"))
    return sa.case((Event.kind.in_(SAYING), names.correlate(Event, Ticket).scalar_subquery()))


def _text(works: access.Works, rated: Any) -> Any:
    """The same of what is plain text: why it was opened again or escalated, or what was said to a rating."""
    reason = select(Escalation.reason).where(Escalation.id == history.id_in(Event, "escalation_id"))
    of_side = access.if_of_side(works, sa.false())
    return sa.case(
        (Event.kind == TicketReopened.__name__, history.words_of(Event, "reason")),
        (sa.and_(Event.kind == ResolutionConfirmed.__name__, rated), history.words_of(Event, "feedback")),
        (sa.and_(Event.kind == TicketEscalated.__name__, of_side), reason.correlate(Event).scalar_subquery()),
    )


# --- Saying -----------------------------------------------------------------------------------------------------------


def said(known: str | None, desk_name: str, w: Wording) -> str | None:
    """The ticket's subject, and behind a dot what happened, on one line; None without sight of the ticket."""
    if known is None:
        return None
    fact: dict[str, Any] = orjson.loads(known)
    text = _line(fact["html"]) if fact["html"] else " ".join((fact["text"] or "").split())
    text, name = words.beginning(text, MOST), fact["name"] or desk_name
    if fact["kind"] in SAYING:
        text = text or words.beginning(", ".join(fact["files"] or ()), MOST)  # of a comment without words
        happened = f"{name}: {text}" if text else ""
    else:
        happened = " ".join(filter(None, (_happened(fact, name, w), text)))
    return f"{fact['subject']} · {happened}" if happened else str(fact["subject"])


def _line(made: str) -> str:
    """HTML as it was read, on one line of plain text that tells where it was cut off."""
    return words.line_of(made) if len(made) <= MOST_READ else f"{words.line_of(_HALF.sub('', made))}…"


def _happened(fact: dict[str, Any], name: str, w: Wording) -> str:
    """A sentence of ours, or the statuses that it went between; nothing where there is none."""
    kind, data = fact["kind"], fact["data"]
    if kind == StatusChanged.__name__:
        return _moved(data, w)
    if kind == SlaBreached.__name__:
        return w.said(news.TARGETS[data["target"]], moment=w.moment(dt.datetime.fromisoformat(data["due_at"])))
    text, rating = SAID.get(kind), None
    if kind == TicketEscalated.__name__:
        text = news.LEVELS[data["level"]]
    elif kind == TicketMerged.__name__:
        text = news.TOOK_IN if data["took_in"] else news.MERGED_INTO if fact["into"] else news.MERGED
    elif kind == TicketClosed.__name__:
        text = news.EXPIRED if data["expired"] else news.CONFIRMED if fact["confirmed"] else news.CLOSED
    elif kind == ResolutionConfirmed.__name__ and fact["rated"] and (rating := data["rating"]) is not None:
        text = news.RATED
    return w.said(text, name=name, rating=rating, number=fact["into"]) if text else ""


def _moved(data: dict[str, Any], w: Wording) -> str:
    """Between which statuses it went, or in which it stays, and until when."""
    statuses = dict.fromkeys((data["from_status"], data["to_status"]))
    moved = " → ".join(w.said(news.LABELS[TicketStatus[status]]) for status in statuses)
    if not data["resumes_at"]:
        return moved
    moment = w.moment(dt.datetime.fromisoformat(data["resumes_at"]))
    return f"{moved}. {w.said(news.RESUMES, moment=moment)}"
