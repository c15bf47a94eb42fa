"""Full-text search of tickets: in subject and body, comments and tags, as far as the viewer may read them.

A query is as people type it (words, "a phrase", or, -without), and its last word may be unfinished. What was asked for
must stand in one text and the ticket's subject together.
"""

import re
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, func, select
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import aliased

from domain import access, headlines
from domain.access import Viewer, Works
from infra.unit import Unit
from models import Comment, Ticket, TicketWords
from models.full_text import CONFIGURATION, normalized_query, words_of, words_of_heading

MOST_TEXT = 200
SAMPLE, COMMON = 1_000, 5  # of as many texts, the newest, so many have words that are common
MOST_RARE = 10_000  # texts or tickets that have what is rare: they are looked up one by one
NUMBER = re.compile(r"\s*#?(\d{1,9})\s*", re.ASCII)
HEADLINE = headlines.options(MaxFragments=2, MinWords=5, MaxWords=20, FragmentDelimiter='" … "')
NUMBERED = 2.0  # how well the ticket of the very number fits; no text reaches 1


def kind(text: str) -> str | None:
    """What a plan must know of a text: whether it is a number, some words, or nothing at all."""
    if NUMBER.fullmatch(text):
        return "number"
    return "words" if text.strip() else None


def index(unit: Unit, source_id: UUID, ticket: Ticket, text: str, *, internal: bool = False) -> None:
    """Have the ticket be found by a text of its own or of a comment; `internal`: only by whoever works on it."""
    unit.insert(TicketWords, source_id=source_id, internal=internal, ticket_id=ticket.id, words=[ticket.subject, text])


async def reword(unit: Unit, ticket: Ticket) -> None:
    """The ticket has a new subject, which stands in all its texts: what each says of its own stays as it is."""
    await unit.run(_reworded, ticket.id, ticket.subject)


async def retag(unit: Unit, ticket: Ticket) -> None:
    """The ticket has other tags."""
    await forget(unit, ticket.id, internal=True)
    if ticket.tags:
        index(unit, ticket.id, ticket, ", ".join(ticket.tags), internal=True)


async def forget(unit: Unit, source_id: UUID, *, internal: bool) -> None:
    """The ticket is not found by this text any more."""
    await unit.run(_forgotten, source_id, internal)


async def forget_all(unit: Unit, source_ids: list[UUID]) -> None:
    """No ticket is found by these texts any more, of tickets or comments; by their tags they are."""
    await unit.run(_all_forgotten, source_ids)


async def reword_all(unit: Unit, ticket_ids: list[UUID], subject: str) -> None:
    """All these tickets have this subject."""
    await unit.run(_all_reworded, ticket_ids, subject)


async def move(unit: Unit, from_ids: list[UUID], into: Ticket) -> None:
    """The texts of comments that stood on these tickets are another one's: found there, together with its subject."""
    await unit.run(_moved, from_ids, into.id, into.subject)


async def keep(unit: Unit, ticket_ids: list[UUID]) -> None:
    """Have these locked tickets be found by what they and their comments say now, where that is news."""
    await unit.run(_kept, ticket_ids)


def _kept(ticket_ids: Any) -> sa.Update:
    words = words_of(Ticket.subject, _source(TicketWords, Ticket))
    return (
        sa.update(TicketWords)
        .values(words=words)
        .where(TicketWords.ticket_id == Ticket.id, Ticket.id == func.any(ticket_ids))
        .where(TicketWords.words.is_distinct_from(words))
    )


def _source(words: Any, ticket: Any) -> ColumnElement[Any]:
    """The text that a row of words was made of: a comment's, or of the ticket itself its tags or its body."""
    of_comment = select(Comment.body).where(Comment.id == words.source_id).scalar_subquery()
    return sa.case(
        (words.source_id != ticket.id, of_comment),
        (words.internal, func.array_to_string(ticket.tags, ", ")),
        else_=ticket.body,
    )


def _with_subject(subject: Any) -> Any:
    return words_of_heading(subject).op("||")(func.ts_filter(TicketWords.words, sa.literal_column("'{b}'::\"char\"[]")))


def _reworded(ticket_id: Any, subject: Any) -> sa.Update:
    return sa.update(TicketWords).values(words=_with_subject(subject)).where(TicketWords.ticket_id == ticket_id)


def _moved(from_ids: Any, into_id: Any, subject: Any) -> sa.Update:
    theirs = sa.and_(TicketWords.ticket_id == func.any(from_ids), TicketWords.source_id != TicketWords.ticket_id)
    return sa.update(TicketWords).values(words=_with_subject(subject), ticket_id=into_id).where(theirs)


def _forgotten(source_id: Any, internal: bool) -> sa.Delete:  # noqa: FBT001 # a builder's arguments stand in order
    return sa.delete(TicketWords).where(TicketWords.source_id == source_id, TicketWords.internal == internal)


