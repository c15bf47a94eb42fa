"""Emails: queued as rows in the write that causes them, put into words and sent by a job."""

import datetime as dt
import functools
import hashlib
import re
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import history
from domain.happenings import MessageSent
from domain.jobs import SendMessage
from infra.jobs import storable
from infra.settings import Settings
from infra.signing import BadToken, Signer
from infra.unit import Unit
from models import DeliveryStatus, Event, Message, MessageChannel, MessageKind, NotificationKind, SignInLink, Ticket

SIGN_IN_LINK = "link"  # purposes of signed tokens
TICKET_LINK = "ticket"
UNSUBSCRIBE = "unsubscribe"
TICKET_LINK_SECONDS = 90 * 24 * 60 * 60
UNSUBSCRIBE_SECONDS = 3 * 365 * 24 * 60 * 60  # old emails must not lie about a way out
# Addresses that nobody reads, and that may answer by themselves: but somebody may be called Bouncey.
# In words that Python and PostgreSQL understand alike, in capitals or not.
NOBODY_READS = r"^(no[-_.]?reply|do[-_.]?not[-_.]?reply|mailer-daemon|postmaster|bounces?)(?![a-z])"


def queue(
    unit: Unit,
    kind: MessageKind,
    recipient_id: UUID,
    *,
    ticket_id: UUID | None = None,
    comment_id: UUID | None = None,
    event_ids: Sequence[UUID] = (),
    link_id: UUID | None = None,
    address: str = "",
    to: str | None = None,
    not_before: dt.datetime | None = None,
    wanted: bool = True,
) -> Message:
    """Send an email once this is committed. An address that nobody reads gets none, nor does who wants none: the row
    says SKIPPED.

    `address`: as far as is known. `to`: where it goes, whatever address its recipient has then, and even if they were
    shut out. `not_before`: when it goes out at the soonest.
    """
    not_before = not_before or unit.now
    skipped = not wanted or nobody_reads(to or address)
    message = unit.insert(
        Message,
        kind=kind,
        status=DeliveryStatus.SKIPPED if skipped else DeliveryStatus.QUEUED,
        recipient_id=recipient_id,
        address=to,
        ticket_id=ticket_id,
        event_ids=list(event_ids),
        comment_id=comment_id,
        link_id=link_id,
        not_before=not_before,
        attempts=0,
        last_error=None,
        created_at=unit.now,
        sent_at=None,
    )
    if not skipped:
        unit.enqueue(SendMessage(message.id), delay=max(0.0, (not_before - unit.now).total_seconds()))
    return message


def nobody_reads(address: str) -> bool:
    """Whether mail to it would reach no person."""
    return re.match(NOBODY_READS, address, re.IGNORECASE) is not None


def nobody_reads_in(address: Any) -> sa.ColumnElement[bool]:
    """The same in SQL."""
    found: sa.ColumnElement[bool] = address.op("~*", is_comparison=True)(sa.literal_column(f"'{NOBODY_READS}'"))
    return found


def alike(kind: MessageKind, event_id: Any, recipient_ids: Any, status: DeliveryStatus, moment: Any) -> Any:
    """Adds the same email for many; a job that the caller asks for sends them.

    One statement however many they are: written row by row, each number of them would be a statement of its own.
    """
    recipient_id = func.unnest(recipient_ids).column_valued("recipient_id")
    values = {
        "id": func.uuidv7(),
        "kind": sa.literal(kind, Message.kind.type),
        "status": sa.literal(status, Message.status.type),
        "recipient_id": recipient_id,
        "event_ids": func.array_fill(event_id, sa.literal_column("ARRAY[1]")),
        "not_before": moment,
        "attempts": sa.literal_column("0"),
        "created_at": moment,
    }
    return sa.insert(Message).from_select(list(values), sa.select(*values.values())).returning(Message.id)


class Part(NamedTuple):
    """The news of one ticket in an email: what it is to its reader, and the events that it tells of."""

    ticket: Ticket
    kind: NotificationKind
    event_ids: list[UUID]


def write_about(
    unit: Unit,
    person_id: UUID,
    address: str,
    parts: Sequence[Part],
    *,
    kind: NotificationKind,
    comment_id: UUID | None = None,
) -> None:
    """Send somebody one email with news of one ticket or several, and have the history of each tell so."""
    message = queue(
        unit,
        MessageKind[kind.name],
        person_id,
        ticket_id=parts[0].ticket.id if len(parts) == 1 else None,
        comment_id=comment_id,
        event_ids=[event_id for part in parts for event_id in part.event_ids],
        address=address,
    )
    for part in parts:
        sent = MessageSent(person_id, MessageChannel.EMAIL, part.kind, message.id)
        history.record(unit, None, part.ticket, sent)


