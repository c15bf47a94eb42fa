"""What happens while a customer has not answered a resolution."""

from domain import deadlines
from domain.jobs import RemindOfResolution
from infra.jobs import Work, performs


@performs(RemindOfResolution)
async def remind_of_resolution(work: Work[RemindOfResolution]) -> None:
    async with work.settle() as unit:
        await deadlines.remind(unit, work.job.resolution_id)
