"""Writing articles: drafts beside what readers see, and going back to what was published before."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access, articles, positions, tickets, words
from domain.access import Viewer
from domain.articles import categories, index, reviewing, texts
from domain.refusals import Conflict, ConflictReason, InvalidInput, Problems
from infra.unit import Unit
from models import (
    Article,
    ArticleAudience,
    ArticleCategory,
    ArticleSlug,
    ArticleStatus,
    ArticleVersion,
)

TEXT = ("title", "summary", "body")
# What can be changed and never taken away: its field, and what it is called.
STAYING = {
    "title": ("title", "The title"),
    "summary": ("summary", "The summary"),
    "body": ("body", "The body"),
    "category_id": ("categoryId", "The category"),
    "position": ("position", "The place"),
    "audience": ("audience", "The audience"),
}


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an article begins with."""

    title: str
    summary: str | None
    body: str
    category_id: UUID
    audience: ArticleAudience
    tags: list[str]
    locale: str
    from_ticket_id: UUID | None


async def create(unit: Unit, viewer: Viewer, said: Beginning) -> UUID:
    """Begin an article as a draft. Raises InvalidInput, NotFound, NotAllowed."""
    articles.may_write(viewer)
    problems = Problems()
    text = await _text(problems, {"title": said.title, "summary": said.summary, "body": said.body})
    tags = words.tags(problems, "tags", said.tags)
    locale = words.locale(problems, "locale", said.locale) or said.locale
    problems.refuse()
    await _usable(unit, viewer, said.category_id)
    if said.from_ticket_id is not None:
        access.found(await unit.lock(tickets.one, viewer, said.from_ticket_id), "fromTicketId", "ticket")
    article = unit.insert(
        Article,
        **text,
        slug=await slug_of(unit, None, text["title"]),
        category_id=said.category_id,
        position=(await unit.run(_next_position, said.category_id))[0][0],
        tags=tags,
        status=ArticleStatus.DRAFT,
        audience=said.audience,
        locale=locale,
        language=texts.language(locale),
        author_id=viewer.id,
        from_ticket_id=said.from_ticket_id,
        number=0,
        published_at=None,
        updated_at=unit.now,
        publishes_at=None,
        publishes_by_id=None,
        publishes_note=None,
        publishes_closing=True,
    )
    _draft(unit, article, viewer.id, text)
    unit.insert(ArticleSlug, slug=article.slug, article_id=article.id)
    await index.keep(unit, article)
    return article.id


async def save_draft(
    unit: Unit, viewer: Viewer, article_id: UUID, given: dict[str, Any], if_unchanged_since: dt.datetime | None
) -> UUID:
    """Save of a draft what is given; a draft that says what is published is none.

    Raises InvalidInput, NotFound, NotAllowed, Conflict CHANGED_MEANWHILE.
    """
    articles.may_write(viewer)
    if "position" in given:  # of all articles beside it: whoever puts another one in its place waits before the first
        await positions.hold(unit, Article)
    article = access.found(await unit.lock(articles.one, viewer, article_id), "articleId", "article")
    draft = await unit.lock(articles.draft_of, viewer, article_id)
    if given.get("audience", article.audience) not in {article.audience, None}:
        articles.may_publish(viewer)
    changed_at = max(article.updated_at, draft.edited_at) if draft else article.updated_at
    if if_unchanged_since is not None and changed_at > if_unchanged_since:
        said = "Somebody else has changed this article meanwhile."
        raise Conflict(ConflictReason.CHANGED_MEANWHILE, said, current=(Article, article.id))
    problems = Problems()
    for name, (field, what) in STAYING.items():
        if name in given and given[name] is None:
            problems.add(field, f"{what} can't be taken away.")
    given = {name: value for name, value in given.items() if value is not None or name not in STAYING}
    before = draft or article
    wanted = {name: given.get(name, getattr(before, name)) for name in TEXT}
    if "summary" not in given and before.summary == texts.summary(before.body_html):
        wanted["summary"] = None  # nobody wrote it: it goes on being the beginning of the text
    text = await _text(problems, wanted)
    tags = words.tags(problems, "tags", given["tags"] or []) if "tags" in given else article.tags
    if given.get("position", 0) < 0:
        problems.add("position", "Places are counted from 0.")
    problems.refuse()
    shown = await _at_once(unit, viewer, article, given, tags)
    if any(name in given for name in TEXT) and await _say(unit, viewer, article, draft, text):
        shown = True
    if shown:
        await index.keep(unit, article)
    articles.tell(unit, article.id)
    return article.id


async def restore(unit: Unit, viewer: Viewer, version_id: UUID) -> UUID:
    """Make a copy of a former version the draft. Raises NotFound, NotAllowed."""
    articles.may_write(viewer)
    known = access.found(await unit.read(articles.version, viewer, version_id), "versionId", "version")
    article = access.found(await unit.lock(articles.one, viewer, known.article_id), "versionId", "version")
    draft = await unit.lock(articles.draft_of, viewer, article.id)
    if known.published_at is not None:  # a draft is what it is
        await _say(unit, viewer, article, draft, await _text(Problems(), {name: getattr(known, name) for name in TEXT}))
        articles.tell(unit, article.id)
    return article.id


