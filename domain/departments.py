"""Departments: who sees them, and how an admin keeps them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, calendars, positions, waking, words
from domain.access import Viewer
from domain.jobs import LeaveArchived, RecalculateSla
from domain.ranges import FIRST
from domain.refusals import Conflict, ConflictReason, Problems
from infra.unit import Unit
from models import (
    UNRESOLVED,
    AssignmentMethod,
    Category,
    Department,
    Membership,
    Person,
    Role,
    Ticket,
    TicketPriority,
)

LATEST_SECONDS = 60  # in so long has come what was on its way into a department when that was archived

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, *, include_archived: bool = False) -> Select[Department]:
    """Departments, for everyone who is signed in; archived ones for admins."""
    access.sign_in_required(viewer)
    rows = select(Department)
    if include_archived:
        access.require(viewer, Role.ADMIN)
        return rows
    return rows.where(Department.archived_at.is_(None))


def one(viewer: Viewer, department_id: Any) -> Select[Department]:
    """The department; for admins even when archived."""
    return visible(viewer, include_archived=viewer.has(Role.ADMIN)).where(Department.id == department_id)


def some(viewer: Viewer, department_ids: Any) -> Select[Department]:
    """Those of these departments that are in use."""
    return visible(viewer).where(Department.id == sa.func.any(department_ids)).order_by(Department.id)


def named(department_ids: Any) -> Select[Department]:
    """These departments, archived ones included, by name: what a rule or a policy is for stays what it is for."""
    return select(Department).where(Department.id == sa.func.any(department_ids)).order_by(Department.name)


def members(viewer: Viewer, department: Any) -> Select[Person]:
    """Active people who work in it; none for customers."""
    rows = select(Person).join(Membership, Membership.person_id == Person.id)
    rows = rows.where(Membership.department_id == department.id, Person.active)
    return rows if viewer.is_staff else rows.where(sa.false())


def member_order() -> list[Any]:
    """What members are ordered by: role, from agents up, then name."""
    rank = sa.case(*((Person.role == role, sa.literal_column(str(role.value), sa.Integer())) for role in Role))
    return [rank, Person.name, Person.id]


def _categories_of(department_id: Any) -> Select[Category]:
    return select(Category).where(Category.department_id == department_id, Category.archived_at.is_(None)).limit(1)


def _any_category() -> Select[Category]:
    return select(Category).limit(1)


def _unresolved_of(department_id: Any) -> Select[Ticket]:
    return select(Ticket).where(Ticket.department_id == department_id, Ticket.status.in_(UNRESOLVED)).limit(1)


# --- Writing ----------------------------------------------------------------------------------------------------------


async def in_use(unit: Unit, viewer: Viewer, department_id: UUID) -> Department:
    """The department that somebody named. Raises NotFound when it is not in use."""
    rows = await unit.read_all(some, viewer, [department_id])
    return access.found(next(iter(rows), None), "departmentId", "department")


async def require_in_use(
    unit: Unit, viewer: Viewer, department_ids: Sequence[UUID], *, besides: Collection[UUID] = ()
) -> None:
    """Raises NotFound for the first of these departments that is neither in use nor one of those `besides`."""
    if not department_ids:
        return
    known = {*besides, *(row.id for row in await unit.read_all(some, viewer, list(department_ids)))}
    for number, department_id in enumerate(department_ids):
        access.found(department_id if department_id in known else None, f"departmentIds.{number}", "department")


@dataclass(frozen=True, slots=True)
class Form:
    """All that a department is, as an admin fills it in."""

    name: str
    description: str | None
    assignment: AssignmentMethod
    agent_capacity: int | None
    calendar_id: UUID | None
    archived: bool


async def save(unit: Unit, viewer: Viewer, department_id: UUID | None, form: Form) -> UUID:
    """Make a department, or replace the one of this id. Raises Conflict IN_USE, TAKEN.

    With a desk's first department comes the category for everything else, so that tickets can be submitted.
    What is counted by the calendar of the department is counted anew when that is another one.
    """
    access.require(viewer, Role.ADMIN)
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    description = words.optional_line(problems, "description", form.description, most=500, what="The description")
    if form.agent_capacity is not None and not 1 <= form.agent_capacity <= 500:  # noqa: PLR2004 # told in the message
        problems.add("agentCapacity", "The capacity is between 1 and 500.")
    problems.refuse()
    if form.calendar_id is not None:
        access.found(await unit.read(calendars.one, viewer, form.calendar_id), "calendarId", "calendar")
    unit.translate("departments_name_key", Conflict(ConflictReason.TAKEN, "Another department has this name."))
    values: dict[str, Any] = {
        "name": name,
        "description": description,
        "assignment": form.assignment,
        "agent_capacity": form.agent_capacity,
        "calendar_id": form.calendar_id,
    }
    if department_id is None:
        made = unit.insert(Department, archived_at=unit.now if form.archived else None, **values)
        if not form.archived:
            await _open(unit, made)
        return made.id
    row = access.found(await unit.lock(one, viewer, department_id), "departmentId", "department")
    if form.archived and row.archived_at is None:
        await _refuse_while_used(unit, row)
        unit.enqueue(LeaveArchived(row.id, FIRST), delay=LATEST_SECONDS)
    if row.calendar_id != form.calendar_id:
        unit.enqueue(RecalculateSla(policy_id=None, calendar_id=None, department_id=row.id))
        waking.wake(unit, department_ids=[row.id])
    unit.change(row, archived_at=(row.archived_at or unit.now) if form.archived else None, **values)
    return row.id


async def _open(unit: Unit, first: Department) -> None:
    """Make the category for everything else where there is no category yet: nobody else can make that one."""
    await positions.hold(unit, Category)
    if await unit.read(_any_category) is None:
        unit.insert(
            Category,
            name="Other",
            description="Everything else. Say in a few words what it is about.",
            department_id=first.id,
            default_priority=TicketPriority.NORMAL,
            is_other=True,
            position=0,
            archived_at=None,
        )


async def _refuse_while_used(unit: Unit, row: Department) -> None:
    if await unit.read(_categories_of, row.id) or await unit.read(_unresolved_of, row.id):
        raise Conflict(
            ConflictReason.IN_USE,
            "Its categories and unresolved tickets must have gone to other departments first.",
            current=(Department, row.id),
        )
