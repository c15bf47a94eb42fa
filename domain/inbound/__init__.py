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

import asyncio
from dataclasses import dataclass, replace
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import attempts, comments, messages, people
from domain.access import NOBODY, Viewer
from domain.comments import Words
from domain.inbound import addresses, files, reading
from domain.inbound.addresses import Sealed
from domain.inbound.reading import Mail
from domain.jobs import EraseFiles
from domain.people import Newcomer
from domain.refusals import Conflict, ConflictReason, RateLimited, Refusal
from domain.tickets import conflicts, linking, submitting
from domain.tickets.submitting import Submission
from domain.words import MOST_BODY, MOST_NAME, MOST_SUBJECT
from infra.desk import Desk
from infra.logs import report
from infra.mail_door import Incoming
from infra.settings import Settings
from infra.unit import Unit
from models import (
    Category,
    InboundMail,
    InboundOutcome,
    Message,
    MessageKind,
    NotificationKind,
    Person,
    Role,
    Ticket,
    TicketChannel,
    TicketLinkKind,
    TicketStatus,
)

MOST_REASON = 1000  # characters of what a server says
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
    }
)

# --- Taking -----------------------------------------------------------------------------------------------------------


def is_ours(settings: Settings, address: str) -> bool:
    """Whether mail for this address is for the desk."""
    domain = address.rpartition("@")[2].lower()
    mail_from = parseaddr(settings.mail_from)[1].lower()
    return domain == (settings.reply_domain or "").lower() or address.lower() == mail_from


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail, and what of it is known."""

    mail: Mail
    content: bytes
    address: Sealed | None = None  # of ours, that it was sent to
    message: Message | None = None  # that this names
    person: Person | None = None  # who has the sender's address
    recipient: str = ""  # that it was sent to, of whomever that is
    row_id: UUID | None = None  # of a mail that came before, and waits
    closed_id: UUID | None = None  # of the ticket that it answers and that takes no answers any more

    @property
    def fits(self) -> bool:
        """Whether it answers a message about a ticket, and comes from whom that was sent to."""
        message, person = self.message, self.person
        if message is None or person is None or message.ticket_id is None:
            return False
        return person.active and person.id == message.recipient_id

    @property
    def opens(self) -> bool:
        """Whether there is what a ticket needs: somebody who asks, and something that they wrote."""
        return bool(self.mail.sender and (self.mail.text or self.mail.files))

    @property
    def misfit(self) -> str:
        """Why it does not."""
        if self.message is not None and self.message.ticket_id is None:
            return "It answers news of several tickets."
        return "The sender is nobody that this was sent to."


def _known(digest: Any) -> Select[InboundMail]:
    return select(InboundMail).where(InboundMail.digest == digest)


def _message(message_id: Any) -> Select[Message]:
    return select(Message).where(Message.id == message_id)


def _ticket(ticket_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id)


def _for_everything_else() -> Select[Category]:
    return select(Category).where(Category.is_other, Category.archived_at.is_(None)).order_by(Category.id).limit(1)


async def take(desk: Desk, came: Incoming) -> None:
    """See to one mail; the same again changes nothing. What it raises, the sender should try again."""
    arrival = await arrived(desk, came)
    if arrival is None:
        return
    mail = arrival.mail
    if mail.bounce or (arrival.address is not None and arrival.address.purpose == addresses.BOUNCE):
        await _reported(desk, arrival)
    elif mail.automatic:
        await _noted(desk, arrival, InboundOutcome.IGNORED, "Written by a machine.")
    elif arrival.fits:
        try:
            await _comment(desk, arrival)
        except RateLimited:
            raise
        except Conflict as closed:
            closed_id = closed.current[1] if closed.current else None
            await _unknown(desk, replace(arrival, closed_id=closed_id), closed.message)
        except Refusal as refusal:
            await _unknown(desk, arrival, refusal.message)
    else:
        await _unknown(desk, arrival, arrival.misfit)


async def arrived(desk: Desk, came: Incoming, row_id: UUID | None = None) -> Arrival | None:
    """The mail with what is known of it; None when it has been seen to. `row_id`: of one that waits since it came."""
    try:
        mail = await asyncio.to_thread(reading.read, came.content, came.sender, came.recipient)
    except Exception as error:  # noqa: BLE001 # no mail may be lost for how it is written; somebody has to look at it
        report(error)
        digest = reading.digest(came.content, came.recipient)
        mail = Mail(digest, came.sender.lower(), "", "", "", (), automatic=False, bounce=False)
    address = addresses.opened(desk.settings, desk.signer, came.recipient)
    async with desk.writes.begin() as unit:
        if row_id is None and await unit.read(_known, mail.digest) is not None:
            return None
        message = await unit.read(_message, address.message_id) if address and address.message_id else None
        person = await unit.read(people.by_email_for_anyone, mail.sender) if mail.sender else None
    return Arrival(mail, came.content, address, message, person, recipient=came.recipient, row_id=row_id)


async def _comment(desk: Desk, arrival: Arrival) -> None:
    """Put what was written on the ticket. Raises what adding a comment does."""
    person, message, mail = arrival.person, arrival.message, arrival.mail
    assert person is not None and message is not None and message.ticket_id is not None  # noqa: S101, PT018 # it fits
    viewer = Viewer(person.role, person.id)
    if not mail.text and not mail.files:
        await _noted(desk, arrival, InboundOutcome.IGNORED, "Nothing was written.")
        return
    upload_ids, body = await files.stored(desk, viewer, mail)
    try:
        async with desk.writes.begin() as unit:
            ticket = await conflicts.last_of_merged(unit, viewer, message.ticket_id)
            if ticket is None:
                raise Refusal("There is no such ticket any more.")
            said = Words(ticket.id, body, upload_ids, channel=TicketChannel.EMAIL)
            inward = viewer.is_staff and message.kind in FOR_STAFF
            comment = await (comments.add_internal if inward else comments.add)(unit, viewer, said)
            _record(unit, arrival, InboundOutcome.COMMENTED, None, ticket_id=ticket.id, comment_id=comment.id)
    except Seen:
        return


# --- What fits nothing ------------------------------------------------------------------------------------------------


async def _unknown(desk: Desk, arrival: Arrival, reason: str) -> None:
    """Do with a mail that fits no ticket what the settings say."""
    person, wanted = arrival.person, desk.settings.inbound_unknown
    if wanted == "ignore" or (person is not None and not person.active):
        await _noted(desk, arrival, InboundOutcome.IGNORED, reason)
        return
    if wanted == "ticket" and arrival.opens:
        try:
            await submit(desk, arrival)
        except RateLimited:
            raise
        except Refusal as refusal:
            reason = refusal.message
        else:
            return
    await _wait(desk, arrival, reason)


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
            waiting = await _still_waiting(unit, arrival.row_id) if arrival.row_id else None
            # An answer that its ticket does not take any more goes on from there.
            known = arrival.message.ticket_id if arrival.message and arrival.fits else None
            answered = await unit.lock(_ticket, known) if known else None
            subject = answered.subject if answered else subject
            said = Submission(subject, body or subject, category.id, upload_ids=upload_ids, by_email=True)
            ticket_id = await submitting.submit(unit, viewer, said)
            await unit.flush()  # the row of the mail names the ticket
            made = await unit.lock(_ticket, ticket_id)
            if answered and made:
                linking.tie(unit, None, made, answered, TicketLinkKind.RELATED)
            if waiting is None:
                _record(unit, replace(arrival, message=None), InboundOutcome.SUBMITTED, None, ticket_id=ticket_id)
            else:
                settle(unit, waiting, InboundOutcome.SUBMITTED, person_id=viewer.id, ticket_id=ticket_id)
    except Seen:
        return None
    return made


def waiting_one(row_id: Any) -> Select[InboundMail]:
    """The mail of this id, while it waits."""
    return select(InboundMail).where(InboundMail.id == row_id, InboundMail.outcome == InboundOutcome.WAITING)


async def _still_waiting(unit: Unit, row_id: UUID) -> InboundMail:
    """The row, which nobody else can see to until the end. Raises Seen when somebody has."""
    if (row := await unit.lock(waiting_one, row_id)) is None:
        raise _seen()
    return row


def settle(unit: Unit, row: InboundMail, outcome: InboundOutcome, *, reason: str | None = None, **told: UUID) -> None:
    """Have a locked mail wait no more, and forget its content; `told`: of whom and where it is now."""
    if row.file_key:
        unit.enqueue(EraseFiles([row.file_key]))
    unit.change(row, outcome=outcome, reason=reason, file_key=None, recipient=None, **told)


async def _sender(desk: Desk, arrival: Arrival) -> Viewer:
    """Whoever sent it, known from now on."""
    if arrival.person is not None:
        return Viewer(arrival.person.role, arrival.person.id)
    mail = arrival.mail
    name = mail.sender_name[:MOST_NAME].strip() or mail.sender.partition("@")[0][:MOST_NAME]
    async with desk.writes.begin() as unit:
        person_id = await people.add(unit, Newcomer(name, mail.sender, Role.CUSTOMER, [], None, invite=False))
    return Viewer(Role.CUSTOMER, person_id)


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
            ticket = await unit.lock(_ticket, ticket_id) if ticket_id else None
            _record(unit, arrival, InboundOutcome.WAITING, reason, file_key=key)
            if ticket is not None and (mail.text or mail.files):
                told = f"A mail from {mail.sender or 'nobody'} came in answer to this ticket, and waits: {reason}"
                quoted = "\n".join(f"> {line}" for line in files.cut(mail.text, MOST_BODY // 2).split("\n"))
                body = files.cut(f"{told}\n\n{quoted}", MOST_BODY)
                comments.write(unit, NOBODY, ticket, body, internal=True, channel=TicketChannel.EMAIL)
            await _tell_closed(unit, arrival)
    except Seen:
        return


async def _reported(desk: Desk, arrival: Arrival) -> None:
    """Say of our mail that came back that it did not arrive, and why; nothing else comes of a report."""
    mail = arrival.mail
    if not mail.failure:
        reason = f"Not delivered yet: {mail.delay}" if mail.delay else "It reports no failure."
        await _noted(desk, arrival, InboundOutcome.IGNORED, reason[:MOST_REASON])
        return
    reason = mail.failure[:MOST_REASON]
    try:
        async with desk.writes.begin() as unit:
            for message_id in sorted(_named(desk, arrival)):
                if (message := await unit.lock(_message, message_id)) is not None:
                    await messages.came_back(unit, message, reason)
            _record(unit, arrival, InboundOutcome.BOUNCED, reason)
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


async def _noted(desk: Desk, arrival: Arrival, outcome: InboundOutcome, reason: str) -> None:
    try:
        async with desk.writes.begin() as unit:
            _record(unit, arrival, outcome, reason)
            await _tell_closed(unit, arrival)
    except Seen:
        return


async def _tell_closed(unit: Unit, arrival: Arrival) -> None:
    """Tell who answered a closed ticket that it takes none; one mail that has not gone yet tells it of several."""
    ticket = await unit.lock(_ticket, arrival.closed_id) if arrival.closed_id else None
    person, kind = arrival.person, NotificationKind.STATUS_CHANGED
    if ticket is None or person is None or ticket.status is not TicketStatus.CLOSED:
        return
    if await unit.read(messages.saying_closed, ticket.id, person.id) is not None:
        return
    messages.write_about(unit, person.id, person.email, [messages.Part(ticket, kind, [])], kind=kind)


class Seen(Conflict):
    """Another one has seen to this mail a moment before."""


def _seen() -> Seen:
    return Seen(ConflictReason.ALREADY_DONE, "This mail is known.")


def _record(
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
