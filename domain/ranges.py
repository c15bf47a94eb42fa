"""Going through a whole table by its key, in batches that end after so many rows, whatever of them is wanted."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, select

FIRST = UUID(int=0)  # before every key


def end(key: Any, after: Any, most: Any) -> sa.Select[*tuple[Any, ...]]:
    """The last key of the batch that begins after this one, which counts about so many rows. None: no row is left."""
    keys = select(key.label("key")).where(key > after).order_by(key).limit(most).subquery()
    return select(keys.c.key).order_by(keys.c.key.desc()).limit(1)


def within(key: Any, after: Any, last: Any) -> ColumnElement[bool]:
    """Whether a row belongs to a batch."""
    return sa.and_(key > after, key <= last)
