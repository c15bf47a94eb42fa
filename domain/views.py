"""Saved lists of tickets: who sees and keeps them. Of what is in them everyone sees what they may see anyway."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, departments, positions, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from domain.tickets import search
from domain.tickets.lists import TicketOrderField
from infra.unit import Unit
from models import Role, TicketView

MOST_OWN = 100  # views of one person

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[TicketView]:
    """The viewer's own views and those shared with their departments; nothing for customers."""
    rows = select(TicketView)
    if not viewer.is_staff:
        return rows.where(sa.false())
    if viewer.has(Role.DIRECTOR):
        return rows.where(sa.or_(TicketView.owner_id == viewer.id, TicketView.department_id.is_not(None)))
    shared = TicketView.department_id.in_(access.departments_of(viewer))
    return rows.where(sa.or_(TicketView.owner_id == viewer.id, shared))


def one(viewer: Viewer, view_id: Any) -> Select[TicketView]:
    """The view, if the viewer may know of it."""
    return visible(viewer).where(TicketView.id == view_id)


def place(viewer: Viewer, view: Any) -> Any:
    """Its place among those of its owner that the viewer sees."""
    return positions.seen(visible(viewer), view, "owner_id")


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a view is, as somebody fills it in. `faults`: what is wrong with the filter, by field."""

    name: str
    filter: dict[str, Any]
    order: tuple[str, str] | None  # field and direction
    department_id: UUID | None
    position: int | None
    faults: Sequence[tuple[str, str]] = ()


async def save(unit: Unit, viewer: Viewer, view_id: UUID | None, form: Form) -> UUID:
    """Make a view, or replace the one of this id. Raises InvalidInput, NotFound, NotAllowed, Conflict TAKEN."""
    access.require(viewer, Role.AGENT)
    values = _checked(form)
    await positions.hold(unit, TicketView)
    row = None
    if view_id is not None:
        row = access.found(await unit.lock(one, viewer, view_id), "ticketViewId", "view")
        await _require_keeping(unit, viewer, row)
        if row.owner_id != viewer.id and form.department_id is None:
            raise NotAllowed("Whose view it is stops sharing it.")
    if form.department_id is not None:
        await _require_sharing(unit, viewer, form.department_id)
    unit.translate("ticket_views_department_name_key", Conflict(ConflictReason.TAKEN, "Another view has this name."))
    rows = await unit.lock_all(_of_owner, row.owner_id if row else viewer.id)
    if row is None:
        if len(rows) >= MOST_OWN:
            raise Conflict(ConflictReason.WRONG_STATE, f"At most {MOST_OWN} views are possible. Delete one first.")
        row = unit.insert(TicketView, owner_id=viewer.id, position=len(rows), **values)
    else:
        unit.change(row, **values)
    positions.place(unit, rows, row, form.position)
    return row.id


def _checked(form: Form) -> dict[str, Any]:
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    for field, message in form.faults:
        problems.add(field, message)
    by, direction = form.order or (None, None)
    if by == TicketOrderField.RELEVANCE.name and search.kind(form.filter.get("text") or "") is None:
        problems.add("orderBy.field", "An order by relevance needs filter.text.")
    if form.position is not None and form.position < 0:
        problems.add("position", "Places are counted from 0.")
    problems.refuse()
    return {
        "name": name,
        "filter": form.filter,
        "order_field": by,
        "order_direction": direction,
        "department_id": form.department_id,
    }


def _of_owner(owner_id: Any) -> Select[TicketView]:
    return select(TicketView).where(TicketView.owner_id == owner_id).order_by(TicketView.position, TicketView.id)


async def _leads(unit: Unit, viewer: Viewer, department_id: UUID) -> bool:
    if not viewer.has(Role.TEAM_LEAD):
        return False
    return viewer.has(Role.DIRECTOR) or await unit.read(access.membership, viewer.id, department_id) is not None


async def _require_keeping(unit: Unit, viewer: Viewer, row: TicketView) -> None:
    """Raises NotAllowed unless it is theirs, or shared with a department that they lead."""
    if row.owner_id == viewer.id:
        return
    if row.department_id is None or not await _leads(unit, viewer, row.department_id):
        raise NotAllowed("This view is kept by its owner and by leads of the department.")


async def _require_sharing(unit: Unit, viewer: Viewer, department_id: UUID) -> None:
    access.found(await unit.read(departments.one, viewer, department_id), "departmentId", "department")
    if not await _leads(unit, viewer, department_id):
        raise NotAllowed("Views are shared by leads of the department.")


async def delete(unit: Unit, viewer: Viewer, view_id: UUID) -> UUID:
    """Delete a view. Raises NotFound, NotAllowed."""
    access.require(viewer, Role.AGENT)
    await positions.hold(unit, TicketView)
    row = access.found(await unit.lock(one, viewer, view_id), "ticketViewId", "view")
    await _require_keeping(unit, viewer, row)
    positions.remove(unit, await unit.lock_all(_of_owner, row.owner_id), row)
    return view_id
