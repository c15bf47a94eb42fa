"""Articles as the API shows them."""

import datetime as dt
import enum
from typing import Annotated, Any, Union

import strawberry

import models
from domain import articles, words
from domain.access import Viewer
from domain.articles import feedback, lists, reviews, search
from domain.articles.lists import ArticleOrderField
from planner.fields import Payload, When, argument, attribute, input_field, payload, planned
from planner.nodes import Node, NodeIds, stored
from planner.pages import Connection, Edge, PageArguments
from schema.article_categories import ArticleCategory
from schema.article_feedback import (
    ArticleFeedback,
    ArticleFeedbackConnection,
    ArticleFeedbackFilter,
    ArticleFeedbackStats,
)
from schema.article_reviews import ArticleReview
from schema.enums import described
from schema.inputs import KEY, given, optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound, RateLimited
from schema.times import OrderDirection, TimeRange, span

described(
    models.ArticleStatus,
    "The state of an article.",
    DRAFT="Never published.",
    PUBLISHED="Readable.",
    ARCHIVED="Withdrawn; staff alone can read it.",
)
described(
    models.ArticleAudience,
    "Who may read an article.",
    PUBLIC="Everyone, signed in or not.",
    CUSTOMERS="Everyone signed in.",
    STAFF="Staff.",
)


class ArticleAction(enum.Enum):
    """What can be done with an article."""

    GIVE_FEEDBACK = enum.auto()
    EDIT = enum.auto()
    PUBLISH = enum.auto()
    ARCHIVE = enum.auto()
    REVIEW = enum.auto()


described(
    ArticleAction,
    "What can be done with an article.",
    GIVE_FEEDBACK="Say what one thinks of it.",
    EDIT="Save a draft.",
    PUBLISH="Publish the draft.",
    ARCHIVE="Withdraw it; publishing brings it back.",
    REVIEW="Ask for a review, or close one.",
)


described(
    ArticleOrderField,
    "What articles can be ordered by.",
    CATEGORY="Category, and place in it.",
    UPDATED_AT="When they last changed.",
    VIEWS="How often they were opened in the last 30 days.",
    HELPFUL_SHARE="Share of helpful in the last 30 days. Staff.",
    RELEVANCE="How well they match filter.text; needs it.",
)


@stored(models.ArticleVersion, "arv")
@strawberry.type(description="The text of an article at one time.")
class ArticleVersion(Node):
    number: int = attribute("1, 2, 3 in order of publication; the draft has the next one.")
    title: str = attribute("Title.")
    summary: str = attribute("One or two plain sentences.")
    body: str = attribute("Markdown.")
    body_html: str = attribute("The body as HTML.")
    edited_by: Person | None = attribute("Who saved it last.")
    edited_at: dt.datetime = attribute("When it was saved last.")
    published_by: Person | None = attribute("Who published it; null for a draft.")
    published_at: dt.datetime | None = attribute("When it was published; null for a draft.")
    note: str | None = attribute("What changed, in the writer's words; null when nothing was said.")


