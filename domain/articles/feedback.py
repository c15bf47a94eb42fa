"""What readers say of articles: who sees it, what it comes to, and how it is given."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import array

from domain import access, articles, attempts, words
from domain.access import Viewer
from domain.articles import reviewing, reviews, views
from domain.metrics import counting, figures
from domain.metrics.facts import NOBODY
from domain.refusals import Conflict, ConflictReason, Problems
from domain.spans import within
from infra.unit import Unit
from models import Article, ArticleCategory, ArticleFeedback, ArticleFeedbackSource, ArticleStatus, Category

MOST_COMMENT = 2_000
LIMITS = attempts.FEEDBACK_BY_NETWORK, attempts.FEEDBACK_BY_PERSON

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[ArticleFeedback]:
    """What staff may read, which is all of it, and what others said themselves of articles that they can still read.

    A session for one ticket reads nothing of what its person said elsewhere.
    """
    rows = select(ArticleFeedback)
    if viewer.is_staff:
        return rows
    return _own(viewer) if viewer.ticket_id is None else rows.where(sa.false())


def _own(viewer: Viewer) -> Select[ArticleFeedback]:
    rows = select(ArticleFeedback)
    if viewer.id is None:
        return rows.where(sa.false())
    rows = rows.join(Article, Article.id == ArticleFeedback.article_id)
    return rows.where(ArticleFeedback.reader_id == _reader(viewer), articles.readable(viewer, Article))


def _reader(viewer: Viewer) -> Any:
    """By which id an opinion is kept. Whoever comes by a link about a ticket is not its person elsewhere: neither do
    they speak for them, nor replace what they said.
    """
    return viewer.id if viewer.ticket_id is None else viewer.ticket_id


def one(viewer: Viewer, feedback_id: Any) -> Select[ArticleFeedback]:
    """One piece of feedback."""
    return visible(viewer).where(ArticleFeedback.id == feedback_id)


def given(viewer: Viewer, feedback_id: Any) -> Select[ArticleFeedback]:
    """The same as it is answered to whoever gave it, also in a session for one ticket."""
    return _own(viewer).where(ArticleFeedback.id == feedback_id)


def latest_of(viewer: Viewer, article: Any) -> Select[ArticleFeedback]:
    """What the viewer said of an article last; in a session for one ticket nothing."""
    rows = select(ArticleFeedback).where(ArticleFeedback.article_id == article.id)
    theirs = viewer.id is not None and viewer.ticket_id is None
    rows = rows.where(ArticleFeedback.reader_id == viewer.id if theirs else sa.false())
    return rows.order_by(ArticleFeedback.version_number.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which feedback to list: all that is given must hold."""

    helpful: Any = None
    rating_at_most: Any = None
    commented: bool | None = None
    given: tuple[Any, Any] = (None, None)


def listed(viewer: Viewer, article_id: Any, asked: Conditions) -> Select[ArticleFeedback]:
    """What readers said of an article, for staff; nothing for others."""
    said = ArticleFeedback
    rows = select(said).where(said.article_id == article_id)
    if not viewer.is_staff:
        return rows.where(sa.false())
    if asked.helpful is not None:
        rows = rows.where(said.helpful == asked.helpful)
    if asked.rating_at_most is not None:
        rows = rows.where(said.rating <= asked.rating_at_most)
    if asked.commented is not None:
        rows = rows.where(said.comment.is_not(None) if asked.commented else said.comment.is_(None))
    return within(rows, said.at, asked.given)


def stats(article: Any, span: tuple[Any, Any] | None) -> Select[Any]:
    """What readers think of an article, summed up as one row: within a span, or of its published version."""
    said = ArticleFeedback
    count = func.count

    def rated(rating: int) -> Any:
        return count().filter(said.rating == sa.literal_column(str(rating)))

    helpful, unhelpful = reviews.votes()
    rows = select(
        views.of(article, span).label("views"),
        helpful.label("helpful"),
        unhelpful.label("unhelpful"),
        figures.share(helpful, helpful + unhelpful).label("helpful_share"),
        count(said.rating).label("ratings"),
        sa.cast(func.avg(said.rating), sa.Float).label("average_rating"),
        array([rated(rating) for rating in range(1, 6)], type_=sa.Integer()).label("rating_counts"),
        count(said.comment).label("comments"),
        count(said.saved_at).label("saved"),
    ).where(said.article_id == article.id)
    return rows.where(said.version_number == article.number) if span is None else within(rows, said.at, span)


# --- Giving it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a reader thinks."""

    helpful: bool | None
    rating: int | None
    comment: str | None
    source: ArticleFeedbackSource


