"""What becomes of each column that can hold people's words when somebody is erased: blanked, gone, or kept.

A test fails for a column that stands nowhere here. What to say of a new one: a `Rule` with what its rows are to the
person and what stands in their place, or an entry in `KEPT` with the reason.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

import models
from domain import people, ranges
from models import (
    ApiToken,
    Article,
    ArticleFeedback,
    ArticleReview,
    ArticleVersion,
    Attachment,
    AuditEntry,
    Base,
    Comment,
    Escalation,
    Event,
    EventText,
    ExternalIdentity,
    IdempotencyKey,
    InboundMail,
    InboundOutcome,
    JobRow,
    JobState,
    Message,
    Person,
    Resolution,
    Ticket,
    TicketView,
    Upload,
)

ERASED = "Erased"  # where something has to stand
NAME = "Erased person"
UNKNOWN_TYPE = "application/octet-stream"  # which no upload is accepted as

Whose = Callable[[Any, Any], ColumnElement[bool]]  # of a person's id and address; a row of the rule's table


class Rule:
    """That columns of a person's rows are blanked, or with nothing to stand there instead, that the rows go."""

    def __init__(
        self,
        model: type[Base],
        whose: Whose,
        blank: Mapping[str, Any] | None,
        *,
        gone: tuple[str, ...] = (),
        key: str = "id",
        file: str | None = None,
    ) -> None:
        """`gone`: what goes with the rows, named for the test. `file`: the column of a file's key, whose bytes go."""
        self.model, self.whose, self.blank, self.gone = model, whose, blank, gone
        self.key: Any = getattr(model, key)
        self.file: Any = getattr(model, file) if file else sa.null()

    def columns(self) -> set[str]:
        """The columns that it is about."""
        return {*(self.blank or ()), *self.gone}

    def end(self, after: Any, most: Any) -> sa.Select[*tuple[Any, ...]]:
        """Where the batch ends that begins after this key."""
        return ranges.end(self.key, after, most)

    def apply(self, person_id: Any, email: Any, after: Any, last: Any) -> Any:
        """Does it in one batch; gives the keys of rows that changed, and of their files. What is done stays so."""
        here = ranges.within(self.key, after, last), self.whose(person_id, email)
        told = self.key, self.file.label("file")
        if self.blank is None:
            return sa.delete(self.model).where(*here).returning(*told)
        left = sa.or_(*(getattr(self.model, name).is_distinct_from(value) for name, value in self.blank.items()))
        return sa.update(self.model).where(*here, left).values(**self.blank).returning(*told)


def by(column: Any) -> Whose:
    """What the person wrote, made or did."""
    return lambda person_id, _: column == person_id


def on_theirs(ticket_id: Any, column: Any = None) -> Whose:
    """All that stands on a ticket of theirs, since whoever answers speaks of them; and what is theirs elsewhere."""

    def whose(person_id: Any, _: Any) -> ColumnElement[bool]:
        theirs = _asked_by(ticket_id, person_id)
        return theirs if column is None else sa.or_(column == person_id, theirs)

    return whose


def _asked_by(ticket_id: Any, person_id: Any) -> ColumnElement[bool]:
    ticket = aliased(Ticket)
    return sa.exists().where(ticket.id == ticket_id, ticket.requester_id == person_id)


def _first_said_by(ticket_id: Any, person_id: Any) -> ColumnElement[bool]:
    """That they submitted it for themselves, whoever it was given to since."""
    first = aliased(Event)
    asked_for = first.data["initial_requester_id"].astext == sa.cast(person_id, sa.Text())
    return sa.exists().where(first.ticket_id == ticket_id, first.seq == 1, first.actor_id == person_id, asked_for)


def _of_ticket(person_id: Any, _: Any) -> ColumnElement[bool]:
    return sa.or_(Ticket.requester_id == person_id, _first_said_by(Ticket.id, person_id))


def _of_comment(person_id: Any, email: Any) -> ColumnElement[bool]:
    return sa.and_(Comment.body.is_not(None), on_theirs(Comment.ticket_id, Comment.author_id)(person_id, email))


_OF_SUBJECT = EventText.name.in_(("subject", "from_subject", "to_subject"))


def _of_text(person_id: Any, _: Any) -> ColumnElement[bool]:
    """A ticket's subject is its requester's, whoever worded it, and the same in its history as on the ticket."""
    event = aliased(Event)
    theirs = _asked_by(event.ticket_id, person_id)
    said = sa.or_(event.actor_id == person_id, theirs)
    subject = sa.or_(theirs, _first_said_by(event.ticket_id, person_id))
    return sa.exists().where(event.id == EventText.event_id, sa.case((_OF_SUBJECT, subject), else_=said))


