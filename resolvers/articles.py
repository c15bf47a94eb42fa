"""Articles: reading and writing them."""

from typing import Annotated

import models
from domain import articles
from domain.access import Viewer
from domain.articles import lists, publishing, search, writing
from domain.articles.lists import ArticleOrderField
from infra.unit import Unit
from planner.fields import argument, planned
from planner.live import Live, live, subscription
from planner.nodes import NodeId
from planner.pages import PageArguments, Pool
from resolvers.writing import key_of, mutation, optional_key
from schema.articles import (
    ArchiveArticleInput,
    ArchiveArticleResult,
    ArchiveArticleSuccess,
    Article,
    ArticleConnection,
    ArticleFilter,
    ArticleOrder,
    ArticleSuggestion,
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
from schema.times import OrderDirection

LOCALE = "en"  # the desk's own


@planned("One article. Everyone, as far as its audience permits; drafts and archived ones: staff.")
def article(viewer: Viewer, id: Annotated[NodeId, argument("The article's id.")]) -> Article | None:
    return articles.one(viewer, id.of(models.Article))


@planned("One article by the last part of its address, the former ones included.")
def article_by_slug(viewer: Viewer, slug: Annotated[str, argument("The slug.")]) -> Article | None:
    return articles.led_to(viewer, slug)


@planned("Articles that the viewer can see. Everyone.", name="articles")
def articles_(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[ArticleFilter | None, argument("What to list; default: all that are published.")] = None,
    order_by: Annotated[
        ArticleOrder | None,
        argument("How to order; default: by category and place in it, or best match first when filter.text is given."),
    ] = None,
) -> ArticleConnection | None:
    asked = filter.conditions() if filter else lists.Conditions()
    field, descending = ArticleOrderField.CATEGORY, False
    if asked.text is not None:
        field, descending = ArticleOrderField.RELEVANCE, True
    if order_by:
        field, descending = order_by.field, order_by.direction is OrderDirection.DESC
    rows, order = lists.listed(viewer, asked), lists.order(viewer, asked, field, descending=descending)
    if field is not ArticleOrderField.RELEVANCE:
        return page.of(rows, order=order, among=lists.among(viewer, field))
    newest = Pool(lists.newest(viewer, asked), lists.MOST_RANKED)
    return page.of(rows, order=order, ways=[lists.Found(rows)], pool=newest)


@planned(
    "Published articles that may answer a question which is still being typed, best first. "
    "Cheap enough for every pause in typing. Everyone.",
)
def article_suggestions(
    viewer: Viewer,
    text: Annotated[
        str,
        argument(
            "What was typed so far, such as a ticket's subject and text: at most 2,000 characters. "
            "Fewer than 3 give nothing.",
            most=search.MOST_QUESTION,
        ),
    ],
    category_id: Annotated[NodeId | None, argument("Prefer articles that belong to this category of tickets.")] = None,
    first: Annotated[int, argument("How many: 1 to 10.", least=1, most=search.MOST_SUGGESTED, plain=True)] = 5,
) -> list[ArticleSuggestion] | None:
    return search.suggested(viewer, text, category_id.of(models.Category) if category_id else None, first)


@subscription(
    "An article, now and after every change of it, of its feedback or of its reviews. "
    "Everyone, as far as its audience permits."
)
def article_updated(viewer: Viewer, id: Annotated[NodeId, argument("The article's id.")]) -> Live[Article]:
    article_id = id.of(models.Article)
    return live(articles.CHANNEL, article_id, articles.one(viewer, article_id), common=True)


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
        return PublishArticleSuccess(article=await publishing.take_back(unit, context.viewer, article_id))
    at, note, close_review = given(input.at), given(input.note), input.close_review
    done = await publishing.publish(unit, context.viewer, article_id, at, note, close_review=close_review)
    return PublishArticleSuccess(article=done)


@mutation("Withdraws an article. Leads.")
async def archive_article(unit: Unit, context: Context, input: ArchiveArticleInput) -> ArchiveArticleResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    return ArchiveArticleSuccess(article=await publishing.archive(unit, context.viewer, article_id))


@mutation("Makes a copy of a former version the draft. Staff.")
async def restore_article_version(
    unit: Unit, context: Context, input: RestoreArticleVersionInput
) -> RestoreArticleVersionResult:
    version_id = key_of(input.version_id, models.ArticleVersion, "versionId")
    return RestoreArticleVersionSuccess(article=await writing.restore(unit, context.viewer, version_id))
