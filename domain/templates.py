"""Texts that a desk words for itself: who reads and keeps them, and how placeholders are filled in."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import jinja2
import nh3
import sqlalchemy as sa
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import ARRAY

from domain import access, departments, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from domain.wording import DESK
from infra.unit import Unit
from models import (
    MessageTemplate,
    MessageTemplateUse,
    NotificationKind,
    Role,
)

MOST_SUBJECT, MOST_TEXT, MOST_PLACES = 200, 200, 100
MOST_FILLED = 2 * words.MOST_BODY  # the longest text, with the longest comment in it
ONLY_PLACEHOLDERS = "Only placeholders such as {{name}} are possible."

# --- Filling in -------------------------------------------------------------------------------------------------------

OF_EVERYONE = ("name", "desk", "link")  # who reads it, what the desk is called, where to look
OF_TICKETS = (*OF_EVERYONE, "number", "subject", "status", "department", "agent")  # the last: who has it
OF_COMMENTS = (*OF_TICKETS, "comment", "author")
ABOUT_COMMENTS = (NotificationKind.COMMENT_ADDED, NotificationKind.MENTIONED)
# What may stand in a text, by the kind of message; None: in a reply.
PLACEHOLDERS: dict[NotificationKind | None, tuple[str, ...]] = {
    None: OF_TICKETS,
    **dict.fromkeys(NotificationKind, OF_TICKETS),
    **dict.fromkeys(ABOUT_COMMENTS, OF_COMMENTS),
    NotificationKind.REVIEW_REQUESTED: (*OF_EVERYONE, "subject"),
    NotificationKind.MAINTENANCE: (*OF_EVERYONE, "subject"),
}
OF_NOTICES = ("startsAt", "endsAt", "services")  # what may stand in the message of a notice of maintenance
AS_MARKDOWN = {"comment", "link"}  # what is filled in as it is; all else is plain text, whatever signs are in it
_BEGINNING = re.compile(r"^[ \t>*+\d.)-]*\{\{[ \t-]*(\w+)", re.MULTILINE)  # placeholders that begin a line
KNOWN = tuple(dict.fromkeys(name for names in PLACEHOLDERS.values() for name in names))


class _AsItIs(jinja2.Undefined):
    """A placeholder that nobody knows stays as it is written."""

    def __str__(self) -> str:
        return f"{{{{{self._undefined_name}}}}}"


_jinja = ImmutableSandboxedEnvironment(undefined=_AsItIs, keep_trailing_newline=True, autoescape=False)  # Markdown
_jinja.globals.clear()


def names_in(text: str) -> list[str]:
    """The placeholders of a text, each once. Raises ValueError, with a sentence, for anything else in braces."""
    try:
        parsed = _jinja.parse(text)
    except (jinja2.TemplateSyntaxError, RecursionError, ValueError):  # of braces without end, of a number without end
        raise ValueError(ONLY_PLACEHOLDERS) from None
    found = [part for output in parsed.body for part in getattr(output, "nodes", [output])]
    known = all(isinstance(part, nodes.TemplateData | nodes.Name) for part in found)
    if not known or "{#" in text or "{%" in text:  # comments and `raw` leave no part of their own
        raise ValueError(ONLY_PLACEHOLDERS)
    names = [part.name for part in found if isinstance(part, nodes.Name)]
    if "self" in names:  # Jinja's own
        raise ValueError(ONLY_PLACEHOLDERS)
    if len(names) > MOST_PLACES:
        raise ValueError(f"At most {MOST_PLACES} placeholders are possible.")
    return list(dict.fromkeys(names))


def fault(text: str) -> str | None:
    """What is wrong with a text that is to be filled in; None when nothing is."""
    try:
        names_in(text)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(maxsize=256)
def _compiled(text: str) -> jinja2.Template:
    names_in(text)  # what is filled in says so itself, whoever stored it
    return _jinja.from_string(text)


def filled(text: str, facts: Mapping[str, str]) -> str:
    """The text with these facts in place of its placeholders; one without a fact stays as it is. It ends where it has
    become too long, since a long fact may stand in many places.

    Raises ValueError for a text that is more than placeholders.
    """
    return _compiled(text).render(facts)[:MOST_FILLED]


def written(text: str, facts: Mapping[str, str]) -> str:
    """The same where the text is Markdown, in which nobody's name or subject is more than its words.

    Raises ValueError for a text that is more than placeholders.
    """
    begins = set(_BEGINNING.findall(text))
    plain = {
        name: words.escaped(fact, begins=name in begins) for name, fact in facts.items() if name not in AS_MARKDOWN
    }
    return filled(text, {**facts, **plain})


def line(text: str, facts: Mapping[str, str]) -> str:
    """The same as a subject or title; a long fact is cut short.

    Raises ValueError for a text that is more than placeholders.
    """
    return words.beginning(" ".join(filled(text, facts).split()), MOST_SUBJECT)


def plain(markdown: str) -> str:
    """Markdown as plain text, with the addresses of its links."""
    shown = re.sub(r'<a href="([^"]*)"[^>]*>(.*?)</a>', _link, words.html(markdown), flags=re.DOTALL)
    return html.unescape(nh3.clean(shown.replace("</p>", "</p>\n"), tags=set())).strip()


def _link(found: re.Match[str]) -> str:
    address, text = found[1], found[2]
    return text if text in {address, address.removeprefix("mailto:")} else f"{text} ({address})"


# --- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which templates to list: all that is given must hold."""

    use: MessageTemplateUse | None = None
    kind: NotificationKind | None = None
    locale: Any = None
    text: Any = None


