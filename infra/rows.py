"""Rows as a unit of work has them: they read like their model, and remember what is to change."""

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models import Base

Model = TypeVar("Model", bound=Base)
Decoder = Callable[[Any], Any]


class State:
    """What is known of a row: its values by column, and what they are changed to."""

    __slots__ = ("changes", "decoders", "model", "values", "version")

    def __init__(self, model: type[Base], values: Any, *, fresh: bool) -> None:
        """`fresh`: it is about to be inserted, and its values are Python's own, not the driver's."""
        self.model, self.values = model, values
        self.changes: dict[str, Any] = {}
        self.version: str | None = None  # what it must not have changed from; None where it is locked
        self.decoders = {} if fresh else _decoders(model)

    def key(self) -> dict[str, Any]:
        """The primary key, by column."""
        return {column: self.values[column] for column in key_columns(self.model)}

    def stored(self, column: str) -> Any:
        """What a column holds until it is written anew."""
        value = self.values[column]
        return self.decoders[column](value) if value is not None and column in self.decoders else value

    def identity(self) -> Hashable:
        """What tells the row from every other one."""
        return self.model, *self.key().values()


class Row:
    """A row; its attributes are the model's columns as they will be, and nothing else."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state


@cache
def _class_of(model: type[Base]) -> type[Row]:
    """Rows of one model. A property for each column costs half of what __getattr__ does."""
    columns = {column.name: _column(column.name, _may_be_left_out(column)) for column in table_of(model).columns}
    return type(model.__name__, (Row,), {"__slots__": ()} | columns)


def _may_be_left_out(column: sa.Column[Any]) -> bool:
    """Whether a new row for which nothing was said of the column has NULL there."""
    return bool(column.nullable) and column.server_default is None


def _column(column: str, may_be_left_out: bool) -> property:  # noqa: FBT001 # of the column
    def value(of: Row) -> Any:
        state = of._state  # noqa: SLF001 # as below
        if column in state.changes:
            return state.changes[column]
        try:
            value = state.values[column]
        except KeyError:
            if not may_be_left_out:
                raise
            return None
        if value is None or column not in state.decoders:
            return value
        return state.decoders[column](value)

    return property(value)


def row(model: type[Model], values: Any) -> Model:
    """A row of the model that was read, to a type checker the model itself."""
    made: Model = row_of(State(model, values, fresh=False))
    return made


def row_of(state: State) -> Any:
    """The row of a state."""
    return _class_of(state.model)(state)


def changed(of: Base, *columns: str) -> bool:
    """Whether any of these columns is to be written another value than the row was read with."""
    state = state_of(of)
    return any(column in state.changes and state.changes[column] != state.stored(column) for column in columns)


def state_of(of: Base) -> State:
    """The state of a row."""
    state: State = of._state  # type: ignore[attr-defined] # noqa: SLF001 # kept from those who read the row, not from this room
    return state


def table_of(model: type[Base]) -> sa.Table:
    """The model's table."""
    table: sa.Table = model.__table__  # type: ignore[assignment] # what is mapped here is always a table
    return table


@cache
def key_columns(model: type[Base]) -> tuple[str, ...]:
    """The columns of the model's primary key."""
    return tuple(column.name for column in table_of(model).primary_key)


@cache
def has_id(model: type[Base]) -> bool:
    """Whether rows of the model have an id."""
    return "id" in table_of(model).c


@cache
def _decoders(model: type[Base]) -> dict[str, Decoder]:
    """What makes Python's values of the driver's, for the columns where they differ."""
    found: dict[str, Decoder] = {}
    for column in table_of(model).columns:
        if isinstance(column.type, sa.Enum) and column.type.enum_class:
            found[column.name] = column.type.enum_class.__members__.__getitem__
        elif isinstance(column.type, JSONB):
            found[column.name] = orjson.loads
    return found
