"""Emails: queued as rows in the write that causes them, put into words and sent by a job."""

import datetime as dt
from typing import Any
from uuid import UUID

import jinja2
from sqlalchemy import Select, select

from domain import history
from domain.jobs import SendMessage
from infra.desk import Desk
from infra.jobs import Work, storable
from infra.mail import Later, Letter, Undeliverable, send
from infra.signing import Signer
from infra.unit import Unit
from models import DeliveryStatus, Message, MessageKind, Person, SignInLink, Ticket

SIGN_IN_LINK = "link"  # purposes of signed tokens
TICKET_LINK = "ticket"
TICKET_LINK_SECONDS = 90 * 24 * 60 * 60
# Addresses that nobody reads, and that may answer by themselves.
NOBODY_READS = (
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "mailer-daemon",
    "postmaster",
    "bounce",
)

SUBJECTS = {
    MessageKind.TICKET_RECEIVED: "[#{number}] {subject}",
    MessageKind.SIGN_IN_LINK: "Your link to sign in",
    MessageKind.INVITATION: "You are invited to {desk_name}",
}

_text = jinja2.Environment(  # noqa: S701 # plain text; its twin below escapes
    loader=jinja2.PackageLoader("domain", "letters"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_html = _text.overlay(autoescape=True)


def queue(
    unit: Unit,
    kind: MessageKind,
    recipient_id: UUID,
    *,
    ticket_id: UUID | None = None,
    link_id: UUID | None = None,
    address: str = "",
) -> Message:
    """Send an email once this is committed. An `address` that nobody reads gets none: the row says SKIPPED."""
    skipped = address.partition("@")[0].startswith(NOBODY_READS)
    message = unit.insert(
        Message,
        kind=kind,
        status=DeliveryStatus.SKIPPED if skipped else DeliveryStatus.QUEUED,
        recipient_id=recipient_id,
        ticket_id=ticket_id,
        link_id=link_id,
        not_before=unit.now,
        attempts=0,
        last_error=None,
        created_at=unit.now,
        sent_at=None,
    )
    if not skipped:
        unit.enqueue(SendMessage(message.id))
    return message


def _message(message_id: Any) -> Select[Message]:
    return select(Message).where(Message.id == message_id)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _ticket(ticket_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.id == ticket_id)


def _link(link_id: Any) -> Select[SignInLink]:
    return select(SignInLink).where(SignInLink.id == link_id)


async def deliver(work: Work[SendMessage]) -> None:
    """Put the message into words as things are now, hand it over, and say what became of it.

    A crash between handing over and saying so repeats this one message, under the same Message-ID.
    """
    desk, message_id = work.desk, work.job.message_id
    async with desk.writes.begin() as unit:
        message = await unit.lock(_message, message_id)
        if message is None or message.status is not DeliveryStatus.QUEUED:
            return
        unit.change(message, attempts=message.attempts + 1)
        letter = await _letter(unit, desk, message)
    status, error = DeliveryStatus.SENT, None
    if letter is None:
        status = DeliveryStatus.SKIPPED
    else:
        try:
            await send(desk.settings, letter)
        except Undeliverable as refused:
            status, error = DeliveryStatus.FAILED, str(refused)
        except Later as later:
            if not work.last_attempt:
                raise
            status, error = DeliveryStatus.FAILED, str(later)
    async with work.settle() as unit:
        message = await unit.lock(_message, message_id)
        if message is not None:
            sent_at = unit.now if status is DeliveryStatus.SENT else None
            unit.change(message, status=status, sent_at=sent_at, last_error=error and storable(error))
            if message.ticket_id is not None:
                unit.publish(history.channel(message.ticket_id))


async def _letter(unit: Unit, desk: Desk, message: Message) -> Letter | None:
    """The email as things are now; None when there is no point in it any more."""
    person = await unit.read(_person, message.recipient_id)
    if person is None or not person.active:
        return None
    settings = desk.settings
    facts: dict[str, Any] = {"name": person.name, "desk_name": settings.desk_name, "home": settings.public_url}
    if message.ticket_id is not None:
        ticket = await unit.read(_ticket, message.ticket_id)
        if ticket is None:
            return None
        facts |= {"number": ticket.number, "subject": ticket.subject}
        facts["link"] = ticket_link(settings.public_url, desk.signer, ticket.id, person.id)
    if message.link_id is not None:
        link = await unit.read(_link, message.link_id)
        if link is None or link.used_at is not None or link.expires_at <= unit.now:
            return None
        facts["link"] = f"{settings.public_url}/sign-in/{link_token(desk.signer, link, unit.now)}"
        facts["minutes"] = int((link.expires_at - link.created_at).total_seconds()) // 60
    subject = SUBJECTS[message.kind].format(**facts)
    name = message.kind.name.lower()
    return Letter(
        to=person.email,
        to_name=person.name,
        subject=subject,
        text=_text.get_template(f"{name}.txt").render(facts),
        html=_html.get_template(f"{name}.html").render(facts, title=subject),
        message_id=f"<{message.id}@{settings.mail_from.partition('@')[2]}>",
    )


def ticket_link(public_url: str, signer: Signer, ticket_id: UUID, person_id: UUID) -> str:
    """Where one person reads one ticket without an account, for 90 days."""
    token = signer.sign(TICKET_LINK, {"ticket": str(ticket_id), "person": str(person_id)}, TICKET_LINK_SECONDS)
    return f"{public_url}/t/{token}"


def link_token(signer: Signer, link: SignInLink, now: dt.datetime) -> str:
    """What stands in a sign-in link: signed, so that no secret lies in the database."""
    return signer.sign(SIGN_IN_LINK, {"link": str(link.id)}, max(1, int((link.expires_at - now).total_seconds())))
