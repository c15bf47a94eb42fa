"""One statement for all that a unit writes: a data-modifying CTE for each table, compiled once per shape and kept."""

import enum
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from infra.rows import State, table_of
from infra.statements import MOST_STATEMENTS, Statement
from models import Base

_statements: OrderedDict[Hashable, Statement] = OrderedDict()


class Verb(enum.Enum):
    """What is done to rows."""

    INSERT = enum.auto()
    CHANGE = enum.auto()
    DELETE = enum.auto()


class Part(NamedTuple):
    """Rows of one table to which the same is done, in the same columns."""

    verb: Verb
    model: type[Base]
    columns: tuple[str, ...]
    rows: Sequence[State]


def parts_of(fresh: Iterable[State], changed: Iterable[State], deleted: Iterable[State]) -> list[Part]:
    """What is to be written. Rows are inserted together where they name the same columns; the rest goes row by row."""
    alike: dict[tuple[type[Base], tuple[str, ...]], list[State]] = defaultdict(list)
    for row in fresh:
        alike[row.model, tuple(row.values)].append(row)
    parts = [Part(Verb.INSERT, model, columns, rows) for (model, columns), rows in alike.items()]
    parts += [Part(Verb.CHANGE, row.model, tuple(row.changes), [row]) for row in changed]
    return parts + [Part(Verb.DELETE, row.model, (), [row]) for row in deleted]


def written(parts: Sequence[Part]) -> tuple[Statement, dict[str, Any]]:
    """The statement that writes the parts, and its values. Foreign keys are checked when it ends, all at once."""
    shape = tuple((part.verb, part.model, part.columns, len(part.rows)) for part in parts)
    statement = _statements.get(shape)
    if statement is None:
        ctes = [_statement(f"p{number}", part).cte(f"w{number}") for number, part in enumerate(parts)]
        statement = _statements[shape] = Statement(sa.select(sa.literal_column("1")).add_cte(*ctes))
        if len(_statements) > MOST_STATEMENTS:
            _statements.popitem(last=False)
    values: dict[str, Any] = {}
    for number, part in enumerate(parts):
        for place, row in enumerate(part.rows):
            prefix = f"p{number}_{place}"
            given = row.values if part.verb is Verb.INSERT else row.changes
            values |= {f"{prefix}_{column}": given[column] for column in part.columns}
            if part.verb is not Verb.INSERT:
                values |= {f"{prefix}_key_{column}": value for column, value in row.key().items()}
    return statement, values


def _statement(prefix: str, part: Part) -> Any:
    table = table_of(part.model)

    def bound(place: int, columns: Iterable[str], kind: str = "") -> dict[str, Any]:
        return {c: sa.bindparam(f"{prefix}_{place}_{kind}{c}", None, type_=table.c[c].type) for c in columns}

    if part.verb is Verb.INSERT:
        return sa.insert(table).values([bound(place, part.columns) for place in range(len(part.rows))])
    keys = bound(0, [column.name for column in table.primary_key], "key_")
    its_own = [table.c[column] == value for column, value in keys.items()]
    if part.verb is Verb.CHANGE:
        return sa.update(table).where(*its_own).values(bound(0, part.columns))
    return sa.delete(table).where(*its_own)
