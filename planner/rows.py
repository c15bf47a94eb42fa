"""Rows as builds see them: names of columns, not SQLAlchemy's tables, so they may be spoken of at any depth.

SQLAlchemy would add a table that it does not find in the FROM of the innermost SELECT; a name adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, literal_column
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql.elements import ClauseElement, ColumnClause, Over
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase

from planner.compiling import DIALECT, Written, resolved
from planner.documents import Bounded

# All of PostgreSQL's: a SELECT with another would give other rows once columns of it are left out.
NAMES = """
any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank
every json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
json_object_agg_unique_strict jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict
jsonb_object_agg_unique jsonb_object_agg_unique_strict max min mode percent_rank percentile_cont percentile_disc
range_agg range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx
regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg
"""
AGGREGATES = frozenset(NAMES.split())


class Held(ColumnClause[Any]):
    """A column of a row."""

    inherit_cache = False

    def __init__(self, text: str, type_: Any, *, nullable: bool) -> None:
        """`text`: how SQL calls it."""
        super().__init__(text, type_, is_literal=True)
        self.nullable = nullable


class Related:
    """The one row that a relationship leads to."""

    __slots__ = ("relation", "row")

    def __init__(self, row: Row, relation: RelationshipProperty[Any]) -> None:
        """`row`: where it begins."""
        self.row, self.relation = row, relation

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.relation} can only be returned by a build; select the other row to read .{name}")


class Known:
    """What was found out of a SELECT, for as long as there is that SELECT: builds' are kept for the next plans."""

    def __init__(self, rows: Select[Any]) -> None:
        """`rows`: the SELECT, which is not held."""
        self.described: list[Any] = rows.column_descriptions
        self.model = model_in(self.described)
        self.whole = whole(rows, self.described)

    @staticmethod
    def of(rows: Select[Any]) -> Known:
        """What is known of this one."""
        found = KNOWN.get(rows)
        if found is None:
            KNOWN[rows] = found = Known(rows)
        return found


KNOWN: WeakKeyDictionary[Select[Any], Known] = WeakKeyDictionary()
SOURCES: Bounded[tuple[Known, str, frozenset[str]], Written] = Bounded(5_000, 16_000_000)  # by alias and columns


