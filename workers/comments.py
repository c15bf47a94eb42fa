"""What happens after somebody wrote on a ticket."""

from domain import comments
from domain.jobs import AnnounceComment
from infra.jobs import Work, performs


@performs(AnnounceComment)
async def announce_comment(work: Work[AnnounceComment]) -> None:
    async with work.settle() as unit:
        await comments.announce(unit, work.job.comment_id, work.job.event_id)
