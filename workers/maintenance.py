"""Who is told of maintenance, a batch each."""

from domain import broadcasting, mass_mailing
from domain.jobs import SendMaintenance, TellMaintenance
from infra.jobs import Work, performs


@performs(TellMaintenance)
async def tell_maintenance(work: Work[TellMaintenance]) -> None:
    async with work.settle() as unit:
        await broadcasting.tell(unit, work.job.happening_id, work.job.after)


@performs(SendMaintenance)
async def send_maintenance(work: Work[SendMaintenance]) -> None:
    await mass_mailing.deliver_some(work)
