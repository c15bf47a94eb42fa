"""Mail that opens a ticket, of the category for everything else."""

from dataclasses import replace

from sqlalchemy import Select, select

from domain import people, tickets
from domain.access import Viewer
from domain.inbound import files, outcomes
from domain.inbound.arrivals import Arrival
from domain.inbound.outcomes import Seen
from domain.people import Newcomer
from domain.refusals import Refusal
from domain.tickets import linking, submitting
from domain.tickets.submitting import Submission
from domain.words import MOST_NAME, MOST_SUBJECT
from infra.desk import Desk
from models import Category, InboundOutcome, Role, Ticket, TicketLinkKind


def _for_everything_else() -> Select[Category]:
    return select(Category).where(Category.is_other, Category.archived_at.is_(None)).order_by(Category.id).limit(1)


async def submit(desk: Desk, arrival: Arrival) -> Ticket | None:
    """Open a ticket of the category for everything else; None when somebody else has seen to the mail meanwhile.

    Raises what submitting a ticket does.
    """
    mail, viewer = arrival.mail, await _sender(desk, arrival)
    async with desk.writes.begin() as unit:
        category = await unit.read(_for_everything_else)
    if category is None:
        raise Refusal("There is no category for everything else.")
    upload_ids, body = await files.stored(desk, viewer, mail)
    subject = mail.subject[:MOST_SUBJECT].strip() or "No subject"
    try:
        async with desk.writes.begin() as unit:
            waiting = await outcomes.still_waiting(unit, arrival.row_id) if arrival.row_id else None
            # An answer that its ticket does not take any more goes on from there, for whoever still sees it.
            known = arrival.message.ticket_id if arrival.message and arrival.fits else None
            answered = await unit.lock(tickets.one, viewer, known) if known else None
            subject = answered.subject if answered else subject
            said = Submission(subject, body or subject, category.id, upload_ids=upload_ids, by_email=True)
            ticket_id = await submitting.submit(unit, viewer, said)
            await unit.flush()  # the row of the mail names the ticket
            made = await unit.lock(outcomes.ticket, ticket_id)
            if answered and made:
                linking.tie(unit, None, made, answered, TicketLinkKind.RELATED)
            if waiting is None:
                outcomes.record(
                    unit, replace(arrival, message=None), InboundOutcome.SUBMITTED, None, ticket_id=ticket_id
                )
            else:
                outcomes.settle(unit, waiting, InboundOutcome.SUBMITTED, person_id=viewer.id, ticket_id=ticket_id)
    except Seen:
        return None
    return made


async def _sender(desk: Desk, arrival: Arrival) -> Viewer:
    """Whoever sent it, known from now on."""
    if arrival.person is not None:
        return Viewer(arrival.person.role, arrival.person.id)
    mail = arrival.mail
    name = mail.sender_name[:MOST_NAME].strip() or mail.sender.partition("@")[0][:MOST_NAME]
    async with desk.writes.begin() as unit:
        person = await people.known_or_added(unit, Newcomer(name, mail.sender, Role.CUSTOMER, [], None, invite=False))
    return Viewer(person.role, person.id)