@stored(models.Article, "art")
@strawberry.type(
    description="A page of the knowledge base. What readers see is its published version; "
    "writers work on a draft beside it."
)
class Article(Node):
    slug: str = attribute("Last part of its address, made from the title; former ones keep leading here.")
    title: str = attribute("Title of the published version, or of the draft before the first.")
    summary: str = attribute("One or two plain sentences for lists and searches.")
    body: str = attribute("Markdown of the published version, or of the draft before the first.")
    body_html: str = attribute("The body as HTML, with anchors on its headings.")
    category: ArticleCategory = attribute("The category it belongs to.")
    tags: list[str] = attribute("Tags, at most 20.")
    status: models.ArticleStatus = attribute("Its state.")
    audience: models.ArticleAudience = attribute("Who may read it.")
    locale: str = attribute("Language, BCP 47.")
    published_at: dt.datetime | None = attribute("When it was first published; null before that.")
    updated_at: dt.datetime = attribute(
        "When the published version was published, or the draft last saved before the first."
    )

    @planned("Who wrote it first. Staff; null for others.")
    def author(article: models.Article, viewer: Viewer) -> Person | None:
        return article.author if viewer.is_staff else None

    @planned("When the draft will be published by itself; null when it won't. Staff.")
    def publishes_at(article: models.Article, viewer: Viewer) -> dt.datetime | None:
        return article.publishes_at if viewer.is_staff else None

    @planned("The draft that differs from the published version; null when there is none. Staff.")
    def draft(article: models.Article, viewer: Viewer) -> ArticleVersion | None:
        return articles.draft_of(viewer, article.id)

    @planned("What was published so far, newest first. Staff; empty for others.")
    def versions(article: models.Article, viewer: Viewer, page: PageArguments) -> Connection[ArticleVersion]:
        return page.of(articles.versions_of(viewer, article.id), order=[models.ArticleVersion.number.desc()])

    @planned("Published articles on the same matter, best first.")
    def related(
        article: models.Article,
        viewer: Viewer,
        first: Annotated[int, argument("How many: 1 to 10.", least=1, most=search.MOST_SUGGESTED, plain=True)] = 5,
    ) -> list[Annotated["Article", strawberry.lazy("schema.articles")]]:
        return search.related(viewer, article, first)

    @planned("What readers think of it, summed up. Without a range, of the published version. Staff; null for others.")
    def feedback_stats(
        article: models.Article,
        viewer: Viewer,
        range: Annotated[TimeRange | None, argument("Only feedback given within.")] = None,
    ) -> ArticleFeedbackStats | None:
        return feedback.stats(article, None if range is None else span(range)) if viewer.is_staff else None

    @planned("What readers said, newest first. Staff; empty for others.", name="feedback")
    def feedback_(
        article: models.Article,
        viewer: Viewer,
        page: PageArguments,
        filter: Annotated[ArticleFeedbackFilter | None, argument("What to list; default: all.")] = None,
    ) -> ArticleFeedbackConnection:
        asked = filter.conditions() if filter else feedback.Conditions()
        said = models.ArticleFeedback
        return page.of(feedback.listed(viewer, article.id, asked), order=[said.at.desc(), said.id.desc()])

    @planned("What the viewer said of it; null when nothing.")
    def viewer_feedback(article: models.Article, viewer: Viewer) -> ArticleFeedback | None:
        return feedback.latest_of(viewer, article)

    @planned("The open request to review it; null when there is none. Staff.")
    def open_review(article: models.Article, viewer: Viewer) -> ArticleReview | None:
        return reviews.open_of(viewer, article.id)

    @planned("What the viewer may do with it in its present state.")
    def viewer_can(article: models.Article, viewer: Viewer) -> list[ArticleAction]:
        return articles.can(viewer, article)


@strawberry.type(name="ArticleEdge", description="One article in a list.")
class ArticleEdge(Edge[Article]):
    @planned("Where filter.text was found, as HTML with <mark>; null without it.")
    def highlight_html(found: Any, viewer: Viewer) -> str | None:
        return When(found.words.is_not(None), search.highlight(viewer, found, found.words))


@strawberry.type(name="ArticleConnection", description="A page of articles.")
class ArticleConnection(Connection[Article]):
    edges: list[ArticleEdge] = strawberry.field(description="The articles of this page, each with its cursor.")


@strawberry.type(description="An article that may answer a question.")
class ArticleSuggestion:
    score: float = attribute("How well it fits, from 0 to 1; comparable within one answer only.")

    @planned("The article.")
    def article(found: Any, viewer: Viewer) -> Article:
        return articles.one(viewer, found.article_id)

    @planned("The passage that fits best, as HTML with <mark>.")
    def excerpt_html(found: Any, viewer: Viewer) -> str:
        return search.passage_of(found.article_id, found.asked)


@strawberry.input(description="How to order articles.")
class ArticleOrder:
    field: ArticleOrderField = required("By what.")
    direction: OrderDirection = required("Which way.")


@strawberry.input(description="Which articles to list. All conditions given must hold; lists of at most 50.")
class ArticleFilter:
    text: str | None = input_field(
        "Words in title, summary, body or tags, their forms and near misspellings too; at most 200 characters.",
        most=search.MOST_TEXT,
        plain=search.kind,
    )
    category_ids: NodeIds | None = input_field("In one of these categories or below them.", most=50)
    statuses: list[models.ArticleStatus] | None = input_field(
        "In one of these states; default: published. Others: staff.", most=50
    )
    audiences: list[models.ArticleAudience] | None = input_field("For one of these audiences.", most=50)
    tags: list[str] | None = input_field("With one of these tags.", most=50, check=words.too_long_for_tags)
    locale: str | None = input_field("In this language, BCP 47; default: any.")
    in_review: bool | None = input_field("With an open review (true) or without one (false). Staff.")

    def conditions(self) -> lists.Conditions:
        """The conditions that are given."""
        text: Any = given(self.text)
        ids = given(self.category_ids)
        return lists.Conditions(
            text=text.value if text and text.kind else None,
            category_ids=None if ids is None else ids.of(models.ArticleCategory),
            statuses=given(self.statuses),
            audiences=given(self.audiences),
            tags=words.as_tags(given(self.tags)),
            locale=given(self.locale),
            in_review=given(self.in_review),
        )


