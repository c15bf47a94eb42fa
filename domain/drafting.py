"""What is said in an email of each kind, as things are when it is sent."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import account_letters, broadcasting, drafts, messages, news, preferences, templates, tickets, words
from domain.access import Viewer
from domain.articles import reviews
from domain.drafts import Choices, Draft, Link, Piece
from domain.inbound.answers import FOR_STAFF
from domain.maintenance import saying
from domain.messages import front_end_link, sign_in_link, ticket_link
from domain.news import Block
from domain.news.sections import Fact, Section, sections, with_files
from domain.wording import Wording, marked
from infra.desk import Desk
from infra.settings import Settings
from infra.unit import Unit
from models import (
    HappeningKind,
    MaintenanceSeverity,
    Message,
    MessageChannel,
    MessageKind,
    MessageTemplate,
    NotificationKind,
    Person,
    Role,
    SignInLink,
    TicketStatus,
)


async def drafted(
    unit: Unit, desk: Desk, message: Message, person: Person, told: list[Any], own: list[MessageTemplate]
) -> Draft | None:
    """What an email says to its reader; None where there is no point in it any more.

    `told`: what there is to tell of tickets, `own`: what the desk itself says of it.
    """
    w = Wording(person.locale, person.time_zone)
    if message.kind in OF_OTHERS:
        return await OF_OTHERS[message.kind](unit, desk, message, person, w)
    if message.link_id:
        return await _sign_in(unit, desk, message, person, w)
    if messages.says_closed(message):
        return await _closed(unit, desk, message, person, w)
    return _about(desk, message, person, w, told, own)


def _to_desk(desk: Desk, w: Wording) -> Link:
    return Link(w.said("Open {desk_name}", desk_name=desk.settings.desk_name), desk.settings.public_url)


# --- Signing in -------------------------------------------------------------------------------------------------------


def _link(link_id: Any) -> Select[SignInLink]:
    return select(SignInLink).where(SignInLink.id == link_id)


async def _sign_in(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    link = await unit.read(_link, message.link_id)
    if link is None or link.used_at is not None or link.expires_at <= unit.now:
        return None
    url = sign_in_link(desk.settings, desk.signer, link, unit.now)
    minutes = int((link.expires_at - link.created_at).total_seconds()) // 60
    name = desk.settings.desk_name
    if message.kind is MessageKind.INVITATION:
        subject = w.said("You are invited to {desk_name}", desk_name=name)
        said = marked(
            "You have been added to {desk_name}. This link signs you in for the first time; "
            "it works once, within {days} days."
        )
        note = w.said("Later you can ask for a new link whenever you need one.")
    else:
        subject = w.said("Your link to sign in")
        said = marked("With this link you sign in to {desk_name}. It works once, within {minutes} minutes.")
        note = w.said("Did you not ask for it? Then do nothing, and nothing happens.")
    text = w.said(said, desk_name=name, minutes=minutes, days=minutes // 1440)
    # Whoever signs up with somebody else's address would have us tell them what they put for a name.
    named = message.kind is MessageKind.INVITATION or person.last_seen_at is not None
    return Draft(subject, [Piece(None, [Block(text)])], Link(w.said("Sign in"), url), [note], named=named)


# --- Maintenance ------------------------------------------------------------------------------------------------------


async def _of_maintenance(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """What happened to a notice; None when its reader may not see it, or it was cancelled since."""
    records = await unit.run(saying.of, Viewer(person.role, person.id), message.event_ids[0])
    if not records:
        return None
    said = said_of_maintenance(w, records[0])
    own = await drafts.own_words(unit, NotificationKind.MAINTENANCE, person.locale)
    return None if said is None else about_maintenance(desk, records[0], said, person, own)


def said_of_maintenance(w: Wording, fact: Any) -> tuple[str, list[Block]] | None:
    """Subject and text of a letter on what happened to a notice, for all who read it in these words; None when that is
    to be told no more.

    `fact`: a row of `saying.of`.
    """
    if broadcasting.over(fact):
        return None
    blocks = [Block(saying.times_of(w, fact))]
    if fact["said"]:
        blocks.append(news.quoted(fact["said"], fact["said_html"]))
    elif fact["kind"] != HappeningKind.POSTED.name:
        blocks.append(Block(saying.hinders_of(w, fact)))
        blocks.append(news.quoted(*saying.filled(w, fact)))
    return saying.title_of(w, fact), blocks


def about_maintenance(
    desk: Desk, fact: Any, said: tuple[str, list[Block]], person: Any, own: MessageTemplate | None
) -> Draft:
    """What a letter says to somebody who sees the notice; `own`: the desk's own words."""
    w = Wording(person.locale, person.time_zone)
    subject, blocks = said
    draft = Draft(subject, [Piece(subject, blocks)], _to_desk(desk, w))  # what was cancelled says so where it is read
    if fact["severity"] != MaintenanceSeverity.CRITICAL.name:
        drafts.add_way_out(draft, desk, person, NotificationKind.MAINTENANCE, w)
    return draft if own is None else drafts.in_own_words(draft, own, drafts.usual(desk, person, draft))


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
    fact = records[0]
    blocks = [Block(w.said(REASONS[fact["reason"]], name=fact["requested_by"] or desk.settings.desk_name))]
    blocks += [news.quoted(text) for text in (fact["note"], *fact["comments"]) if text]
    subject = w.said("Please review: {title}", title=fact["title"])
    draft = Draft(subject, [Piece(fact["title"], blocks)], _to_desk(desk, w))
    kind = NotificationKind.REVIEW_REQUESTED
    drafts.add_way_out(draft, desk, person, kind, w)
    return await drafts.worded(unit, desk, kind, draft, person)


