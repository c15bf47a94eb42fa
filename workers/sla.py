"""SLA targets that are soon due, and counting them anew."""

from domain import deadlines
from domain.jobs import RecalculateSla, WarnOfSla
from domain.sla import recalculating
from infra.jobs import Work, performs
from models import SlaTargetKind


@performs(WarnOfSla)
async def warn_of_sla(work: Work[WarnOfSla]) -> None:
    async with work.settle() as unit:
        await deadlines.warn(unit, [(job.ticket_id, SlaTargetKind[job.target]) for job in work.jobs.values()])


@performs(RecalculateSla)
async def recalculate_sla(work: Work[RecalculateSla]) -> None:
    async with work.settle() as unit:
        await recalculating.recalculate(unit, work.job)
