"""Emails put into words as things are when they are sent, handed over, and what became of them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import jinja2
import sqlalchemy as sa
from markupsafe import Markup
from sqlalchemy import Select, select

from domain import (
    broadcasting,
    dead_letters,
    inbound,
    maintenance,
    messages,
    news,
    preferences,
    templates,
    words,
)
from domain.access import Viewer
from domain.articles import reviews
from domain.jobs import SendMessage
from domain.maintenance import saying
from domain.messages import link_token, ticket_link
from domain.news import Block, Section
from domain.wording import DESK, Wording, marked
from infra.desk import Desk
from infra.jobs import Work, storable
from infra.letters import Later, Letter, Undeliverable
from infra.unit import Unit
from models import (
    Comment,
    DeliveryStatus,
    HappeningKind,
    MaintenanceSeverity,
    MaintenanceStatus,
    Message,
    MessageChannel,
    MessageKind,
    MessageTemplate,
    MessageTemplateUse,
    NotificationKind,
    Person,
    Service,
    SignInLink,
    Ticket,
    TicketChannel,
    TicketStatus,
)

_text = jinja2.Environment(  # noqa: S701 # plain text; its twin below escapes
    loader=jinja2.PackageLoader("domain", "letters"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_html = _text.overlay(autoescape=True)

# Of what nobody wrote, and of what came by mail, as many emails about a ticket go to one person in so long.
MOST_AUTOMATIC, AUTOMATIC_WITHIN = 5, dt.timedelta(hours=1)
AUTOMATIC = (MessageKind.TICKET_RECEIVED, MessageKind.STATUS_CHANGED, MessageKind.TICKET_REOPENED)


class Link(NamedTuple):
    """Something to follow."""

    label: str
    link: str


class Piece(NamedTuple):
    """A part of a letter, under a heading if it has one."""

    heading: str | None
    blocks: list[Block]


@dataclass(slots=True)
class Draft:
    """What a letter says."""

    subject: str
    sections: list[Piece]
    button: Link
    notes: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    unsubscribe: Link | None = None
    greeting: str | None = None  # None: the usual one


def row(message_id: Any) -> Select[Message]:
    """The message, whoever it is for."""
    return select(Message).where(Message.id == message_id)


def _person(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id)


def _link(link_id: Any) -> Select[SignInLink]:
    return select(SignInLink).where(SignInLink.id == link_id)


def _own(locales: Any, kind: NotificationKind, use: MessageTemplateUse) -> Select[MessageTemplate]:
    """The desk's own text in the first of these languages that it has it in."""
    rows = select(MessageTemplate).where(MessageTemplate.kind == kind, MessageTemplate.use == use)
    rows = rows.where(MessageTemplate.locale == sa.func.any(locales))
    return rows.order_by(sa.func.array_position(locales, MessageTemplate.locale)).limit(1)


async def own_words(unit: Unit, kind: NotificationKind, use: MessageTemplateUse, locale: str) -> MessageTemplate | None:
    """What the desk itself says in messages of this kind, in this language or else the desk's; None: what we say."""
    return await unit.read(_own, [locale, locale.partition("-")[0], DESK], kind, use)


async def deliver(work: Work[SendMessage]) -> None:
    """Put the message into words as things are now, hand it over, and say what became of it.

    A crash between handing over and saying so repeats this one message, under the same Message-ID.
    """
    desk, message_id = work.desk, work.job.message_id
    async with desk.writes.begin() as unit:
        message = await unit.lock(row, message_id)
        if message is None or message.status is not DeliveryStatus.QUEUED:
            return
        if message.not_before <= unit.now and (held_until := await _held_until(unit, message)):
            unit.change(message, not_before=held_until)
        early = message.not_before > unit.now
        if not early:
            unit.change(message, attempts=message.attempts + 1)
            letter = await _letter(unit, desk, message)
    if early:
        async with work.settle() as unit:
            unit.enqueue(SendMessage(message_id), delay=(message.not_before - unit.now).total_seconds())
        return
    try:
        status, error = await handed_over(desk, letter)
    except Later as later:
        if not work.last_attempt:
            raise
        status, error = DeliveryStatus.FAILED, str(later)
    async with work.settle() as unit:
        message = await unit.lock(row, message_id)
        if message is not None and message.status is DeliveryStatus.QUEUED:  # it may have come back meanwhile
            await became(unit, message, status, error)


async def became(unit: Unit, message: Message, status: DeliveryStatus, error: str | None) -> None:
    """Say what became of the message, to those who look at its tickets too."""
    sent_at = unit.now if status is DeliveryStatus.SENT else None
    unit.change(message, status=status, sent_at=sent_at, last_error=error and storable(error))
    if error is not None:
        dead_letters.give_up(unit, message, error)
    await messages.tell(unit, message)


