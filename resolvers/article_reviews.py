"""Reviews of articles: listing them, asking for one, and closing it."""

from typing import Annotated

import models
from domain.access import Viewer
from domain.articles import reviewing, reviews
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import PageArguments
from resolvers.writing import key_of, mutation, optional_key
from schema.article_reviews import (
    ArticleReviewConnection,
    ArticleReviewFilter,
    CloseArticleReviewInput,
    CloseArticleReviewResult,
    CloseArticleReviewSuccess,
    RequestArticleReviewInput,
    RequestArticleReviewResult,
    RequestArticleReviewSuccess,
)
from schema.context import Context
from schema.inputs import given


@planned("Requests to review an article, oldest first. Staff.")
def article_reviews(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[ArticleReviewFilter | None, argument("What to list; default: all that are open.")] = None,
) -> ArticleReviewConnection | None:
    asked = filter.conditions() if filter else reviews.Conditions()
    review = models.ArticleReview
    return page.of(reviews.listed(viewer, asked), order=[review.requested_at, review.id])


@mutation("Asks for an article to be reviewed. Staff.")
async def request_article_review(
    unit: Unit, context: Context, input: RequestArticleReviewInput
) -> RequestArticleReviewResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    assignee_id = optional_key(input.assignee_id, models.Person, "assigneeId")
    asked = await reviewing.request(unit, context.viewer, article_id, input.note, assignee_id)
    return RequestArticleReviewSuccess(review=asked)


@mutation("Closes a review. Staff.")
async def close_article_review(
    unit: Unit, context: Context, input: CloseArticleReviewInput
) -> CloseArticleReviewResult:
    review_id = key_of(input.review_id, models.ArticleReview, "reviewId")
    outcome = given(input.outcome)
    closed = await reviewing.close(unit, context.viewer, review_id, revised=input.revised, outcome=outcome)
    return CloseArticleReviewSuccess(review=closed)
