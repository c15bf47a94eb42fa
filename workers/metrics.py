"""What happens so that figures are right."""

from domain.jobs import Count
from domain.metrics import counting
from infra.jobs import Work, performs


@performs(Count)
async def count(work: Work[Count]) -> None:
    if await counting.begins_anew(work.desk):
        await work.put_off(counting.PAUSE_SECONDS)
        return
    async with work.settle() as unit:
        if ticket_ids := {ticket_id for job in work.jobs.values() for ticket_id in job.ticket_ids}:
            await counting.count(unit, ticket_ids)
    await counting.add_up(work.desk)
