"""SQLAlchemy statements that are built and compiled once, and run by asyncpg with other values each time."""

import dataclasses
import datetime as dt
import enum
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql import visitors

DIALECT = dialect.dialect(json_serializer=lambda value: orjson.dumps(value).decode())  # type: ignore[no-untyped-call] # SQLAlchemy's own gap

MOST_STATEMENTS = 1000

Processor = Callable[[Any], Any]
Asked = tuple[Any, ...]  # a build, and what it is given

SCALARS: dict[type, sa.types.TypeEngine[Any] | None] = {
    bool: None,
    UUID: sa.Uuid(),
    str: sa.Text(),
    int: sa.BigInteger(),
    float: sa.Float(),
    bytes: sa.LargeBinary(),
    dt.datetime: sa.DateTime(timezone=True),
    dt.timedelta: sa.Interval(),
}

CONSTANTS = sa.Enum, sa.Integer  # what a statement has of these is written into its text
VERSION = "its_version"
NOTHING: sa.ColumnElement[Any] = sa.literal_column("'{}'")  # an empty list: an array of what its place asks for


def refused(condition: Any, message: Any) -> sa.ColumnElement[bool]:
    """False; where the condition holds, PostgreSQL refuses the statement with this message, as `Said` has it."""
    return sa.func.deskwire_refused(condition, message, type_=sa.Boolean())


def _scalar(kind: type) -> sa.types.TypeEngine[Any] | None:
    """The type of a bind parameter for values of this class, subclasses such as asyncpg's own UUID included."""
    if kind not in SCALARS:
        SCALARS[kind] = next((found for base in kind.__mro__ if (found := SCALARS.get(base)) is not None), None)
    return SCALARS[kind]


