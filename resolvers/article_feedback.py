"""What readers do with articles: they open them, and say what they think."""

import models
from domain.articles import feedback, views
from domain.articles.feedback import Opinion
from infra.unit import Unit
from resolvers.writing import key_of, mutation
from schema.article_feedback import (
    GiveArticleFeedbackInput,
    GiveArticleFeedbackResult,
    GiveArticleFeedbackSuccess,
)
from schema.articles import RecordArticleViewInput, RecordArticleViewResult, RecordArticleViewSuccess
from schema.context import Context
from schema.inputs import given


@mutation(
    "Counts that an article was opened, at most once an hour for one reader; "
    "for front ends to call when they show it. Everyone."
)
async def record_article_view(unit: Unit, context: Context, input: RecordArticleViewInput) -> RecordArticleViewResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    await views.record(unit, context.viewer, context.network, article_id)
    return RecordArticleViewSuccess(article=article_id)


@mutation(
    "Says what a reader thinks of an article; again replaces it. At least one of helpful, rating and comment. "
    "Poor ratings request a review. Everyone; without signing in at most 10 an hour for one network address."
)
async def give_article_feedback(
    unit: Unit, context: Context, input: GiveArticleFeedbackInput
) -> GiveArticleFeedbackResult:
    article_id = key_of(input.article_id, models.Article, "articleId")
    said = Opinion(given(input.helpful), given(input.rating), given(input.comment), input.source)
    kept = await feedback.give(unit, context.viewer, context.network, article_id, said)
    return GiveArticleFeedbackSuccess(feedback=kept)
