"""Who follows a ticket that is not theirs."""

from collections import defaultdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, attempts, history, people, tickets
from domain.access import Viewer
from domain.happenings import WatchersChanged
from domain.tickets import actions
from domain.tickets.actions import TicketAction
from infra.unit import Unit
from models import Person, Role, Ticket, Watcher

MOST_NAMED = 50  # people of one event


def _watcher(ticket_id: Any, person_id: Any) -> Select[Watcher]:
    return select(Watcher).where(Watcher.ticket_id == ticket_id, Watcher.person_id == person_id)


def _watchers(ticket_ids: Any) -> Select[*tuple[Any, ...]]:
    is_staff = Person.role != Role.CUSTOMER
    rows = select(Watcher.ticket_id, Watcher.person_id, is_staff).join(Person, Person.id == Watcher.person_id)
    return rows.where(Watcher.ticket_id == sa.func.any(ticket_ids)).order_by(Watcher.ticket_id, Watcher.person_id)


def _of_person(ticket_ids: Any, person_id: Any) -> Select[Watcher]:
    rows = select(Watcher).where(Watcher.ticket_id == sa.func.any(ticket_ids), Watcher.person_id == person_id)
    return rows.order_by(Watcher.ticket_id)


def _follow(from_ids: Any, into_id: Any) -> Any:
    theirs = select(sa.cast(into_id, sa.Uuid()), Watcher.person_id).where(Watcher.ticket_id == sa.func.any(from_ids))
    fresh = insert(Watcher).from_select(["ticket_id", "person_id"], theirs.distinct().order_by(Watcher.person_id))
    return fresh.on_conflict_do_nothing()


def _unfollow(from_ids: Any) -> sa.Delete:
    return sa.delete(Watcher).where(Watcher.ticket_id == sa.func.any(from_ids))


async def watch(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> UUID:
    """Have somebody follow the ticket, who sees it from then on: oneself, or anyone by whoever works on it.

    Raises NotFound, NotAllowed, RateLimited.
    """
    ticket, person = await _both(unit, viewer, ticket_id, person_id)
    access.found(person if person.active else None, "personId", "person")
    if await unit.lock(_watcher, ticket.id, person.id) is None:
        await attempts.count_change(unit, viewer)
        unit.insert(Watcher, ticket_id=ticket.id, person_id=person.id)
        _tell(unit, viewer, ticket, [person.id], came=True, staff=person.role is not Role.CUSTOMER)
    return ticket.id


async def unwatch(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> UUID:
    """Have somebody follow the ticket no more. Raises NotFound, NotAllowed, RateLimited."""
    ticket, person = await _both(unit, viewer, ticket_id, person_id)
    row = await unit.lock(_watcher, ticket.id, person.id)
    if row is not None:
        await attempts.count_change(unit, viewer)
        unit.delete(row)
        _tell(unit, viewer, ticket, [person.id], came=False, staff=person.role is not Role.CUSTOMER)
    return ticket.id


async def leave(unit: Unit, actor_id: UUID | None, some: list[Ticket], person_id: UUID) -> None:
    """Somebody who worked here until now follows none of these locked tickets any more."""
    by_id = {ticket.id: ticket for ticket in some}
    for row in await unit.lock_all(_of_person, list(by_id), person_id):
        unit.delete(row)
        history.record(unit, actor_id, by_id[row.ticket_id], WatchersChanged([], [person_id]), internal=True)


async def move(unit: Unit, viewer: Viewer, sources: list[Ticket], into: Ticket) -> dict[UUID, list[UUID]]:
    """Whoever follows one of these locked tickets follows the other in its place; gives who did, by ticket."""
    source_ids = [source.id for source in sources]
    following: dict[tuple[UUID, bool], dict[UUID, None]] = defaultdict(dict)  # by ticket, customers and staff apart
    for ticket_id, person_id, staff in await unit.run(_watchers, [into.id, *source_ids]):
        following[ticket_id, staff][person_id] = None
    await unit.run(_follow, source_ids, into.id)
    await unit.run(_unfollow, source_ids)
    for staff in (False, True):
        moved: dict[UUID, None] = {}
        for source in sources:
            left = following[source.id, staff]
            moved |= left
            _tell(unit, viewer, source, list(left), came=False, staff=staff)
        came = [person_id for person_id in moved if person_id not in following[into.id, staff]]
        _tell(unit, viewer, into, came, came=True, staff=staff)
    return {source.id: [*following[source.id, False], *following[source.id, True]] for source in sources}


def _tell(unit: Unit, viewer: Viewer, ticket: Ticket, person_ids: list[UUID], *, came: bool, staff: bool) -> None:
    for first in range(0, len(person_ids), MOST_NAMED):
        some = person_ids[first : first + MOST_NAMED]
        changed = WatchersChanged(some, []) if came else WatchersChanged([], some)
        history.record(unit, viewer.id, ticket, changed, internal=staff)


async def _both(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> tuple[Ticket, Person]:
    access.require_account(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    if person_id is not None and person_id != viewer.id:
        actions.require(viewer, ticket, TicketAction.MANAGE_WATCHERS, works=works, now=unit.now)
    person = access.found(await unit.read(people.one, viewer, person_id or viewer.id), "personId", "person")
    return ticket, person
