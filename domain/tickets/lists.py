"""Lists of tickets: which, in which order, and how a page of one is found among millions."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, Select, select

from domain import access, tickets
from domain.access import Viewer, Works
from domain.refusals import Refusal
from domain.tickets import search
from models import Department, Role, Ticket, TicketChannel, TicketPriority, TicketStatus

MOST_RANKED = 1_000  # the newest that fit, of which those that fit best come first


class TicketOrderField(enum.Enum):
    """What tickets can be ordered by."""

    CREATED_AT = enum.auto()
    UPDATED_AT = enum.auto()
    PRIORITY = enum.auto()
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
    any_of: Mapping[str, Any] = field(default_factory=dict)  # arrays of ids, by column
    tags: Any = None
    unassigned: bool | None = None
    mine: bool | None = None
    needs_triage: bool | None = None
    created: tuple[Any, Any] = (None, None)  # from, itself included; to, itself not
    updated: tuple[Any, Any] = (None, None)


def listed(viewer: Viewer, asked: Conditions) -> Select[Ticket]:
    """The tickets that the viewer sees and for which all conditions hold."""
    rows = _meeting(tickets.visible(viewer), viewer, asked, access.works_on(viewer, Ticket))
    if asked.text_kind is None:
        return rows
    words = search.matching(viewer, asked.text)
    return rows.where(sa.or_(words, _of_number(asked)) if asked.text_kind == "number" else words)


def order(viewer: Viewer, asked: Conditions, by: TicketOrderField, *, descending: bool) -> list[Any]:
    """What to order by. Equal ones stand in order of submission, and who waits for nothing comes last.

    Raises Refusal when relevance is asked for and no words are.
    """
    return _order(viewer, asked, by, access.works_on(viewer, Ticket), descending=descending)


def _order(
    viewer: Viewer,
    asked: Conditions,
    by: TicketOrderField,
    works: Works,
    *,
    descending: bool,
) -> list[Any]:
    match by:
        case TicketOrderField.CREATED_AT:
            first: Any = Ticket.created_at
        case TicketOrderField.UPDATED_AT:
            first = access.of_side(works, Ticket.updated_at, Ticket.public_updated_at)
        case TicketOrderField.PRIORITY:
            first = Ticket.priority_rank
        case TicketOrderField.WAITING_SINCE:
            never = "-infinity" if descending else "infinity"
            first = sa.func.coalesce(Ticket.waiting_since, sa.literal_column(f"'{never}'::timestamptz"))
        case TicketOrderField.RELEVANCE:
            if asked.text_kind is None:
                raise Refusal("An order by relevance needs filter.text.")
            first = search.relevance(viewer, asked.text, asked.text_kind)
    return [first.desc() if descending else first, Ticket.id]


def _meeting(rows: Select[Ticket], viewer: Viewer, asked: Conditions, works: Works) -> Select[Ticket]:
    """Those of the rows for which all conditions but the text hold. `works`: on which side of them the viewer is."""
    for column, values in (
        (Ticket.status, asked.statuses),
        (Ticket.priority, asked.priorities),
        (Ticket.channel, asked.channels),
    ):
        if values is not None:
            rows = rows.where(column.in_(values))
    for name, ids in asked.any_of.items():
        rows = rows.where(getattr(Ticket, name) == sa.func.any(ids))
    if asked.tags is not None:
        rows = rows.where(_tagged(works, asked.tags))
    for wanted, condition in (
        (asked.unassigned, Ticket.assignee_id.is_(None)),
        (asked.mine, tickets.mine(viewer)),
        (asked.needs_triage, Ticket.triage_pending.is_(sa.true())),
    ):
        if wanted is not None:
            rows = rows.where(condition if wanted else condition.is_not(sa.true()))  # what is unknown counts as not
    changed = access.of_side(works, Ticket.updated_at, Ticket.public_updated_at)
    for moment, (start, end) in ((Ticket.created_at, asked.created), (changed, asked.updated)):
        if start is not None:
            rows = rows.where(moment >= start)
        if end is not None:
            rows = rows.where(moment < end)
    return rows


def _tagged(works: Works, tags: Any) -> ColumnElement[bool]:
    """Whether it has one of these tags, as far as the viewer may know: to customers, tickets have none."""
    # The first condition is that of the index.
    overlap = sa.and_(Ticket.tags != sa.literal_column("'{}'::text[]"), Ticket.tags.op("&&")(tags))
    return (overlap if works else sa.false()) if isinstance(works, bool) else sa.and_(overlap, works)


def _of_number(asked: Conditions) -> ColumnElement[bool]:
    return Ticket.number == search.number_in(asked.text)


# --- How a page is found ----------------------------------------------------------------------------------------------


class Way(NamedTuple):
    """Some of the tickets, in an order that an index has; `each`: from each of these values of some columns."""

    rows: Select[Ticket]
    order: list[Any] | None = None
    each: tuple[Sequence[Any], Select[Any]] | None = None
    most: int | None = None

    def where(self, *conditions: Any) -> "Way":
        """Those for which this holds as well."""
        return self._replace(rows=self.rows.where(*conditions))

    def of_each(self, *columns: Any, values: Select[Any]) -> "Way":
        """From each of these values of the columns."""
        return self._replace(each=(columns, values))


class Ways(NamedTuple):
    """Ways that find all of a list between them, and what they share."""

    ways: Sequence[Way] = ()
    shared: Sequence[CTE] = ()


def ways(viewer: Viewer, asked: Conditions, by: TicketOrderField, *, descending: bool) -> Ways:
    """How a page of the list is found: from each department and status, and from what is the viewer's own.

    So it costs the same among a thousand tickets and among millions, and what only staff know of a ticket orders the
    tickets of those alone who work on it. No ways: one index has it all, in its order.
    """
    if viewer.ticket_id is not None or (viewer.has(Role.DIRECTOR) and _as_indexed(asked, by, descending=descending)):
        return Ways()
    works, most = access.works_on(viewer, Ticket), None
    if by is TicketOrderField.RELEVANCE:
        by, descending, most = TicketOrderField.CREATED_AT, True, MOST_RANKED
    order_of_staff = _order(viewer, asked, by, works=True, descending=descending)
    seen = Way(_meeting(tickets.visible(viewer), viewer, asked, works), order_of_staff if most else None, None, most)
    found = _own(viewer, asked, seen, works)
    if not viewer.is_staff:
        return Ways(found)
    staff = Way(_meeting(select(Ticket), viewer, asked, works=True), order_of_staff, None, most)
    if "requester_id" in asked.any_of:
        theirs = seen.of_each(Ticket.requester_id, values=_values(asked.any_of["requester_id"]))
        return Ways([*found, _with_words(theirs, asked, works)])
    if "assignee_id" in asked.any_of or asked.mine:
        people = _values(asked.any_of["assignee_id"]) if "assignee_id" in asked.any_of else select(_id(viewer.id))
        theirs = staff.where(works).of_each(Ticket.assignee_id, Ticket.status, values=_pairs(people, asked))
        return Ways([*found, _with_words(theirs, asked, works=True)])
    if not viewer.has(Role.DIRECTOR):
        elsewhere = select(Department.id).where(Department.id.not_in(access.departments_of(viewer)))
        assigned = staff.where(Ticket.assignee_id == viewer.id).of_each(Ticket.department_id, values=elsewhere)
        found.append(_with_words(assigned, asked, works=True))
    departments = _departments(viewer, asked)
    if _as_indexed(asked, by, descending=descending):
        all_of_them = staff.of_each(Ticket.department_id, values=departments)
    else:
        all_of_them = staff.of_each(Ticket.department_id, Ticket.status, values=_pairs(departments, asked))
    if asked.text_kind is None:
        return Ways([*found, all_of_them])
    # Rare words lead to their tickets; common ones stand in every few of the tickets that are looked at in order.
    few = search.few(asked.text)
    looked_up = staff.where(works, search.are_few(few)).of_each(Ticket.id, values=select(few.c.ticket_id).distinct())
    looked_at = _with_words(all_of_them.where(sa.not_(search.are_few(few))), asked, works=True)
    return Ways([*found, looked_up, looked_at], [few])


def _own(viewer: Viewer, asked: Conditions, seen: Way, works: Works) -> list[Way]:
    """The viewer's own tickets, and that of the number asked for. Whoever works on all finds their own among all."""
    found = [seen.where(_of_number(asked))] if asked.text_kind == "number" else []
    if works is True and not asked.mine:
        return found
    requested = seen.where(Ticket.requester_id == viewer.id)
    watched = seen.of_each(Ticket.id, values=access.watched_of(viewer))
    return [*found, _with_words(requested, asked, works), _with_words(watched, asked, works)]


