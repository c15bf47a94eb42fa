"""Lists of tickets: which, in which order, and how a page of one is found among millions."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, Select, select
from sqlalchemy.dialects import postgresql

from domain import access, sla, tickets
from domain.access import Viewer, Works
from domain.refusals import Refusal
from domain.spans import within
from domain.tickets import ratings, search
from models import Department, Role, Ticket, TicketChannel, TicketPriority, TicketStatus

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
    rows = _meeting(tickets.visible(viewer), viewer, asked, works)
    if asked.text_kind is None:
        return without_words(rows)
    rows = rows.add_columns(sa.cast(asked.text, sa.Text()).label("words"))
    words = search.has(Ticket, works, asked.text)
    return rows.where(sa.or_(words, _of_number(asked)) if asked.text_kind == "number" else words)


def without_words(rows: Select[Ticket]) -> Select[*tuple[Any, ...]]:
    """Tickets of a list that looks for no words."""
    return rows.add_columns(sa.cast(sa.null(), sa.Text()).label("words"))


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


def _changed_at(works: Works) -> Any:
    """When something last changed that this side sees."""
    return access.of_side(works, Ticket.updated_at, Ticket.public_updated_at)


def _meeting(rows: Select[Ticket], viewer: Viewer, asked: Conditions, works: Works) -> Select[Ticket]:
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


def _of_number(asked: Conditions) -> ColumnElement[bool]:
    return Ticket.number == search.number_in(asked.text)


def of_person(viewer: Viewer, page: Any, asked: Conditions | None, column: str, person_id: Any) -> Any:
    """A page of the tickets that name this person in a column, last changed first."""
    asked = asked or Conditions()
    theirs: Any = postgresql.array([person_id], type_=sa.Uuid())
    if (others := asked.any_of.get(column)) is not None:
        nobody: Any = sa.literal_column("'{}'::uuid[]")
        theirs = sa.case((person_id == sa.func.any(others), theirs), else_=nobody)
    return last_changed(viewer, page, replace(asked, any_of={**asked.any_of, column: theirs}))


def last_changed(viewer: Viewer, page: Any, asked: Conditions, *also: Any) -> Any:
    """A page of a list, last changed first. `also`: columns beside those of the tickets, with labels."""
    found = ways(viewer, asked, TicketOrderField.UPDATED_AT, descending=True)
    return page.of(listed(viewer, asked).add_columns(*also), order=newest(viewer, asked), **found._asdict())


# --- How a page is found ----------------------------------------------------------------------------------------------


class Way(NamedTuple):
    """Some of the tickets, in an order that an index has; `each`: from each of these values of some columns."""

    rows: Select[Ticket]
    order: list[Any] | None = None
    each: tuple[Sequence[Any], Select[Any]] | None = None

    def where(self, *conditions: Any) -> "Way":
        """Those for which this holds as well."""
        return self._replace(rows=self.rows.where(*conditions))

    def of_each(self, *columns: Any, values: Select[Any]) -> "Way":
        """From each of these values of the columns."""
        return self._replace(each=(columns, values))


class Ways(NamedTuple):
    """Ways that find all of a list between them, what they share, and what must hold for there to be any."""

    ways: Sequence[Way] = ()
    shared: Sequence[CTE] = ()
    guard: ColumnElement[bool] | None = None


def newest(viewer: Viewer, asked: Conditions) -> list[Any]:
    """The order in which the tickets are found that are then ordered by relevance: last changed first."""
    return order(viewer, asked, TicketOrderField.UPDATED_AT, descending=True)


def ways(viewer: Viewer, asked: Conditions, by: TicketOrderField, *, descending: bool) -> Ways:
    """How a page of the list is found: from each department and status, and from what is the viewer's own.

    So it costs the same among a thousand tickets and among millions, and what only staff know of a ticket orders the
    tickets of those alone who work on it. No ways: one index has it all, in its order.
    """
    if viewer.ticket_id is not None:
        return Ways()
    return _ways(viewer, asked, by, descending=descending)._replace(guard=access.still(viewer))


def _ways(viewer: Viewer, asked: Conditions, by: TicketOrderField, *, descending: bool) -> Ways:
    works = access.works_on(viewer, Ticket)
    if by is TicketOrderField.RELEVANCE:
        by, descending = TicketOrderField.UPDATED_AT, True
    # What a way says of whose tickets they are isn't asked again: it would keep PostgreSQL from the index.
    rest = replace(asked, mine=None) if asked.mine else asked
    seen = Way(_meeting(tickets.visible(viewer), viewer, asked, works))
    found = [seen.where(_of_number(asked))] if asked.text_kind == "number" else []
    if works is not True or asked.mine:  # else they find their own among all
        found += _own(viewer, asked, Way(_meeting(select(Ticket), viewer, rest, works)), works)
    if not viewer.is_staff:
        return Ways(found)
    if "requester_id" in asked.any_of:
        theirs = seen.of_each(Ticket.requester_id, values=_values(asked.any_of["requester_id"]))
        return Ways([*found, _with_words(theirs, asked, works)])
    order_of_staff = _order(viewer, asked, by, works=True, descending=descending)
    staff = Way(_meeting(select(Ticket), viewer, rest, works=True), order_of_staff)
    # Agents read the ratings of their own tickets alone.
    if asked.mine or (asked.ratings is not None and not viewer.has(Role.TEAM_LEAD)):
        theirs = staff.of_each(Ticket.assignee_id, Ticket.status, values=_pairs(select(_id(viewer.id)), asked))
        return Ways([*found, _with_words(theirs, asked, works=True)])
    if "assignee_id" in asked.any_of:
        pairs = _pairs(_values(asked.any_of["assignee_id"]), asked)
        theirs = staff.where(works).of_each(Ticket.assignee_id, Ticket.status, values=pairs)
        return Ways([*found, _with_words(theirs, asked, works=True)])
    if works is not True:
        assigned = staff.where(Ticket.assignee_id == viewer.id)
        found.append(_with_words(assigned.of_each(Ticket.department_id, values=_elsewhere(viewer)), asked, works=True))
    by_index = _as_indexed(asked, by, descending=descending)
    by_rating = asked.ratings is not None and by is TicketOrderField.UPDATED_AT
    return _through_departments(viewer, asked, staff, found, by_index=by_index, by_rating=by_rating)


def _own(viewer: Viewer, asked: Conditions, way: Way, works: Works) -> list[Way]:
    """The viewer's own tickets, and those that they watch."""
    requested = way.where(Ticket.requester_id == viewer.id)
    watched = way.of_each(Ticket.id, values=access.watched_of(viewer))
    return [_with_words(requested, asked, works), _with_words(watched, asked, works)]


