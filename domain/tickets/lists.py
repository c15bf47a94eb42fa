"""Lists of tickets: which, and in which order."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select

from domain import access, sla, tickets
from domain.access import Viewer, Works
from domain.refusals import Refusal
from domain.spans import within
from domain.tickets import ratings, search
from models import Ticket, TicketChannel, TicketPriority, TicketStatus

MOST_RANKED = 1_000  # the newest that fit, of which those that fit best come first


class TicketOrderField(enum.Enum):
    """What tickets can be ordered by."""

    CREATED_AT = enum.auto()
    UPDATED_AT = enum.auto()
    PRIORITY = enum.auto()
    DUE_AT = enum.auto()
    WAITING_SINCE = enum.auto()
    RELEVANCE = enum.auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which tickets to list: all that is given must hold. Lists of ids are arrays, the rest of a list is plain."""

    text: Any = None
    text_kind: str | None = None  # as `search.kind` says
    statuses: Sequence[TicketStatus] | None = None
    priorities: Sequence[TicketPriority] | None = None
    channels: Sequence[TicketChannel] | None = None
    escalation_ranks: Sequence[int] | None = None
    any_of: Mapping[str, Any] = field(default_factory=dict)  # arrays of ids, by column
    tags: Any = None
    unassigned: bool | None = None
    mine: bool | None = None
    needs_triage: bool | None = None
    breached: bool | None = None
    due_before: Any = None
    created: tuple[Any, Any] = (None, None)  # from, itself included; to, itself not
    updated: tuple[Any, Any] = (None, None)
    resolved: tuple[Any, Any] = (None, None)
    ratings: Any = None


def listed(viewer: Viewer, asked: Conditions) -> Select[*tuple[Any, ...]]:
    """The tickets that the viewer sees and for which all conditions hold, with the `words` that are looked for."""
    works = access.works_on(viewer, Ticket)
    rows = meeting(tickets.visible(viewer), viewer, asked, works)
    if asked.text_kind is None:
        return without_words(rows)
    rows = rows.add_columns(sa.cast(asked.text, sa.Text()).label("words"))
    words = search.has(Ticket, works, asked.text)
    return rows.where(sa.or_(words, of_number(asked)) if asked.text_kind == "number" else words)


def without_words(rows: Select[Ticket]) -> Select[*tuple[Any, ...]]:
    """Tickets of a list that looks for no words."""
    return rows.add_columns(sa.cast(sa.null(), sa.Text()).label("words"))


def order(
    viewer: Viewer, asked: Conditions, by: TicketOrderField, *, descending: bool, works: Works | None = None
) -> list[Any]:
    """What to order by. Equal ones stand in order of submission, and who waits for nothing comes last.

    `works`: whether the viewer works on the tickets; None: as each of them says. Raises Refusal when relevance is asked
    for and no words are.
    """
    works = access.works_on(viewer, Ticket) if works is None else works
    match by:
        case TicketOrderField.CREATED_AT:
            first: Any = Ticket.created_at
        case TicketOrderField.UPDATED_AT:
            first = _changed_at(works)
        case TicketOrderField.PRIORITY:
            first = Ticket.priority_rank
        case TicketOrderField.WAITING_SINCE:
            never = "-infinity" if descending else "infinity"
            first = sa.func.coalesce(Ticket.waiting_since, sa.literal_column(f"'{never}'::timestamptz"))
        case TicketOrderField.DUE_AT:
            never = "-infinity" if descending else "infinity"
            first = access.of_side(works, sla.due_or(never), sla.never_due(never))
        case TicketOrderField.RELEVANCE:
            if asked.text_kind is None:
                raise Refusal("An order by relevance needs filter.text.")
            first = search.relevance(viewer, asked.text, asked.text_kind)
    return [first.desc() if descending else first, Ticket.id]


def newest(viewer: Viewer, asked: Conditions) -> list[Any]:
    """The order in which the tickets are found that are then ordered by relevance: last changed first."""
    return order(viewer, asked, TicketOrderField.UPDATED_AT, descending=True)


def _changed_at(works: Works) -> Any:
    """When something last changed that this side sees."""
    return access.of_side(works, Ticket.updated_at, Ticket.public_updated_at)


def meeting(rows: Select[Ticket], viewer: Viewer, asked: Conditions, works: Works) -> Select[Ticket]:
    """Those of the rows for which all conditions but the text hold. `works`: on which side of them the viewer is."""
    if asked.priorities is not None:  # by rank, as indexes have it
        rows = rows.where(Ticket.priority_rank.in_([priority.value for priority in asked.priorities]))
    for column, values in (
        (Ticket.status, asked.statuses),
        (Ticket.channel, asked.channels),
        (Ticket.escalation_rank, asked.escalation_ranks),
    ):
        if values is not None:
            rows = rows.where(column.in_(values))
    for name, ids in asked.any_of.items():
        rows = rows.where(getattr(Ticket, name) == sa.func.any(ids))
    for hidden in _hidden(asked):
        rows = rows.where(_for_staff(works, hidden))
    for wanted, condition in (
        (asked.unassigned, Ticket.assignee_id.is_(None)),
        (asked.mine, tickets.mine(viewer)),
        # As the queue counts them: of what is closed nobody finds the category.
        (asked.needs_triage, sa.and_(Ticket.triage_pending.is_(sa.true()), Ticket.status != TicketStatus.CLOSED)),
        (asked.breached, _for_staff(works, Ticket.breached_at.is_not(None))),
    ):
        if wanted is not None:
            rows = rows.where(condition if wanted else condition.is_not(sa.true()))  # what is unknown counts as not
    if asked.ratings is not None:
        rows = rows.where(Ticket.rating == sa.func.any(asked.ratings), ratings.are_seen(viewer, Ticket, works))
    return _within(rows, asked, works)


def _within(rows: Select[Ticket], asked: Conditions, works: Works) -> Select[Ticket]:
    rows = within(rows, Ticket.created_at, asked.created)
    rows = within(rows, _changed_at(works), asked.updated)
    return within(rows, Ticket.resolved_at, asked.resolved)


def _hidden(asked: Conditions) -> Iterator[ColumnElement[bool]]:
    """The conditions on what only staff know of a ticket: to customers, it has no tags, and nothing is due."""
    if asked.tags is not None:
        yield search.tagged(Ticket, asked.tags)
    if asked.due_before is not None:
        yield sla.due_or("infinity") < asked.due_before


def _for_staff(works: Works, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether it holds, for whoever works on the ticket; never for everyone else."""
    return (condition if works else sa.false()) if isinstance(works, bool) else sa.and_(condition, works)


def of_number(asked: Conditions) -> ColumnElement[bool]:
    """Whether it is the ticket of the number that the text is."""
    return Ticket.number == search.number_in(asked.text)
