"""How a ticket finds its agent by itself: by the rule that routed it, or as its department assigns."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, availability, history, routing
from domain.happenings import TicketAssigned
from infra.unit import Unit
from models import (
    AssignmentMethod,
    Availability,
    AvailabilityStatus,
    Department,
    Membership,
    Person,
    Ticket,
)

# --- Reading ----------------------------------------------------------------------------------------------------------


def _members(department_id: Any) -> Select[Any]:
    """Ids of the active staff who work in the department as its members."""
    rows = select(Person.id).join(Membership, Membership.person_id == Person.id)
    return rows.where(Membership.department_id == department_id, access.works_here(Person))


def _seat(department_id: Any) -> Any:
    """A row for each member who has none, for locking it."""
    members = _members(department_id).add_columns(sa.literal(AvailabilityStatus.AVAILABLE.name)).order_by(Person.id)
    return insert(Availability).from_select(["person_id", "status"], members).on_conflict_do_nothing()


def _seats(department_id: Any) -> Select[Availability]:
    rows = select(Availability).where(Availability.person_id.in_(_members(department_id)))
    return rows.order_by(Availability.person_id)


def _loads(person_ids: Any) -> Select[*tuple[Any, ...]]:
    people = func.unnest(person_ids).table_valued(sa.column("id", sa.Uuid())).render_derived(name="agents")
    return select(people.c.id, availability.held_by(people.c.id).label("held"))


def _absent(person_id: Any, department_id: Any) -> Select[Person]:
    """The person, if they are away, have left, or don't work in the department any more."""
    away = sa.exists().where(Availability.person_id == Person.id, availability.status_now(Availability) == "AWAY")
    gone = sa.or_(away, sa.not_(access.works_in(Person, department_id)))
    return select(Person).where(Person.id == person_id, gone)


# --- Writing ----------------------------------------------------------------------------------------------------------


async def choose(unit: Unit, ticket: Ticket, preferred: UUID | None = None) -> UUID | None:
    """Who gets the ticket in its department: the rule's agent if they work there, else whoever's turn it is. Never
    whoever asked for it.

    Whoever is chosen has taken their turn. Nobody is given more than fits: the department's agents are locked, so that
    two tickets at once count each other.
    """
    rule_names = preferred is not None and preferred != ticket.requester_id
    if rule_names and await unit.read(routing.agent_of, preferred, ticket.department_id) is not None:
        return preferred
    department = await unit.get(Department, ticket.department_id)
    if department is None or department.assignment is AssignmentMethod.MANUAL:
        return None
    await unit.run(_seat, department.id)
    seats = await unit.lock_all(_seats, department.id)
    free = [seat for seat in seats if _takes(unit, seat) and seat.person_id != ticket.requester_id]
    if not free:
        return None
    loads = {record["id"]: record["held"] for record in await unit.run(_loads, [seat.person_id for seat in free])}
    fitting = [
        seat
        for seat in free
        if (most := seat.capacity or department.agent_capacity) is None or loads[seat.person_id] < most
    ]

    def turn(seat: Availability) -> tuple[Any, ...]:
        busy = loads[seat.person_id] if department.assignment is AssignmentMethod.LEAST_BUSY else 0
        last = seat.last_assigned_at
        return busy, last is not None, last, seat.person_id

    chosen = min(fitting, key=turn, default=None)
    if chosen is None:
        return None
    unit.change(chosen, last_assigned_at=unit.now)
    return chosen.person_id


def _takes(unit: Unit, seat: Availability) -> bool:
    over = seat.until is not None and seat.until <= unit.now
    return over or seat.status is AvailabilityStatus.AVAILABLE


def hand(unit: Unit, actor_id: UUID | None, ticket: Ticket, assignee_id: UUID | None) -> None:
    """Give the locked ticket to this agent, or put it back; who has it already keeps it, without an event."""
    before = ticket.assignee_id
    if before == assignee_id:
        return
    unit.change(ticket, assignee_id=assignee_id)
    history.record(unit, actor_id, ticket, TicketAssigned(before, assignee_id))


async def replace_absent(unit: Unit, ticket: Ticket) -> None:
    """Give a ticket that was opened again to somebody else when nobody has it, or its agent is absent.

    When nobody takes it, whoever is only away keeps it, and it is put back by whoever can't work on it any more.
    """
    before = ticket.assignee_id
    if before is not None and await unit.read(_absent, before, ticket.department_id) is None:
        return
    chosen = await choose(unit, ticket)
    if chosen is None and before is not None:
        chosen = before if await unit.read(routing.agent_of, before, ticket.department_id) is not None else None
    hand(unit, None, ticket, chosen)
