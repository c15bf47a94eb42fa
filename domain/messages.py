"""Emails: queued as rows in the write that causes them, put into words and sent by a job."""

import datetime as dt
from uuid import UUID

from domain import history
from domain.happenings import MessageSent
from domain.jobs import SendMessage
from infra.signing import Signer
from infra.unit import Unit
from models import DeliveryStatus, Message, MessageChannel, MessageKind, NotificationKind, SignInLink, Ticket

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


def queue(
    unit: Unit,
    kind: MessageKind,
    recipient_id: UUID,
    *,
    ticket_id: UUID | None = None,
    comment_id: UUID | None = None,
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
        comment_id=comment_id,
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


def write_about(
    unit: Unit, ticket: Ticket, kind: MessageKind, person_id: UUID, address: str, comment_id: UUID | None = None
) -> None:
    """Send somebody an email about the ticket, and have its history tell so."""
    message = queue(unit, kind, person_id, ticket_id=ticket.id, comment_id=comment_id, address=address)
    sent = MessageSent(person_id, MessageChannel.EMAIL, NotificationKind[kind.name], message.id)
    history.record(unit, None, ticket, sent)


def ticket_link(public_url: str, signer: Signer, ticket_id: UUID, person_id: UUID) -> str:
    """Where one person reads one ticket without an account, for 90 days."""
    token = signer.sign(TICKET_LINK, {"ticket": str(ticket_id), "person": str(person_id)}, TICKET_LINK_SECONDS)
    return f"{public_url}/t/{token}"


def link_token(signer: Signer, link: SignInLink, now: dt.datetime) -> str:
    """What stands in a sign-in link: signed, so that no secret lies in the database."""
    return signer.sign(SIGN_IN_LINK, {"link": str(link.id)}, max(1, int((link.expires_at - now).total_seconds())))
