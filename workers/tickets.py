"""What happens after something happened to tickets."""

from domain import announcing
from domain.jobs import Announce, LeaveArchived, RaiseDeserted, Unassign
from domain.tickets import deserted, leaving, rerouting
from infra.jobs import Work, performs


@performs(Announce)
async def announce(work: Work[Announce]) -> None:
    async with work.settle() as unit:
        await announcing.announce(unit, [job.event_ids for job in work.jobs.values()])


@performs(Unassign)
async def unassign(work: Work[Unassign]) -> None:
    async with work.settle() as unit:
        await leaving.unassign(unit, work.job)


@performs(RaiseDeserted)
async def raise_deserted(work: Work[RaiseDeserted]) -> None:
    async with work.settle() as unit:
        await deserted.look(unit, work.job)


@performs(LeaveArchived)
async def leave_archived(work: Work[LeaveArchived]) -> None:
    async with work.settle() as unit:
        await rerouting.empty(unit, work.job)