# --- Accounts ---------------------------------------------------------------------------------------------------------


async def _of_account(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """What has happened to its reader's account."""
    text = await account_letters.text(unit, message, person, desk.settings.desk_name, w)
    if text is None:
        return None
    return Draft(text.subject, [Piece(None, [Block(text.happened), Block(text.advice)])], _to_desk(desk, w))


# --- News -------------------------------------------------------------------------------------------------------------


HINDERED = marked("Maintenance of {service} is going on, which may be why.")


def _about(
    desk: Desk, message: Message, person: Person, w: Wording, told: list[Any], own: list[MessageTemplate]
) -> Draft | None:
    """News of tickets; None when nothing is left that its reader may see, or that is still so."""
    if not told:
        return None
    settings, kind = desk.settings, NotificationKind[message.kind.name]
    found = sections(message, told, settings.desk_name, w)
    if not found:
        return None
    fact = found[0].fact
    button, notes, choices = _to_desk(desk, w), [], []
    if len(found) == 1 and fact.requester_id == person.id:
        # One that went into another is gone on with there.
        page = ticket_link(settings.public_url, desk.signer, fact.into_id or fact.ticket_id, person.id, person.email)
        button = Link(w.said(_label(kind, fact)), page)
        if fact.status == TicketStatus.RESOLVED.name and kind is _RESOLVED:
            choices = [Link(str(rating), f"{page}?rating={rating}#answer") for rating in RATINGS]
        notes = [w.said("The link is for you alone: whoever has it can read this request.")]
    elif len(found) == 1 and (shown := front_end_link(settings, fact.number, fact.ticket_id)):
        button = Link(w.said(_label(None, fact)), shown)
    if len(found) == 1:
        notes += _of_answers(message, fact, person, desk, w)
    if len(found) > MOST_TOLD:
        notes = [
            w.said("And {count} more, in {desk_name}.", count=len(found) - MOST_TOLD, desk_name=settings.desk_name)
        ]
    if kind is NotificationKind.TICKET_RECEIVED and fact.hindered:
        notes.append(w.said(HINDERED, service=fact.hindered))
    draft = Draft(
        subject=_subject(kind, found, w),
        sections=[_piece(each, settings, alone=len(found) == 1) for each in found[:MOST_TOLD]],
        button=button,
        choices=Choices(w.said("How was the help? 1 is poor, 5 is very good."), choices) if choices else None,
        notes=notes,
        headers=_threaded(fact.ticket_id, desk) if len(found) == 1 else {},
    )
    if (kind, MessageChannel.EMAIL) not in preferences.LOCKED:
        drafts.add_way_out(draft, desk, person, kind, w)
    text = _own_words(kind, found, own, person)
    return draft if text is None else drafts.in_own_words(draft, text, _facts(found[0], person, desk, w, draft))


_RESOLVED = NotificationKind.TICKET_RESOLVED
RATINGS = range(1, 6)
MOST_TOLD = 100  # tickets of one email


def _piece(section: Section, settings: Settings, *, alone: bool) -> Piece:
    fact = section.fact
    link = None if alone else front_end_link(settings, fact.number, fact.ticket_id)
    return Piece(f"#{fact.number} {fact.subject}", section.blocks, link)


def _of_answers(message: Message, fact: Fact, person: Person, desk: Desk, w: Wording) -> list[str]:
    """What becomes of an answer by mail, where one is taken; whoever works here must know who reads it."""
    if desk.settings.reply_domain is None or message.ticket_id is None:  # the last: it was to tell of several
        return []
    asked = fact.requester_id == person.id
    if message.kind in FOR_STAFF and person.role is not Role.CUSTOMER and not asked:
        # Of those who only follow a ticket that others work on, such an answer is not taken.
        return [w.said("An answer to this email stays within the desk.")] if fact.works else []
    if fact.status == TicketStatus.CLOSED.name and fact.into_id is None:
        return []
    if asked or not fact.works:
        said = marked("You can simply answer this email.")
        if fact.status == TicketStatus.RESOLVED.name:  # whoever only wants to say thanks should know
            said = marked("An answer to this email opens it again.")
        return [w.said(said)]
    return [w.said("An answer to this email is read by the customer.")]


def _label(kind: NotificationKind | None, fact: Fact) -> str:
    """What the page of the ticket is for, as it is now; `kind`: that its requester is told."""
    if kind is _RESOLVED:
        return marked("Confirm it, or open it again")
    if fact.status == TicketStatus.CLOSED.name and fact.into_id is None:
        return marked("Read all of it")
    return marked("Read all of it and answer")


def _subject(kind: NotificationKind, found: list[Section], w: Wording) -> str:
    if len(found) > 1:
        return w.said("News of {count} tickets", count=len(found))
    line = f"[#{found[0].fact.number}] {found[0].fact.subject}"
    return line if kind is NotificationKind.TICKET_RECEIVED else f"Re: {line}"


def _threaded(ticket_id: UUID, desk: Desk) -> dict[str, str]:
    """What has mail programs show all emails about one ticket together."""
    root = messages.thread(ticket_id, desk.settings)
    return {"In-Reply-To": root, "References": root}


def _own_words(
    kind: NotificationKind, found: list[Section], own: list[MessageTemplate], person: Person
) -> MessageTemplate | None:
    """What the desk itself says. It speaks of one ticket, and of the comment that it is about: without them we do."""
    if len(found) > 1 or (kind in templates.ABOUT_COMMENTS and found[0].comment is None):
        return None
    return drafts.nearest([each for each in own if each.kind is kind], person.locale)


def _facts(section: Section, person: Person, desk: Desk, w: Wording, draft: Draft) -> dict[str, str]:
    """What may stand in the desk's own words."""
    fact, said = section.fact, section.comment or section.fact
    files = [words.escaped(block.text) for block in with_files(said, w)]
    return {
        "name": person.name,
        "desk": desk.settings.desk_name,
        "link": draft.button.link,
        "number": str(fact.number),
        "subject": fact.subject,
        "status": w.said(news.LABELS[TicketStatus[fact.status]]),
        "department": fact.department,
        "agent": fact.assignee or "",
        "author": said.author or desk.settings.desk_name,
        "comment": "\n\n".join([said.comment or "", *files]).strip(),
    }


# --- Answers to closed tickets ----------------------------------------------------------------------------------------


NOT_ADDED = marked("It is closed and takes no answers any more: what you wrote was not added to it.")


async def _closed(unit: Unit, desk: Desk, message: Message, person: Person, w: Wording) -> Draft | None:
    """That a ticket took no answer by mail; None when its reader does not see it any more, or it is open again."""
    ticket = await unit.read(tickets.one, Viewer(person.role, person.id), message.ticket_id)
    if ticket is None or ticket.status is not TicketStatus.CLOSED:
        return None
    name = f"#{ticket.number} {ticket.subject}"
    happened = w.said(NOT_ADDED)
    advice = w.said(
        "Do you still need help? Then submit a new ticket, and name the number #{number} in it.", number=ticket.number
    )
    return Draft(
        subject=f"Re: [#{ticket.number}] {ticket.subject}",
        sections=[Piece(name, [Block(happened), Block(advice)])],
        button=_to_desk(desk, w),
        headers=_threaded(ticket.id, desk) | {"Auto-Submitted": "auto-replied"},
    )


# --- Which is which ---------------------------------------------------------------------------------------------------

OF_OTHERS = {  # than tickets
    MessageKind.MAINTENANCE: _of_maintenance,
    MessageKind.REVIEW_REQUESTED: _of_review,
    **dict.fromkeys(account_letters.KINDS, _of_account),
}
