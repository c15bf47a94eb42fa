"""Articles: who sees which, and lists of them."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select

from domain import access
from domain.access import Permission, Viewer
from infra.unit import Unit
from models import Article, ArticleAudience, ArticleSlug, ArticleStatus, ArticleVersion

CHANNEL = "article"  # with the article's id behind a colon: where its changes are told


def audiences(viewer: Viewer) -> list[ArticleAudience]:
    """To whom the viewer belongs."""
    if viewer.is_staff:
        return list(ArticleAudience)
    if viewer.role is None:
        return [ArticleAudience.PUBLIC]
    return [ArticleAudience.PUBLIC, ArticleAudience.CUSTOMERS]


def visible(viewer: Viewer) -> Select[Article]:
    """The articles that this viewer may know of: what is published for them; for staff all."""
    rows = select(Article)
    return rows if viewer.is_staff else rows.where(readable(viewer, Article))


def readable(viewer: Viewer, article: Any) -> ColumnElement[bool]:
    """Whether it is published, and for the viewer."""
    public = article.status == ArticleStatus.PUBLISHED
    return public if viewer.is_staff else sa.and_(public, article.audience.in_(audiences(viewer)))


def one(viewer: Viewer, article_id: Any) -> Select[Article]:
    """The article."""
    return visible(viewer).where(Article.id == article_id)


def led_to(viewer: Viewer, slug: Any) -> Select[Article]:
    """The article to which a slug leads, one of former times too."""
    return visible(viewer).join(ArticleSlug, ArticleSlug.article_id == Article.id).where(ArticleSlug.slug == slug)


def without_words(rows: Select[Article]) -> Select[*tuple[Any, ...]]:
    """Articles of a list that looks for no words."""
    return rows.add_columns(sa.cast(sa.null(), sa.Text()).label("words"))


def draft_of(viewer: Viewer, article_id: Any) -> Select[ArticleVersion]:
    """The draft, for staff."""
    rows = select(ArticleVersion).where(ArticleVersion.article_id == article_id, ArticleVersion.published_at.is_(None))
    return rows if viewer.is_staff else rows.where(sa.false())


def versions_of(viewer: Viewer, article_id: Any) -> Select[ArticleVersion]:
    """What was published of it, for staff."""
    rows = select(ArticleVersion).where(
        ArticleVersion.article_id == article_id, ArticleVersion.published_at.is_not(None)
    )
    return rows if viewer.is_staff else rows.where(sa.false())


def version(viewer: Viewer, version_id: Any) -> Select[ArticleVersion]:
    """One version or draft, for staff."""
    rows = select(ArticleVersion).where(ArticleVersion.id == version_id)
    return rows if viewer.is_staff else rows.where(sa.false())


def tell(unit: Unit, article_id: UUID) -> None:
    """Tell those who watch the article that it has changed."""
    unit.publish(f"{CHANNEL}:{article_id}")


def may_write(viewer: Viewer) -> None:
    """Raises Unauthenticated or NotAllowed unless the viewer writes articles."""
    access.require(viewer, access.PERMISSIONS[Permission.WRITE_ARTICLES])


def may_publish(viewer: Viewer) -> None:
    """Raises Unauthenticated or NotAllowed unless the viewer publishes articles."""
    access.require(viewer, access.PERMISSIONS[Permission.PUBLISH_ARTICLES])


def publishes(viewer: Viewer) -> bool:
    """Whether the viewer has the right to publish articles."""
    return viewer.has(access.PERMISSIONS[Permission.PUBLISH_ARTICLES])


def can(viewer: Viewer, article: Any) -> Any:
    """What the viewer may do with it in its present state: an array of names, in the order of the actions."""
    if viewer.only_reads:
        return []
    published = article.status == ArticleStatus.PUBLISHED
    found: list[tuple[ColumnElement[bool], str]] = [(published, "GIVE_FEEDBACK")]
    if viewer.is_staff:
        found.append((sa.true(), "EDIT"))
    if publishes(viewer):
        drafted = sa.exists().where(ArticleVersion.article_id == article.id, ArticleVersion.published_at.is_(None))
        found.append((sa.or_(drafted, article.status == ArticleStatus.ARCHIVED), "PUBLISH"))
        found.append((published, "ARCHIVE"))
    if viewer.is_staff:
        found.append((sa.true(), "REVIEW"))
    names = [sa.case((may, sa.literal_column(f"'{name}'", sa.Text()))) for may, name in found]
    return sa.func.array_remove(sa.dialects.postgresql.array(names), sa.null(), type_=sa.ARRAY(sa.Text()))
