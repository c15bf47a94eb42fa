"""Rows as a unit of work has them: they read like their model, and remember what is to change."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from models import Base

Model = TypeVar("Model", bound=Base)
Decoder = Callable[[Any], Any]

_DECODERS: dict[type[Base], dict[str, Decoder]] = {}


class State:
    """What is known of a row: its values by column, and what they are changed to."""

    __slots__ = ("changes", "fresh", "model", "values")

    def __init__(self, model: type[Base], values: Any, *, fresh: bool) -> None:
        """`fresh`: it is about to be inserted, and its values are Python's own, not the driver's."""
        self.model, self.values, self.fresh = model, values, fresh
        self.changes: dict[str, Any] = {}

    def value(self, column: str) -> Any:
        """The value as it will be."""
        if column in self.changes:
            return self.changes[column]
        value = self.values[column]
        decode = None if self.fresh or value is None else _decoders(self.model).get(column)
        return decode(value) if decode else value

    def key(self) -> dict[str, Any]:
        """The primary key, by column."""
        return {column.name: self.values[column.name] for column in table_of(self.model).primary_key}

    def identity(self) -> Hashable:
        """What tells the row from every other one."""
        return self.model, *self.key().values()


class Row:
    """A row; its attributes are the model's columns, and nothing else."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def __getattr__(self, column: str) -> Any:
        return self._state.value(column)


def row(model: type[Model], values: Any, *, fresh: bool = False) -> Model:
    """A row of the model, to a type checker the model itself."""
    return cast(Model, Row(State(model, values, fresh=fresh)))


def state_of(of: Base) -> State:
    """The state of a row."""
    state: State = cast(Any, of)._state  # noqa: SLF001 # kept from those who read the row, not from this room
    return state


def table_of(model: type[Base]) -> sa.Table:
    """The model's table."""
    return cast(sa.Table, model.__table__)


def _decoders(model: type[Base]) -> dict[str, Decoder]:
    """What makes Python's values of the driver's, for the columns where they differ."""
    found = _DECODERS.get(model)
    if found is None:
        found = _DECODERS[model] = {}
        for column in table_of(model).columns:
            if isinstance(column.type, sa.Enum) and column.type.enum_class:
                found[column.name] = column.type.enum_class.__getitem__
            elif isinstance(column.type, JSONB):
                found[column.name] = orjson.loads
    return found