def visible(viewer: Viewer) -> Select[MessageTemplate]:
    """Replies for staff, of their departments or of all; texts of messages for admins."""
    access.require(viewer, Role.AGENT)
    return seen(viewer)


def seen(viewer: Viewer) -> Select[MessageTemplate]:
    """The same where an id names one: nothing for customers."""
    rows = select(MessageTemplate)
    if viewer.has(Role.ADMIN):
        return rows
    if not viewer.is_staff:
        return rows.where(sa.false())
    rows = rows.where(MessageTemplate.use == MessageTemplateUse.REPLY)
    if viewer.has(Role.DIRECTOR):
        return rows
    theirs = MessageTemplate.department_id.in_(access.departments_of(viewer))
    return rows.where(sa.or_(MessageTemplate.department_id.is_(None), theirs))


def one(viewer: Viewer, template_id: Any) -> Select[MessageTemplate]:
    """The template, if the viewer may know of it."""
    return visible(viewer).where(MessageTemplate.id == template_id)


def listed(viewer: Viewer, asked: Conditions) -> Select[MessageTemplate]:
    """The templates that the viewer reads and for which all conditions hold."""
    rows = visible(viewer)
    if asked.use is not None:
        rows = rows.where(MessageTemplate.use == asked.use)
    if asked.kind is not None:
        rows = rows.where(MessageTemplate.kind == asked.kind)
    if asked.locale is not None:
        rows = rows.where(sa.func.lower(MessageTemplate.locale) == sa.func.lower(asked.locale))
    if asked.text is not None:
        rows = rows.where(_has(asked.text))
    return rows


def _has(text: Any) -> sa.ColumnElement[bool]:
    """Whether each of these words stands in name or body, in whatever case."""
    word = sa.func.regexp_split_to_table(sa.func.lower(sa.func.btrim(text)), r"\s+").column_valued("word")
    said = sa.func.lower(MessageTemplate.name + "\n" + MessageTemplate.body)
    return ~select(word).where(sa.func.strpos(said, word) == 0).correlate(MessageTemplate).exists()