async def give(unit: Unit, viewer: Viewer, network: str, article_id: UUID, said: Opinion) -> UUID:
    """Keep what a reader thinks of an article's published version, in place of what they said of it before.

    Poor feedback requests a review. Gives the feedback's id. Raises InvalidInput, NotFound, RateLimited, and Conflict
    WRONG_STATE when the article is not published.
    """
    comment = _comment(said)
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    if article.status is not ArticleStatus.PUBLISHED:
        text = "Readers can say what they think of an article once it is published."
        raise Conflict(ConflictReason.WRONG_STATE, text, current=(Article, article.id))
    await attempts.count(unit, *attempts.of_reader(viewer, network, LIMITS))
    reader_id = _reader(viewer)
    before = await unit.lock(_by_reader, article.id, reader_id, article.number)
    values = {
        "helpful": said.helpful,
        "rating": said.rating,
        "comment": comment,
        "badness": badness(said.helpful, said.rating),
        "source": said.source,
        "at": unit.now,
    }
    saved = await _saved(unit, article, before, said)
    await _stand(unit, article.id, before, said)
    if before is None:
        keys = {"article_id": article.id, "version_number": article.number, "reader_id": reader_id}
        person_id = viewer.person_id if viewer.ticket_id is None else None
        kept = unit.insert(ArticleFeedback, **keys, person_id=person_id, **values, **saved)
    else:
        kept = before
        unit.change(before, **values, **saved)
    await reviewing.follow(unit, article, reader_id, said.helpful, said.rating)
    articles.tell(unit, article.id)
    return kept.id


def badness(helpful: bool | None, rating: int | None) -> int:  # noqa: FBT001 # as it is said
    """How bad an opinion is, from 5; 0: it says nothing of that."""
    return max(0 if rating is None else 6 - rating, reviews.POOR if helpful is False else 0)


def _comment(said: Opinion) -> str | None:
    problems = Problems()
    if said.rating is not None and not 1 <= said.rating <= 5:  # noqa: PLR2004 # stars
        problems.add("rating", "A rating is 1 to 5.")
    comment = words.text(problems, "comment", said.comment or "", most=MOST_COMMENT, what="The comment") or None
    if said.helpful is None and said.rating is None and comment is None:
        problems.add("helpful", "Say whether it helped, rate it, or write what you think.")
    problems.refuse()
    return comment


def _by_reader(article_id: Any, reader_id: Any, number: Any) -> Select[ArticleFeedback]:
    said = ArticleFeedback
    return select(said).where(said.article_id == article_id, said.reader_id == reader_id, said.version_number == number)


async def _stand(unit: Unit, article_id: UUID, before: ArticleFeedback | None, said: Opinion) -> None:
    """Count it in the order by what was helpful."""
    old = None if before is None or before.at < unit.now - views.LATELY else before.helpful
    helpful, unhelpful = ((said.helpful is each) - (old is each) for each in (True, False))
    if helpful or unhelpful:
        await unit.run(views.added, article_id, 0, helpful, unhelpful)


# --- Tickets that it saved --------------------------------------------------------------------------------------------


def _answers(category_id: Any) -> Select[*tuple[Any, ...]]:
    """The first category of tickets whose questions a category of articles answers, and its department."""
    named = (
        func.unnest(ArticleCategory.ticket_category_ids).table_valued("id", with_ordinality="place").render_derived()
    )
    rows = select(Category.id, Category.department_id).select_from(ArticleCategory).join(named, sa.true())
    rows = rows.join(Category, Category.id == named.c.id)
    rows = rows.where(ArticleCategory.id == category_id, Category.archived_at.is_(None))
    return rows.order_by(named.c.place).limit(1)


async def _saved(unit: Unit, article: Article, before: ArticleFeedback | None, said: Opinion) -> dict[str, Any]:
    """Count the ticket that was not submitted: once for a reader and version, until they say that it did not help."""
    if before is not None and before.saved_at is not None:
        if said.helpful is not False:
            return {}
        of = before.saved_department_id or NOBODY, before.saved_category_id or NOBODY
        await counting.count_saved(unit, before.saved_at, *of, -1)
        return {"saved_at": None, "saved_department_id": None, "saved_category_id": None}
    if not said.helpful or said.source is not ArticleFeedbackSource.TICKET_FORM:
        return {}
    records = await unit.run(_answers, article.category_id)
    category_id, department_id = records[0] if records else (NOBODY, NOBODY)
    await counting.count_saved(unit, unit.now, department_id, category_id, 1)
    return {"saved_at": unit.now, "saved_department_id": department_id, "saved_category_id": category_id}