async def handed_over(desk: Desk, letter: Letter | None, *, bulk: bool = False) -> tuple[DeliveryStatus, str | None]:
    """What became of a letter, and why it failed. Raises Later when it may still be sent."""
    if letter is None:
        return DeliveryStatus.SKIPPED, None
    try:
        await desk.mail.send(letter, bulk=bulk)
    except Undeliverable as refused:
        return DeliveryStatus.FAILED, str(refused)
    return DeliveryStatus.SENT, None


def _turn(key: Any) -> Select[*tuple[Any, ...]]:
    return select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0)))


def _came_by_mail(comment_id: Any) -> Select[Comment]:
    return select(Comment).where(Comment.id == comment_id, Comment.channel == TicketChannel.EMAIL)


def _automatic(message_id: Any, ticket_id: Any, recipient_id: Any, since: Any) -> Select[Message]:
    """The message before which as many as may be went out since then: the last of them, if there are so many."""
    by_itself = sa.or_(Message.kind.in_(AUTOMATIC), Comment.channel == TicketChannel.EMAIL)
    rows = select(Message).outerjoin(Comment, Comment.id == Message.comment_id).where(by_itself)
    rows = rows.where(Message.ticket_id == ticket_id, Message.recipient_id == recipient_id, Message.id != message_id)
    rows = rows.where(Message.attempts > 0, Message.status.in_((DeliveryStatus.SENT, DeliveryStatus.QUEUED)))
    went = sa.func.coalesce(Message.sent_at, sa.func.now())
    return rows.where(went > since).order_by(went.desc(), Message.id).offset(MOST_AUTOMATIC - 1).limit(1)


async def _held_until(unit: Unit, message: Message) -> dt.datetime | None:
    """When it may go out, where it would be one too many that nobody wrote, or that answers a mail; None: at once.

    Two programs that answer each other, of which neither says that it is one, are slowed down so; nothing is lost.
    """
    if message.ticket_id is None or message.attempts > 0:
        return None
    if message.kind not in AUTOMATIC and (
        message.comment_id is None or await unit.read(_came_by_mail, message.comment_id) is None
    ):
        return None
    await unit.run(_turn, f"mails {message.ticket_id} {message.recipient_id}")
    since = unit.now - AUTOMATIC_WITHIN
    before = await unit.read(_automatic, message.id, message.ticket_id, message.recipient_id, since)
    return None if before is None else (before.sent_at or unit.now) + AUTOMATIC_WITHIN


async def _letter(unit: Unit, desk: Desk, message: Message) -> Letter | None:
    """The email as things are now; None when there is no point in it any more."""
    person = await unit.read(_person, message.recipient_id)
    if person is None or not person.active:
        return None
    w = Wording(person.locale, person.time_zone)
    says = OF_OTHERS.get(message.kind) or (_sign_in if message.link_id else _about)
    draft = await says(unit, desk, message, person, w)
    return None if draft is None else written(desk, message.id, message.event_ids, person, draft)


def written(desk: Desk, message_id: UUID, event_ids: Sequence[UUID], person: Any, draft: Draft) -> Letter:
    """What is handed over; `person`: who reads it."""
    w = Wording(person.locale, person.time_zone)
    greeting = w.said("Hello {name},", name=person.name) if draft.greeting is None else draft.greeting
    facts = {
        "title": draft.subject,
        "language": w.tag,
        "greeting": greeting,
        "sections": draft.sections,
        "button": draft.button,
        "notes": draft.notes,
        "unsubscribe": draft.unsubscribe,
        "desk_name": desk.settings.desk_name,
    }
    return Letter(
        to=person.email,
        to_name=person.name,
        subject=draft.subject,
        text=_text.get_template("letter.txt").render(facts),
        html=_html.get_template("letter.html").render(facts),
        message_id=messages.address(message_id, desk.settings),
        reply_to=inbound.reply_address(desk.settings, desk.signer, message_id) if event_ids else None,
        headers=draft.headers,
    )


# --- Signing in -------------------------------------------------------------------------------------------------------


