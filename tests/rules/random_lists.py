"""Which tickets a list of them holds, in which order: said once more, by going through all of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from random_scene import WORD, Reader
from random_values import LIKE, Values

import models

LONG_AGO, NEVER = dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
BY: dict[str, Callable[[Reader, Any, bool], Any]] = {
    "CREATED_AT": lambda _, ticket, __: ticket.created_at,
    "UPDATED_AT": lambda reader, ticket, _: changed_at(reader, ticket),
    "PRIORITY": lambda _, ticket, __: ticket.priority.value,
    "DUE_AT": lambda reader, ticket, descending: due_at(reader, ticket) or (LONG_AGO if descending else NEVER),
    "WAITING_SINCE": lambda _, ticket, descending: ticket.waiting_since or (LONG_AGO if descending else NEVER),
}


class Window(NamedTuple):
    """A part of a list: after and before these places, so many from its start, or from its end when negative."""

    after: int | None
    before: int | None
    size: int

    def of(self, items: list[Any]) -> tuple[list[Any], bool, bool]:
        """What stands on that page, and whether there is more after and before it."""
        start = 0 if self.after is None else self.after + 1
        left = items[start : self.before]
        cut = len(left) > abs(self.size)
        page = left[: self.size] if self.size > 0 else left[self.size :]
        more_after = (cut and self.size > 0) or self.before is not None
        return page, more_after, (cut and self.size < 0) or self.after is not None


class SimpleSearch(Values):
    """Looks for whole words, or for the beginning of one."""

    def search(self) -> str:
        """One or two words of the ticket that is looked for."""
        texts = [self.like.subject, self.like.body, *self.like.tags]
        texts += [row.body for row in self.scene.of(models.Comment, self.like) if row.body]
        one, other = (self.luck.choice(WORD.findall(" ".join(texts))) for _ in range(2))
        said: str = self.luck.choice([one, f"{one} {other}", one[:4], f"#{self.like.number}", " "])
        return said


def changed_at(reader: Reader, ticket: Any) -> Any:
    """When something changed that they may know of."""
    return ticket.updated_at if reader.works_on(ticket) else ticket.public_updated_at


def due_at(reader: Reader, ticket: Any) -> Any:
    """When an SLA target is due that they may know of."""
    return ticket.due_at if reader.works_on(ticket) else None


def listed(reader: Reader, asked: dict[str, Any], order: dict[str, str] | None) -> list[Any]:
    """The tickets that they see and for which all conditions hold; without an order, last changed first."""
    tickets = [ticket for ticket in reader.rows.rows[models.Ticket] if reader.sees(ticket)]
    tickets = [each for each in tickets if all(holds(reader, each, *item) for item in asked.items())]
    by, descending = BY[order["field"] if order else "UPDATED_AT"], order is None or order["direction"] == "DESC"
    tickets.sort(key=lambda ticket: ticket.id)
    return sorted(tickets, key=lambda ticket: by(reader, ticket, descending), reverse=descending)


def holds(reader: Reader, ticket: Any, name: str, wanted: Any) -> bool:
    """Whether one condition does."""
    if wanted is None:
        return True
    if isinstance(wanted, list):
        return has_one(reader, ticket, name, wanted)
    if name == "text":
        return found_by(reader, ticket, wanted)
    if isinstance(wanted, dict):
        moments = {"created": ticket.created_at, "resolved": ticket.resolved_at}
        moment = moments.get(name, changed_at(reader, ticket))
        ends = {end: dt.datetime.fromisoformat(text.upper()) for end, text in wanted.items() if text is not None}
        return not ends or bool(moment and ends.get("from", LONG_AGO) <= moment < ends.get("to", NEVER))
    if name == "dueBefore":
        return bool((due_at(reader, ticket) or NEVER) < dt.datetime.fromisoformat(wanted.upper()))
    watches = any(row.person_id == reader.viewer.id for row in reader.rows.of(models.Watcher, ticket))
    states = {
        "unassigned": ticket.assignee_id is None,
        "needsTriage": ticket.triage_pending is True and ticket.status is not models.TicketStatus.CLOSED,
        "breached": reader.works_on(ticket) and ticket.breached_at is not None,
        "mine": watches or reader.viewer.id in {ticket.requester_id, ticket.assignee_id},
    }
    return bool(states[name] == wanted)


def has_one(reader: Reader, ticket: Any, name: str, wanted: list[Any]) -> bool:
    """Whether it has one of these values, as far as they may know."""
    if name == "tags":
        return bool(set(wanted) & set(ticket.tags if reader.works_on(ticket) else []))
    if name == "ratings" and not reader.reads_ratings(ticket):
        return False
    return LIKE[f"TicketFilter.{name}"](ticket) in wanted


def found_by(reader: Reader, ticket: Any, text: str) -> bool:
    """Whether all words stand in the subject and one text that they may read, the last one at least begun."""
    if not text.strip():
        return True
    if text.startswith("#"):
        return text == f"#{ticket.number}"
    *whole, last = text.split()
    rows = reader.rows.of(models.TicketWords, ticket)
    readable = (WORD.findall(" ".join(row.words)) for row in rows if reader.works_on(ticket) or not row.internal)
    return any(set(whole) <= set(words) and any(word.startswith(last) for word in words) for words in readable)


def window(luck: Random, length: int) -> Window:
    """A part of a list that long."""
    after, before = (luck.choice([None, luck.randrange(length)]) if length else None for _ in range(2))
    if after is not None and before is not None:
        after, before = sorted((after, before))
    return Window(after, before, luck.choice([1, -1]) * luck.randint(1, 6))