def _as_indexed(asked: Conditions, by: TicketOrderField, *, descending: bool) -> bool:
    """Whether it is the order of the index of all tickets, or of all of a department's, with nothing that narrows."""
    narrow = asked.statuses is not None or asked.text_kind is not None or asked.mine or asked.any_of
    return by is TicketOrderField.UPDATED_AT and descending and not narrow


def _with_words(way: Way, asked: Conditions, works: Works) -> Way:
    return way if asked.text_kind is None else way.where(search.has(Ticket, works, asked.text))


def _departments(viewer: Viewer, asked: Conditions) -> Select[Any]:
    """The departments whose tickets the viewer sees for that, and asks for."""
    rows: Select[Any] = select(Department.id)
    if not viewer.has(Role.DIRECTOR):
        rows = rows.where(Department.id.in_(access.departments_of(viewer)))
    ids = asked.any_of.get("department_id")
    return rows if ids is None else rows.where(Department.id == sa.func.any(ids))


def _pairs(ids: Select[Any], asked: Conditions) -> Select[Any]:
    """Each of these with each status that is asked for."""
    names = [(status.name,) for status in asked.statuses or TicketStatus]
    statuses = sa.values(sa.column("status", sa.Text()), name="statuses").data(names)
    rows = ids.subquery()
    return select(*rows.c, statuses.c.status).select_from(rows.join(statuses, sa.true()))


def _values(ids: Any) -> Select[Any]:
    return select(sa.func.unnest(ids).label("value")).distinct()


def _id(value: Any) -> Any:
    return sa.cast(value, sa.Uuid()).label("value")
