"""Leaf fields of rows as text that is made once: whatever operations select, most of it they select alike.

The text of a leaf without arguments depends on the row's alias and the kind of viewer alone, as its build does. So it
is kept with a sign in place of the alias, and no plan that selects it later waits for SQLAlchemy.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from planner.documents import Bounded
from planner.rows import Row
from planner.text import Asked, Parts, Written, resolved

ANY_ALIAS = "\0"  # can't stand in SQL
MOST, HEAVIEST = 10_000, 16_000_000


class Leaf(NamedTuple):
    """The text of a field of any row of a model, and the attributes that it reads; no text where there is none."""

    parts: Parts | None
    used: Mapping[str, None] = {}

    def of(self, row: Row) -> Parts | None:
        """The same for this row."""
        if self.parts is None:
            return None
        alias = row._alias  # noqa: SLF001 - a row hides what builds may not use
        row._used.update(self.used)  # noqa: SLF001 - as above
        return [part.replaced(ANY_ALIAS, alias) if isinstance(part, Written) else part for part in self.parts]

    @property
    def weight(self) -> int:
        """About how much memory this takes, in bytes."""
        return sum(part.weight if isinstance(part, Written) else len(str(part)) for part in self.parts or ())


KEPT: Bounded[Hashable, Leaf] = Bounded(MOST, HEAVIEST)


def leaf(field: Hashable, viewer: Any, row: Row, make: Callable[[Row], Parts | None]) -> Parts | None:
    """The text of a field of a row, as kept or made now; None where it depends on more than row and viewer.

    `make`: makes it, and gives None when it does.
    """
    model, by_column = row._model, isinstance(row._rows, type)  # noqa: SLF001 - a row hides what builds may not use
    key = field, standing(viewer), model, by_column
    found = KEPT.get(key)
    if found is None:
        found = made(row, make)
        KEPT.put(key, found, found.weight)
    return found.of(row)


def made(row: Row, make: Callable[[Row], Parts | None]) -> Leaf:
    """The leaf, of any row that is like this one."""
    any_row = copy.copy(row)
    any_row._alias, any_row._used = ANY_ALIAS, {}  # noqa: SLF001 - a row hides what builds may not use
    used, model = any_row._used, row._model  # noqa: SLF001 - as above
    parts: Parts = []
    for part in make(any_row) or ():
        text = resolved(part)
        if text is None:
            return Leaf(None)
        parts.append(text)
    if not parts or model is None or not used.keys() <= {*sa.inspect(model).column_attrs.keys()}:
        return Leaf(None)  # or it reads what this SELECT alone gives
    return Leaf(parts, dict.fromkeys(used))


def standing(viewer: Any) -> tuple[Hashable, ...]:
    """What of a viewer shapes text: all that is plain, and which parameters stand for the rest."""
    values = [getattr(viewer, field.name) for field in dataclasses.fields(viewer)]
    return tuple([value.key if isinstance(value, Asked) else value for value in values])
