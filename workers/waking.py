"""What happens after that has changed by which the clock decides."""

from domain import waking
from domain.jobs import LookAgain
from infra.jobs import Work, performs


@performs(LookAgain)
async def look_again(work: Work[LookAgain]) -> None:
    async with work.settle() as unit:
        await waking.wake_next(unit, work.job)
