"""Mail that fits no ticket: it waits, opens one, or is ignored, as INBOUND_UNKNOWN says."""

from domain import attempts, comments
from domain.access import NOBODY
from domain.inbound import files, outcomes, submissions
from domain.inbound.arrivals import Arrival
from domain.inbound.outcomes import Seen
from domain.refusals import RateLimited, Refusal
from domain.tickets import conflicts
from domain.words import MOST_BODY
from infra.desk import Desk
from models import InboundOutcome, TicketChannel


async def decide(desk: Desk, arrival: Arrival, reason: str) -> None:
    """Do with a mail that fits no ticket what the settings say."""
    person, wanted = arrival.person, desk.settings.inbound_unknown
    if wanted == "ignore" or (person is not None and not person.active):
        await outcomes.note(desk, arrival, InboundOutcome.IGNORED, reason)
        return
    if wanted == "ticket" and arrival.opens:
        try:
            await submissions.submit(desk, arrival)
        except RateLimited:
            raise
        except Refusal as refusal:
            reason = refusal.message
        else:
            return
    await _wait(desk, arrival, reason)


async def _wait(desk: Desk, arrival: Arrival, reason: str) -> None:
    """Keep the mail until somebody decides; on the ticket that its address names, or the one that took that in, those
    who work on it hear of it.

    Whoever has the address could have them hear without end: of more than some an hour they hear nothing.
    """
    key, mail = f"inbound/{arrival.mail.digest}", arrival.mail
    ticket_id = arrival.closed_id or (arrival.message.ticket_id if arrival.message else None)
    if ticket_id is not None and (mail.text or mail.files):
        try:
            await attempts.take(desk.writes, attempts.STRAY_MAIL_BY_TICKET, str(ticket_id))
        except RateLimited:
            ticket_id = None
    await desk.files.keep(key, arrival.content)
    try:
        async with desk.writes.begin() as unit:
            ticket = None
            if ticket_id is not None:
                ticket = await conflicts.last_of_merged(unit, ticket_id, outcomes.ticket, lock=True)
            outcomes.record(unit, arrival, InboundOutcome.WAITING, reason, file_key=key)
            if ticket is not None and (mail.text or mail.files):
                sender = mail.sender or "nobody"
                told = f"A mail from {sender} came in answer to this ticket, and was not added to it: {reason}"
                quoted = "\n".join(f"> {line}" for line in files.cut(mail.text, MOST_BODY // 2).split("\n"))
                body = files.cut(f"{told}\n\n{quoted}", MOST_BODY)
                await comments.write(unit, NOBODY, ticket, body, internal=True, channel=TicketChannel.EMAIL)
            await outcomes.tell_closed(unit, arrival)
    except Seen:
        return
