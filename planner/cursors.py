"""Cursors: the values of a list's order at one row, as text that only this list accepts."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, UnaryExpression
from sqlalchemy.types import TypeEngine

from infra.statements import refused
from planner.compiling import Asked, Compiler, Dialect, Written
from planner.errors import BadRequest
from planner.pages import Alike
from planner.text import Parts, as_text, chain, escaped

REFUSAL = "This is not a cursor of this list."
REFUSED: ColumnElement[str] = sa.literal_column(f"'{REFUSAL}'")


class Order(NamedTuple):
    """One expression that a list is ordered by."""

    expression: ColumnElement[Any]
    type: TypeEngine[Any]
    descending: bool
    alike: bool = False  # for all rows


def orders(given: Sequence[Any], types: Sequence[Any] | None) -> tuple[Order, ...]:
    """What a build ordered by. Raises TypeError for what can't be turned round."""
    found = []
    for number, each in enumerate(given):
        alike = isinstance(each, Alike)
        expression, descending = each.expression if alike else each, False
        if isinstance(expression, UnaryExpression) and expression.modifier in {operators.desc_op, operators.asc_op}:
            descending = expression.modifier is operators.desc_op
            expression = expression.element
        if isinstance(expression, UnaryExpression) and expression.modifier is not None:
            raise TypeError(f"A page can't be ordered by {each}: say it with coalesce")
        expression = expression.__clause_element__() if hasattr(expression, "__clause_element__") else expression
        type_ = sa.types.to_instance(types[number]) if types is not None and types[number] else expression.type
        if isinstance(type_, sa.types.NullType):
            raise TypeError(f"A page is ordered by {each}, whose type is not known: give types")
        found.append(Order(expression, type_, descending, alike))
    return tuple(found)


class NamelessCompiler(Compiler):
    """Writes each parameter alike: what it's called depends on the rest of a statement."""

    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **options: Any) -> str:
        """A parameter without its name."""
        return "?" if isinstance(bindparam, Asked) else super().visit_bindparam(bindparam, *args, **options)


class NamelessDialect(Dialect):
    """PostgreSQL, for telling expressions apart."""

    statement_compiler = NamelessCompiler
    supports_statement_cache = False


NAMELESS: Any = NamelessDialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own


def mark_of(name: str, order: Sequence[Order]) -> str:
    """What tells a list's cursors from those of other lists: of its type's name and what it's ordered by."""
    texts = [str(each.expression.compile(dialect=NAMELESS)) for each in order]
    return f"{zlib.crc32('|'.join([name, *texts]).encode()):08x}"


def is_text(type_: TypeEngine[Any]) -> bool:
    """Whether a value is written with its length before it, since it may hold anything."""
    return isinstance(type_, sa.String | sa.Enum)


def cursor(mark: str, order: Sequence[Order], values: Sequence[Any]) -> Parts:
    """The cursor of a row as a JSON string; `values`: the row's, one for each expression of the order."""
    texts: Parts = [mark]
    for each, value in zip(order, values, strict=True):
        text = as_text(value)
        texts += [",", as_text(Written("length(", text, ")")), ":", text] if is_text(each.type) else [",", text]
    if any(is_text(each.type) for each in order):
        return escaped(chain(texts))
    return ['"', *texts, '"']


def reading(mark: str, order: Sequence[Order]) -> Callable[[Any], list[Any]]:
    """Makes the function that reads the values out of a cursor. It raises BadRequest for any other text."""
    parsers = [parser(each.type) for each in order]

    def read(text: Any) -> list[Any]:
        if not isinstance(text, str) or not text.startswith(mark):
            raise BadRequest(REFUSAL)
        values, place = [], len(mark)
        try:
            for parse in parsers:
                value, place = parse(text, place)
                values.append(value)
        except (ValueError, ArithmeticError):
            raise BadRequest(REFUSAL) from None
        if place != len(text):
            raise BadRequest(REFUSAL)
        return values

    return read


WORD = re.compile(r",([^,\0]{1,100})")  # what follows a longer one is no comma
LENGTH = re.compile(r",(\d{1,7}):", re.ASCII)


