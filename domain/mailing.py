"""Emails put into words as things are when they are sent, handed over, and what became of them."""

import asyncio
import contextlib
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

import jinja2
import sqlalchemy as sa
from markupsafe import Markup
from sqlalchemy import Select, select

from domain import (
    account_letters,
    broadcasting,
    dead_letters,
    maintenance,
    messages,
    news,
    preferences,
    templates,
    words,
)
from domain.access import Viewer
from domain.articles import reviews
from domain.inbound import addresses
from domain.jobs import SendMessage
from domain.maintenance import saying
from domain.messages import sign_in_link, ticket_link
from domain.news import Block, Section
from domain.wording import DESK, Wording, marked
from infra.desk import Desk
from infra.jobs import LostClaim, Work, storable
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
    auto_reload=False,  # or each letter would look for whether its template has changed
)
_html = _text.overlay(autoescape=True)

# Of what nobody wrote, and of what came by mail, as many emails about a ticket go to one person in so long.
MOST_AUTOMATIC, AUTOMATIC_WITHIN = 5, dt.timedelta(hours=1)
SETTLED_AFTER = 0.5  # seconds, at most, from when the first of several letters went until that is written down
AUTOMATIC = (MessageKind.TICKET_RECEIVED, MessageKind.STATUS_CHANGED, MessageKind.TICKET_REOPENED)

Outcome = tuple[DeliveryStatus, str | None]  # and why it failed


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


def _queued(message_ids: Any) -> Select[Message]:
    rows = select(Message).where(Message.id == sa.func.any(message_ids), Message.status == DeliveryStatus.QUEUED)
    return rows.order_by(Message.id)


def _people(person_ids: Any) -> Select[Person]:
    return select(Person).where(Person.id == sa.func.any(person_ids))


def _link(link_id: Any) -> Select[SignInLink]:
    return select(SignInLink).where(SignInLink.id == link_id)


def _all_own(kinds: Any) -> Select[MessageTemplate]:
    """All that the desk itself says in emails of these kinds."""
    kind = sa.cast(MessageTemplate.kind, sa.Text)
    return select(MessageTemplate).where(kind == sa.func.any(kinds), MessageTemplate.use == MessageTemplateUse.EMAIL)


async def own_words(unit: Unit, kind: NotificationKind, locale: str) -> MessageTemplate | None:
    """What the desk itself says in emails of this kind, in this language or else the desk's; None: what we say."""
    return _nearest(await unit.read_all(_all_own, [kind.name]), locale)


def _nearest(own: list[MessageTemplate], locale: str) -> MessageTemplate | None:
    by_locale = {each.locale: each for each in own}
    languages = (locale, locale.partition("-")[0], DESK)
    return next((by_locale[each] for each in languages if each in by_locale), None)


async def deliver(work: Work[SendMessage]) -> None:
    """Put messages into words as things are now, hand them over, and say what became of each.

    A crash between handing one over and saying so repeats it, under the same Message-ID.
    """
    desk, row_ids = work.desk, {job.message_id: row_id for row_id, job in work.jobs.items()}
    async with desk.writes.begin() as unit:
        queued = await unit.lock_all(_queued, list(row_ids))
        due = await _begun(unit, queued)
        early = [message for message in queued if message not in due]
        letters, failed = await _letters(unit, desk, due)
    for message_id, error in failed.items():
        await work.fail(row_ids[message_id], error)
    if early:
        async with work.settle(*(row_ids[message.id] for message in early)) as unit:
            for message in early:
                if row_ids[message.id] in work.jobs:
                    delay = (message.not_before - unit.now).total_seconds()
                    unit.enqueue(SendMessage(message.id), delay=max(0.0, delay))
    sending = {asyncio.create_task(handed_over(desk, letter)): message_id for message_id, letter in letters.items()}
    try:
        while sending:
            # Nobody knows of one that went until it is settled: those that are quick do not wait for long.
            ended, _ = await asyncio.wait(sending, timeout=SETTLED_AFTER)
            await _settle(work, row_ids, {sending.pop(task): task for task in ended})
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


