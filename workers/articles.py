"""Articles that are published later."""

from domain.articles import writing
from domain.jobs import PublishArticle
from infra.jobs import Work, performs


@performs(PublishArticle)
async def publish_article(work: Work[PublishArticle]) -> None:
    async with work.settle() as unit:
        await writing.publish_planned(unit, work.job.article_id)
