"""Mail that has arrived, with what is known of it: which message it answers, and who sent it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import people
from domain.inbound import addresses, reading
from domain.inbound.addresses import Sealed
from domain.inbound.reading import Mail
from infra.desk import Desk
from infra.logs import report
from infra.mail_door import Incoming
from models import InboundMail, Message, Person


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


def known(digest: Any) -> Select[InboundMail]:
    """The row of a mail that was seen to."""
    return select(InboundMail).where(InboundMail.digest == digest)


def message(message_id: Any) -> Select[Message]:
    """The message of this id."""
    return select(Message).where(Message.id == message_id)


async def of(desk: Desk, came: Incoming, row_id: UUID | None = None) -> Arrival | None:
    """The mail with what is known of it; None when it has been seen to. `row_id`: of one that waits since it came."""
    try:
        mail = await asyncio.to_thread(reading.read, came.content, came.sender, came.recipient)
    except Exception as error:  # noqa: BLE001 # no mail may be lost for how it is written; somebody has to look at it
        report(error)
        digest = reading.digest(came.content, came.recipient)
        mail = Mail(digest, came.sender.lower(), "", "", "", (), automatic=False, bounce=False)
    address = addresses.opened(desk.settings, desk.signer, came.recipient)
    async with desk.writes.begin() as unit:
        if row_id is None and await unit.read(known, mail.digest) is not None:
            return None
        answered = await unit.read(message, address.message_id) if address and address.message_id else None
        person = await unit.read(people.by_email_for_anyone, mail.sender) if mail.sender else None
    return Arrival(mail, came.content, address, answered, person, recipient=came.recipient, row_id=row_id)
