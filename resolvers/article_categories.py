"""Categories of articles: listing and keeping them."""

from typing import Annotated

import models
from domain.access import Viewer
from domain.articles import categories
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from resolvers.writing import keys_of, mutation, optional_key
from schema.article_categories import (
    ArticleCategory,
    SaveArticleCategoryInput,
    SaveArticleCategoryResult,
    SaveArticleCategorySuccess,
)
from schema.context import Context
from schema.inputs import given


@planned("Categories of articles, in their order. Everyone.")
def article_categories(
    viewer: Viewer,
    page: PageArguments,
    include_archived: Annotated[bool, argument("Also those that are archived. Staff; default false.")] = False,
) -> Connection[ArticleCategory] | None:
    rows = categories.visible(viewer, include_archived=include_archived)
    order = [models.ArticleCategory.path, models.ArticleCategory.id]
    return page.of(rows, order=order, among=None if viewer.is_staff else rows)  # paths tell of archived ones


@mutation("Makes or replaces a category of articles. Leads.")
async def save_article_category(
    unit: Unit, context: Context, input: SaveArticleCategoryInput
) -> SaveArticleCategoryResult:
    form = categories.Form(
        name=input.name,
        description=given(input.description),
        parent_id=optional_key(input.parent_id, models.ArticleCategory, "parentId"),
        ticket_category_ids=keys_of(input.ticket_category_ids, models.Category, "ticketCategoryIds"),
        position=given(input.position),
        archived=input.archived,
    )
    category_id = optional_key(input.article_category_id, models.ArticleCategory, "articleCategoryId")
    saved = await categories.save(unit, context.viewer, category_id, form)
    return SaveArticleCategorySuccess(article_category=saved)