def _of_feedback(person_id: Any, _: Any) -> ColumnElement[bool]:
    """What was said: feedback that only rates stays as it is."""
    by_link = _asked_by(ArticleFeedback.reader_id, person_id)
    theirs = sa.or_(ArticleFeedback.person_id == person_id, by_link)
    return sa.and_(theirs, ArticleFeedback.comment.is_not(None))


def _of_mail(person_id: Any, email: Any) -> ColumnElement[bool]:
    theirs = sa.or_(InboundMail.person_id == person_id, InboundMail.sender == email)
    return sa.or_(theirs, on_theirs(InboundMail.ticket_id)(person_id, email))


# What is gone waits for nobody.
_DECIDED = sa.case(
    (InboundMail.outcome == InboundOutcome.WAITING, InboundOutcome.IGNORED.name),
    else_=sa.cast(InboundMail.outcome, sa.Text),
)


def _of_job(*states: JobState) -> Whose:
    return lambda _, email: sa.and_(JobRow.payload["email"].astext == email, JobRow.state.in_(states))


def _about(person_id: Any, _: Any) -> ColumnElement[bool]:
    """Of them, and of their tokens; also of those that are gone, which they alone made."""
    tokens = select(ApiToken.id).where(ApiToken.owner_id == person_id)
    gone = sa.and_(AuditEntry.subject_table == ApiToken.__tablename__, AuditEntry.actor_id == person_id)
    return sa.or_(AuditEntry.subject_id == person_id, AuditEntry.subject_id.in_(tokens), gone)


def _came_from(person_id: Any, _: Any) -> ColumnElement[bool]:
    tried = sa.and_(AuditEntry.subject_id == person_id, AuditEntry.actor_id.is_(None))
    return sa.or_(AuditEntry.actor_id == person_id, tried)


# As the trigger allows it: which fields changed stays.
_CHANGES: Any = sa.literal_column(
    "(SELECT coalesce(jsonb_agg(change || '{\"before\": null, \"after\": null}' ORDER BY place), '[]') "
    "FROM jsonb_array_elements(audit_entries.changes) WITH ORDINALITY AS of_entry (change, place))",
    JSONB(),
)
_NO_WORDS: Any = JobRow.payload.op("||")(sa.cast({"email": "", "name": ""}, JSONB()))

# In this order, and the person's own row at last: until then whoever begins again finds them by their address.
RULES = [
    Rule(Upload, by(Upload.person_id), None, gone=("filename", "claimed_type", "content_type", "sha256"), file="key"),
    Rule(Attachment, on_theirs(Attachment.ticket_id, Attachment.uploaded_by_id),
         {"filename": ERASED, "content_type": UNKNOWN_TYPE}, file="key"),
    Rule(Comment, _of_comment, {"body": "", "body_html": ""}),
    Rule(Ticket, _of_ticket, {
        "subject": ERASED, "body": "", "body_html": "",
        "topic": sa.case((Ticket.topic.is_not(None), sa.literal("")), else_=sa.null()),
    }),
    Rule(EventText, _of_text, {"text": sa.case((_OF_SUBJECT, sa.literal(ERASED)), else_=sa.literal(""))},
         key="event_id"),
    Rule(Resolution, on_theirs(Resolution.ticket_id, Resolution.resolved_by_id),
         {"summary": None, "summary_html": None}),
    Rule(Resolution, on_theirs(Resolution.ticket_id), {"feedback": None}),
    Rule(Escalation, on_theirs(Escalation.ticket_id, Escalation.escalated_by_id), {"reason": None}),
    Rule(InboundMail, _of_mail,
         {"sender": "", "reason": None, "recipient": None, "outcome": _DECIDED}, file="file_key"),
    Rule(Message, by(Message.recipient_id), {"address": None, "last_error": None}),
    Rule(ArticleVersion, by(ArticleVersion.published_by_id), {"note": None}),
    Rule(Article, by(Article.publishes_by_id), {"publishes_note": None}),
    Rule(ArticleFeedback, _of_feedback, {"comment": ERASED}),
    Rule(ArticleReview, by(ArticleReview.requested_by_id), {"note": None}),
    Rule(ArticleReview, by(ArticleReview.closed_by_id), {"outcome": None}),
    Rule(TicketView, lambda person_id, _: sa.and_(TicketView.owner_id == person_id, TicketView.department_id.is_(None)),
         None, gone=("name", "filter")),
    Rule(ApiToken, by(ApiToken.owner_id), {"name": ERASED, "hint": ""}),
    Rule(ExternalIdentity, by(ExternalIdentity.person_id), None, gone=("issuer", "subject")),
    Rule(IdempotencyKey, by(IdempotencyKey.person_id), None, gone=("key", "input_hash", "answer"), key="person_id"),
    Rule(JobRow, _of_job(JobState.QUEUED, JobState.DONE), None, gone=("payload",)),
    Rule(JobRow, _of_job(JobState.DEAD, JobState.RUNNING), {"payload": _NO_WORDS}),
    Rule(AuditEntry, _about, {"changes": _CHANGES}),
    Rule(AuditEntry, _came_from, {"ip_address": None}),
]  # fmt: skip

