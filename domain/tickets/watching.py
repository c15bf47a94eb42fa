"""Who follows a ticket that is not theirs."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from domain import access, history, people, tickets
from domain.access import Viewer
from domain.happenings import WatchersChanged
from domain.tickets import actions
from domain.tickets.actions import TicketAction
from infra.unit import Unit
from models import Person, Role, Ticket, Watcher


def _watcher(ticket_id: Any, person_id: Any) -> Select[Watcher]:
    return select(Watcher).where(Watcher.ticket_id == ticket_id, Watcher.person_id == person_id)


async def watch(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> UUID:
    """Have somebody follow the ticket, who sees it from then on: oneself, or anyone by whoever works on it.

    Raises NotFound, NotAllowed.
    """
    ticket, person = await _both(unit, viewer, ticket_id, person_id)
    if person.active and await unit.lock(_watcher, ticket.id, person.id) is None:
        unit.insert(Watcher, ticket_id=ticket.id, person_id=person.id)
        _record(unit, viewer, ticket, person, WatchersChanged([person.id], []))
    return ticket.id


async def unwatch(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> UUID:
    """Have somebody follow the ticket no more. Raises NotFound, NotAllowed."""
    ticket, person = await _both(unit, viewer, ticket_id, person_id)
    row = await unit.lock(_watcher, ticket.id, person.id)
    if row is not None:
        unit.delete(row)
        _record(unit, viewer, ticket, person, WatchersChanged([], [person.id]))
    return ticket.id


async def _both(unit: Unit, viewer: Viewer, ticket_id: UUID, person_id: UUID | None) -> tuple[Ticket, Person]:
    access.require_account(viewer)
    ticket = access.found(await unit.lock(tickets.one, viewer, ticket_id), "ticketId", "ticket")
    if person_id is not None and person_id != viewer.id:
        works = await tickets.is_worked_on(unit, viewer, ticket)
        actions.require(viewer, ticket, TicketAction.MANAGE_WATCHERS, works=works, now=unit.now)
    person = access.found(await unit.read(people.one, viewer, person_id or viewer.id), "personId", "person")
    return ticket, person


def _record(unit: Unit, viewer: Viewer, ticket: Ticket, person: Person, changed: WatchersChanged) -> None:
    history.record(unit, viewer.id, ticket, changed, internal=person.role is not Role.CUSTOMER)
