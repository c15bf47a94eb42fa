"""What happens after rules of escalation have changed."""

from domain.escalations import rules
from domain.jobs import LookAgain
from infra.jobs import Work, performs


@performs(LookAgain)
async def look_again(work: Work[LookAgain]) -> None:
    async with work.settle() as unit:
        await rules.look_again(unit, work.job)