class Row:
    """A row of the statement under its alias: its attributes are those of the model, or the labels of a SELECT."""

    def __init__(self, alias: str, rows: Select[Any] | type) -> None:
        """`rows`: what it is a row of, a SELECT or a model."""
        self._alias, self._rows = alias, rows
        self._known = None if isinstance(rows, type) else Known.of(rows)
        self._described: list[Any] = self._known.described if self._known else []
        self._model = self._known.model if self._known else rows
        self._used: dict[str, Any] = {}  # attributes that the statement needs, by the name of their column

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._model is not None:
            mapper: Mapper[Any] = sa.inspect(self._model)
            if name in mapper.relationships:
                return Related(self, mapper.relationships[name])
            if name in mapper.column_attrs:
                column = mapper.column_attrs[name].columns[0]
                self._used[name] = None
                called = column.name if isinstance(self._rows, type) else name
                return self._held(called, column.type, nullable=getattr(column, "nullable", True))
            descriptor = mapper.all_orm_descriptors.get(name)
            if isinstance(descriptor, hybrid_property):
                return descriptor.fget(self)
        for described in self._described:
            if described["name"] == name and described["expr"] is not described.get("entity"):
                self._used[name] = described["expr"]
                return self._held(name, described["type"], nullable=True)
        raise AttributeError(f"{self._model or 'The selected row'} has no {name}")

    def _reading(self, make: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
        """What `make` makes, and the attributes that it reads of this row."""
        before, self._used = self._used, {}
        made = make()
        used, self._used = self._used, before | self._used
        return made, used

    @property
    def _columns(self) -> Collection[str]:
        """The attributes that each row of the model has."""
        return () if self._model is None else sa.inspect(self._model).column_attrs.keys()

    def _also(self, name: str, expression: Any, type_: Any) -> Held:
        """Has the SELECT give one more column."""
        self._used[name] = expression
        return self._held(name, type_, nullable=False)

    def _held(self, name: str, type_: Any, *, nullable: bool) -> Held:
        quote = DIALECT.identifier_preparer.quote
        return Held(f"{self._alias}.{quote(name)}", type_, nullable=nullable)


def of_its_rows(aggregate: Written, row: Row) -> Written:
    """An aggregate over rows, also where nothing in it names them.

    If all that it names is of an outer query, PostgreSQL takes it for an aggregate of that one. What is added here is
    known to hold once the statement is planned, and costs nothing.
    """
    one = row._also("one", literal_column("1"), sa.Integer())  # noqa: SLF001 - a row hides what builds may not use
    return Written(aggregate, " FILTER (WHERE ", one, " = 1)")


def source(row: Row) -> FromClause:
    """What stands in the FROM for a row, once all is known that the statement needs of it."""
    rows = row._rows  # noqa: SLF001 - a row hides what builds may not use
    if isinstance(rows, type):
        table: FromClause = sa.inspect(rows).local_table
        return table.alias(row._alias)  # noqa: SLF001 - as above
    described = row._described  # noqa: SLF001 - as above
    entity = described[0].get("entity")
    if Known.of(rows).whole:
        return renamed(rows, row).subquery(row._alias)  # noqa: SLF001 - as above
    columns = [
        (getattr(entity, name) if expression is None else expression).label(name)
        for name, expression in row._used.items()  # noqa: SLF001 - as above
    ]
    columns = columns or [literal_column("1").label("one")]
    return rows.with_only_columns(*columns, maintain_column_froms=True).subquery(row._alias)  # noqa: SLF001 - as above


def within(row: Row) -> Written:
    """The same as text, which is made once for each SELECT, alias and choice of columns."""
    known = row._known  # noqa: SLF001 - a row hides what builds may not use
    if known is None:
        return Written(source(row))
    key = known, row._alias, frozenset(row._used)  # noqa: SLF001 - as above
    found = SOURCES.get(key)
    if found is None:
        found = resolved(Written(source(row)))
        SOURCES.put(key, found, found.weight)
    return found


def whole(rows: Select[Any], described: list[Any] | None = None) -> bool:
    """Whether what a SELECT selects decides which rows there are. `described`: its columns, where they are at hand."""
    if rows._distinct or rows._group_by_clauses:  # noqa: SLF001 - no public way
        return True
    return any(_sums_up(each["expr"]) for each in (rows.column_descriptions if described is None else described))


def _sums_up(expression: Any) -> bool:
    """Whether it holds an aggregate of the SELECT that it stands in, which has one row for it; not of another."""
    if isinstance(expression, FunctionElement) and getattr(expression, "name", None) in AGGREGATES:
        return True
    if isinstance(expression, SelectBase | Over) or not isinstance(expression, ClauseElement):
        return False
    return any(_sums_up(each) for each in expression.get_children())


def renamed(rows: Select[Any], row: Row) -> Select[Any]:
    """All columns of a SELECT, those of the model under the names of its attributes."""
    columns: list[ColumnElement[Any]] = []
    for described in row._described:  # noqa: SLF001 - a row hides what builds may not use
        entity = described.get("entity")
        if entity is not None and described["expr"] is entity:
            mapper = sa.inspect(row._model)  # noqa: SLF001 - a row hides what builds may not use
            columns += [getattr(entity, attribute.key).label(attribute.key) for attribute in mapper.column_attrs]
        else:
            columns.append(described["expr"].label(described["name"]))
    known = {column.name for column in columns}
    used = row._used.items()  # noqa: SLF001 - as above
    columns += [expression.label(name) for name, expression in used if expression is not None and name not in known]
    return rows.with_only_columns(*columns, maintain_column_froms=True)


def model_in(described: list[Any]) -> type | None:
    """The model whose rows a SELECT gives, by its columns; None for one of labelled columns."""
    first = described[0]
    entity = first.get("entity")
    if entity is None or first["expr"] is not entity:
        return None
    model: type = sa.inspect(entity).mapper.class_
    return model
