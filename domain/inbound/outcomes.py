"""What becomes of a mail: its row, which makes it count once, and what its sender hears of a closed ticket."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import messages
from domain.inbound.arrivals import Arrival
from domain.jobs import EraseFiles
from domain.refusals import Conflict, ConflictReason
from infra.desk import Desk
from infra.unit import Unit
from models import InboundMail, InboundOutcome, NotificationKind, Ticket, TicketStatus


class Seen(Conflict):
    """Another one has seen to this mail a moment before."""


def _seen() -> Seen:
    return Seen(ConflictReason.ALREADY_DONE, "This mail is known.")


def ticket(ticket_id: Any) -> Select[Ticket]:
    """The ticket of this id."""
    return select(Ticket).where(Ticket.id == ticket_id)


def waiting_one(row_id: Any) -> Select[InboundMail]:
    """The mail of this id, while it waits."""
    return select(InboundMail).where(InboundMail.id == row_id, InboundMail.outcome == InboundOutcome.WAITING)


async def still_waiting(unit: Unit, row_id: UUID) -> InboundMail:
    """The row, which nobody else can see to until the end. Raises Seen when somebody has."""
    if (row := await unit.lock(waiting_one, row_id)) is None:
        raise _seen()
    return row


def record(
    unit: Unit,
    arrival: Arrival,
    outcome: InboundOutcome,
    reason: str | None,
    *,
    ticket_id: UUID | None = None,
    comment_id: UUID | None = None,
    file_key: str | None = None,
) -> None:
    """The mail's row, which makes it count once: whatever else its unit says comes to nothing when there is one."""
    unit.translate("inbound_mails_digest_key", _seen())
    unit.insert(
        InboundMail,
        digest=arrival.mail.digest,
        sender=arrival.mail.sender,
        received_at=unit.now,
        outcome=outcome,
        reason=reason,
        person_id=arrival.person.id if arrival.person else None,
        ticket_id=ticket_id or (arrival.message.ticket_id if arrival.message else None),
        comment_id=comment_id,
        file_key=file_key,
        recipient=arrival.recipient if file_key else None,
    )


def settle(unit: Unit, row: InboundMail, outcome: InboundOutcome, *, reason: str | None = None, **told: UUID) -> None:
    """Have a locked mail wait no more, and forget its content; `told`: of whom and where it is now."""
    if row.file_key:
        unit.enqueue(EraseFiles([row.file_key]))
    unit.change(row, outcome=outcome, reason=reason, file_key=None, recipient=None, **told)


async def note(desk: Desk, arrival: Arrival, outcome: InboundOutcome, reason: str) -> None:
    """Keep that it came, and nothing of what it said."""
    try:
        async with desk.writes.begin() as unit:
            record(unit, arrival, outcome, reason)
            await tell_closed(unit, arrival)
    except Seen:
        return


async def tell_closed(unit: Unit, arrival: Arrival) -> None:
    """Tell who answered a closed ticket that it takes none; one mail that has not gone yet tells it of several."""
    closed = await unit.lock(ticket, arrival.closed_id) if arrival.closed_id else None
    person, kind = arrival.person, NotificationKind.STATUS_CHANGED
    if closed is None or person is None or closed.status is not TicketStatus.CLOSED:
        return
    if await unit.read(messages.saying_closed, closed.id, person.id) is not None:
        return
    messages.write_about(unit, person.id, person.email, [messages.Part(closed, kind, [])], kind=kind)
