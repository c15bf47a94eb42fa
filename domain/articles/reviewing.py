"""Having articles reviewed: asked for by people or by poor feedback, and closed by hand or by a new version."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access, articles, people, words
from domain.access import Viewer
from domain.articles import reviews
from domain.jobs import TellReview
from domain.refusals import Conflict, ConflictReason, InvalidInput, Problems
from infra.unit import Unit
from models import (
    Article,
    ArticleFeedback,
    ArticleReview,
    ArticleReviewReason,
    ArticleReviewStatus,
    ArticleVersion,
    Person,
)

POOR_RATING = 2  # at most
WITHIN = dt.timedelta(days=30)
FEW = 10  # answers, fewer of which say nothing
MOST_NOTE = 500

# --- Asking for one ---------------------------------------------------------------------------------------------------


def _open(article_id: Any) -> Select[ArticleReview]:
    return select(ArticleReview).where(ArticleReview.article_id == article_id, reviews.is_open(ArticleReview))


def _last_closed(article_id: Any) -> Any:
    return select(func.max(ArticleReview.closed_at)).where(ArticleReview.article_id == article_id)


def _answers(article_id: Any, number: Any, reader_id: Any, since: Any) -> Any:
    """How many other readers found this version helpful since then, and how many did not."""
    said = ArticleFeedback
    return select(*reviews.votes()).where(
        said.article_id == article_id, said.version_number == number, said.at >= since, said.reader_id != reader_id
    )


def _writers(article_id: Any, author_id: Any) -> Select[Person]:
    """Who of those who wrote it still works here: its author, or else whoever published or edited it last."""
    version = ArticleVersion
    author: Any = select(sa.cast(author_id, sa.Uuid()).label("person_id"), sa.literal_column("1 << 30").label("place"))
    others: list[Any] = [
        select(column, version.number).where(version.article_id == article_id)
        for column in (version.published_by_id, version.edited_by_id)
    ]
    wrote = sa.union_all(author, *others).subquery("wrote")
    rows = select(Person).join(wrote, wrote.c.person_id == Person.id).where(access.works_here(Person))
    return rows.order_by(wrote.c.place.desc(), Person.id).limit(1)


def _colleague(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, access.works_here(Person))


async def follow(unit: Unit, article: Article, reader_id: UUID, helpful: bool | None, rating: int | None) -> None:  # noqa: FBT001 # as it is said
    """Have a locked article reviewed if what a reader has just said of it, or what many have lately, is poor."""
    poor = rating is not None and rating <= POOR_RATING
    if await unit.read(_open, article.id) is not None:
        return
    since = await _since(unit, article.id)
    if not poor:
        ((good, bad),) = await unit.run(_answers, article.id, article.number, reader_id, since)
        good, bad = good + (helpful is True), bad + (helpful is False)
        if good + bad < FEW or good >= bad:
            return
    reason = ArticleReviewReason.POOR_RATING if poor else ArticleReviewReason.OFTEN_UNHELPFUL
    await _begin(unit, article, reason, since, assignee_id=await _writer(unit, article))


async def request(unit: Unit, viewer: Viewer, article_id: UUID, note: str, assignee_id: UUID | None) -> UUID:
    """Ask for an article to be reviewed, by its author unless somebody else is named; gives the review's id.

    Raises InvalidInput, NotFound, NotAllowed, and Conflict ALREADY_DONE while another review is open.
    """
    articles.may_write(viewer)
    problems = Problems()
    said = words.line(problems, "note", note, most=MOST_NOTE, what="The note")
    problems.refuse()
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    if (known := await unit.read(_open, article.id)) is not None:
        text = "A review of this article has been asked for already."
        raise Conflict(ConflictReason.ALREADY_DONE, text, current=(ArticleReview, known.id))
    if assignee_id is None:
        assignee_id = await _writer(unit, article)
    else:
        access.found(await unit.read(people.one, viewer, assignee_id), "assigneeId", "person")
        if await unit.lock(_colleague, assignee_id) is None:
            raise InvalidInput(("assigneeId", "This person can't review articles."))
    since = await _since(unit, article.id)
    return await _begin(
        unit,
        article,
        ArticleReviewReason.REQUESTED,
        since,
        assignee_id=assignee_id,
        note=said,
        requested_by_id=viewer.id,
    )


async def again(unit: Unit, article: Article, editor_id: UUID) -> None:
    """Have whoever planned to publish a locked article look at it once more, as it says something else by now."""
    if await unit.read(_open, article.id) is None:
        planner = await unit.lock(_colleague, article.publishes_by_id)
        assignee_id = planner.id if planner else await _writer(unit, article)
        reason, since = ArticleReviewReason.REQUESTED, await _since(unit, article.id)
        await _begin(unit, article, reason, since, assignee_id=assignee_id, requested_by_id=editor_id)


async def _writer(unit: Unit, article: Article) -> UUID | None:
    """Who is to review what they wrote; nobody, when they leave just now. They stay to the end of the unit."""
    writer = await unit.read(_writers, article.id, article.author_id)
    here = await unit.lock(_colleague, writer.id) if writer else None
    return here.id if here else None


async def _since(unit: Unit, article_id: UUID) -> dt.datetime:
    """From when on feedback counts: 30 days, but nothing that an earlier review has settled."""
    ((closed_at,),) = await unit.run(_last_closed, article_id)
    earliest = unit.now - WITHIN
    return earliest if closed_at is None else max(earliest, closed_at)


async def _begin(
    unit: Unit,
    article: Article,
    reason: ArticleReviewReason,
    since: dt.datetime,
    *,
    assignee_id: UUID | None,
    note: str | None = None,
    requested_by_id: UUID | None = None,
) -> UUID:
    review = unit.insert(
        ArticleReview,
        article_id=article.id,
        reason=reason,
        note=note,
        status=ArticleReviewStatus.OPEN,
        since=since,
        requested_at=unit.now,
        requested_by_id=requested_by_id,
        assignee_id=assignee_id,
        closed_at=None,
        closed_by_id=None,
        outcome=None,
    )
    articles.tell(unit, article.id)
    unit.enqueue(TellReview(review.id))
    return review.id


# --- Leaving ----------------------------------------------------------------------------------------------------------


def _open_of(person_id: Any) -> Select[ArticleReview]:
    rows = select(ArticleReview).where(ArticleReview.assignee_id == person_id, reviews.is_open(ArticleReview))
    return rows.order_by(ArticleReview.id)


async def leave(unit: Unit, person_id: UUID) -> None:
    """Have nobody named for what somebody was to review who works here no more; those are told who see to it then."""
    for review in await unit.lock_all(_open_of, person_id):
        unit.change(review, assignee_id=None)
        unit.enqueue(TellReview(review.id))
        articles.tell(unit, review.article_id)


# --- Closing one ------------------------------------------------------------------------------------------------------


async def close(unit: Unit, viewer: Viewer, review_id: UUID, *, revised: bool, outcome: str | None) -> UUID:
    """Say what came of a review. Raises InvalidInput, NotFound, NotAllowed, and Conflict ALREADY_DONE when closed."""
    articles.may_write(viewer)
    problems = Problems()
    said = words.optional_line(problems, "outcome", outcome, most=MOST_NOTE, what="The outcome")
    problems.refuse()
    review = access.found(await unit.lock(reviews.one, viewer, review_id), "reviewId", "review")
    if review.status is not ArticleReviewStatus.OPEN:
        text = "This review is closed already."
        raise Conflict(ConflictReason.ALREADY_DONE, text, current=(ArticleReview, review.id))
    _end(unit, review, viewer.id, revised=revised, outcome=said)
    return review.id


async def revised(unit: Unit, article: Article, publisher_id: UUID) -> None:
    """Close the open review of a locked article, if there is one, since a new version was published."""
    review = await unit.lock(_open, article.id)
    if review is not None:
        _end(unit, review, publisher_id, revised=True, outcome=None)


def _end(unit: Unit, review: ArticleReview, closer_id: UUID, *, revised: bool, outcome: str | None) -> None:
    status = ArticleReviewStatus.REVISED if revised else ArticleReviewStatus.DISMISSED
    unit.change(review, status=status, closed_at=unit.now, closed_by_id=closer_id, outcome=outcome)
    articles.tell(unit, review.article_id)