async def _settle(work: Work[SendMessage], row_ids: dict[UUID, UUID], ended: dict[UUID, asyncio.Task[Outcome]]) -> None:
    """Say what became of messages that were handed over, or were not."""
    became_of: dict[UUID, Outcome] = {}
    for message_id, task in ended.items():
        error = task.exception()
        if error is None:
            became_of[message_id] = task.result()
        elif isinstance(error, Later) and work.last_attempt:
            became_of[message_id] = DeliveryStatus.FAILED, str(error)
        elif isinstance(error, Exception):
            await work.fail(row_ids[message_id], error)
        else:
            raise error
    if not became_of:
        return
    with contextlib.suppress(LostClaim):
        async with work.settle(*map(row_ids.__getitem__, became_of)) as unit:
            ours = [message_id for message_id in became_of if row_ids[message_id] in work.jobs]
            for message in await unit.lock_all(_queued, ours):  # one may have come back meanwhile
                await became(unit, message, *became_of[message.id])


async def became(unit: Unit, message: Message, status: DeliveryStatus, error: str | None) -> None:
    """Say what became of the message, to those who look at its tickets too."""
    sent_at = unit.now if status is DeliveryStatus.SENT else None
    unit.change(message, status=status, sent_at=sent_at, last_error=error and storable(error))
    if error is not None:
        dead_letters.give_up(unit, message, error)
    await messages.tell(unit, message)


async def handed_over(desk: Desk, letter: Letter | None, *, bulk: bool = False) -> Outcome:
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


def _came_by_mail(comment_ids: Any) -> Select[*tuple[Any, ...]]:
    return select(Comment.id).where(Comment.id == sa.func.any(comment_ids), Comment.channel == TicketChannel.EMAIL)


def _automatic(message_id: Any, ticket_id: Any, recipient_id: Any, since: Any) -> Select[Message]:
    """The message before which as many as may be went out since then: the last of them, if there are so many."""
    by_itself = sa.or_(Message.kind.in_(AUTOMATIC), Comment.channel == TicketChannel.EMAIL)
    rows = select(Message).outerjoin(Comment, Comment.id == Message.comment_id).where(by_itself)
    rows = rows.where(Message.ticket_id == ticket_id, Message.recipient_id == recipient_id, Message.id != message_id)
    rows = rows.where(Message.attempts > 0, Message.status.in_((DeliveryStatus.SENT, DeliveryStatus.QUEUED)))
    went = sa.func.coalesce(Message.sent_at, sa.func.now())
    return rows.where(went > since).order_by(went.desc(), Message.id).offset(MOST_AUTOMATIC - 1).limit(1)


async def _begun(unit: Unit, queued: list[Message]) -> list[Message]:
    """Those that go out now, counted as tried. Put off is what would be one too many that nobody wrote, or that answers
    a mail.

    Two programs that answer each other, of which neither says that it is one, are slowed down so; nothing is lost.
    """
    fresh = [each for each in queued if each.ticket_id and not each.attempts and each.not_before <= unit.now]
    comments = list({each.comment_id for each in fresh if each.comment_id})
    by_mail = {record[0] for record in await unit.run(_came_by_mail, comments)} if comments else set()
    automatic = [each for each in fresh if each.kind in AUTOMATIC or each.comment_id in by_mail]
    # In one order, so that two who hold some can't wait for each other.
    for message in sorted(automatic, key=lambda each: (each.ticket_id, each.recipient_id, each.id)):
        await unit.run(_turn, f"mails {message.ticket_id} {message.recipient_id}")
        since = unit.now - AUTOMATIC_WITHIN
        before = await unit.read(_automatic, message.id, message.ticket_id, message.recipient_id, since)
        if before is None:
            unit.change(message, attempts=message.attempts + 1)
            await unit.flush()  # where the next of them is counted
        else:
            unit.change(message, not_before=(before.sent_at or unit.now) + AUTOMATIC_WITHIN)
    due = [each for each in queued if each.not_before <= unit.now]
    for message in due:
        if message not in automatic:
            unit.change(message, attempts=message.attempts + 1)
    return due


