"""Articles: reading and writing them."""

from typing import Annotated

import models
from domain import articles
from domain.access import Viewer
from domain.articles import writing
from infra.unit import Unit
from planner.fields import argument, planned
from planner.nodes import NodeId
from resolvers.writing import key_of, mutation, optional_key
from schema.articles import (
    ArchiveArticleInput,
    ArchiveArticleResult,
    ArchiveArticleSuccess,
    Article,
    CreateArticleInput,
    CreateArticleResult,
    CreateArticleSuccess,
    PublishArticleInput,
    PublishArticleResult,
    PublishArticleSuccess,
    RestoreArticleVersionInput,
    RestoreArticleVersionResult,
    RestoreArticleVersionSuccess,
    SaveArticleDraftInput,
    SaveArticleDraftResult,
    SaveArticleDraftSuccess,
)
from schema.context import Context
from schema.inputs import given, present

LOCALE = "en"  # the desk's own


@planned("One article. Everyone, as far as its audience permits; drafts and archived ones: staff.")
def article(viewer: Viewer, id: Annotated[NodeId, argument("The article's id.")]) -> Article | None:
    return articles.one(viewer, id.of(models.Article))


@planned("One article by the last part of its address, the former ones included.")
def article_by_slug(viewer: Viewer, slug: Annotated[str, argument("The slug.")]) -> Article | None:
    return articles.led_to(viewer, slug)


@mutation("Begins an article as a draft. Staff.")
async def create_article(unit: Unit, context: Context, input: CreateArticleInput) -> CreateArticleResult:
    said = writing.Beginning(
        title=input.title,
        summary=given(input.summary),
        body=input.body,
        category_id=key_of(input.category_id, models.ArticleCategory, "categoryId"),
        audience=input.audience,
        tags=given(input.tags) or [],
        locale=given(input.locale) or LOCALE,
        from_ticket_id=optional_key(input.from_ticket_id, models.Ticket, "fromTicketId"),
    )
    return CreateArticleSuccess(article=await writing.create(unit, context.viewer, said))


@mutation("Saves the draft of an article; readers see nothing of it until it's published. Staff.")
async def save_article_draft(unit: Unit, context: Context, input: SaveArticleDraftInput) -> SaveArticleDraftResult:
    said = present(input, "title", "summary", "body", "category_id", "position", "audience", "tags")
    if said.get("category_id") is not None:
        said["category_id"] = key_of(said["category_id"], models.ArticleCategory, "categoryId")
    article_id = key_of(input.article_id, models.Article, "articleId")
    saved = await writing.save_draft(unit, context.viewer, article_id, said, given(input.if_unchanged_since))
    return SaveArticleDraftSuccess(article=saved)


@mutation("Makes the draft what readers see, now or later; an archived article comes back. Leads.")
async def publish_article(unit: Unit, context: Context, input: PublishArticleInput) -> PublishArticleResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    if input.at is None:
        return PublishArticleSuccess(article=await writing.take_back(unit, context.viewer, article_id))
    done = await writing.publish(unit, context.viewer, article_id, given(input.at), given(input.note))
    return PublishArticleSuccess(article=done)


@mutation("Withdraws an article. Leads.")
async def archive_article(unit: Unit, context: Context, input: ArchiveArticleInput) -> ArchiveArticleResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    return ArchiveArticleSuccess(article=await writing.archive(unit, context.viewer, article_id))


@mutation("Makes a copy of a former version the draft. Staff.")
async def restore_article_version(
    unit: Unit, context: Context, input: RestoreArticleVersionInput
) -> RestoreArticleVersionResult:
    version_id = key_of(input.version_id, models.ArticleVersion, "versionId")
    return RestoreArticleVersionSuccess(article=await writing.restore(unit, context.viewer, version_id))