class Statement:
    """A compiled statement; `arguments` puts values in the order in which $1, $2, … want them."""

    __slots__ = ("places", "text")

    def __init__(self, statement: Any) -> None:
        for part in visitors.iterate(statement):
            # One plan serves all calls, and no parameter can tell it that a partial index has all that is asked for, or
            # how few rows are.
            if isinstance(part, sa.BindParameter) and isinstance(part.type, CONSTANTS) and part.value is not None:
                part.literal_execute = True
        compiled: Any = statement.compile(dialect=DIALECT)
        state = compiled.construct_expanded_state()
        processors = {**compiled._bind_processors, **state.processors}  # noqa: SLF001 # the first lack those of IN lists
        processors |= {name: simpler(bound.type, processors.get(name)) for name, bound in compiled.binds.items()}
        self.text: str = state.statement
        # Each parameter's name, what makes of a value what asyncpg takes, and what it takes when no value is given.
        self.places: list[tuple[str, Processor | None, Any]] = []
        for name in dict.fromkeys(state.positiontup or ()):
            processor, constant = processors.get(name), state.parameters[name]
            is_asked = constant is None
            self.places.append((name, processor if is_asked else None, processed(processor, constant)))

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values of a call; what is not among them is a constant of the statement."""
        return [
            value if (value := values.get(name, constant)) is None or processor is None else processor(value)
            for name, processor, constant in self.places
        ]


def simpler(kind: Any, processor: Processor | None) -> Processor | None:
    """What makes of a value of a type what asyncpg takes, without looking whether it is of the type."""
    if isinstance(kind, sa.Enum) and kind.enum_class:
        # Of a row that was read, what is its key is a name already. `_name_` is no property, as `name` is.
        return lambda value: value if type(value) is str else value._name_
    if isinstance(kind, ARRAY) and kind.item_type.dialect_impl(DIALECT).bind_processor(DIALECT) is None:
        return None
    return None if isinstance(kind, sa.Boolean) else processor


def processed(processor: Processor | None, value: Any) -> Any:
    """A value as asyncpg takes it."""
    return value if processor is None or value is None else processor(value)


class Prepared(NamedTuple):
    """A statement with the model whose rows it gives, if it gives whole rows, and whether it locks any."""

    statement: Statement
    model: Any
    locks: bool


_prepared: OrderedDict[Hashable, Any] = OrderedDict()


def prepare(
    build: Callable[..., Any], arguments: tuple[Any, ...], *, lock: bool = False
) -> tuple[Prepared, dict[str, Any]]:
    """What `build(*arguments)` says in SQL, compiled once for each shape of the arguments, and this call's values.

    Values of the types above, lists of them and an asker's bindable attributes reach `build` as bind parameters, so it
    can't branch on them; None, booleans, enums, an empty list and the rest are plain, and make a statement of their
    own. A build that has an array stand where no column says what it is of, such as in `unnest`, casts it.
    """
    shape: list[Any] = [build, lock]
    values: dict[str, Any] = {}
    _look(arguments, "p", shape, values)
    found: Prepared = _kept(tuple(shape), lambda: _built(build, marked(arguments, "p"), lock=lock))
    return found, values


class Part(NamedTuple):
    """What one of several reads gives: whole rows of a model, or values; and where a record has them."""

    model: Any
    names: tuple[str, ...]
    first: int
    end: int  # there it says whether there is anything


class Together:
    """Several reads as one statement. Only the last may give more than one row."""

    def __init__(self, asked: Sequence[Asked], *, lock: bool, versions: bool) -> None:
        """`asked`: builds and what they are given. `lock`: the rows of models. `versions`: read theirs as well."""
        self.parts: list[Part] = []
        columns: list[Any] = []
        tables: list[Any] = []
        for number, (build, *arguments) in enumerate(asked):
            given = _locking(build(*marked(tuple(arguments), f"p{number}_")), lock=lock)
            model = _model_of(given)
            if versions and model is not None:
                given = given.add_columns(version_of(model).label(VERSION))
            table = numbered(given, f"q{number}")
            own = [column for column in table.c if column is not table.c.its_place]
            self.parts.append(Part(model, tuple(c.name for c in own), len(columns), len(columns) + len(own)))
            columns += [column.label(f"c{len(columns) + n}") for n, column in enumerate((*own, table.c.its_place))]
            tables.append(table)
        *others, last = tables
        source: Any = sa.select(sa.literal_column("1")).subquery("one").outerjoin(last, sa.true())
        for other in others:  # what is one stands in the first record alone
            source = source.outerjoin(
                other, sa.func.coalesce(last.c.its_place, sa.literal_column("1")) == sa.literal_column("1")
            )
        self.statement = Statement(sa.select(*columns).select_from(source).order_by(last.c.its_place))

    def found(self, records: Sequence[Any]) -> list[list[Any]]:
        """What each read gives: rows' values by column where it gives a model's, else tuples."""
        found: list[list[Any]] = []
        for part in self.parts:
            several = records if part is self.parts[-1] else records[:1]
            values = [record[part.first : part.end] for record in several if record[part.end] is not None]
            found.append(values if part.model is None else [dict(zip(part.names, v, strict=True)) for v in values])
        return found


def numbered(given: sa.Select[Any], name: str) -> Any:
    """What a build gives as a table with one more column: the place of each row."""
    order = given._order_by_clauses  # noqa: SLF001 # no public way
    place = sa.func.row_number().over(order_by=order) if order else sa.literal_column("1")
    return given.add_columns(place.label("its_place")).subquery(name)


def prepare_together(asked: Sequence[Asked], *, lock: bool, versions: bool) -> tuple[Together, dict[str, Any]]:
    """As `prepare`, for several reads of rows at once. `versions`: a row of a model has its own under that name."""
    shape: list[Any] = [Together, lock, versions]
    values: dict[str, Any] = {}
    for number, (build, *arguments) in enumerate(asked):
        shape.append(build)
        _look(tuple(arguments), f"p{number}_", shape, values)
    found: Together = _kept(tuple(shape), lambda: Together(asked, lock=lock, versions=versions))
    return found, values


def _kept(key: Hashable, make: Callable[[], Any]) -> Any:
    found = _prepared.get(key)
    if found is None:
        found = _prepared[key] = make()
        if len(_prepared) > MOST_STATEMENTS:
            _prepared.popitem(last=False)
    return found


def _look(arguments: tuple[Any, ...], prefix: str, shape: list[Any], values: dict[str, Any]) -> None:
    """Tell the plain part of the arguments from their values; names of parameters begin with the prefix."""
    for number, argument in enumerate(arguments):
        kind, name = type(argument), f"{prefix}{number}"
        shape.append(kind)
        if _scalar(kind) is not None:
            values[name] = argument
        elif kind is list:
            item = type(argument[0]) if argument else None
            if item is not None:
                if _scalar(item) is None:
                    raise TypeError("A list is an array of one of the types above, and its first item says of which.")
                values[name] = argument
            shape.append(item)
        elif hasattr(argument, "bindable"):
            bindable = argument.bindable
            for attribute in argument.__slots__:
                value = getattr(argument, attribute)
                if attribute in bindable and value is not None:
                    values[f"{name}_{attribute}"] = value
                    value = ...
                shape.append(value)
        else:
            shape.append(argument.value if isinstance(argument, enum.Enum) else argument)


def marked(arguments: tuple[Any, ...], prefix: str) -> list[Any]:
    """The arguments as a build is given them: with bind parameters for their values."""
    found: list[Any] = []
    for number, argument in enumerate(arguments):
        scalar, name = _scalar(type(argument)), f"{prefix}{number}"
        if scalar is not None:
            found.append(sa.bindparam(name, None, type_=scalar))
        elif isinstance(argument, list):
            item = _scalar(type(argument[0])) if argument else None
            found.append(NOTHING if item is None else sa.bindparam(name, None, type_=ARRAY(item)))
        elif hasattr(argument, "bindable"):
            names = [attribute for attribute in argument.bindable if getattr(argument, attribute) is not None]
            found.append(
                dataclasses.replace(argument, **{n: sa.bindparam(f"{name}_{n}", None, type_=sa.Uuid()) for n in names})
            )
        else:
            found.append(argument)
    return found


def version_of(model: Any) -> sa.ColumnElement[str]:
    """What each change of a row of the model changes: the transaction that wrote it."""
    return sa.cast(sa.literal_column(f"{model.__tablename__}.xmin"), sa.Text())


def _built(build: Callable[..., Any], arguments: list[Any], *, lock: bool) -> Prepared:
    statement = _locking(build(*arguments), lock=lock)
    locks = lock or getattr(statement, "_for_update_arg", None) is not None  # no public way
    return Prepared(Statement(statement), _model_of(statement), locks)


def _locking(statement: Any, *, lock: bool) -> Any:
    """The statement, which locks the rows that it gives of a model; one that gives others is as it was."""
    model = _model_of(statement)
    if not lock or model is None:
        return statement
    # The weaker lock: foreign keys to the row may be checked meanwhile.
    return statement.with_for_update(key_share=True, of=model)


def _model_of(statement: Any) -> Any:
    """The model whose whole rows a statement gives; None when it gives something else."""
    if not isinstance(statement, sa.Select):
        return None
    described = statement.column_descriptions
    entity = described[0].get("entity") if len(described) == 1 else None
    return entity if described[0]["type"] is entity else None
