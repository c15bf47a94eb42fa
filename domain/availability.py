"""Whether agents take new tickets: who says so, and who sees it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select

from domain import access, history
from domain.access import Viewer
from domain.refusals import InvalidInput, NotAllowed, Problems
from infra.postgres import Overtaken
from infra.unit import Unit
from models import Availability, AvailabilityStatus, Membership, Person, Role, Ticket, TicketStatus

MOST_CAPACITY = 500

HELD = (TicketStatus.OPEN, TicketStatus.ON_HOLD)  # what counts against an agent's capacity

# --- Reading ----------------------------------------------------------------------------------------------------------


def status_now(availability: Any) -> ColumnElement[Any]:
    """The state of an agent now: one that has ended, or was never set, is AVAILABLE."""
    over = func.coalesce(availability.until <= func.now(), sa.false())
    return sa.case((over, AvailabilityStatus.AVAILABLE.name), else_=func.coalesce(availability.status, "AVAILABLE"))


def held_by(person_id: Any) -> Any:
    """How many tickets somebody has that are open or on hold."""
    rows = select(func.count()).select_from(Ticket).where(Ticket.assignee_id == person_id, Ticket.status.in_(HELD))
    return rows.scalar_subquery()


def of(viewer: Viewer, person: Any) -> Select[*tuple[Any, ...]] | None:
    """Whether a member of staff takes new tickets, for staff; what has ended counts no more."""
    if not viewer.is_staff:
        return None
    until = sa.case((Availability.until > func.now(), Availability.until))
    rows = select(
        status_now(Availability).label("status"),
        until.label("until"),
        Availability.capacity.label("capacity"),
        held_by(Person.id).label("assigned_count"),
    )
    rows = rows.select_from(Person).outerjoin(Availability, Availability.person_id == Person.id)
    return rows.where(Person.id == person.id, Person.role != Role.CUSTOMER)


def is_one_of(person: Any, statuses: list[AvailabilityStatus]) -> ColumnElement[bool]:
    """Whether a member of staff is in one of these states now."""
    said = select(status_now(Availability)).where(Availability.person_id == person.id).scalar_subquery()
    now = func.coalesce(said, AvailabilityStatus.AVAILABLE.name)
    return sa.and_(person.role != Role.CUSTOMER, now.in_([status.name for status in statuses]))


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of it. Who is only away for a while keeps their number: where it is not said, it stays."""

    status: AvailabilityStatus
    until: dt.datetime | None
    capacity: int | None = None  # None: the department's number
    with_capacity: bool = False


def _agent(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


def _row(person_id: Any) -> Select[Availability]:
    return select(Availability).where(Availability.person_id == person_id)


def _departments(person_id: Any) -> Select[*tuple[Any, ...]]:
    return select(Membership.department_id).where(Membership.person_id == person_id)


async def save(unit: Unit, viewer: Viewer, person_id: UUID | None, said: Said) -> UUID:
    """Say whether an agent takes new tickets: staff of themselves, leads of those in their departments, but of nobody
    above them.

    Raises InvalidInput, NotFound, NotAllowed.
    """
    access.require(viewer, Role.AGENT)
    person = access.found(await unit.lock(_agent, person_id or viewer.id), "personId", "person")
    theirs = {record[0] for record in await unit.run(_departments, person.id)}
    if person.id != viewer.id and not viewer.has(Role.DIRECTOR):
        access.require(viewer, Role.TEAM_LEAD)
        own = {record[0] for record in await unit.run(_departments, viewer.id)}
        if not viewer.has(person.role) or not theirs & own:
            raise NotAllowed("Only leads of their departments may do this.")
    if person.role is Role.CUSTOMER:
        raise InvalidInput(("personId", "Customers are given no tickets."))
    problems = Problems()
    if said.until is not None and said.until <= unit.now:
        problems.add("until", "This moment has passed.")
    if said.capacity is not None and not 1 <= said.capacity <= MOST_CAPACITY:
        problems.add("capacity", f"The capacity is between 1 and {MOST_CAPACITY}.")
    problems.refuse()
    values: dict[str, Any] = {"status": said.status, "until": said.until}
    if said.with_capacity:
        values["capacity"] = said.capacity
    row = await unit.lock(_row, person.id)  # two who say it first wait for each other at the person
    if row is None:
        unit.translate("availabilities_pkey", Overtaken())  # whoever looked for an agent has made it meanwhile
        unit.insert(Availability, person_id=person.id, last_assigned_at=None, **values)
    else:
        unit.change(row, **values)
    history.tell_departments(unit, *theirs)
    return person.id
