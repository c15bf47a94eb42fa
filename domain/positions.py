"""Lists that people put in order: the places are 0, 1, 2 without a gap."""

from typing import Any, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select

from infra.unit import Unit
from models import Base, Record


class Placed(Protocol):
    """A row that has a place."""

    position: int


Row = TypeVar("Row", bound=Record)


def seen(rows: Select[Any], row: Any, *together: str) -> Any:
    """The place of a row among these, which somebody sees: no gap tells of the others. `together`: the columns that are
    equal for those which stand in one order.
    """
    its = rows.subquery("seen")
    before = sa.tuple_(its.c.position, its.c.id) < sa.tuple_(row.position, row.id)
    alike = (_is_same(its.c[name], getattr(row, name)) for name in together)
    return select(func.count()).select_from(its).where(before, *alike).scalar_subquery()


def _is_same(value: Any, other: Any) -> ColumnElement[bool]:
    """Whether these are equal, or both NULL: said so that an index serves, as none does for IS NOT DISTINCT FROM."""
    return sa.or_(value == other, sa.and_(value.is_(None), other.is_(None)))


async def hold(unit: Unit, model: type[Base]) -> None:
    """Have others who put rows of this model in order wait for the end of this unit.

    Locks on the rows don't do that: they are not on a row that somebody else is about to insert.
    """
    await unit.run(_lock, model.__tablename__)


def _lock(name: Any) -> Select[*tuple[Any, ...]]:
    return select(func.pg_advisory_xact_lock(func.hashtext("positions"), func.hashtext(name)))


def place(unit: Unit, rows: list[Row], row: Row, position: int | None) -> None:
    """Put the row at this place among the locked rows, at the end when none is given, and move the others along.

    `rows` are in their present order, and may hold the row already.
    """
    others = [other for other in rows if other.id != row.id]
    others.insert(len(others) if position is None else min(position, len(others)), row)
    for number, other in enumerate(others):
        if other is row or cast(Placed, other).position != number:
            unit.change(other, position=number)


def remove(unit: Unit, rows: list[Row], row: Row) -> None:
    """Delete the row, and close the gap that it leaves among the locked rows, which are in their present order."""
    unit.delete(row)
    for number, other in enumerate(each for each in rows if each.id != row.id):
        if cast(Placed, other).position != number:
            unit.change(other, position=number)
