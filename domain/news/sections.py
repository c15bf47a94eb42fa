"""What an email says of events of tickets."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from domain.happenings import TicketReopened
from domain.news import (
    CLOSED,
    CONFIRMED,
    DUE,
    EXPIRED,
    LEVELS,
    MERGED,
    MERGED_INTO,
    OVER,
    RATED,
    REOPENED,
    RESUMES,
    SOLVED,
    SOLVED_BEFORE,
    TARGETS,
    TO_CUSTOMERS,
    TO_STAFF,
    TOOK_IN,
    Block,
    quoted,
)
from domain.wording import Wording, marked
from models import Message, MessageKind


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
    "CommentEdited": _commented,
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
    return [Block(w.said(DUE[fact.due_target], moment=w.moment(fact.due_at)))]


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
