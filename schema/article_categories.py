"""Categories of articles as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import articles
from domain.access import Viewer
from domain.articles import categories, lists
from domain.articles.lists import ArticleOrderField
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import Node, stored
from planner.pages import Connection, PageArguments
from schema.categories import Category
from schema.inputs import optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.articles import ArticleConnection


@stored(models.ArticleCategory, "arc")
@strawberry.type(description="A category of articles.")
class ArticleCategory(Node):
    slug: str = attribute("Last part of its address.")
    name: str = attribute("Its name.")
    description: str | None = attribute("What it is about.")

    @planned("Place among its siblings, from 0.")
    def position(category: models.ArticleCategory, viewer: Viewer) -> int:
        return categories.place(viewer, category)

    archived_at: dt.datetime | None = attribute("When it was archived; null while in use.")

    @planned("The category above it; null at the top.")
    def parent(
        category: models.ArticleCategory, viewer: Viewer
    ) -> Annotated["ArticleCategory", strawberry.lazy("schema.article_categories")] | None:
        return category.parent

    @planned("The categories below it, in their order.")
    def children(
        category: models.ArticleCategory, viewer: Viewer, page: PageArguments
    ) -> Connection[Annotated["ArticleCategory", strawberry.lazy("schema.article_categories")]]:
        rows = categories.children_of(viewer, category)
        order = [models.ArticleCategory.position, models.ArticleCategory.id]
        return page.of(rows, order=order, among=None if viewer.is_staff else rows)

    @planned("Articles in it that the viewer can see, in their order.")
    def articles(
        category: models.ArticleCategory, viewer: Viewer, page: PageArguments
    ) -> Annotated["ArticleConnection", strawberry.lazy("schema.articles")]:
        rows = articles.visible(viewer).where(models.Article.category_id == category.id)
        order, among = [models.Article.position, models.Article.id], lists.among(viewer, ArticleOrderField.CATEGORY)
        return page.of(articles.without_words(rows), order=order, among=among)

    @planned("Categories of tickets whose questions it answers, at most 20.", most=categories.MOST_TICKET_CATEGORIES)
    def ticket_categories(category: models.ArticleCategory, viewer: Viewer) -> list[Category]:
        return categories.ticket_categories_of(viewer, category)


@strawberry.input(description="What saveArticleCategory needs.")
class SaveArticleCategoryInput:
    article_category_id: strawberry.ID | None = optional("The category to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    description: str | None = optional("What it is about, at most 500 characters.")
    parent_id: strawberry.ID | None = optional("The category above it; default: none. At most 3 deep.")
    ticket_category_ids: list[strawberry.ID] = strawberry.field(
        description="Categories of tickets whose questions it answers, at most 20.", default_factory=list
    )
    position: int | None = optional("Place among its siblings, from 0; default: the end.")
    archived: bool = strawberry.field(description="Out of use. Its articles must have gone first.", default=False)


@strawberry.type(description="Saved.")
class SaveArticleCategorySuccess:
    article_category: Payload[ArticleCategory] = payload("The category.", categories.one)


SaveArticleCategoryResult = Annotated[
    Union[SaveArticleCategorySuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveArticleCategoryResult", description="What saveArticleCategory answers."),
]
