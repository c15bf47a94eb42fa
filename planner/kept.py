"""What is kept of plans for the next ones: whatever operations select, most of it they select alike.

A build says the same to all that it is given the same, and the text of a leaf without arguments depends on nothing but
the row's alias and what kind of viewer asks. So little of a new operation is put together and written by SQLAlchemy,
which is what planning costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select
from sqlalchemy.sql.elements import ClauseElement

from planner.arguments import Given
from planner.compiling import Asked, Written, resolved
from planner.documents import Bounded
from planner.nodes import ManyIds, NodeId, OneOf
from planner.pages import NO_PART, Page
from planner.rows import Row
from planner.text import Parts

MOST_BUILT = 200  # of some 50 kB, at most 300
MOST_LEAVES, HEAVIEST_LEAVES = 10_000, 16_000_000
ANY_ALIAS = "\0"  # stands for a row's alias: it can't stand in SQL otherwise


class Varying(Exception):
    """Nothing like this will be given again."""


class Built(NamedTuple):
    """What a build returned, and the attributes of the row that it read."""

    value: Any
    used: Mapping[str, Any]


class Leaf(NamedTuple):
    """The text of a field of any row of a model, and the attributes that it reads; no text where that may differ."""

    parts: Parts | None
    used: Mapping[str, Any] = {}

    def of(self, row: Row) -> Parts | None:
        """The same for this row."""
        if self.parts is None:
            return None
        alias = row._alias  # noqa: SLF001 - a row hides what builds may not use
        row._used.update(self.used)  # noqa: SLF001 - as above
        return [part.replaced(ANY_ALIAS, alias) if isinstance(part, Written) else part for part in self.parts]


class Kept:
    """What is kept of one schema's plans."""

    def __init__(self) -> None:
        """It begins empty."""
        self.built: Bounded[Hashable, Built] = Bounded(MOST_BUILT, MOST_BUILT)
        self.leaves: Bounded[Hashable, Leaf] = Bounded(MOST_LEAVES, HEAVIEST_LEAVES)

    def leaf(self, field: Hashable, standing: Hashable, row: Row, make: Callable[[Row], Parts | None]) -> Parts | None:
        """The text of a field of a row; None where it depends on more than the row and what kind of viewer asks.

        `standing`: the viewer's sign, None where that varies. `make`: makes the text, and gives None where it depends
        on more.
        """
        if standing is None:
            return None
        key = field, standing, row._model, row._known is None  # noqa: SLF001 - a row hides what builds may not use
        found = self.leaves.get(key)
        if found is None:
            any_row = Row(ANY_ALIAS, row._rows)  # noqa: SLF001 - as above
            parts = [resolved(part) if isinstance(part, Written) else part for part in make(any_row) or ()]
            written = [part for part in parts if isinstance(part, Written)]
            used = any_row._used  # noqa: SLF001 - as above
            varies = not parts or not of_model(row, used) or any(part.is_open for part in written)
            found = Leaf(None) if varies else Leaf(parts, dict.fromkeys(used))
            self.leaves.put(key, found, sum(part.weight for part in written))
        return found.of(row)

    def build(
        self, field: Hashable, standing: Hashable, row: Any, arguments: Mapping[str, Any], make: Callable[[], Any]
    ) -> Any:
        """What the build of a field returns. `standing`: as above. `make`: calls the build."""
        if standing is None or not isinstance(row, Row | None):
            return make()
        try:
            key = field, standing, sign(row), *[(name, sign(value)) for name, value in arguments.items()]
        except Varying:
            return make()
        found = self.built.get(key)
        if found is None:
            found = Built(make(), {}) if row is None else Built(*row._reading(make))  # noqa: SLF001 - a row hides what builds may not use
            if are_rows(found.value) and (row is None or of_model(row, found.used)):
                # Without the cursors of this request, whose place others' take.
                kept = found.value._replace(asked=NO_PART) if isinstance(found.value, Page) else found.value
                self.built.put(key, found._replace(value=kept), 1)
        elif row is not None:
            row._used.update(found.used)  # noqa: SLF001 - as above
        value = found.value
        return value._replace(asked=arguments["page"]) if isinstance(value, Page) else value


def are_rows(value: Any) -> bool:
    """Whether a value is SELECTs and nothing else."""
    alternatives = value.selects if isinstance(value, OneOf) else value if isinstance(value, list) else [value]
    return bool(alternatives) and all(isinstance(each, Select | Page) for each in alternatives)


def of_model(row: Row, used: Iterable[str]) -> bool:
    """Whether all these are attributes of the row's model, which each row of it has."""
    return {*used} <= {*row._columns}  # noqa: SLF001 - a row hides what builds may not use


def sign(value: Any) -> Hashable:
    """The same for all that a build can't tell apart. Raises Varying for what can't be compared."""
    for kind, signing in SIGNS:
        if isinstance(value, kind):
            return signing(value)
    if dataclasses.is_dataclass(value):
        return type(value), *[sign(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, ClauseElement) or not isinstance(value, Hashable):
        raise Varying
    return value


def sign_of_ids(ids: ManyIds) -> Hashable:
    """As above, of ids: which of their parameters there are must not be left to the build."""
    if not ids.models or None in ids.models:
        raise Varying
    return frozenset([(model, sign(ids.arrays[model])) for model in ids.models])


SIGNS: list[tuple[Any, Callable[[Any], Hashable]]] = [
    (Asked, lambda asked: (asked.key, asked.type._static_cache_key)),  # noqa: SLF001 - no public way
    (Row, lambda row: (row._alias, row._model, row._known is None)),  # noqa: SLF001 - a row hides what builds may not use
    (Given, lambda _: Given),
    (NodeId, lambda node_id: (node_id.model, sign(node_id.key))),
    (ManyIds, sign_of_ids),
    (list | tuple, lambda values: (type(values), *map(sign, values))),
]
