"""How a page of a list of tickets is found among millions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import CTE, ColumnElement, Select, select
from sqlalchemy.dialects import postgresql

from domain import access, sla, tickets
from domain.access import Viewer, Works
from domain.tickets import lists, search
from domain.tickets.lists import Conditions, TicketOrderField
from models import Department, Role, Ticket, TicketStatus


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


def of(
    viewer: Viewer,
    page: Any,
    asked: Conditions,
    by: TicketOrderField = TicketOrderField.UPDATED_AT,
    *,
    descending: bool = True,
    also: Sequence[Any] = (),
    pool: Any = None,
) -> Any:
    """A page of a list. `also`: columns beside those of the tickets, with labels; `pool`: as a page has it.

    Raises Refusal as `lists.order` does.
    """
    rows = lists.listed(viewer, asked).add_columns(*also)
    order = lists.order(viewer, asked, by, descending=descending)
    return page.of(rows, order=order, pool=pool, **ways(viewer, asked, by, descending=descending)._asdict())


def of_person(viewer: Viewer, page: Any, asked: Conditions | None, column: str, person_id: Any) -> Any:
    """A page of the tickets that name this person in a column, last changed first."""
    asked = asked or Conditions()
    theirs: Any = postgresql.array([person_id], type_=sa.Uuid())
    if (others := asked.any_of.get(column)) is not None:
        nobody: Any = sa.literal_column("'{}'::uuid[]")
        theirs = sa.case((person_id == sa.func.any(others), theirs), else_=nobody)
    return of(viewer, page, replace(asked, any_of={**asked.any_of, column: theirs}))


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
    seen = Way(lists.meeting(tickets.visible(viewer), viewer, asked, works))
    found = [seen.where(lists.of_number(asked))] if asked.text_kind == "number" else []
    if works is not True or asked.mine:  # else they find their own among all
        found += _own(viewer, asked, Way(lists.meeting(select(Ticket), viewer, rest, works)), works)
    if not viewer.is_staff:
        return Ways(found)
    if "requester_id" in asked.any_of:
        theirs = seen.of_each(Ticket.requester_id, values=_values(asked.any_of["requester_id"]))
        return Ways([*found, _with_words(theirs, asked, works)])
    order_of_staff = lists.order(viewer, asked, by, descending=descending, works=True)
    staff = Way(lists.meeting(select(Ticket), viewer, rest, works=True), order_of_staff)
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
