"""One statement for all that a unit writes: a data-modifying CTE for each table, compiled once per shape and kept."""

import datetime as dt
import enum
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import asyncpg.pgproto.pgproto
import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from infra.rows import State, key_columns, table_of
from infra.statements import DIALECT, MOST_STATEMENTS, Processor, Statement, processed, refused, version_of
from models import Base

REFUSED = refused(sa.true(), sa.literal_column("'overtaken'"))
# Of which one may stand in several columns, since each of these is of one type.
SHARED = frozenset({dt.datetime, uuid.UUID, asyncpg.pgproto.pgproto.UUID})


class Verb(enum.IntEnum):  # whose hash is C's: it stands in each statement's key
    """What is done to rows."""

    INSERT = enum.auto()
    CHANGE = enum.auto()
    DELETE = enum.auto()
    COUNT = enum.auto()  # one more, in a row that may have to be made


class Part(NamedTuple):
    """Rows of one table to which the same is done, in the same columns."""

    verb: Verb
    model: type[Base]
    columns: tuple[str, ...]
    several: bool  # whether its statement is one for any number of rows
    may_fail: bool  # whether its statement may find nothing to do, so that nothing at all is to be written
    rows: Sequence[State]  # on which, of all of this, the statement does not depend

    def values(self) -> list[Any]:
        """What the part's statement is given: a row's values and at their end its key, or a document of all rows."""
        if self.verb is Verb.COUNT:
            return [*self.rows[0].values.values(), *self.rows[0].changes.values()]
        if self.verb is Verb.DELETE:  # whatever was said of it before
            return list(self.rows[0].key().values())
        rows = [row.values if self.verb is Verb.INSERT else row.changes | row.key() for row in self.rows]
        if not self.several:
            version = self.rows[0].version
            return [*rows[0].values(), *([] if version is None else [version])]
        kinds = _processors(self.model)
        given = [{column: processed(kinds[column], value) for column, value in row.items()} for row in rows]
        return [orjson.dumps(given, default=_as_text).decode()]


@cache
def _processors(model: type[Base]) -> dict[str, Processor | None]:
    """What makes of each column's value what a document holds of it."""
    return {column.name: _processor(column.type) for column in table_of(model).columns}


def _processor(kind: Any) -> Processor | None:
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float):
        return str  # of any length, which a number of JSON is not
    return None if isinstance(kind, sa.JSON) else kind.dialect_impl(DIALECT).bind_processor(DIALECT)


def _expressed(kind: Any, value: Any) -> Any:
    """What is written of a value by a type that PostgreSQL makes something of."""
    return kind.bind_expression(value) if hasattr(kind, "written_as") else value


