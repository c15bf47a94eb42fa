"""Spans of time that lists are narrowed to."""

from typing import Any, TypeVar

from sqlalchemy import Select

Rows = TypeVar("Rows", bound=Select[Any])


def within(rows: Rows, moment: Any, span: tuple[Any, Any]) -> Rows:
    """Those of the rows whose moment lies in the span: from its beginning on, before its end; None: an open end."""
    start, end = span
    if start is not None:
        rows = rows.where(moment >= start)
    if end is not None:
        rows = rows.where(moment < end)
    return rows
