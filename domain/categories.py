"""Categories of tickets: the form's choices, and how an admin keeps them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access, departments, positions, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, InvalidInput, Problems
from infra.unit import Unit
from models import Category, Role, TicketPriority

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, *, include_archived: bool = False) -> Select[Category]:
    """Categories to choose from, for everyone; archived ones for admins."""
    rows = select(Category)
    if include_archived:
        access.require(viewer, Role.ADMIN)
        return rows
    return rows.where(Category.archived_at.is_(None))


def one(viewer: Viewer, category_id: Any) -> Select[Category]:
    """The category; for staff even when archived, since old tickets are of it."""
    rows = select(Category) if viewer.is_staff else visible(viewer)
    return rows.where(Category.id == category_id)


def usable(viewer: Viewer, category_id: Any) -> Select[Category]:
    """The category, if new tickets can be of it."""
    return visible(viewer).where(Category.id == category_id)


def named(category_ids: Any) -> Select[Category]:
    """These categories, archived ones included, in their order."""
    return select(Category).where(Category.id == func.any(category_ids)).order_by(Category.position, Category.id)


def place(viewer: Viewer, category: Any) -> Any:
    """Its place in the form as the viewer sees it; that for everything else comes after all others."""
    rows = visible(viewer, include_archived=viewer.has(Role.ADMIN)).where(~Category.is_other)
    count = select(func.count()).select_from(rows.subquery()).scalar_subquery()
    return sa.case((category.is_other, count), else_=positions.seen(rows, category))


def suggested(ticket: Any, works: access.Works) -> Select[Category] | None:
    """The category that fitted a ticket best as it came in, for whoever works on it; nothing once it is archived."""
    if works is False:
        return None
    rows = select(Category).where(Category.id == ticket.suggested_category_id, Category.archived_at.is_(None))
    return rows if works is True else rows.where(works)


def _all_in_order() -> Select[Category]:
    return select(Category).where(~Category.is_other).order_by(Category.position, Category.id)


def nearest(text: Any) -> Select[UUID]:
    """The category whose name and description share the weightiest words with the text; none when they share none."""
    known = func.setweight(func.to_tsvector("english", Category.name), sa.literal_column("'A'")).op("||")(
        func.to_tsvector("english", func.coalesce(Category.description, ""))
    )
    words_ = func.replace(sa.cast(func.plainto_tsquery("english", text), sa.Text), "&", "|")
    query = sa.cast(words_, sa.dialects.postgresql.TSQUERY)
    return (
        select(Category.id)
        .where(Category.archived_at.is_(None), ~Category.is_other, known.op("@@")(query))
        .order_by(func.ts_rank(known, query).desc(), Category.position)
        .limit(1)
    )


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a category is, as an admin fills it in."""

    name: str
    description: str | None
    department_id: UUID
    default_priority: TicketPriority
    position: int | None
    archived: bool


async def save(unit: Unit, viewer: Viewer, category_id: UUID | None, form: Form) -> UUID:
    """Make a category, or replace the one of this id. Raises Conflict TAKEN."""
    access.require(viewer, Role.ADMIN)
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    description = words.optional_line(problems, "description", form.description, most=500, what="The description")
    if form.position is not None and form.position < 0:
        problems.add("position", "Places are counted from 0.")
    problems.refuse()
    unit.translate("categories_name_key", Conflict(ConflictReason.TAKEN, "Another category has this name."))
    department = await unit.lock(departments.one, viewer, form.department_id)
    gone = access.found(department, "departmentId", "department").archived_at is not None
    if gone and not form.archived:
        raise InvalidInput(("departmentId", "This department is archived."))
    values: dict[str, Any] = {
        "name": name,
        "description": description,
        "department_id": form.department_id,
        "default_priority": form.default_priority,
    }
    await positions.hold(unit, Category)
    rows = await unit.lock_all(_all_in_order)
    if category_id is None:
        row = unit.insert(
            Category, is_other=False, position=0, archived_at=unit.now if form.archived else None, **values
        )
    else:
        row = access.found(await unit.lock(one, viewer, category_id), "categoryId", "category")
        if row.is_other and form.archived:
            raise InvalidInput(("archived", "The category for everything else stays."))
        unit.change(row, archived_at=(row.archived_at or unit.now) if form.archived else None, **values)
    if row.is_other:
        return row.id
    known = next((other for other in rows if other.id == row.id), row)
    positions.place(unit, rows, known, form.position)
    return row.id
