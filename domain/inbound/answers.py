"""Mail that answers a message about a ticket: what was written becomes a comment there."""

from domain import comments, tickets
from domain.access import Viewer
from domain.comments import Words
from domain.inbound import files, outcomes
from domain.inbound.arrivals import Arrival
from domain.inbound.outcomes import Seen
from domain.refusals import Refusal
from domain.tickets import conflicts
from infra.desk import Desk
from models import InboundOutcome, MessageKind, TicketChannel

# What only staff are told: their answers are for staff as well.
FOR_STAFF = frozenset(
    {
        MessageKind.TICKET_SUBMITTED,
        MessageKind.TRIAGE_NEEDED,
        MessageKind.TICKET_ASSIGNED,
        MessageKind.MENTIONED,
        MessageKind.TICKET_ESCALATED,
        MessageKind.SLA_AT_RISK,
        MessageKind.SLA_BREACHED,
        MessageKind.RESOLUTION_CONFIRMED,
    }
)


async def comment(desk: Desk, arrival: Arrival) -> None:
    """Put what was written on the ticket. Raises what adding a comment does."""
    person, message, mail = arrival.person, arrival.message, arrival.mail
    assert person is not None and message is not None and message.ticket_id is not None  # noqa: S101, PT018 # it fits
    viewer = Viewer(person.role, person.id)
    if not mail.text and not mail.files:
        await outcomes.note(desk, arrival, InboundOutcome.IGNORED, "Nothing was written.")
        return
    upload_ids, body = await files.stored(desk, viewer, mail)
    try:
        async with desk.writes.begin() as unit:
            ticket = await conflicts.last_of_merged(unit, message.ticket_id, tickets.one, viewer, lock=True)
            if ticket is None:
                raise Refusal("The sender does not see the ticket any more.")
            said = Words(ticket.id, body, upload_ids, channel=TicketChannel.EMAIL)
            # Of an escalation, whoever works here hears also of what they asked for themselves.
            inward = viewer.is_staff and message.kind in FOR_STAFF and ticket.requester_id != person.id
            added = await (comments.add_internal if inward else comments.add)(unit, viewer, said)
            outcomes.record(unit, arrival, InboundOutcome.COMMENTED, None, ticket_id=ticket.id, comment_id=added.id)
    except Seen:
        return