async def _sign_in(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:  # noqa: ARG001 # as _about
    link = await unit.read(_link, message.link_id)
    if link is None or link.used_at is not None or link.expires_at <= unit.now:
        return None
    url = f"{desk.settings.public_url}/sign-in/{link_token(desk.signer, link, unit.now)}"
    minutes = int((link.expires_at - link.created_at).total_seconds()) // 60
    name = desk.settings.desk_name
    if message.kind is MessageKind.INVITATION:
        subject = w.said("You are invited to {desk_name}", desk_name=name)
        said = marked(
            "you have been added to {desk_name}. This link signs you in for the first time; "
            "it works once, within {days} days."
        )
        note = w.said("Later you can ask for a new link whenever you need one.")
    else:
        subject = w.said("Your link to sign in")
        said = marked("with this link you sign in to {desk_name}. It works once, within {minutes} minutes.")
        note = w.said("Did you not ask for it? Then do nothing, and nothing happens.")
    text = w.said(said, desk_name=name, minutes=minutes, days=minutes // 1440)
    return Draft(subject, [Piece(None, [Block(text)])], Link(w.said("Sign in"), url), [note])


# --- Maintenance ------------------------------------------------------------------------------------------------------


async def _of_maintenance(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """What happened to a notice; None when its reader may not see it, or it was cancelled since."""
    records = await unit.run(saying.of, Viewer(person.role, person.id), message.event_ids[0])
    if not records:
        return None
    said = said_of_maintenance(w, records[0])
    own = await own_words(unit, NotificationKind.MAINTENANCE, MessageTemplateUse.EMAIL, w.tag)
    return None if said is None else about_maintenance(desk, records[0], said, person, own)


def said_of_maintenance(w: Wording, fact: Any) -> tuple[str, list[Block]] | None:
    """Subject and text of a letter on what happened to a notice, for all who read it in these words; None when it was
    cancelled since.

    `fact`: a row of `saying.of`.
    """
    if broadcasting.is_over(MaintenanceStatus[fact["notice_status"]], MaintenanceStatus[fact["status"]]):
        return None
    blocks = [Block(saying.times_of(w, fact))]
    if fact["said"]:
        blocks.append(news.quoted(fact["said"], fact["said_html"]))
    elif fact["kind"] != HappeningKind.POSTED.name:
        starts, ends = (saying.moment_of(fact[name]) for name in ("starts", "ends"))
        blocks.append(news.quoted(saying.filled(w, fact["message"], starts, ends, fact["services"])))
    return saying.title_of(w, fact), blocks


def about_maintenance(
    desk: Desk, fact: Any, said: tuple[str, list[Block]], person: Any, own: MessageTemplate | None
) -> Draft:
    """What a letter says to somebody who sees the notice; `own`: the desk's own words."""
    settings, w = desk.settings, Wording(person.locale, person.time_zone)
    subject, blocks = said
    button = Link(w.said("Open {desk_name}", desk_name=settings.desk_name), settings.public_url)
    draft = Draft(subject, [Piece(fact["title"], blocks)], button)
    if fact["severity"] != MaintenanceSeverity.CRITICAL.name:
        _add_way_out(draft, desk, person, NotificationKind.MAINTENANCE, w)
    return draft if own is None else _in_own_words(draft, own, _usual(desk, person, draft))


async def _worded(unit: Unit, desk: Desk, kind: NotificationKind, draft: Draft, person: Person, w: Wording) -> Draft:
    """The same in the desk's own words, if it has some for what is not about tickets."""
    own = await own_words(unit, kind, MessageTemplateUse.EMAIL, w.tag)
    return draft if own is None else _in_own_words(draft, own, _usual(desk, person, draft))


def _usual(desk: Desk, person: Any, draft: Draft) -> dict[str, str]:
    """What may stand in the desk's own words where no ticket is spoken of."""
    heading = draft.sections[0].heading or ""
    return {"name": person.name, "desk": desk.settings.desk_name, "link": draft.button.link, "subject": heading}


# --- Reviews ----------------------------------------------------------------------------------------------------------


REASONS = {
    "POOR_RATING": marked("A reader has rated it with 1 or 2 of 5."),
    "OFTEN_UNHELPFUL": marked("Of those who answered in the last 30 days, fewer than half found it helpful."),
    "REQUESTED": marked("{name} asks for it to be reviewed:"),
}


async def _of_review(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """That an article is to be reviewed, and why; None when that is done."""
    records = await unit.run(reviews.of, Viewer(person.role, person.id), message.event_ids[0])
    if not records:
        return None
    fact, settings = records[0], desk.settings
    blocks = [Block(w.said(REASONS[fact["reason"]], name=fact["requested_by"] or settings.desk_name))]
    blocks += [news.quoted(text) for text in (fact["note"], *fact["comments"]) if text]
    button = Link(w.said("Open {desk_name}", desk_name=settings.desk_name), settings.public_url)
    subject = w.said("Please review: {title}", title=fact["title"])
    draft = Draft(subject, [Piece(fact["title"], blocks)], button)
    kind = NotificationKind.REVIEW_REQUESTED
    _add_way_out(draft, desk, person, kind, w)
    return await _worded(unit, desk, kind, draft, person, w)


OF_OTHERS = {MessageKind.MAINTENANCE: _of_maintenance, MessageKind.REVIEW_REQUESTED: _of_review}  # than tickets


def _add_way_out(draft: Draft, desk: Desk, person: Any, kind: NotificationKind, w: Wording) -> None:
    """How to get no more emails of this kind."""
    url = messages.unsubscribe_link(desk.settings.public_url, desk.signer, person.id, kind)
    draft.unsubscribe = Link(w.said("No more emails like this one"), url)
    draft.headers |= {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


# --- News -------------------------------------------------------------------------------------------------------------


HINDERED = marked("Maintenance of {service} is going on, which may be why.")


def _hindered(viewer: Viewer, ticket_id: Any) -> Select[*tuple[Any, ...]]:
    """The name of the service that a ticket concerns, while maintenance of it goes on."""
    rows = select(Service.name).join(Ticket, Ticket.service_id == Service.id).where(Ticket.id == ticket_id)
    return rows.where(maintenance.status_of(viewer, Service) == maintenance.UNDER)


async def _about(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """News of tickets; None when nothing is left that its reader may see, or that is still so."""
    if not message.event_ids:
        return None
    settings = desk.settings
    records = await unit.run(news.of, Viewer(person.role, person.id), list(message.event_ids))
    kind = NotificationKind[message.kind.name]
    at_risk = kind is NotificationKind.SLA_AT_RISK
    found = news.sections(records, person.id, settings.desk_name, w, at_risk=at_risk)
    if not found:
        return None
    fact = found[0].fact
    button, notes = Link(w.said("Open {desk_name}", desk_name=settings.desk_name), settings.public_url), []
    if len(found) == 1 and fact.requester_id == person.id:
        label = w.said("Confirm it, or open it again" if kind is _RESOLVED else "Read all of it and answer")
        button = Link(label, ticket_link(settings.public_url, desk.signer, fact.ticket_id, person.id))
        notes = [w.said("The link is for you alone: whoever has it can read this request.")]
    if kind is NotificationKind.TICKET_RECEIVED:
        hindered = await unit.run(_hindered, Viewer(person.role, person.id), fact.ticket_id)
        notes += [w.said(HINDERED, service=record[0]) for record in hindered]
    draft = Draft(
        subject=_subject(kind, found, w),
        sections=[Piece(f"#{each.fact.number} {each.fact.subject}", each.blocks) for each in found],
        button=button,
        notes=notes,
        headers=_threaded(found, desk),
    )
    if (kind, MessageChannel.EMAIL) not in preferences.LOCKED:
        _add_way_out(draft, desk, person, kind, w)
    own = await own_words(unit, kind, MessageTemplateUse.EMAIL, w.tag)
    return draft if own is None else _in_own_words(draft, own, _facts(found, person, desk, w, draft))


_RESOLVED = NotificationKind.TICKET_RESOLVED


def _subject(kind: NotificationKind, found: list[Section], w: Wording) -> str:
    if len(found) > 1:
        return w.said("News of {count} tickets", count=len(found))
    line = f"[#{found[0].fact.number}] {found[0].fact.subject}"
    return line if kind is NotificationKind.TICKET_RECEIVED else f"Re: {line}"


def _threaded(found: list[Section], desk: Desk) -> dict[str, str]:
    """What has mail programs show all emails about one ticket together."""
    if len(found) > 1:
        return {}
    root = messages.thread(found[0].fact.ticket_id, desk.settings)
    return {"In-Reply-To": root, "References": root}


def _facts(found: list[Section], person: Person, desk: Desk, w: Wording, draft: Draft) -> dict[str, str]:
    """What may stand in the desk's own words."""
    fact = found[0].fact
    comments = [each.fact.comment for each in found if each.fact.comment]
    return {
        "name": person.name,
        "desk": desk.settings.desk_name,
        "link": draft.button.link,
        "number": str(fact.number),
        "subject": fact.subject,
        "status": w.said(news.LABELS[TicketStatus[fact.status]]),
        "department": fact.department,
        "agent": fact.assignee or "",
        "comment": comments[0] if comments else "",
    }


def _in_own_words(draft: Draft, own: MessageTemplate, facts: dict[str, str]) -> Draft:
    """The letter with the desk's text in place of ours; its link, thread and way out stay."""
    body = templates.filled(own.body, facts)
    draft.subject = " ".join(templates.filled(own.subject, facts).split()) if own.subject else draft.subject
    draft.sections = [Piece(None, [Block(body, Markup(words.html(body)))])]  # noqa: S704 # sanitised there
    draft.greeting = ""
    return draft