def _through_departments(
    viewer: Viewer, asked: Conditions, staff: Way, found: list[Way], *, by_index: bool, by_rating: bool
) -> Ways:
    """The tickets of the viewer's departments, beside what was `found` otherwise."""
    departments = _departments(viewer, asked)
    if asked.escalation_ranks is not None:  # few are, whatever the order
        # As the index has it, whatever PostgreSQL knows of parameters.
        escalated = staff.where(Ticket.escalation_rank > sa.literal_column("0", sa.Integer()))
        each = escalated.of_each(
            Ticket.department_id, Ticket.escalation_rank, values=_ranks(departments, asked.escalation_ranks)
        )
        return Ways([*found, _with_words(each, asked, works=True)])
    if by_rating:
        all_of_them = staff.of_each(Ticket.department_id, Ticket.rating, values=_rated(departments, asked))
    elif all(end is not None for end in asked.resolved):  # then there is an index of these as well
        all_of_them = staff.of_each(Ticket.department_id, values=departments)
    elif by_index and viewer.has(Role.DIRECTOR) and "department_id" not in asked.any_of:
        all_of_them = staff
    elif by_index:
        all_of_them = staff.of_each(Ticket.department_id, values=departments)
    else:
        all_of_them = staff.of_each(Ticket.department_id, Ticket.status, values=_pairs(departments, asked))
    if asked.text_kind is not None:
        rare = search.rare(asked.text)
    elif asked.tags is not None:
        rare = search.rarely_tagged(asked.tags)
    else:
        return Ways([*found, all_of_them])
    # Rare words and tags lead to their tickets; common ones are met soon among the tickets in their order.
    looked_up = staff.where(access.works_on(viewer, Ticket), rare.is_so)
    looked_up = looked_up.of_each(Ticket.id, values=select(rare.found.c.ticket_id).distinct())
    met = _with_words(all_of_them.where(sa.not_(rare.is_so)), asked, works=True)
    return Ways([*found, looked_up, met], rare.shared)


def _elsewhere(viewer: Viewer) -> Select[Any]:
    """Other departments that have tickets of the viewer's."""
    theirs = select(Ticket.id).where(Ticket.assignee_id == viewer.id, Ticket.department_id == Department.id)
    return select(Department.id).where(Department.id.not_in(access.departments_of(viewer)), theirs.exists())


def _as_indexed(asked: Conditions, by: TicketOrderField, *, descending: bool) -> bool:
    """Whether the index of all tickets, or of all of a department's, has this order, and nothing else narrows it."""
    narrow = (
        asked.statuses is not None
        or asked.mine
        or asked.breached
        or asked.due_before is not None
        or asked.any_of.keys() & {"requester_id", "assignee_id"}
    )
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
    known = [status for status in asked.statuses or TicketStatus if asked.due_before is None or status in sla.COUNTING]
    names = [(status.name,) for status in known or asked.statuses or TicketStatus]
    statuses = sa.values(sa.column("status", sa.Text()), name="statuses").data(names)
    rows = ids.subquery()
    return select(*rows.c, statuses.c.status).select_from(rows.join(statuses, sa.true()))


def _ranks(departments: Select[Any], asked: Sequence[int]) -> Select[Any]:
    """Each of these departments with each rank that is asked for; with none, where none can be found."""
    ranks = sa.values(sa.column("rank", sa.Integer()), name="ranks")
    ranks = ranks.data([(rank,) for rank in asked or [0]])
    rows = departments.subquery()
    return select(*rows.c, ranks.c.rank).select_from(rows.join(ranks, sa.true()))


def _rated(departments: Select[Any], asked: Conditions) -> Select[Any]:
    """Each of these departments with each rating that is asked for."""
    rows, ratings = departments.subquery(), _values(asked.ratings).subquery()
    return select(*rows.c, ratings.c.value).select_from(rows.join(ratings, sa.true()))


def _values(ids: Any) -> Select[Any]:
    return select(sa.func.unnest(ids).label("value")).distinct()


def _id(value: Any) -> Any:
    return sa.cast(value, sa.Uuid()).label("value")