def says_closed(message: Message) -> bool:
    """Whether it answers a mail to a closed ticket: it tells of its status, and of no event that changed it."""
    return message.kind is MessageKind.STATUS_CHANGED and not message.event_ids


def saying_closed(ticket_id: Any, person_id: Any) -> Select[Message]:
    """Such a one, to this person, that has not gone yet."""
    rows = select(Message).where(Message.ticket_id == ticket_id, Message.recipient_id == person_id).limit(1)
    rows = rows.where(Message.status == DeliveryStatus.QUEUED, Message.kind == MessageKind.STATUS_CHANGED)
    return rows.where(func.cardinality(Message.event_ids) == 0)


def _its_tickets(event_ids: Any) -> Select[*tuple[Any, ...]]:
    return select(Event.ticket_id).where(Event.id == sa.func.any(event_ids)).distinct()


async def tell(unit: Unit, message: Message) -> None:
    """Have those who see a ticket that it tells of see what became of it."""
    ticket_ids = [message.ticket_id] if message.ticket_id else []
    if not ticket_ids and message.event_ids:
        ticket_ids = [record[0] for record in await unit.run(_its_tickets, list(message.event_ids))]
    for ticket_id in ticket_ids:
        unit.publish(history.channel(ticket_id), str(ticket_id))


async def came_back(unit: Unit, message: Message, reason: str) -> None:
    """Say of a locked message that it did not arrive after all, unless that is known."""
    if message.status in {DeliveryStatus.SENT, DeliveryStatus.QUEUED}:
        unit.change(message, status=DeliveryStatus.FAILED, sent_at=None, last_error=storable(reason))
        await tell(unit, message)


def ticket_link(public_url: str, signer: Signer, ticket_id: UUID, person_id: UUID, address: str) -> str:
    """Where one person reads one ticket without an account, for 90 days and while they have this address."""
    claims = {"ticket": str(ticket_id), "person": str(person_id), "to": mark_of(address)}
    return f"{public_url}/t/{signer.sign(TICKET_LINK, claims, TICKET_LINK_SECONDS)}"


def mark_of(address: str) -> str:
    """By which a link knows the address that it was mailed to, and does not name it."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def front_end_link(settings: Settings, number: int, ticket_id: UUID) -> str | None:
    """Where the front end shows a ticket to whoever is signed in; None when nobody has said."""
    if settings.ticket_url is None:
        return None
    return settings.ticket_url.replace("{number}", str(number)).replace("{id}", f"tkt_{ticket_id}")


def sign_in_link(settings: Settings, signer: Signer, link: SignInLink, now: dt.datetime) -> str:
    """Where somebody signs in once by a link: signed, so that no secret lies in the database.

    On a page of the front end's, where somebody has said which, or on one of ours.
    """
    seconds = max(1, int((link.expires_at - now).total_seconds()))
    token = signer.sign(SIGN_IN_LINK, {"link": str(link.id)}, seconds)
    return (settings.sign_in_url or f"{settings.public_url}/sign-in/{{token}}").replace("{token}", token)


def unsubscribe_link(public_url: str, signer: Signer, person_id: UUID, kind: NotificationKind) -> str:
    """Where one person turns off emails of one kind, or all that can be turned off, without an account."""
    claims = {"person": str(person_id), "kind": kind.name}
    return f"{public_url}/unsubscribe/{signer.sign(UNSUBSCRIBE, claims, UNSUBSCRIBE_SECONDS)}"


def unsubscriber(signer: Signer, text: str) -> tuple[UUID, NotificationKind] | None:
    """Who follows such a link, and of which kind of email; None when it is no such link."""
    try:
        claims = signer.read(UNSUBSCRIBE, text)
        return UUID(claims["person"]), NotificationKind[claims["kind"]]
    except (BadToken, KeyError):
        return None


def address(message_id: UUID, settings: Settings) -> str:
    """The Message-ID of an email."""
    return f"<{message_id}@{_domain(settings)}>"


def of_address(text: str, settings: Settings) -> UUID | None:
    """The message that has this Message-ID; None when it is none of ours."""
    name, _, domain = text.strip().removeprefix("<").removesuffix(">").partition("@")
    if domain.lower() != _domain(settings).lower():
        return None
    try:
        return UUID(name)
    except ValueError:
        return None


def thread(ticket_id: UUID, settings: Settings) -> str:
    """The Message-ID that all emails about a ticket refer to. It was never sent: it is what they have in common."""
    return f"<ticket.{ticket_id}@{_domain(settings)}>"


def _domain(settings: Settings) -> str:
    return _domain_of(settings.mail_from)


@functools.lru_cache(8)
def _domain_of(mail_from: str) -> str:
    return parseaddr(mail_from)[1].partition("@")[2]
