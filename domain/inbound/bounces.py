"""Reports of what became of our own mail: of what came back it is said that it did not arrive, and why."""

from uuid import UUID

from domain import messages
from domain.inbound import addresses, arrivals, outcomes
from domain.inbound.arrivals import Arrival
from domain.inbound.outcomes import Seen
from infra.desk import Desk
from models import InboundOutcome

MOST_REASON = 1000  # characters of what a server says


async def tell(desk: Desk, arrival: Arrival) -> None:
    """Say of our mail that came back that it did not arrive, and why; nothing else comes of a report."""
    mail = arrival.mail
    if not mail.failure:
        reason = f"Not delivered yet: {mail.delay}" if mail.delay else "It reports no failure."
        await outcomes.note(desk, arrival, InboundOutcome.IGNORED, reason[:MOST_REASON])
        return
    reason = mail.failure[:MOST_REASON]
    try:
        async with desk.writes.begin() as unit:
            for message_id in sorted(_named(desk, arrival)):
                if (message := await unit.lock(arrivals.message, message_id)) is not None:
                    await messages.came_back(unit, message, reason)
            outcomes.record(unit, arrival, InboundOutcome.BOUNCED, reason)
    except Seen:
        return


def _named(desk: Desk, arrival: Arrival) -> set[UUID]:
    """Which of our mails a report is about.

    What a report returns can be made up. So it counts only if a seal is in it, as there is one in all that we send
    about tickets: a server may have sent our mail under MAIL_FROM, or earlier than there were addresses for reports.
    """
    settings = desk.settings
    if arrival.address is not None:
        named = {arrival.address.message_id}
    elif settings.reply_domain is None:
        named = {messages.of_address(head.message_id, settings) for head in arrival.mail.returned}
    else:
        found = (addresses.opened(settings, desk.signer, head.reply_to) for head in arrival.mail.returned)
        named = {address.message_id for address in found if address is not None}
    return {message_id for message_id in named if message_id is not None}
