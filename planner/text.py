"""JSON text in SQL: how values are written, and joined by `||`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ClauseElement

from planner.compiling import Written

Parts = list[str | ClauseElement]  # JSON text: literal JSON, and SQL that gives JSON text and is never NULL

WIDEST = 100  # pieces of a chain

# Raises where SQL gives NULL and the API promises a value: `||` and string_agg would lose it in silence.
# VOLATILE, so that it's called only where a NULL is met, and never while planning.
MISSING_FUNCTION_DDL = """
CREATE OR REPLACE FUNCTION deskwire_missing(what text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL SAFE COST 1 AS $$
BEGIN
    RAISE EXCEPTION 'NULL where the API promises a value: %', what USING ERRCODE = 'null_value_not_allowed';
END
$$
"""


def literal(text: str) -> str:
    """SQL for a text."""
    return "'" + text.replace("'", "''") + "'"


def element(value: Any) -> ClauseElement:
    """An expression as SQLAlchemy has it; a value of Python's becomes a parameter."""
    if isinstance(value, ClauseElement):
        return value
    found: ClauseElement = value.__clause_element__() if hasattr(value, "__clause_element__") else sa.literal(value)
    return found


def as_text(value: Any) -> Written:
    """A value in PostgreSQL's own words."""
    return Written("CAST(", element(value), " AS TEXT)")


def as_json(value: Any) -> Written:
    """The JSON text of a string, number or boolean."""
    return Written("CAST(json_scalar(", element(value), ") AS TEXT)")


def chain(parts: Parts) -> Written:
    """One expression that gives the text: `a || b || c`, flat, since a nest as deep would exhaust Python's stack."""
    # Without parentheses: all that enters a chain is a literal, function, cast, CASE or sub-select.
    terms: list[str | ClauseElement] = []
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if text:
            terms.append(literal(text))
            text = ""
        terms.append(part.texts[0] if isinstance(part, Written) and not part.elements else part)
    if text or not terms:
        terms.append(literal(text))
    while len(terms) > WIDEST:  # to PostgreSQL a chain is as deep as it is long
        groups = [terms[start : start + WIDEST] for start in range(0, len(terms), WIDEST)]
        terms = [Written("(", between(" || ", group), ")") for group in groups]
    return between(" || ", terms)


def between(separator: str, pieces: Sequence[str | ClauseElement]) -> Written:
    """The pieces with a separator between each two."""
    if all(isinstance(piece, str) for piece in pieces):
        return Written(separator.join(map(str, pieces)))
    return Written(*[each for piece in pieces for each in (separator, piece)][1:])


def first_of(*alternatives: str | ClauseElement) -> Written:
    """The first that is not NULL."""
    return Written("coalesce(", between(", ", alternatives), ")")


def either(cases: Iterable[tuple[Any, ClauseElement]], otherwise: ClauseElement | None = None) -> Written:
    """What is beside the first condition that holds; otherwise NULL, or what is given."""
    pieces: list[str | ClauseElement] = ["CASE"]
    for condition, found in cases:
        pieces += [" WHEN ", element(condition), " THEN ", found]
    if otherwise is not None:
        pieces += [" ELSE ", otherwise]
    return Written(*pieces, " END")


def nested(selected: ClauseElement, source: ClauseElement, *conditions: ClauseElement) -> Written:
    """A sub-select of one expression."""
    where = Written(" WHERE ", between(" AND ", conditions)) if conditions else ""
    return Written("(SELECT ", selected, " FROM ", source, where, ")")


def strung(item: Written, order: str | Written = "") -> Written:
    """The texts of rows, with commas between them. `order`: an ORDER BY."""
    return Written("string_agg(", item, ", ','", order, ")")


def listed(items: ClauseElement) -> Parts:
    """A list of these items, none where they are NULL."""
    return ["[", first_of(items, "''"), "]"]


def or_null(parts: Parts) -> Parts:
    """The text, or null when any of it is NULL."""
    return [first_of(chain(parts), "'null'")]


def or_missing(parts: Parts, what: str) -> Parts:
    """The text, or an error that says what is missing."""
    return [first_of(chain(parts), missing(what))]


def missing(what: str) -> Written:
    """Raises when it is reached."""
    return Written(f"deskwire_missing({literal(what)})")


def bare(value: Any) -> Parts:
    """Numbers and booleans."""
    return [as_text(value)]


def in_quotes(value: Any) -> Parts:
    """What holds nothing to escape: ids, enums, days."""
    return ['"', as_text(value), '"']


def escaped(value: Any) -> Parts:
    """Text that people wrote."""
    if not isinstance(getattr(value, "type", None), sa.String):
        value = as_text(value)
    return [as_json(value)]


def formatted(value: Any, pattern: str) -> Parts:
    """A moment as the pattern has it."""
    return ['"', Written("to_char(", element(value), f", {literal(pattern)})"), '"']


def instant(value: Any) -> Parts:
    """A moment, cut to milliseconds."""
    # 0.23 us; no other way to exactly three digits was cheaper. It prints the session's time zone, which is UTC.
    return formatted(value, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')


def time_of_day(value: Any) -> Parts:
    """A time of day to the minute, stored as `time` or as text."""
    return formatted(value, "HH24:MI") if isinstance(getattr(value, "type", None), sa.Time) else in_quotes(value)


# By the scalar's name. What isn't here is escaped; ids, enums and lists are told apart before.
ENCODINGS: dict[str, Callable[[Any], Parts]] = {
    "Int": bare,
    "Float": bare,
    "Boolean": bare,
    "JSON": bare,
    "ID": in_quotes,
    "DateTime": instant,
    "Date": in_quotes,
    "LocalTime": time_of_day,
}
PLAIN_ITEMS = frozenset({"Int", "Float", "Boolean", "String", "URL", "ID"})  # what array_to_json writes as we do
