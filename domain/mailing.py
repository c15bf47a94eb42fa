"""Emails put into words as things are when they are sent, handed over, and what became of them."""

from typing import Any

import jinja2
from markupsafe import Markup
from sqlalchemy import Select, select

from domain import access, history, inbound, tickets
from domain.access import Viewer
from domain.jobs import SendMessage
from domain.messages import link_token, ticket_link
from infra.desk import Desk
from infra.jobs import Work, storable
from infra.mail import Later, Letter, Undeliverable, send
from infra.unit import Unit
from models import Comment, DeliveryStatus, Message, MessageKind, Person, SignInLink, Ticket

SUBJECTS = {
    MessageKind.TICKET_RECEIVED: "[#{number}] {subject}",
    MessageKind.COMMENT_ADDED: "Re: [#{number}] {subject}",
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


def _message(message_id: Any) -> Select[Message]:
    return select(Message).where(Message.id == message_id)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _comment(viewer: Viewer, comment_id: Any) -> Select[Comment]:
    rows = select(Comment).join(Ticket, Ticket.id == Comment.ticket_id)
    seen = access.unless_internal(viewer, Ticket, ~Comment.internal)
    return rows.where(Comment.id == comment_id, Comment.deleted_at.is_(None), seen)


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
        reader = Viewer(person.role, person.id)
        ticket = await unit.read(tickets.one, reader, message.ticket_id)
        if ticket is None:  # it is not theirs any more
            return None
        if message.comment_id is not None:
            comment = await unit.read(_comment, reader, message.comment_id)
            if comment is None:
                return None
            author = await unit.read(_person, comment.author_id) if comment.author_id else None
            facts |= {"author": author.name if author else settings.desk_name}
            facts |= {"comment": comment.body, "comment_html": Markup(comment.body_html)}  # noqa: S704 # made safe when it was written
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
        reply_to=inbound.reply_address(settings, desk.signer, message.id) if message.ticket_id else None,
    )
