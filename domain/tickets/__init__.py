"""Tickets: who sees which."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import aliased

from domain import access, attempts
from domain.access import Viewer
from domain.refusals import NotAllowed
from infra.unit import Unit
from models import Event, Person, Role, Ticket, Watcher

# What counts as just done, where a change took the ticket out of its maker's sight and is answered nevertheless.
RECENT, RECENT_EVENTS = dt.timedelta(minutes=1), 100


def visible(viewer: Viewer) -> Select[Ticket]:
    """The tickets that this viewer may know of. Raises Unauthenticated when nobody is signed in."""
    access.sign_in_required(viewer)
    rows = select(Ticket).where(access.still(viewer))
    if viewer.ticket_id is not None:
        return rows.where(Ticket.id == viewer.ticket_id, Ticket.requester_id == viewer.id)
    if viewer.has(Role.DIRECTOR):
        return rows
    mine = sa.or_(Ticket.requester_id == viewer.id, access.watched_by(viewer, Ticket))
    works = access.works_on(viewer, Ticket)
    return rows.where(mine if isinstance(works, bool) else sa.or_(works, mine))


def one(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket, if the viewer may know of it."""
    return visible(viewer).where(Ticket.id == ticket_id)


def hanging(model: Any, seen_on: Callable[[Viewer, Any], Select[Any]]) -> Callable[[Viewer, Any], Select[Any]]:
    """How one of what hangs on tickets is found, by whoever sees its ticket. `seen_on`: what they see on a ticket."""

    def found(viewer: Viewer, key: Any) -> Select[Any]:
        its = aliased(Ticket, visible(viewer).where(Ticket.id == model.ticket_id).correlate(model).subquery().lateral())
        return seen_on(viewer, its).join(its, sa.true()).where(model.id == key)

    return found


def some(viewer: Viewer, ticket_ids: Any) -> Select[Ticket]:
    """Those of these tickets that the viewer may know of, by id: in one order, for locking them."""
    return visible(viewer).where(Ticket.id == sa.func.any(ticket_ids)).order_by(Ticket.id)


def changed(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket as a change of it is answered: to whoever just made it even when they don't see it from then on."""
    access.sign_in_required(viewer)
    of_late = sa.and_(Event.seq > Ticket.last_seq - RECENT_EVENTS, Event.at > sa.func.now() - RECENT)
    theirs = sa.exists().where(Event.ticket_id == Ticket.id, of_late, Event.actor_id == viewer.id, access.still(viewer))
    seen = visible(viewer).whereclause
    rows = select(Ticket).where(Ticket.id == ticket_id)
    return rows if seen is None else rows.where(sa.or_(seen, theirs))


def submitted(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket as its submission is answered: of their own, customers need no such allowance."""
    return changed(viewer, ticket_id) if viewer.is_staff else one(viewer, ticket_id)


def numbered(viewer: Viewer, number: Any) -> Select[Ticket]:
    """The ticket of this number."""
    return visible(viewer).where(Ticket.number == number)


def mine(viewer: Viewer) -> ColumnElement[bool]:
    """Whether it was requested by, is assigned to or watched by the viewer."""
    return sa.or_(Ticket.requester_id == viewer.id, Ticket.assignee_id == viewer.id, access.watched_by(viewer, Ticket))


def watchers(viewer: Viewer, ticket: Any) -> Select[Person]:
    """Who watches the ticket; only customers for whoever does not work on it."""
    rows = select(Person).join(Watcher, Watcher.person_id == Person.id).where(Watcher.ticket_id == ticket.id)
    return rows.where(access.unless_internal(viewer, ticket, Person.role == Role.CUSTOMER))


def worked_on(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket, if the viewer works on it, and does not just see it as a customer does."""
    works = access.works_on(viewer, Ticket)
    return select(Ticket).where(Ticket.id == ticket_id, sa.literal(works) if isinstance(works, bool) else works)


async def is_worked_on(unit: Unit, viewer: Viewer, ticket: Ticket) -> bool:
    """Whether the viewer works on this ticket, and does not just see it as a customer does."""
    if not viewer.is_staff or viewer.has(Role.DIRECTOR):
        return viewer.is_staff
    return ticket.assignee_id == viewer.id or await unit.read(worked_on, viewer, ticket.id) is not None


async def locked(unit: Unit, viewer: Viewer, ticket_id: UUID, field: str = "ticketId") -> tuple[Ticket, bool]:
    """The ticket, locked, and whether the viewer works on it. Raises NotFound when they may not know of it.

    `field`: of the input, that names the ticket.
    """
    await unit.hold()
    *places, rows = await unit.guard(*access.places(viewer), (one, viewer, ticket_id))
    ticket = access.found(next(iter(rows), None), field, "ticket")
    return ticket, access.works_on_row(viewer, ticket, places)


async def locked_to_work_on(unit: Unit, viewer: Viewer, ticket_id: UUID) -> Ticket:
    """As `locked`. Raises also NotAllowed for whoever sees it, but does not work on it."""
    ticket, works = await locked(unit, viewer, ticket_id)
    if not works:
        raise NotAllowed(access.WORKING)
    return ticket


async def counted(unit: Unit, viewer: Viewer, ticket_id: UUID, limit: attempts.Limit) -> tuple[Ticket, bool]:
    """As `locked`, but guarded, for what changes it in any case and is decided by it alone.

    `limit`: of the viewer's attempts, of which this is one. Raises RateLimited, before NotFound.
    """
    tried = attempts.Attempts(unit, limit, str(viewer.id))
    so_far, *places, rows = await unit.guard(tried.so_far, *access.places(viewer), (one, viewer, ticket_id))
    tried.add(so_far)
    ticket = access.found(next(iter(rows), None), "ticketId", "ticket")
    return ticket, access.works_on_row(viewer, ticket, places)
