"""How much waits where: counts of tickets that the viewer works on, each found by an index."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select

from domain import access, availability, departments
from domain.access import Viewer
from models import UNRESOLVED, Availability, Department, Membership, Person, Role, Ticket, TicketStatus

RISK = dt.timedelta(hours=1)
NEVER: Any = sa.literal_column("'infinity'::timestamptz")


def one(viewer: Viewer, department_id: Any = None) -> Select[*tuple[Any, ...]]:
    """The queue of a department, or of all that the viewer works on together. Raises NotAllowed."""
    access.require(viewer, Role.AGENT)
    rows = of(viewer, department_id)
    return rows if department_id is None else rows.where(departments.one(viewer, department_id).exists())


def of(viewer: Viewer, department_id: Any) -> Select[*tuple[Any, ...]]:
    """A queue as a row; only what is asked of it is counted."""
    due, waits = (func.coalesce(column, NEVER) for column in (Ticket.due_at, Ticket.waiting_since))
    is_open, unresolved = Ticket.status == TicketStatus.OPEN, Ticket.status.in_(UNRESOLVED)
    mine = select(func.count()).select_from(Ticket).where(Ticket.assignee_id == viewer.id, is_open)
    if department_id is not None:
        mine = mine.where(Ticket.department_id == department_id)

    def count(*conditions: ColumnElement[bool]) -> Any:
        return _over(viewer, department_id, func.count(), conditions)

    longest = [
        _over(viewer, department_id, func.min(waits), [Ticket.status == each], sums=False) for each in UNRESOLVED
    ]
    return select(
        sa.cast(viewer.id if department_id is None else department_id, sa.Uuid()).label("id"),
        sa.cast(sa.null() if department_id is None else department_id, sa.Uuid()).label("department_id"),
        count(is_open).label("open_count"),
        count(is_open, Ticket.assignee_id.is_(None)).label("unassigned_count"),
        mine.scalar_subquery().label("mine_count"),
        count(Ticket.triage_pending.is_(sa.true()), Ticket.status != TicketStatus.CLOSED).label("triage_count"),
        count(Ticket.status == TicketStatus.PENDING).label("pending_count"),
        count(Ticket.status == TicketStatus.ON_HOLD).label("on_hold_count"),
        count(Ticket.escalation_rank > 0).label("escalated_count"),
        count(unresolved, due > func.now(), due <= func.now() + RISK).label("at_risk_count"),
        count(unresolved, Ticket.breached_at.is_not(None)).label("breached_count"),
        func.nullif(func.least(*longest), NEVER, type_=sa.DateTime(timezone=True)).label("longest_waiting_since"),
        _agents(viewer, department_id).label("available_agent_count"),
    )


def _places(viewer: Viewer, department_id: Any) -> Select[Any]:
    """The departments that the viewer works in, or this one if it is one of them."""
    rows: Select[Any] = select(Department.id)
    if not viewer.has(Role.DIRECTOR):
        rows = rows.where(Department.id.in_(access.departments_of(viewer)))
    return rows if department_id is None else rows.where(Department.id == department_id)


def _over(viewer: Viewer, department_id: Any, each: Any, conditions: Any, *, sums: bool = True) -> Any:
    """The sum or the least over the tickets of each of these departments, and those given to the viewer elsewhere."""
    places = _places(viewer, department_id).subquery()
    tickets = select(each.label("found")).select_from(Ticket)
    here = tickets.where(Ticket.department_id == places.c.id, *conditions).correlate(places).lateral()
    found = select(here.c.found).select_from(places.join(here, sa.true()))
    if not viewer.has(Role.DIRECTOR):
        away = tickets.where(Ticket.assignee_id == viewer.id, *conditions)
        away = away.where(Ticket.department_id.not_in(access.departments_of(viewer)))
        if department_id is not None:
            away = away.where(Ticket.department_id == department_id)
        found = sa.union_all(found, away)  # type: ignore[assignment] # both have one column
    rows = found.subquery()
    if not sums:
        return select(func.min(rows.c.found)).scalar_subquery()
    return sa.cast(func.coalesce(select(func.sum(rows.c.found)).scalar_subquery(), 0), sa.Integer())


def _agents(viewer: Viewer, department_id: Any) -> Any:
    """How many agents take new tickets in the department, or in those of the viewer."""
    rows = select(func.count(sa.distinct(Person.id))).join(Membership, Membership.person_id == Person.id)
    rows = rows.outerjoin(Availability, Availability.person_id == Person.id)
    of_these = _places(viewer, None) if department_id is None else None
    where = (
        Membership.department_id.in_(of_these) if of_these is not None else Membership.department_id == department_id
    )
    there = availability.status_now(Availability) == "AVAILABLE"
    return rows.where(where, access.works_here(Person), there).scalar_subquery()
