"""Reviews of articles as the API shows them."""

import datetime as dt
from typing import Annotated, Any, Union

import strawberry

import models
from domain.access import Viewer
from domain.articles import reviews
from planner.fields import Payload, attribute, input_field, payload, planned
from planner.nodes import Node, NodeId, stored
from planner.pages import Connection, Edge, PageArguments
from schema.article_feedback import ArticleFeedbackConnection, LazyArticle
from schema.enums import described
from schema.inputs import given, optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

described(
    models.ArticleReviewReason,
    "Why an article is to be reviewed.",
    POOR_RATING="One rating of 1 or 2.",
    OFTEN_UNHELPFUL="At least 10 answers in 30 days, of which fewer than half were helpful.",
    REQUESTED="A person asked for it.",
)
described(
    models.ArticleReviewStatus,
    "The state of a review.",
    OPEN="Waits.",
    REVISED="The article was revised.",
    DISMISSED="The article is fine as it is.",
)


@stored(models.ArticleReview, "rev")
@strawberry.type(
    description="A request to review an article, made by poor feedback or by a person. "
    "There is at most one open for an article."
)
class ArticleReview(Node):
    article: LazyArticle = attribute("The article.")
    reason: models.ArticleReviewReason = attribute("Why.")
    note: str | None = attribute("Why, in words; null when the reason says it all.")
    status: models.ArticleReviewStatus = attribute("Its state.")
    requested_at: dt.datetime = attribute("When it was made.")
    requested_by: Person | None = attribute("Who made it; null when the feedback did.")
    assignee: Person | None = attribute("Who is to review; null when nobody was named.")
    closed_at: dt.datetime | None = attribute("When it was closed; null while open.")
    closed_by: Person | None = attribute("Who closed it; null while open.")
    outcome: str | None = attribute("What came of it, in words; null when nothing was said.")

    @planned("The feedback that led to it, worst first.")
    def feedback(review: Any, viewer: Viewer, page: PageArguments) -> ArticleFeedbackConnection:
        said = models.ArticleFeedback
        return page.of(reviews.feedback_of(review), order=[said.badness.desc(), said.at.desc(), said.id.desc()])


@strawberry.type(name="ArticleReviewEdge", description="One review in a list.")
class ArticleReviewEdge(Edge[ArticleReview]):
    pass


@strawberry.type(name="ArticleReviewConnection", description="A page of reviews.")
class ArticleReviewConnection(Connection[ArticleReview]):
    pass


@strawberry.input(description="Which reviews to list. All conditions given must hold.")
class ArticleReviewFilter:
    statuses: list[models.ArticleReviewStatus] | None = input_field("In one of these states; default: open.", most=3)
    assignee_id: NodeId | None = input_field("To be done by this person.")

    def conditions(self) -> reviews.Conditions:
        """The conditions that are given."""
        statuses, assignee_id = given(self.statuses), given(self.assignee_id)
        return reviews.Conditions(
            statuses=reviews.OPEN if statuses is None else statuses,
            assignee_id=None if assignee_id is None else assignee_id.of(models.Person),
        )


@strawberry.input(description="What requestArticleReview needs.")
class RequestArticleReviewInput:
    article_id: strawberry.ID = required("The article.")
    note: str = required("Why, 1 to 500 characters.")
    assignee_id: strawberry.ID | None = optional("Who is to review; default: its author.")


@strawberry.type(description="Asked.")
class RequestArticleReviewSuccess:
    review: Payload[ArticleReview] = payload("The review.", reviews.one)


RequestArticleReviewResult = Annotated[
    Union[RequestArticleReviewSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("RequestArticleReviewResult", description="What requestArticleReview answers."),
]


@strawberry.input(description="What closeArticleReview needs.")
class CloseArticleReviewInput:
    review_id: strawberry.ID = required("The review.")
    revised: bool = required("True when the article was revised, false when it is fine as it is.")
    outcome: str | None = optional("What came of it, at most 500 characters.")


@strawberry.type(description="Closed.")
class CloseArticleReviewSuccess:
    review: Payload[ArticleReview] = payload("The review.", reviews.one)


CloseArticleReviewResult = Annotated[
    Union[CloseArticleReviewSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("CloseArticleReviewResult", description="What closeArticleReview answers."),
]
