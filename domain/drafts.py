"""What an email says, in our words or the desk's own, and the letter that is made of it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import jinja2
import sqlalchemy as sa
from markupsafe import Markup
from sqlalchemy import Select, select

from domain import messages, templates, words
from domain.inbound import addresses
from domain.news import Block
from domain.wording import DESK, Wording, direction_of, marked
from infra.desk import Desk
from infra.letters import Letter
from infra.unit import Unit
from models import MessageTemplate, MessageTemplateUse, NotificationKind, Person

_text = jinja2.Environment(  # noqa: S701 # plain text; its twin below escapes
    loader=jinja2.PackageLoader("domain", "letters"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,  # or each letter would look for whether its template has changed
)
_html = _text.overlay(autoescape=True)


class Link(NamedTuple):
    """Something to follow."""

    label: str
    link: str


class Choices(NamedTuple):
    """A question that is answered by following one of a few links."""

    question: str
    links: list[Link]


class Piece(NamedTuple):
    """A part of a letter, under a heading if it has one."""

    heading: str | None
    blocks: list[Block]
    link: str | None = None  # to what it tells of, where the button leads elsewhere


@dataclass(slots=True)
class Draft:
    """What a letter says."""

    subject: str
    sections: list[Piece]
    button: Link
    notes: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    unsubscribe: Link | None = None
    greeting: str | None = None  # None: the usual one; empty: none, as the text has its own
    spoken: str | None = None  # the language of its text; None: its reader's
    named: bool = True  # whether its reader is called by the name that is known
    choices: Choices | None = None  # under the button, in HTML alone


BEFORE = marked("{label}:")  # what it stands before, in plain text


def written(desk: Desk, message_id: UUID, person: Any, draft: Draft, *, answers: bool) -> Letter:
    """What is handed over; `person`: who reads it. `answers`: whether what they answer is known by the message."""
    w = Wording(person.locale, person.time_zone)
    greeting = draft.greeting
    if greeting is None:
        greeting = w.said("Hello {name},", name=person.name) if draft.named else w.said("Hello,")
    facts = {
        "title": draft.subject,
        "language": w.tag,
        "greeting": greeting,
        "sections": draft.sections,
        "spoken": draft.spoken or w.tag,
        "direction": direction_of(draft.spoken or w.tag),
        "button": draft.button,
        "before": lambda label: w.said(BEFORE, label=label),
        "choices": draft.choices,
        "notes": draft.notes,
        "unsubscribe": draft.unsubscribe,
        "desk_name": desk.settings.desk_name,
    }
    return Letter(
        to=person.email,
        to_name=person.name if draft.named else None,
        subject=draft.subject,
        text=_text.get_template("letter.txt").render(facts),
        html=_html.get_template("letter.html").render(facts),
        message_id=messages.address(message_id, desk.settings),
        reply_to=addresses.sealed(desk.settings, desk.signer, addresses.REPLY, message_id) if answers else None,
        reports_to=addresses.sealed(desk.settings, desk.signer, addresses.BOUNCE, message_id),
        headers=draft.headers,
    )


def add_way_out(draft: Draft, desk: Desk, person: Any, kind: NotificationKind, w: Wording) -> None:
    """How to get no more emails of this kind."""
    url = messages.unsubscribe_link(desk.settings.public_url, desk.signer, person.id, kind)
    draft.unsubscribe = Link(w.said("No more emails like this one"), url)
    draft.headers |= {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


# --- The desk's own words ---------------------------------------------------------------------------------------------


def all_own(kinds: Any) -> Select[MessageTemplate]:
    """All that the desk itself says in emails of these kinds."""
    kind = sa.cast(MessageTemplate.kind, sa.Text)
    return select(MessageTemplate).where(kind == sa.func.any(kinds), MessageTemplate.use == MessageTemplateUse.EMAIL)


async def own_words(unit: Unit, kind: NotificationKind, locale: str | None) -> MessageTemplate | None:
    """What the desk itself says in emails of this kind, in this language or else the desk's; None: what we say."""
    return nearest(await unit.read_all(all_own, [kind.name]), locale)


def nearest(own: list[MessageTemplate], locale: str | None) -> MessageTemplate | None:
    """Of what the desk says in several languages, that in this one, or else in the desk's.

    It may have words in languages that we have none in.
    """
    by_locale = {each.locale.lower(): each for each in own}
    theirs = (locale or DESK).lower()
    languages = (theirs, theirs.partition("-")[0], DESK)
    return next((by_locale[each] for each in languages if each in by_locale), None)


async def worded(unit: Unit, desk: Desk, kind: NotificationKind, draft: Draft, person: Person) -> Draft:
    """The same in the desk's own words, if it has some for what is not about tickets."""
    own = await own_words(unit, kind, person.locale)
    return draft if own is None else in_own_words(draft, own, usual(desk, person, draft))


def usual(desk: Desk, person: Any, draft: Draft) -> dict[str, str]:
    """What may stand in the desk's own words where no ticket is spoken of."""
    heading = draft.sections[0].heading or ""
    return {"name": person.name, "desk": desk.settings.desk_name, "link": draft.button.link, "subject": heading}


def in_own_words(draft: Draft, own: MessageTemplate, facts: dict[str, str]) -> Draft:
    """The letter with the desk's text in place of ours, unless nothing is left of that; link, thread, way out stay."""
    if own.subject:
        draft.subject = templates.line(own.subject, facts) or draft.subject
    if body := templates.filled(own.body, facts).strip():
        html = words.html(templates.written(own.body, facts))
        draft.sections = [Piece(None, [Block(body, Markup(html))])]  # noqa: S704 # sanitised there
        draft.greeting, draft.spoken = "", own.locale
    return draft
