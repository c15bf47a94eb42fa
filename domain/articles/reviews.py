"""Reviews of articles: who sees which, and the feedback that led to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access
from domain.access import Viewer
from models import Article, ArticleFeedback, ArticleReview, ArticleReviewStatus, Person, Role

OPEN = (ArticleReviewStatus.OPEN,)
POOR = 4  # from this badness on
MOST_QUOTED = 3


def visible(viewer: Viewer) -> Select[ArticleReview]:
    """All reviews, for staff; none for others."""
    rows = select(ArticleReview)
    return rows if viewer.is_staff else rows.where(sa.false())


def one(viewer: Viewer, review_id: Any) -> Select[ArticleReview]:
    """The review."""
    return visible(viewer).where(ArticleReview.id == review_id)


def open_of(viewer: Viewer, article_id: Any) -> Select[ArticleReview]:
    """The open review of an article."""
    return visible(viewer).where(ArticleReview.article_id == article_id, is_open(ArticleReview))


def is_open(review: Any) -> Any:
    """Whether it is open, as the index has it."""
    return review.status == sa.literal_column("'OPEN'")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which reviews to list: all that is given must hold."""

    statuses: Sequence[ArticleReviewStatus] = OPEN
    assignee_id: Any = None


def listed(viewer: Viewer, asked: Conditions) -> Select[ArticleReview]:
    """The reviews for which all conditions hold, for staff. Raises Unauthenticated, NotAllowed."""
    access.require(viewer, Role.AGENT)
    rows = select(ArticleReview).where(ArticleReview.status.in_(asked.statuses))
    return rows if asked.assignee_id is None else rows.where(ArticleReview.assignee_id == asked.assignee_id)


def feedback_of(review: Any) -> Select[ArticleFeedback]:
    """The poor feedback that led to it, or came while it was open."""
    said = ArticleFeedback
    rows = select(said).where(said.article_id == review.article_id, said.badness >= sa.literal_column(str(POOR)))
    return rows.where(said.at >= review.since, sa.or_(review.closed_at.is_(None), said.at <= review.closed_at))


def votes() -> tuple[Any, Any]:
    """How many pieces of feedback say that an article helped, and how many that it did not."""
    said = ArticleFeedback.helpful
    return func.count().filter(said.is_(sa.literal_column("true"))), func.count().filter(
        said.is_(sa.literal_column("false"))
    )


def told(viewer: Viewer, review_id: Any) -> Any:
    """What a notification says of it: the article's title; NULL without sight of it."""
    rows = one(viewer, review_id).join(Article, Article.id == ArticleReview.article_id)
    return rows.with_only_columns(Article.title, maintain_column_froms=True).scalar_subquery()


def of(viewer: Viewer, review_id: Any) -> Select[*tuple[Any, ...]]:
    """What an email says of an open review: why, and what readers wrote who did not like the article."""
    said = ArticleFeedback
    comments = feedback_of(ArticleReview).where(said.comment.is_not(None)).order_by(said.badness.desc(), said.at.desc())
    wrote = comments.limit(MOST_QUOTED).with_only_columns(said.comment).scalar_subquery()
    rows = one(viewer, review_id).where(is_open(ArticleReview)).join(Article, Article.id == ArticleReview.article_id)
    rows = rows.outerjoin(Person, Person.id == ArticleReview.requested_by_id)
    return rows.with_only_columns(
        Article.title,
        sa.cast(ArticleReview.reason, sa.Text).label("reason"),
        ArticleReview.note,
        Person.name.label("requested_by"),
        func.array(wrote, type_=sa.ARRAY(sa.Text())).label("comments"),
        maintain_column_froms=True,
    )
