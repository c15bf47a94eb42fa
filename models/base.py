"""What every table has in common: its types, its naming of constraints and its key."""

import datetime as dt
import enum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class Choice(enum.Enum):
    """One of a few values that a column may hold."""

    # A member is itself and no other. Enum's own hash is made of its name, in Python, again and again.
    __hash__ = object.__hash__


class Base(DeclarativeBase):
    """A table. Enums are text that holds the name of the value, so a new value changes no type."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        str: sa.Text(),
        dt.datetime: sa.DateTime(timezone=True),
        enum.Enum: sa.Enum(enum.Enum, native_enum=False, length=32),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(sa.Text()),
        list[UUID]: ARRAY(sa.Uuid()),
    }


class Record(Base):
    """A table whose rows have a uuid of version 7 as their key, so keys sort by time."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
