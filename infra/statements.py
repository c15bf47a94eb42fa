"""SQLAlchemy statements that are built and compiled once, and run by asyncpg with other values each time."""

import dataclasses
import datetime as dt
import enum
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import asyncpg as dialect

DIALECT = dialect.dialect(json_serializer=lambda value: orjson.dumps(value).decode())  # type: ignore[no-untyped-call] # SQLAlchemy's own gap

MOST_STATEMENTS = 1000

SCALARS: dict[type, sa.types.TypeEngine[Any]] = {
    UUID: sa.Uuid(),
    str: sa.Text(),
    int: sa.BigInteger(),
    float: sa.Float(),
    bytes: sa.LargeBinary(),
    dt.datetime: sa.DateTime(timezone=True),
    dt.timedelta: sa.Interval(),
}


def _scalar(kind: type) -> sa.types.TypeEngine[Any] | None:
    """The type of a bind parameter for values of this class, subclasses such as asyncpg's own UUID included."""
    if kind is bool:
        return None
    found = next((SCALARS[base] for base in kind.__mro__ if base in SCALARS), None)
    if found is not None:
        SCALARS[kind] = found
    return found


class Statement:
    """A compiled statement; `arguments` puts values in the order in which $1, $2, … want them."""

    __slots__ = ("_fixed", "_names", "_processors", "text")

    def __init__(self, statement: Any) -> None:
        compiled: Any = statement.compile(dialect=DIALECT)
        state = compiled.construct_expanded_state()
        processors = {**compiled._bind_processors, **state.processors}  # noqa: SLF001 # the first lack those of IN lists
        self.text: str = state.statement
        self._names: tuple[str, ...] = tuple(dict.fromkeys(state.positiontup or ()))
        self._processors: dict[str, Callable[[Any], Any]] = {
            name: processors[name] for name in self._names if name in processors
        }
        fixed = state.parameters
        self._fixed = {name: self._processed(name, fixed[name]) for name in self._names}

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values of a call; what is not among them is a constant of the statement."""
        return [self._processed(n, values[n]) if n in values else self._fixed[n] for n in self._names]

    def _processed(self, name: str, value: Any) -> Any:
        processor = self._processors.get(name)
        return processor(value) if processor and value is not None else value


class Prepared(NamedTuple):
    """A statement with the model whose rows it gives, if it gives whole rows."""

    statement: Statement
    model: Any


_prepared: OrderedDict[Hashable, Prepared] = OrderedDict()


def prepare(
    build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False
) -> tuple[Prepared, dict[str, Any]]:
    """What `build(*arguments)` says in SQL, compiled once for each shape of the arguments, and this call's values.

    Values of the types above, lists of them and an asker's bindable attributes reach `build` as bind parameters, so it
    can't branch on them; None, booleans, enums and the rest are plain, and make a statement of their own.
    """
    shape: list[Any] = [build, lock]
    values: dict[str, Any] = {}
    marked: list[Any] = []
    for number, argument in enumerate(arguments):
        name = f"p{number}"
        if hasattr(argument, "bindable"):
            changes = {}
            for attribute in argument.bindable:
                value = getattr(argument, attribute)
                if value is not None:
                    values[f"{name}_{attribute}"] = value
                    changes[attribute] = sa.bindparam(f"{name}_{attribute}", None, type_=sa.Uuid())
            marked.append((argument, changes))
            shape += [type(argument), *(None if f in changes else getattr(argument, f) for f in argument.__slots__)]
            shape.append(tuple(changes))
        elif isinstance(argument, list):
            item = _scalar(type(argument[0])) if argument else None
            if item is None:
                raise TypeError("A list is an array of one of the types above, and says of which by its first item.")
            values[name] = argument
            marked.append((sa.bindparam(name, None, type_=ARRAY(item)), None))
            shape.append((list, type(item)))
        elif scalar := _scalar(type(argument)):
            values[name] = argument
            marked.append((sa.bindparam(name, None, type_=scalar), None))
            shape.append(type(scalar))
        else:
            marked.append((argument, None))
            shape.append((type(argument), argument.value) if isinstance(argument, enum.Enum) else argument)
    key = tuple(shape)
    found = _prepared.get(key)
    if found is None:
        found = _prepared[key] = _built(build, marked, lock=lock)
        if len(_prepared) > MOST_STATEMENTS:
            _prepared.popitem(last=False)
    return found, values


def _built(build: Callable[..., Any], marked: list[Any], *, lock: bool) -> Prepared:
    arguments = [value if changes is None else dataclasses.replace(value, **changes) for value, changes in marked]
    statement, model = build(*arguments), None
    if isinstance(statement, sa.Select):
        described = statement.column_descriptions
        entity = described[0].get("entity") if len(described) == 1 else None
        model = entity if described[0]["type"] is entity else None
        if lock:
            # The weaker lock: foreign keys to the row may be checked meanwhile.
            statement = statement.with_for_update(key_share=True, of=model)
    return Prepared(Statement(statement), model)
