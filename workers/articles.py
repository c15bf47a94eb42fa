"""Articles that are published later, and reviews that are asked for."""

from domain import review_requests
from domain.articles import publishing
from domain.jobs import PublishArticle, TellReview
from infra.jobs import Work, performs


@performs(PublishArticle)
async def publish_article(work: Work[PublishArticle]) -> None:
    async with work.settle() as unit:
        await publishing.publish_planned(unit, work.job.article_id)


@performs(TellReview)
async def tell_review(work: Work[TellReview]) -> None:
    async with work.settle() as unit:
        await review_requests.tell(unit, work.job.review_id)