async def _letters(
    unit: Unit, desk: Desk, messages: list[Message]
) -> tuple[dict[UUID, Letter | None], dict[UUID, Exception]]:
    """The emails as things are now, None where there is no point in one any more; and what went wrong with others."""
    if not messages:
        return {}, {}
    readers = list({each.recipient_id for each in messages})
    people = {person.id: person for person in await unit.read_all(_people, readers)}
    about = [each for each in messages if each.kind not in OF_OTHERS and each.event_ids and each.recipient_id in people]
    told: dict[UUID, list[Any]] = defaultdict(list)
    for role in {people[each.recipient_id].role for each in about}:
        theirs = [each.id for each in about if people[each.recipient_id].role is role]
        for record in await unit.run(news.of_messages, role, theirs):
            told[record["message_id"]].append(record)
    own = await unit.read_all(_all_own, list({each.kind.name for each in about})) if about else []
    letters: dict[UUID, Letter | None] = {}
    failed: dict[UUID, Exception] = {}
    for message in messages:
        person = people.get(message.recipient_id)
        try:
            its = told[message.id]
            letters[message.id] = await _letter(unit, desk, message, person, its, own) if person else None
        except Exception as error:  # noqa: BLE001 # which is its alone: what fails in the database has the unit fail
            failed[message.id] = error
    return letters, failed


async def _letter(
    unit: Unit, desk: Desk, message: Message, person: Person, told: list[Any], own: list[MessageTemplate]
) -> Letter | None:
    if not person.active and message.address is None:
        return None
    w = Wording(person.locale, person.time_zone)
    if message.kind in OF_OTHERS:
        draft = await OF_OTHERS[message.kind](unit, desk, message, person, w)
    elif message.link_id:
        draft = await _sign_in(unit, desk, message, person, w)
    else:
        draft = await _about(unit, desk, message, person, w, told, own)
    if draft is None:
        return None
    letter = written(desk, message.id, person, draft, answers=bool(message.event_ids) and message.address is None)
    return letter if message.address is None else replace(letter, to=message.address)


def written(desk: Desk, message_id: UUID, person: Any, draft: Draft, *, answers: bool) -> Letter:
    """What is handed over; `person`: who reads it. `answers`: whether what they answer is known by the message."""
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
        reply_to=addresses.sealed(desk.settings, desk.signer, addresses.REPLY, message_id) if answers else None,
        reports_to=addresses.sealed(desk.settings, desk.signer, addresses.BOUNCE, message_id),
        headers=draft.headers,
    )


# --- Signing in -------------------------------------------------------------------------------------------------------


async def _sign_in(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:  # noqa: ARG001 # as _about
    link = await unit.read(_link, message.link_id)
    if link is None or link.used_at is not None or link.expires_at <= unit.now:
        return None
    url = sign_in_link(desk.settings.public_url, desk.signer, link, unit.now)
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
    own = await own_words(unit, NotificationKind.MAINTENANCE, w.tag)
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
    own = await own_words(unit, kind, w.tag)
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


# --- Accounts ---------------------------------------------------------------------------------------------------------


async def _of_account(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """What has happened to its reader's account."""
    settings = desk.settings
    text = await account_letters.text(unit, message, person, settings.desk_name, w)
    if text is None:
        return None
    button = Link(w.said("Open {desk_name}", desk_name=settings.desk_name), settings.public_url)
    return Draft(text.subject, [Piece(None, [Block(text.happened), Block(text.advice)])], button)


OF_OTHERS = {  # than tickets
    MessageKind.MAINTENANCE: _of_maintenance,
    MessageKind.REVIEW_REQUESTED: _of_review,
    **dict.fromkeys(account_letters.KINDS, _of_account),
}


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


async def _about(
    unit: Unit,
    desk: Desk,
    message: Message,
    person: Person,
    w: Wording,
    told: list[Any],
    own: list[MessageTemplate],
) -> Draft | None:
    """News of tickets; None when nothing is left that its reader may see, or that is still so."""
    if not told:
        return None
    settings, kind = desk.settings, NotificationKind[message.kind.name]
    at_risk = kind is NotificationKind.SLA_AT_RISK
    found = news.sections(told, person.id, settings.desk_name, w, at_risk=at_risk)
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
    text = _nearest([each for each in own if each.kind is kind], w.tag)
    return draft if text is None else _in_own_words(draft, text, _facts(found, person, desk, w, draft))


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
