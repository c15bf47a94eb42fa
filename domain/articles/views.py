"""How often articles are opened, and what lists of them are ordered by."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, articles, attempts
from domain.access import Viewer
from domain.articles import reviews
from domain.metrics import facts, figures
from domain.spans import within
from infra.desk import Desk
from infra.unit import Unit, now
from models import Article, ArticleFeedback, ArticleReading, ArticleStanding, ArticleStatus, ArticleViews

AGAIN = dt.timedelta(hours=1)  # when an opening by the same reader counts once more
LATELY = dt.timedelta(days=30)
LIMITS = attempts.VIEW_BY_NETWORK, attempts.VIEW_BY_PERSON

# --- Reading ----------------------------------------------------------------------------------------------------------


def of(article: Any, span: tuple[Any, Any] | None) -> Any:
    """How often it was opened in the quarters of an hour that begin in a span; None: its published version."""
    rows = select(func.coalesce(func.sum(ArticleViews.count), 0)).where(ArticleViews.article_id == article.id)
    if span is None:
        rows = rows.where(ArticleViews.version_number == article.number)
    else:
        rows = within(rows, ArticleViews.start, span)
    return sa.cast(rows.scalar_subquery(), sa.Integer)


def rank(viewer: Viewer) -> Any:
    """What an article has in the order of views; to others than staff about, since a cursor shows it."""
    found = select(ArticleStanding.views).where(ArticleStanding.article_id == Article.id)
    views: Any = func.coalesce(found.scalar_subquery(), sa.literal_column("0"))
    return views if viewer.is_staff else sa.cast(func.floor(func.ln(views + 1) * sa.literal_column("8")), sa.Integer)


def helpful_share() -> tuple[Any, Any]:
    """Whether nobody has said that it was helpful or not, and the share of those who found it so."""
    share = figures.share(ArticleStanding.helpful, ArticleStanding.helpful + ArticleStanding.unhelpful)
    found = select(share).where(ArticleStanding.article_id == Article.id).scalar_subquery()
    return found.is_(None), func.coalesce(found, sa.literal_column("0.0::float8"))


# --- Counting ---------------------------------------------------------------------------------------------------------


def _read(article_id: Any, reader_id: Any, moment: Any) -> Any:
    fresh = insert(ArticleReading).values(article_id=article_id, reader_id=reader_id, at=moment)
    return fresh.on_conflict_do_update(
        index_elements=[ArticleReading.article_id, ArticleReading.reader_id],
        set_={"at": fresh.excluded.at},
        where=ArticleReading.at <= fresh.excluded.at - AGAIN,
    ).returning(ArticleReading.at)


def _counted(article_id: Any, start: Any, number: Any) -> Any:
    fresh = insert(ArticleViews).values(article_id=article_id, start=start, version_number=number, count=1)
    keys = [ArticleViews.article_id, ArticleViews.start, ArticleViews.version_number]
    return fresh.on_conflict_do_update(
        index_elements=keys, set_={"count": ArticleViews.count + sa.literal_column("1")}
    ).returning(ArticleViews.count)


def added(article_id: Any, views: Any, helpful: Any, unhelpful: Any) -> Any:
    """Adds to what lists are ordered by."""
    fresh = insert(ArticleStanding).values(article_id=article_id, views=views, helpful=helpful, unhelpful=unhelpful)
    columns = ("views", "helpful", "unhelpful")
    together = {name: getattr(ArticleStanding, name) + fresh.excluded[name] for name in columns}
    return fresh.on_conflict_do_update(index_elements=[ArticleStanding.article_id], set_=together).returning(
        ArticleStanding.views
    )


async def record(unit: Unit, viewer: Viewer, network: str, article_id: UUID) -> None:
    """Count that a reader has opened an article, unless that was counted within the hour, or it is not published.

    Raises NotFound, RateLimited.
    """
    article = access.found(await unit.read(articles.one, viewer, article_id), "articleId", "article")
    if article.status is not ArticleStatus.PUBLISHED or not await unit.run(_read, article.id, viewer.id, unit.now):
        return
    await attempts.count(unit, *attempts.of_reader(viewer, network, LIMITS))
    await unit.run(_counted, article.id, facts.quarter(unit.now), article.number)
    await unit.run(added, article.id, 1, 0, 0)


# --- As time goes on --------------------------------------------------------------------------------------------------


def _forgotten(moment: Any) -> Any:
    return sa.delete(ArticleReading).where(ArticleReading.at <= moment - AGAIN)


def _stood() -> Any:
    """Holds the rows that are counted anew, so that what is counted meanwhile waits and is added afterwards."""
    return select(ArticleStanding.article_id).order_by(ArticleStanding.article_id).with_for_update()


def _stand(since: Any) -> Any:
    mine = ArticleStanding.article_id
    views = select(func.coalesce(func.sum(ArticleViews.count), 0)).where(
        ArticleViews.article_id == mine, ArticleViews.start >= since
    )

    lately = sa.and_(ArticleFeedback.article_id == mine, ArticleFeedback.at >= since)
    helpful, unhelpful = (select(votes).where(lately).scalar_subquery() for votes in reviews.votes())
    now = {"views": views.scalar_subquery(), "helpful": helpful, "unhelpful": unhelpful}
    return sa.update(ArticleStanding).values(now).returning(mine)


async def sweep(desk: Desk) -> None:
    """Forget who has read what lately, and let what is older than 30 days count no more in orders."""
    await desk.writes.forget(_forgotten, now())
    async with desk.writes.begin() as unit:
        await unit.run(_stood)
        await unit.run(_stand, facts.quarter(unit.now - LATELY))
