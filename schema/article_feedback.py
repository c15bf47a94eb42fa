"""What readers think of articles, as the API shows it."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain.articles import feedback
from planner.fields import Payload, attribute, input_field, payload
from planner.nodes import Node, stored
from planner.pages import Connection, Edge
from schema.enums import described
from schema.inputs import KEY, given, optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotFound, RateLimited
from schema.times import TimeRange, span

if TYPE_CHECKING:
    from schema.articles import Article

LazyArticle = Annotated["Article", strawberry.lazy("schema.articles")]

described(
    models.ArticleFeedbackSource,
    "Where feedback was given.",
    ARTICLE="On the article's page.",
    TICKET_FORM="Among the suggestions while submitting a ticket: helpful there counts as a ticket saved.",
    TICKET="On a link in an agent's comment or an email.",
)


@stored(models.ArticleFeedback, "arf")
@strawberry.type(description="What one reader thinks of an article. Giving it again replaces it.")
class ArticleFeedback(Node):
    article: LazyArticle = attribute("The article.")
    version_number: int = attribute("Number of the version that was read.")
    person: Person | None = attribute("Who said it; null when not signed in. Staff, and the person.")
    helpful: bool | None = attribute("Whether it helped; null when not said.")
    rating: int | None = attribute("1 (poor) to 5 (very good); null when not rated.")
    comment: str | None = attribute("In the reader's words; null when none.")
    source: models.ArticleFeedbackSource = attribute("Where it was given.")
    at: dt.datetime = attribute("When it was given or replaced.")


@strawberry.type(name="ArticleFeedbackEdge", description="One piece of feedback in a list.")
class ArticleFeedbackEdge(Edge[ArticleFeedback]):
    pass


@strawberry.type(name="ArticleFeedbackConnection", description="A page of pieces of feedback.")
class ArticleFeedbackConnection(Connection[ArticleFeedback]):
    pass


@stored(models.ArticleFeedback, None, node=False)
@strawberry.type(description="What readers think of an article, summed up.")
class ArticleFeedbackStats:
    view_count: int = attribute("How often it was opened, by recordArticleView.", column="views")
    helpful_count: int = attribute("How many found it helpful.", column="helpful")
    unhelpful_count: int = attribute("How many did not.", column="unhelpful")
    helpful_share: float | None = attribute("Share of helpful among both; null when nobody said.")
    rating_count: int = attribute("How many rated it.", column="ratings")
    average_rating: float | None = attribute("Mean of the ratings, 1 to 5; null when nobody rated.")
    rating_counts: list[int] = attribute("How many gave 1, 2, 3, 4 and 5: always five numbers, in this order.")
    comment_count: int = attribute("How many wrote a comment.", column="comments")
    deflection_count: int = attribute("How many tickets were not submitted because of it.", column="saved")


@strawberry.input(description="Which feedback to list. All conditions given must hold.")
class ArticleFeedbackFilter:
    helpful: bool | None = input_field("Helpful (true) or not (false).")
    rating_at_most: int | None = input_field("Rated at most so, 1 to 5.", least=1, most=5)
    commented: bool | None = input_field("With a comment (true) or without (false).")
    given: TimeRange | None = input_field("Given within.")

    def conditions(self) -> feedback.Conditions:
        """The conditions that are given."""
        return feedback.Conditions(
            helpful=given(self.helpful),
            rating_at_most=given(self.rating_at_most),
            commented=given(self.commented),
            given=span(self.given),
        )


@strawberry.input(description="What giveArticleFeedback needs.")
class GiveArticleFeedbackInput:
    article_id: strawberry.ID = required("The article.")
    helpful: bool | None = optional("Whether it helped.")
    rating: int | None = optional("1 (poor) to 5 (very good).")
    comment: str | None = optional("At most 2,000 characters.")
    source: models.ArticleFeedbackSource = strawberry.field(
        description="Where it is given.", default=models.ArticleFeedbackSource.ARTICLE
    )
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Noted.")
class GiveArticleFeedbackSuccess:
    feedback: Payload[ArticleFeedback] = payload("The feedback.", feedback.given)


GiveArticleFeedbackResult = Annotated[
    Union[GiveArticleFeedbackSuccess, InvalidInput, NotFound, RateLimited, Conflict],
    strawberry.union("GiveArticleFeedbackResult", description="What giveArticleFeedback answers."),
]