def parser(type_: TypeEngine[Any]) -> Callable[[str, int], tuple[Any, int]]:
    """Reads one value that begins at a place, and says where it ends. Raises ValueError."""

    def text(cursor: str, place: int) -> tuple[Any, int]:
        if not (found := LENGTH.match(cursor, place)):
            raise ValueError
        end = found.end() + int(found[1])
        value = cursor[found.end() : end]
        if end > len(cursor) or "\0" in value:
            raise ValueError
        value.encode()
        return value, end

    def word(cursor: str, place: int) -> tuple[Any, int]:
        if not (found := WORD.match(cursor, place)):
            raise ValueError
        return convert(found[1]), found.end()

    if is_text(type_):
        return text
    converts = [convert for known, convert in WORDS if isinstance(type_, known)]
    if not converts:
        raise TypeError(f"A page can't be ordered by values of type {type_}")
    convert = converts[0]
    return word


def whole_number(bits: int) -> Callable[[str], int]:
    """Makes the function that reads an integer of PostgreSQL's of so many bits."""

    def read(text: str) -> int:
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return value

    return read


def moment(text: str) -> dt.datetime:
    """A moment as PostgreSQL prints it in UTC. asyncpg takes the last and first of Python's for infinities."""
    if text == "infinity":
        return dt.datetime.max  # noqa: DTZ901 - asyncpg's sign for it
    if text == "-infinity":
        return dt.datetime.min  # noqa: DTZ901 - asyncpg's sign for it
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError
    return value.astimezone(dt.UTC)  # which there may be none of, at the ends of time


def truth(text: str) -> bool:
    """A boolean as PostgreSQL prints it."""
    if text not in {"true", "false"}:
        raise ValueError
    return text == "true"


WORDS: list[tuple[Any, Callable[[str], Any]]] = [
    (sa.DateTime, moment),
    (sa.Date, dt.date.fromisoformat),
    (sa.Boolean, truth),
    (sa.BigInteger, whole_number(64)),
    (sa.SmallInteger, whole_number(16)),
    (sa.Integer, whole_number(32)),
    (sa.Float, float),
    (sa.Numeric, Decimal),
    (sa.Uuid, UUID),
]


def beyond(order: Sequence[Order], values: Sequence[Any], *, forward: bool) -> ColumnElement[bool]:
    """Holds for the rows that stand after the one with these values, or before it."""
    if order[0].alike:
        there = beyond(order[1:], values[1:], forward=forward)
        is_other = refused(order[0].expression != values[0], REFUSED)
        return sa.case((is_other, sa.false()), else_=there)  # looked at in this order
    smaller = [each.descending == forward for each in order]
    expressions = [each.expression for each in order]
    if len(set(smaller)) == 1:
        left: ColumnElement[Any] = sa.tuple_(*expressions)
        right = sa.tuple_(*values)
        return left < right if smaller[0] else left > right
    return stepwise(expressions, values, smaller)


def stepwise(expressions: Sequence[Any], values: Sequence[Any], smaller: Sequence[bool]) -> ColumnElement[bool]:
    """As above, where the directions differ; the first comparison is one that an index can begin with."""
    first, value = expressions[0], values[0]
    strictly: ColumnElement[bool] = first < value if smaller[0] else first > value
    if len(expressions) == 1:
        return strictly
    rest = stepwise(expressions[1:], values[1:], smaller[1:])
    at_least = first <= value if smaller[0] else first >= value
    return sa.and_(at_least, sa.or_(strictly, rest))


def looked_up(order: Sequence[Order], among: Select[Any], key: Any) -> list[ColumnElement[Any]]:
    """The values of the order at the row with this key; one that is not among these rows is refused."""
    its = among.where(order[-1].expression == key)
    first, *others = (
        its.with_only_columns(each.expression, maintain_column_froms=True).correlate(None).scalar_subquery()
        for each in order
    )
    nothing = sa.case((refused(sa.literal_column("true"), REFUSED), sa.cast(sa.null(), parameter_type(order[0].type))))
    return [sa.func.coalesce(first, nothing), *others]  # the first, which is compared in any case


def parameter_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of a parameter that stands for a value of the order; enums are text."""
    return sa.Text() if is_text(type_) else type_
