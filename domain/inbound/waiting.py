"""Mail that waits, since it fitted no ticket when it came: whoever runs the desk sees it, and opens it as tickets
or dismisses it.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select

from domain.inbound import arrivals, outcomes, reading, submissions
from domain.refusals import NotFound, Refusal
from infra.auditing import table_name
from infra.desk import Desk
from infra.mail_door import Incoming
from models import InboundMail, InboundOutcome

MOST = 1_000  # mails that are shown, opened or dismissed at once


@dataclass(frozen=True, slots=True)
class Waits:
    """A mail that waits, as its row and its head have it."""

    id: UUID
    received_at: dt.datetime
    sender: str
    subject: str


def _oldest() -> Select[InboundMail]:
    waits = InboundMail.outcome == InboundOutcome.WAITING
    return select(InboundMail).where(waits).order_by(InboundMail.received_at, InboundMail.id).limit(MOST)


async def ids(desk: Desk) -> list[UUID]:
    """Of the mails that wait, oldest first, at most 1,000."""
    async with desk.writes.begin() as unit:
        return [row.id for row in await unit.read_all(_oldest)]


async def listed(desk: Desk) -> list[Waits]:
    """The mails that wait, oldest first, at most 1,000. Raises StoreUnavailable."""
    async with desk.writes.begin() as unit:
        rows = await unit.read_all(_oldest)
    return [Waits(row.id, row.received_at, row.sender, await _subject(desk, row)) for row in rows]


async def _subject(desk: Desk, row: InboundMail) -> str:
    try:
        return await asyncio.to_thread(reading.subject, await _content(desk, row)) or "(no subject)"
    except Refusal as gone:
        return f"({gone.message})"


async def _content(desk: Desk, row: InboundMail) -> bytes:
    try:
        _, chunks = await desk.files.open(row.file_key or "")
    except FileNotFoundError:
        raise Refusal("Its content is gone.") from None
    return b"".join([chunk async for chunk in chunks])


async def open_one(desk: Desk, mail_id: UUID) -> int:
    """Make a mail that waits a ticket, as INBOUND_UNKNOWN=ticket would have; gives the ticket's number.

    Raises NotFound when none of this id waits, and what submitting a ticket does.
    """
    async with desk.writes.begin() as unit:
        row = await unit.read(outcomes.waiting_one, mail_id)
    if row is None:
        raise NotFound("id", "mail that waits")
    came = Incoming(await _content(desk, row), row.sender, row.recipient or "")
    arrival = await arrivals.of(desk, came, row.id)
    if arrival is None or not arrival.opens:
        raise Refusal("It names no sender, or nothing is written in it.")
    if arrival.person is not None and not arrival.person.active:
        raise Refusal("Its sender was shut out.")
    ticket = await submissions.submit(desk, arrival)
    if ticket is None:
        raise NotFound("id", "mail that waits")
    return ticket.number


async def dismiss(desk: Desk, mail_id: UUID) -> None:
    """Have a mail that waits become nothing: its content is erased, and the audit log tells that it was dismissed.

    Raises NotFound when none of this id waits.
    """
    async with desk.writes.begin() as unit:
        row = await unit.lock(outcomes.waiting_one, mail_id)
        if row is None:
            raise NotFound("id", "mail that waits")
        outcomes.settle(unit, row, InboundOutcome.IGNORED, reason="It was dismissed.")
        unit.trail.about(table_name(InboundMail), row.id, "Dismissed a mail that waited.")
