"""SLA targets: the clocks of a ticket, in line with what the ticket is."""

from infra.unit import Unit
from models import Ticket


async def follow(unit: Unit, ticket: Ticket) -> None:
    """Bring the ticket's clocks in line with what it is now. Every change of a ticket that could matter calls this."""