@strawberry.input(description="What createArticle needs.")
class CreateArticleInput:
    title: str = required("Title, 1 to 200 characters.")
    summary: str | None = optional(
        "One or two plain sentences, at most 300 characters; default: the beginning of the body."
    )
    body: str = required("Markdown, at most 100,000 characters.")
    category_id: strawberry.ID = required("The category.")
    audience: models.ArticleAudience = strawberry.field(
        description="Who may read it once published.", default=models.ArticleAudience.PUBLIC
    )
    tags: list[str] | None = optional("Tags, at most 20.")
    locale: str | None = optional("Language, BCP 47; default: the desk's.")
    from_ticket_id: strawberry.ID | None = optional("The ticket whose answer it is; the two are linked in its history.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The draft is there.")
class CreateArticleSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


CreateArticleResult = Annotated[
    Union[CreateArticleSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("CreateArticleResult", description="What createArticle answers."),
]


@strawberry.input(description="What saveArticleDraft needs.")
class SaveArticleDraftInput:
    article_id: strawberry.ID = required("The article.")
    if_unchanged_since: dt.datetime | None = optional(
        "Refuse as CHANGED_MEANWHILE when the draft or article was changed after this moment "
        "(editedAt of the draft, or updatedAt)."
    )
    title: str | None = optional("Title, 1 to 200 characters.")
    summary: str | None = optional("One or two plain sentences, at most 300 characters.")
    body: str | None = optional("Markdown, at most 100,000 characters.")
    category_id: strawberry.ID | None = optional("The category; takes effect at once.")
    position: int | None = optional("Place in the category, from 0; takes effect at once.")
    audience: models.ArticleAudience | None = optional(
        "Who may read it; takes effect at once, so it needs the right to publish."
    )
    tags: list[str] | None = optional("Tags, all of them; takes effect at once.")


@strawberry.type(description="Saved.")
class SaveArticleDraftSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


SaveArticleDraftResult = Annotated[
    Union[SaveArticleDraftSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveArticleDraftResult", description="What saveArticleDraft answers."),
]


@strawberry.input(description="What publishArticle needs.")
class PublishArticleInput:
    article_id: strawberry.ID = required("The article.")
    at: dt.datetime | None = optional("When; default: now. Null takes back a planned one.")
    note: str | None = optional("What changed, at most 500 characters.")
    close_review: bool = strawberry.field(description="Close the open review as REVISED.", default=True)


@strawberry.type(description="Published, or to be published.")
class PublishArticleSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


PublishArticleResult = Annotated[
    Union[PublishArticleSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("PublishArticleResult", description="What publishArticle answers."),
]


@strawberry.input(description="What archiveArticle needs.")
class ArchiveArticleInput:
    article_id: strawberry.ID = required("The article.")


@strawberry.type(description="Archived.")
class ArchiveArticleSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


ArchiveArticleResult = Annotated[
    Union[ArchiveArticleSuccess, NotFound, NotAllowed, Conflict],
    strawberry.union("ArchiveArticleResult", description="What archiveArticle answers."),
]


@strawberry.input(description="What restoreArticleVersion needs.")
class RestoreArticleVersionInput:
    version_id: strawberry.ID = required("The version.")


@strawberry.type(description="The draft is there.")
class RestoreArticleVersionSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


RestoreArticleVersionResult = Annotated[
    Union[RestoreArticleVersionSuccess, NotFound, NotAllowed],
    strawberry.union("RestoreArticleVersionResult", description="What restoreArticleVersion answers."),
]


@strawberry.input(description="What recordArticleView needs.")
class RecordArticleViewInput:
    article_id: strawberry.ID = required("The article.")


@strawberry.type(description="Counted, or counted already.")
class RecordArticleViewSuccess:
    article: Payload[Article] = payload("The article.", articles.one)


RecordArticleViewResult = Annotated[
    Union[RecordArticleViewSuccess, NotFound, RateLimited],
    strawberry.union("RecordArticleViewResult", description="What recordArticleView answers."),
]
