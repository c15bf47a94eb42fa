"""Lists that people put in order: the places are 0, 1, 2 without a gap."""

from typing import Protocol, TypeVar, cast

from infra.unit import Unit
from models import Record


class Placed(Protocol):
    """A row that has a place."""

    position: int


Row = TypeVar("Row", bound=Record)


def place(unit: Unit, rows: list[Row], row: Row, position: int | None) -> None:
    """Put the row at this place among the locked rows, at the end when none is given, and move the others along.

    `rows` are in their present order, and may hold the row already.
    """
    others = [other for other in rows if other.id != row.id]
    others.insert(len(others) if position is None else min(position, len(others)), row)
    for number, other in enumerate(others):
        if other is row or cast(Placed, other).position != number:
            unit.change(other, position=number)
