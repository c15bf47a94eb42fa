"""Lists of articles: which, and in which order."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from domain import access, articles
from domain.access import Viewer
from domain.articles import reviews, search, views
from domain.refusals import Refusal
from models import Article, ArticleAudience, ArticleCategory, ArticleReview, ArticleStatus, Role

MOST_RANKED = 1_000  # the newest that fit, of which those that fit best come first


class ArticleOrderField(enum.Enum):
    """What articles can be ordered by."""

    CATEGORY = enum.auto()
    UPDATED_AT = enum.auto()
    VIEWS = enum.auto()
    HELPFUL_SHARE = enum.auto()
    RELEVANCE = enum.auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which articles to list: all that is given must hold. Ids and tags are arrays, the rest of a list is plain."""

    text: Any = None
    category_ids: Any = None
    statuses: Sequence[ArticleStatus] | None = None
    audiences: Sequence[ArticleAudience] | None = None
    tags: Any = None
    locale: Any = None
    in_review: bool | None = None


class Found(NamedTuple):
    """All articles of a list, from among which the newest are taken."""

    rows: Select[Any]
    order: Sequence[Any] | None = None
    each: tuple[Sequence[Any], Select[Any]] | None = None


def listed(viewer: Viewer, asked: Conditions) -> Select[*tuple[Any, ...]]:
    """The articles that the viewer sees and for which all conditions hold, with the `words` that are looked for.

    Raises Unauthenticated or NotAllowed when others than staff ask for states other than published, or for reviews.
    """
    statuses = [ArticleStatus.PUBLISHED] if asked.statuses is None else asked.statuses
    if asked.in_review is not None or any(status is not ArticleStatus.PUBLISHED for status in statuses):
        access.require(viewer, Role.AGENT)
    rows = articles.visible(viewer).where(Article.status.in_(statuses))
    if asked.category_ids is not None:
        rows = rows.where(Article.category_id.in_(_in_or_below(asked.category_ids)))
    if asked.audiences is not None:
        rows = rows.where(Article.audience.in_(asked.audiences))
    if asked.tags is not None:
        rows = rows.where(Article.tags.op("&&")(asked.tags))
    if asked.in_review is not None:
        under = sa.exists().where(ArticleReview.article_id == Article.id, reviews.is_open(ArticleReview))
        rows = rows.where(under if asked.in_review else sa.not_(under))
    if asked.locale is not None:
        rows = rows.where(func.lower(Article.locale) == func.lower(asked.locale))
    return articles.without_words(rows) if asked.text is None else search.listed(viewer, rows, asked.text)


def order(viewer: Viewer, asked: Conditions, by: ArticleOrderField, *, descending: bool) -> list[Any]:
    """What to order by. Equal ones stand in the order in which they were begun.

    Raises Refusal when relevance is asked for and no words are; Unauthenticated or NotAllowed for what is for staff.
    """

    def directed(column: Any) -> Any:
        return column.desc() if descending else column

    match by:
        case ArticleOrderField.CATEGORY:
            path = select(ArticleCategory.path).where(ArticleCategory.id == Article.category_id).scalar_subquery()
            columns: list[Any] = [path, Article.position]
        case ArticleOrderField.UPDATED_AT:
            columns = [Article.updated_at]
        case ArticleOrderField.VIEWS:
            columns = [views.rank(viewer)]
        case ArticleOrderField.HELPFUL_SHARE:
            access.require(viewer, Role.AGENT)
            unsaid, share = views.helpful_share()
            return [unsaid, directed(share), Article.id]  # of which nobody said anything come last both ways
        case ArticleOrderField.RELEVANCE:
            if asked.text is None:
                raise Refusal("An order by relevance needs filter.text.")
            columns = [search.relevance(viewer, asked.text)]
    return [*map(directed, columns), Article.id]


def among(viewer: Viewer, by: ArticleOrderField) -> Select[Article] | None:
    """The articles of which a cursor names one, for whoever does not see all: places in categories are those of drafts
    too. None: it may tell what the list is ordered by.
    """
    return articles.visible(viewer) if by is ArticleOrderField.CATEGORY and not viewer.is_staff else None


def newest(viewer: Viewer, asked: Conditions) -> list[Any]:
    """The order in which the articles are found that are then ordered by relevance: last changed first."""
    return order(viewer, asked, ArticleOrderField.UPDATED_AT, descending=True)


def _in_or_below(category_ids: Any) -> Any:
    above, below = aliased(ArticleCategory), aliased(ArticleCategory)
    return select(below.id).join(above, below.path.startswith(above.path)).where(above.id == func.any(category_ids))
