"""Mail that comes in: whose it is, which ticket it answers, and what becomes of it.

A mail about a ticket says in its Reply-To where an answer goes: an address of its own, sealed, which stands for that
one message and so for its ticket and its recipient. Whoever answers must also be who they say they are: the sender's
address is the recipient's. What fits becomes a comment; of what does not, INBOUND_UNKNOWN decides:

- `wait`: the mail is kept, and its row waits until whoever runs the desk opens it as a ticket or dismisses it. Where
  its address names one, an internal comment there tells whoever works on it what came, and from whom.
- `ticket`: it opens a ticket of the category for everything else, for a new customer when nobody has the address; an
  answer to a ticket that is closed opens one that is linked to it.
- `ignore`: its row alone tells that it came.

Who answers a closed ticket, and opens none by that, hears by mail that it takes no answers any more.

What a machine wrote is never answered, and opens and reopens nothing (RFC 3834). A report that one of our mails was
given up (RFC 3464) sets what became of that mail. Its envelope names a sealed address as well, for reports alone: who
can write there holds the mail, and nothing else comes of what they write.
"""

from dataclasses import replace

import structlog

from domain.inbound import addresses, answers, arrivals, bounces, outcomes, strays
from domain.inbound.arrivals import Arrival
from domain.refusals import Conflict, RateLimited, Refusal
from infra.desk import Desk
from infra.mail_door import Incoming, NotNow
from models import InboundOutcome

log = structlog.get_logger(__name__)


async def take(desk: Desk, came: Incoming) -> None:
    """See to one mail; the same again changes nothing. What it raises, the sender should try again."""
    arrival = await arrivals.of(desk, came)
    if arrival is None:
        log.info("mail_taken", outcome="KNOWN", size_bytes=len(came.content))
        return
    try:
        await _see_to(desk, arrival)
    except RateLimited as fast:
        raise NotNow("Too much comes from its sender.") from fast
    async with desk.writes.begin() as unit:
        row = await unit.read(arrivals.known, arrival.mail.digest)
    if row is not None:
        told = {"inbound_mail_id": str(row.id), "ticket_id": row.ticket_id and str(row.ticket_id)}
        log.info("mail_taken", outcome=row.outcome.name, size_bytes=len(came.content), **told)


async def _see_to(desk: Desk, arrival: Arrival) -> None:
    mail = arrival.mail
    if mail.bounce or (arrival.address is not None and arrival.address.purpose == addresses.BOUNCE):
        await bounces.tell(desk, arrival)
    elif mail.automatic:
        await outcomes.note(desk, arrival, InboundOutcome.IGNORED, "Written by a machine.")
    elif arrival.fits:
        try:
            await answers.comment(desk, arrival)
        except RateLimited:
            raise
        except Conflict as closed:
            closed_id = closed.current[1] if closed.current else None
            await strays.decide(desk, replace(arrival, closed_id=closed_id), closed.message)
        except Refusal as refusal:
            await strays.decide(desk, arrival, refusal.message)
    else:
        await strays.decide(desk, arrival, arrival.misfit)