def placeholders_of(template: Any) -> Any:
    """What may stand in a template."""
    usual = array_of(PLACEHOLDERS[None])
    others = [(kind, names) for kind, names in PLACEHOLDERS.items() if kind is not None and names != PLACEHOLDERS[None]]
    return sa.case(*((template.kind == kind, array_of(names)) for kind, names in others), else_=usual)


def array_of(names: tuple[str, ...]) -> Any:
    """These words as an array in SQL."""
    return sa.literal_column(f"'{{{','.join(names)}}}'::text[]", ARRAY(sa.Text()))


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a template is, as somebody fills it in."""

    name: str
    use: MessageTemplateUse
    kind: NotificationKind | None
    locale: str | None
    subject: str | None
    body: str
    department_id: UUID | None


async def save(unit: Unit, viewer: Viewer, template_id: UUID | None, form: Form) -> UUID:
    """Make a template, or replace the one of this id. Raises InvalidInput, NotFound, NotAllowed, Conflict TAKEN."""
    access.require(viewer, Role.TEAM_LEAD if form.use is MessageTemplateUse.REPLY else Role.ADMIN)
    values = _checked(form)
    if form.department_id is not None:
        await _require_department(unit, viewer, form.department_id)
    taken = "Another template has this name."
    unit.translate("message_templates_department_name_key", Conflict(ConflictReason.TAKEN, taken))
    taken = "Another template words this kind of message in this language."
    unit.translate("message_templates_kind_key", Conflict(ConflictReason.TAKEN, taken))
    if template_id is None:
        return unit.insert(MessageTemplate, updated_at=unit.now, **values).id
    row = access.found(await unit.lock(one, viewer, template_id), "messageTemplateId", "template")
    unit.change(row, updated_at=unit.now, **values)
    return row.id


def _checked(form: Form) -> dict[str, Any]:
    problems, reply = Problems(), form.use is MessageTemplateUse.REPLY
    name = words.line(problems, "name", form.name, most=100, what="The name")
    if reply and form.kind is not None:
        problems.add("kind", "A reply is of no kind.")
    if not reply and form.kind is None:
        problems.add("kind", "Say whose text this is.")
    locale = words.locale(problems, "locale", form.locale)
    subject = words.optional_line(problems, "subject", form.subject, most=MOST_SUBJECT, what="The subject")
    if reply and subject is not None:
        problems.add("subject", "A reply has no subject.")
    body = words.body(problems, "body", form.body)
    if not reply and form.department_id is not None:
        problems.add("departmentId", "Only replies are of a department.")
    known = PLACEHOLDERS[form.kind] if reply or form.kind else KNOWN
    for field, text in (("subject", subject), ("body", body)):
        check_placeholders(problems, field, text or "", known)
    problems.refuse()
    return {
        "name": name,
        "use": form.use,
        "kind": form.kind,
        "locale": locale or DESK,
        "subject": subject,
        "body": body,
        "department_id": form.department_id,
    }


def check_placeholders(problems: Problems, field: str, text: str, known: Sequence[str]) -> None:
    """Add a problem for each placeholder of a text that is not known, and for anything else in braces."""
    try:
        unknown = [name for name in names_in(text) if name not in known]
    except ValueError as error:
        problems.add(field, str(error))
        return
    for name in unknown:
        problems.add(field, f"There is no {{{{{name}}}}} here; possible are {', '.join(known)}.")


async def _require_department(unit: Unit, viewer: Viewer, department_id: UUID) -> None:
    access.found(await unit.read(departments.one, viewer, department_id), "departmentId", "department")
    if not viewer.has(Role.DIRECTOR) and await unit.read(access.membership, viewer.id, department_id) is None:
        raise NotAllowed("You write replies for your own departments.")


async def delete(unit: Unit, viewer: Viewer, template_id: UUID) -> UUID:
    """Delete a template; messages of its kind get the built-in text again."""
    access.require(viewer, Role.TEAM_LEAD)
    row = access.found(await unit.lock(one, viewer, template_id), "messageTemplateId", "template")
    unit.delete(row)
    return template_id