def _all_forgotten(source_ids: Any) -> sa.Delete:
    tags = sa.and_(TicketWords.internal, TicketWords.source_id == TicketWords.ticket_id)
    return sa.delete(TicketWords).where(TicketWords.source_id == func.any(source_ids), sa.not_(tags))


def _all_reworded(ticket_ids: Any, subject: Any) -> sa.Update:
    return (
        sa.update(TicketWords).values(words=_with_subject(subject)).where(TicketWords.ticket_id == func.any(ticket_ids))
    )


def query(text: Any) -> ColumnElement[Any]:
    """What is looked for."""
    said = normalized_query(text)
    asked = sa.cast(func.websearch_to_tsquery(CONFIGURATION, said), sa.Text())
    unfinished = sa.and_(asked.regexp_match("[^'\\s]{2}'$"), sa.not_(said.regexp_match('"\\s*$')))
    return select(sa.cast(sa.case((unfinished, asked.concat(":*")), else_=asked), TSQUERY())).scalar_subquery()


def number_in(text: Any) -> ColumnElement[int]:
    """The number that a text is."""
    return sa.cast(func.btrim(text, " #\t\n\r"), sa.Integer())


def has(ticket: Any, works: Works, text: Any) -> ColumnElement[bool]:
    """Whether this ticket has the words, looked up by the ticket."""
    return sa.exists().where(*_texts_of(TicketWords, ticket, works, text))


def tagged(ticket: Any, tags: Any) -> ColumnElement[bool]:
    """Whether it has one of these tags."""
    overlap: ColumnElement[bool] = ticket.tags.op("&&", return_type=sa.Boolean())(tags)
    return overlap


class Rare(NamedTuple):
    """What is looked for by an index of its own, if it is rare: where it was found, and whether that is all."""

    found: CTE
    is_so: ColumnElement[bool]
    shared: list[CTE]


def rare(text: Any) -> Rare:
    """The tickets whose texts have the words. If many of the newest texts have them, they are not even looked for."""
    newest = select(TicketWords.words).order_by(TicketWords.source_id.desc()).limit(SAMPLE).subquery()
    many = func.count() >= COMMON
    sample = select(many.label("common")).select_from(newest).where(_have(newest.c, text)).cte("sample", nesting=True)
    common = select(sample.c.common).scalar_subquery()
    rows = select(TicketWords.ticket_id).where(sa.not_(common), _have(TicketWords, text))
    found = rows.limit(MOST_RARE + 1).cte("rare", nesting=True)
    return Rare(found, sa.and_(sa.not_(common), _all(found)), [sample, found])


def rarely_tagged(tags: Any) -> Rare:
    """The tickets that have one of these tags."""
    some = Ticket.tags != sa.literal_column("'{}'::text[]")  # as the index says, which serves no other condition
    rows = select(Ticket.id.label("ticket_id")).where(some, tagged(Ticket, tags))
    found = rows.limit(MOST_RARE + 1).cte("rare", nesting=True)
    return Rare(found, _all(found), [found])


def _all(found: CTE) -> ColumnElement[bool]:
    return select(func.count() <= MOST_RARE).select_from(found).scalar_subquery()


def relevance(viewer: Viewer, text: Any, said: str | None) -> ColumnElement[float]:
    """How well a ticket fits: by its best text, the subject counting most."""
    words = aliased(TicketWords)
    rank = func.max(func.ts_rank(words.words, query(text)))
    best = select(sa.cast(rank, sa.Float())).where(*_texts_of(words, Ticket, access.works_on(viewer, Ticket), text))
    score = func.coalesce(best.scalar_subquery(), 0.0)
    if said != "number":
        return score
    return sa.case((Ticket.number == number_in(text), sa.literal_column(str(NUMBERED), sa.Float())), else_=score)


def highlight(viewer: Viewer, ticket: Any, text: Any) -> ColumnElement[str]:
    """Where it was found, as HTML; NULL where it was not found in words."""
    words = aliased(TicketWords)
    seen = select(words.source_id, words.internal).where(
        *_texts_of(words, ticket, access.works_on(viewer, ticket), text)
    )
    best = seen.order_by(func.ts_rank(words.words, query(text)).desc(), words.source_id).limit(1).subquery()
    written = func.concat_ws(": ", ticket.subject, _source(best.c, ticket))
    headline = headlines.marked(CONFIGURATION, written, query(text), HEADLINE)
    return select(headline).select_from(best).scalar_subquery()


def _have(words: Any, text: Any) -> ColumnElement[bool]:
    holds: ColumnElement[bool] = words.words.op("@@", return_type=sa.Boolean())(query(text))
    return holds


def _texts_of(words: Any, ticket: Any, works: Works, text: Any) -> list[Any]:
    """Which texts of a ticket have the words and may be read."""
    # The function behind @@, which no index serves: these are found by their ticket.
    have = func.ts_match_vq(words.words, query(text), type_=sa.Boolean())
    return [words.ticket_id == ticket.id, have, access.if_of_side(works, ~words.internal)]