def _as_text(value: Any) -> str:
    """A value that JSON has no word for, as PostgreSQL reads it."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return f"{value.total_seconds()} seconds" if isinstance(value, dt.timedelta) else str(value)


def parts_of(
    fresh: Iterable[State], changed: Iterable[State], deleted: Iterable[State], counted: Iterable[State] = ()
) -> list[Part]:
    """What is to be written. Rows are inserted or changed together where that names the same columns.

    What may fail is done first, and a row that is guarded before all else, as it would have been locked.
    """
    alike: dict[tuple[Verb, type[Base], tuple[str, ...]], list[State]] = defaultdict(list)
    guarded: list[Part] = []
    for row in fresh:
        alike[Verb.INSERT, row.model, tuple(row.values)].append(row)
    for row in changed:
        if row.version is None:
            alike[Verb.CHANGE, row.model, tuple(row.changes)].append(row)
        else:
            guarded.append(Part(Verb.CHANGE, row.model, tuple(row.changes), several=False, may_fail=True, rows=[row]))
    return [
        *guarded,
        *[Part(Verb.COUNT, row.model, tuple(row.values), several=False, may_fail=True, rows=[row]) for row in counted],
        *[Part(*said, several=len(rows) > 1, may_fail=False, rows=rows) for said, rows in alike.items()],
        *[Part(Verb.DELETE, row.model, (), several=False, may_fail=False, rows=[row]) for row in deleted],
    ]


def written(parts: Sequence[Part]) -> tuple[str, list[Any]]:
    """The statement that writes the parts, and its arguments. Foreign keys are checked when it ends, all at once.

    Several rows of a table travel as one document, so that however many they are, it is the same statement.

    Half of what a unit writes is NULL, this moment, or the key of a row that others name: NULL stands in the statement,
    and the same key or moment is one argument.
    """
    values = [value for part in parts for value in part.values()]
    known: dict[int, int] = {}
    same = tuple(
        [
            None if value is None else known.setdefault(id(value), place) if type(value) in SHARED else place
            for place, value in enumerate(values)
        ]
    )
    shape = tuple([part[:-1] for part in parts]), same
    writing = _statements.get(shape)
    if writing is None:
        writing = _statements[shape] = Writing(parts, same)
        if len(_statements) > MOST_STATEMENTS:
            _statements.popitem(last=False)
    return writing.text, [values[place] if make is None else make(values[place]) for place, make in writing.arguments]


class Writing:
    """A statement that writes parts of one shape."""

    def __init__(self, parts: Sequence[Part], same: Sequence[int | None]) -> None:
        """`same`: for each value the place of an equal one before it or its own, None for NULL."""
        self.same, self.place = same, 0
        ctes = [self.part(part).cte(f"w{number}") for number, part in enumerate(parts)]
        failed = [
            sa.select(sa.func.count()).select_from(cte).scalar_subquery() == sa.literal_column("0")
            for cte, part in zip(ctes, parts, strict=True)
            if part.may_fail
        ]
        done = sa.select(REFUSED).where(sa.or_(*failed)) if failed else sa.select(sa.literal_column("1"))
        statement = Statement(done.add_cte(*ctes))
        self.text = statement.text
        self.arguments = [(int(name.removeprefix("v")), processor) for name, processor, _ in statement.places]

    def part(self, part: Part) -> Any:
        """The statement of one part."""
        table = table_of(part.model)
        if part.several:
            return self.together(table, part)
        if part.verb is Verb.INSERT:
            return sa.insert(table).values(self.bound(table, part.columns))
        if part.verb is Verb.COUNT:
            return self.counting(table, part)
        changes = self.bound(table, part.columns)
        keys = self.bound(table, key_columns(part.model))
        its_own = [table.c[column] == value for column, value in keys.items()]
        if part.verb is Verb.DELETE:
            return sa.delete(table).where(*its_own)
        changing = sa.update(table).where(*its_own).values(changes)
        if not part.may_fail:
            return changing
        version = sa.bindparam(f"v{self.place}", None, type_=sa.Text())
        self.place += 1
        return changing.where(version_of(part.model) == version).returning(sa.literal_column("1").label("one"))

    def counting(self, table: sa.Table, part: Part) -> Any:
        """The statement that counts one more, if that is not more than the last of its values says."""
        values = self.bound(table, part.columns)
        (column,) = part.rows[0].changes
        (most,) = self.bound(table, [column]).values()
        return (
            postgresql.insert(table)
            .values(values)
            .on_conflict_do_update(
                index_elements=key_columns(part.model),
                set_={column: table.c[column] + sa.literal_column("1")},
                where=table.c[column] < most,
            )
            .returning(sa.literal_column("1").label("one"))
        )

    def together(self, table: sa.Table, part: Part) -> Any:
        """The statement that inserts or changes any number of rows in the same columns, each to values of its own."""
        document = sa.cast(sa.bindparam(f"v{self.place}", None, type_=sa.Text()), sa.JSON())
        self.place += 1
        keys = key_columns(part.model)
        types = {name: table.c[name].type for name in dict.fromkeys((*part.columns, *keys))}
        if part.verb is Verb.INSERT:
            types = {name: types[name] for name in part.columns}
        columns = [sa.column(name, getattr(type_, "written_as", type_)) for name, type_ in types.items()]
        rows = sa.func.json_to_recordset(document).table_valued(*columns)
        given = rows.render_derived(name="given", with_types=True)
        values = {name: _expressed(type_, given.c[name]) for name, type_ in types.items()}
        if part.verb is Verb.INSERT:
            return sa.insert(table).from_select(list(values), sa.select(*values.values()))
        its_own = [table.c[column] == given.c[column] for column in keys]
        return sa.update(table).where(*its_own).values({column: values[column] for column in part.columns})

    def bound(self, table: sa.Table, columns: Iterable[str]) -> dict[str, Any]:
        """What the next values of the parts are in the statement."""
        found: dict[str, Any] = {}
        for column in columns:
            type_, same = table.c[column].type, self.same[self.place]
            found[column] = sa.cast(sa.null(), type_) if same is None else sa.bindparam(f"v{same}", None, type_=type_)
            self.place += 1
        return found


_statements: OrderedDict[Hashable, Writing] = OrderedDict()
