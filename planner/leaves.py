"""Leaves of a selection as JSON text: scalars, enums, ids, and lists of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphql
import orjson
import sqlalchemy as sa
from sqlalchemy import Select, cast, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import count as counting

from planner.compiling import DIALECT, Asked, Written
from planner.fields import When
from planner.nodes import IdOf, prefix_of
from planner.rows import Held
from planner.text import (
    ENCODINGS,
    PLAIN_ITEMS,
    Parts,
    as_text,
    bare,
    chain,
    either,
    element,
    escaped,
    in_quotes,
    listed,
    nested,
    or_missing,
    strung,
)

Encoded = tuple[Parts, bool]  # a value's text, and whether it may be NULL


class Prefixed:
    """A key and what stands before it in an id."""

    __slots__ = ("prefix", "value")

    def __init__(self, prefix: str, value: Any) -> None:
        """`value`: an expression or a key."""
        self.prefix, self.value = prefix, value


def leaf(type_: Any, value: Any, alias: Callable[[], str]) -> Encoded:
    """A scalar, an enum, or a list of them. `alias`: gives a table a name that no other one has."""
    if isinstance(value, IdOf):
        value = Prefixed(prefix_of(value.model), value.key)
    if isinstance(value, Prefixed):
        return _id(value)
    if isinstance(value, Select):
        if graphql.is_list_type(type_):
            table = value.subquery(alias())
            return _joined(graphql.get_named_type(type_), table, next(iter(table.c)).name), False
        value = value.scalar_subquery()
    elif hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if not isinstance(value, ClauseElement):
        return [_plain(type_, value)], False
    return _expression(type_, value, alias)


def is_sql(value: Any) -> bool:
    """Whether a value is SQL and nothing else."""
    if isinstance(value, When):
        return is_sql(value.value)
    value = value.value if isinstance(value, Prefixed) else value.key if isinstance(value, IdOf) else value
    return isinstance(value, ClauseElement)


def may_be_null(value: Any) -> bool:
    """Whether an expression may be NULL, as far as it tells."""
    if isinstance(value, Held):
        return value.nullable
    return not isinstance(value, Asked | counting | sa.sql.elements.True_ | sa.sql.elements.False_ | sa.Exists)


def _id(value: Prefixed) -> Encoded:
    if isinstance(value.value, ClauseElement):
        return [f'"{value.prefix}_', as_text(value.value), '"'], may_be_null(value.value)
    return [f'"{value.prefix}_{value.value}"'], False


def _expression(type_: Any, value: Any, alias: Callable[[], str]) -> Encoded:
    """What an expression gives, one or an array."""
    named = graphql.get_named_type(type_)
    if not graphql.is_list_type(type_):
        return _encoding(named)(value), may_be_null(value)
    if graphql.is_enum_type(named) or named.name in PLAIN_ITEMS:
        return bare(Written("array_to_json(", element(value), ")")), may_be_null(value)
    items = func.unnest(value).table_valued("item").render_derived(name=alias())
    return [either([(cast(value, ARRAY(sa.Text)).is_not(None), chain(_joined(named, items, "item")))])], True


def _joined(named: Any, table: Any, column: str) -> Parts:
    """A column as a list."""
    type_ = next(iter(table.c)).type
    item = Held(f"{table.name}.{DIALECT.identifier_preparer.quote(column)}", type_, nullable=True)
    text = or_missing(_encoding(named)(item), named.name)
    return listed(nested(strung(chain(text)), table))


def _encoding(named: Any) -> Any:
    """How a leaf type is written."""
    return in_quotes if graphql.is_enum_type(named) else ENCODINGS.get(named.name, escaped)


def _plain(type_: Any, value: Any) -> str:
    """A value that Python has, as JSON text."""
    if graphql.is_list_type(type_):
        return "[" + ",".join(_plain(type_.of_type, item) for item in value) + "]"
    if value is None:
        return "null"
    written = graphql.get_named_type(type_).coerce_output_value(value)
    return orjson.dumps(written).decode()
