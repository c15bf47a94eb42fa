"""What happens after something happened to a ticket."""

from domain import notifications
from domain.jobs import AnnounceTicket
from infra.jobs import Work, performs


@performs(AnnounceTicket)
async def announce_ticket(work: Work[AnnounceTicket]) -> None:
    async with work.settle() as unit:
        await notifications.announce_ticket(unit, work.job.ticket_id)
