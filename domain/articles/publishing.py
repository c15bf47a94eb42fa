"""Publishing articles, now or later, and withdrawing them."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, articles, words
from domain.access import Viewer
from domain.articles import index, reviewing, writing
from domain.jobs import PublishArticle
from domain.refusals import Conflict, ConflictReason, Problems
from infra.unit import Unit
from models import Article, ArticleStatus, ArticleVersion

LATEST = dt.timedelta(days=366)


def _row(article_id: Any) -> Select[Article]:
    return select(Article).where(Article.id == article_id)


def _draft_row(article_id: Any) -> Select[ArticleVersion]:
    return select(ArticleVersion).where(ArticleVersion.article_id == article_id, ArticleVersion.published_at.is_(None))


async def publish(
    unit: Unit,
    viewer: Viewer,
    article_id: UUID,
    at: dt.datetime | None,
    note: str | None,
    *,
    close_review: bool = True,
) -> UUID:
    """Make the draft what readers see, at once or at a moment to come. An archived article comes back.

    `close_review`: the open review is then closed, as the article was revised.
    Published already: it stays so, and what was planned is taken back. Raises InvalidInput, NotFound, NotAllowed, and
    Conflict WRONG_STATE when there is nothing to publish later.
    """
    articles.may_publish(viewer)
    problems = Problems()
    said = words.optional_line(problems, "note", note, most=500, what="The note")
    if at is not None and at > unit.now + LATEST:
        problems.add("at", "This is more than a year away.")
    problems.refuse()
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    draft = await unit.lock(articles.draft_of, viewer, article_id)
    if at is not None and at > unit.now:
        if draft is None and article.status is ArticleStatus.PUBLISHED:
            said = "There is no draft to publish."
            raise Conflict(ConflictReason.WRONG_STATE, said, current=(Article, article.id))
        planned = {"publishes_at": at, "publishes_by_id": viewer.id, "publishes_note": said}
        unit.change(article, **planned, publishes_closing=close_review)
        unit.enqueue(PublishArticle(article.id), delay=(at - unit.now).total_seconds())
        articles.tell(unit, article.id)
        return article.id
    await _out(unit, article, draft, viewer.id, said, close_review=close_review)
    return article.id


async def take_back(unit: Unit, viewer: Viewer, article_id: UUID) -> UUID:
    """What was planned does not happen. Raises NotFound, NotAllowed."""
    articles.may_publish(viewer)
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    if article.publishes_at is not None:
        writing.unplan(unit, article)
        articles.tell(unit, article.id)
    return article.id


async def publish_planned(unit: Unit, article_id: UUID) -> None:
    """Publish what is due to be, unless it was taken back. What was put off is asked for again, as it is where this
    machine's clock is behind that of whoever asked.
    """
    article = await unit.lock(_row, article_id)
    if article is None or article.publishes_at is None:
        return
    if article.publishes_at > unit.now:
        unit.enqueue(PublishArticle(article.id), delay=(article.publishes_at - unit.now).total_seconds())
        return
    draft = await unit.lock(_draft_row, article_id)
    if article.publishes_by_id is None:
        raise LookupError("Nobody has planned this.")
    by_id, note, closing = article.publishes_by_id, article.publishes_note, article.publishes_closing
    await _out(unit, article, draft, by_id, note, close_review=closing)


async def archive(unit: Unit, viewer: Viewer, article_id: UUID) -> UUID:
    """Withdraw an article. Archived ones stay so. Raises NotFound, NotAllowed, Conflict WRONG_STATE for a draft."""
    articles.may_publish(viewer)
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    if article.status is ArticleStatus.ARCHIVED:
        return article.id
    if article.status is ArticleStatus.DRAFT:
        said = "This article was never published."
        raise Conflict(ConflictReason.WRONG_STATE, said, current=(Article, article.id))
    unit.change(article, status=ArticleStatus.ARCHIVED)
    writing.unplan(unit, article)
    articles.tell(unit, article.id)
    await index.keep(unit, article)
    return article.id


async def _out(
    unit: Unit,
    article: Article,
    draft: ArticleVersion | None,
    publisher_id: UUID,
    note: str | None,
    *,
    close_review: bool,
) -> None:
    """Publish the draft, or what was archived; where there is neither, all is published already."""
    if draft is not None:
        text = {name: getattr(draft, name) for name in (*writing.TEXT, "body_html")}
        unit.change(draft, published_by_id=publisher_id, published_at=unit.now, note=note)
        if draft.title != article.title:
            unit.change(article, slug=await writing.slug_of(unit, article, draft.title))
        unit.change(article, **text, number=draft.number, updated_at=unit.now)
        if close_review:
            await reviewing.revised(unit, article, publisher_id)
    unit.change(article, status=ArticleStatus.PUBLISHED, published_at=article.published_at or unit.now)
    writing.unplan(unit, article)
    articles.tell(unit, article.id)
    await index.keep(unit, article)