# Of the person's own row.
PERSON: dict[str, Any] = {
    "name": NAME,
    "locale": None,
    "time_zone": None,
    "password_hash": None,
    "avatar_key": None,
    "avatar_type": None,
    "avatar_bytes": None,
    "last_seen_at": None,
    "active": False,
    "email": sa.literal("erased-").concat(sa.cast(Person.id, sa.Text())).concat(f"@{people.ERASED}"),
}

_SETTING = "a setting of the desk's"
_PUBLISHED = "what the desk publishes; who wrote it reads as erased"
_CODE = "a word of our own"
KEPT: dict[type[Base], dict[str, str]] = {
    models.Article: dict.fromkeys(
        ("slug", "title", "summary", "body", "body_html", "tags", "locale", "language"), _PUBLISHED
    ),
    models.ArticleVersion: dict.fromkeys(("title", "summary", "body", "body_html"), _PUBLISHED),
    models.ArticleCategory: dict.fromkeys(("slug", "name", "description", "path"), _SETTING),
    models.ArticleLanguage: {"language": _CODE},
    models.ArticleSlug: {"slug": _PUBLISHED},
    models.ArticleTerm: {"word": _PUBLISHED},
    models.ArticleWords: dict.fromkeys(("heading", "words"), _PUBLISHED),
    models.ApiToken: {"digest": "of a random secret, which is of no use any more"},
    models.Attachment: {"key": "a random name; its bytes go"},
    models.Attempt: {"key": "a digest, gone within a day"},
    models.AuditEntry: dict.fromkeys(("action", "subject_table", "summary"), "says nothing personal, by its design"),
    models.BusinessCalendar: dict.fromkeys(("name", "time_zone", "hours", "holiday_region", "holidays"), _SETTING),
    models.Category: dict.fromkeys(("name", "description"), _SETTING),
    models.DeadLetter: dict.fromkeys(("name", "error"), "a kind of job, a kind of error and a code"),
    models.Department: dict.fromkeys(("name", "description"), _SETTING),
    models.EscalationRule: dict.fromkeys(("name", "priorities"), _SETTING),
    models.Event: {"kind": _CODE, "data": "ids, enums, numbers, and tags, of which the history is replayed"},
    models.EventText: {"name": _CODE},
    models.IdempotencyKey: {"mutation": _CODE},
    models.InboundMail: {"digest": "so that a mail counts once", "file_key": "a random name; its bytes go"},
    models.JobRow: {"kind": _CODE, "last_error": "kinds of errors, without their texts", "trace": "random ids"},
    models.MaintenanceHappening: dict.fromkeys(("message", "message_html"), _PUBLISHED),
    models.MaintenanceNotice: dict.fromkeys(("title", "message", "channels"), _PUBLISHED),
    models.MeasuredTicket: {"state": "ids and numbers"},
    models.Fact: {"measure": _CODE},
    models.MessageTemplate: dict.fromkeys(("name", "locale", "subject", "body"), _SETTING),
    models.RoutingRule: dict.fromkeys(("name", "priorities", "words", "email_domains", "add_tags"), _SETTING),
    models.Service: dict.fromkeys(("name", "description"), _SETTING),
    models.SlaPolicy: dict.fromkeys(("name", "description"), _SETTING),
    models.SlaVersion: {"targets": _SETTING},
    models.Ticket: {"tags": "the desk's words for what its tickets are about"},
    models.TicketView: dict.fromkeys(("order_field", "order_direction"), _CODE),
    models.TicketWords: {"words": "follow the texts that they are made of"},
    models.Upload: {"key": "a random name; its bytes go"},
}