# --- Steps ------------------------------------------------------------------------------------------------------------


def _next_position(category_id: Any) -> Any:
    return select(func.coalesce(func.max(Article.position) + 1, 0)).where(Article.category_id == category_id)


def _in_order(category_id: Any) -> Select[Article]:
    return select(Article).where(Article.category_id == category_id).order_by(Article.position, Article.id)


def _slugs_like(slug: Any) -> Select[ArticleSlug]:
    numbered = ArticleSlug.slug.like(sa.cast(slug, sa.Text()).concat("-%"))
    return select(ArticleSlug).where(sa.or_(ArticleSlug.slug == slug, numbered))


async def _text(problems: Problems, said: dict[str, str | None]) -> dict[str, str]:
    title = words.line(problems, "title", said["title"] or "", most=texts.MOST_TITLE, what="The title")
    body = words.text(problems, "body", said["body"] or "", most=texts.MOST_BODY, what="The body")
    rendered = await words.beside(texts.rendered, body) if len(body) <= texts.MOST_BODY else ""
    summary = words.optional_line(problems, "summary", said["summary"], most=texts.MOST_SUMMARY, what="The summary")
    return {
        "title": title,
        "summary": texts.summary(rendered) if summary is None else summary,
        "body": body,
        "body_html": rendered,
    }


async def _usable(unit: Unit, viewer: Viewer, category_id: UUID) -> ArticleCategory:
    category = access.found(await unit.lock(categories.one, viewer, category_id), "categoryId", "category")
    if category.archived_at is not None:
        raise InvalidInput(("categoryId", "This category is archived."))
    return category


async def slug_of(unit: Unit, article: Article | None, title: str) -> str:
    """A slug for the title that leads to no other article, or did."""
    await positions.hold(unit, ArticleSlug)
    slug = texts.slug(title)
    rows = await unit.read_all(_slugs_like, slug)
    own = {row.slug for row in rows if article is not None and row.article_id == article.id}
    found = texts.free(slug, {row.slug for row in rows} - own)
    if article is not None and found not in own:
        unit.insert(ArticleSlug, slug=found, article_id=article.id)
    return found


def _draft(unit: Unit, article: Article, editor_id: UUID, text: dict[str, str]) -> ArticleVersion:
    return unit.insert(
        ArticleVersion,
        article_id=article.id,
        number=article.number + 1,
        **text,
        edited_by_id=editor_id,
        edited_at=unit.now,
        published_by_id=None,
        published_at=None,
        note=None,
    )


async def _say(
    unit: Unit, viewer: Viewer, article: Article, draft: ArticleVersion | None, text: dict[str, str]
) -> bool:
    """Have the draft say this. Gives whether what is shown of the article changes, as before its first publication.

    What somebody planned to publish is not another text of one who may not publish it: they look at it again.
    """
    before, planned = draft or article, article.publishes_at is not None
    if planned and not articles.publishes(viewer) and any(text[name] != getattr(before, name) for name in TEXT):
        await reviewing.again(unit, article, viewer.id)
        unplan(unit, article)
    if article.number == 0:
        if draft is None:
            raise LookupError("An article that was never published has a draft.")
        unit.change(draft, **text, edited_by_id=viewer.id, edited_at=unit.now)
        slug = article.slug if text["title"] == article.title else await slug_of(unit, article, text["title"])
        unit.change(article, **text, slug=slug, updated_at=unit.now)
        return True
    same = all(text[name] == getattr(article, name) for name in TEXT)
    if draft is None:
        if not same:
            _draft(unit, article, viewer.id, text)
    elif same:
        unit.delete(draft)
        if article.status is ArticleStatus.PUBLISHED:  # what was planned is done, and must not befall another draft
            unplan(unit, article)
    else:
        unit.change(draft, **text, edited_by_id=viewer.id, edited_at=unit.now)
    return False


async def _at_once(unit: Unit, viewer: Viewer, article: Article, given: dict[str, Any], tags: list[str]) -> bool:
    """Change what takes effect at once. Gives whether the article is found by other words, or by others."""
    category_id = given.get("category_id", article.category_id)
    moved = category_id != article.category_id
    if moved:
        await _usable(unit, viewer, category_id)
        unit.change(article, category_id=category_id, position=(await unit.run(_next_position, category_id))[0][0])
    if "position" in given:
        rows = await unit.lock_all(_in_order, category_id)
        known = next((row for row in rows if row.id == article.id), article)
        positions.place(unit, rows, known, given["position"])
    audience = given.get("audience", article.audience)
    found_otherwise = tags != article.tags or audience is not article.audience
    if found_otherwise:
        unit.change(article, tags=tags, audience=audience)
    return found_otherwise


def unplan(unit: Unit, article: Article) -> None:
    """What was planned for a locked article does not happen."""
    unit.change(article, publishes_at=None, publishes_by_id=None, publishes_note=None)
