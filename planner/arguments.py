"""Arguments: what of them a build sees, what of them is in a plan's key, what is checked at each request."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import graphql
import orjson
import sqlalchemy as sa
import strawberry
from graphql.execution import VariableValues
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from planner.compiling import Asked
from planner.errors import BadRequest
from planner.fields import DEFINITION, LIMITS, Classified, Limits
from planner.nodes import MOST_IDS, ManyIds, NodeId, model_of

UNLIMITED = Limits()
KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
SQL_TYPES: dict[str, TypeEngine[Any]] = {
    "Int": sa.Integer(),
    "Float": sa.Float(),
    "ID": sa.Uuid(),
    "DateTime": sa.DateTime(timezone=True),
    "Date": sa.Date(),
    "JSON": JSONB(),
}


class Request(NamedTuple):
    """What a plan's parameters are read from."""

    variables: Mapping[str, Any]  # as graphql-core coerces them
    viewer: Any
    payload: Any = None  # what the object of a mutation's answer holds


Read = Callable[[Request], Any]


class Given(NamedTuple):
    """A value of a request that is not plain: it may shape no plan, but by what `shape` says of it."""

    value: Any
    read: Read
    constant: bool = False  # stands in the document itself


class Check(NamedTuple):
    """What a value of each request must keep to."""

    read: Read
    limits: Limits
    label: str

    def run(self, request: Request) -> None:
        """Raises BadRequest when the value does not."""
        keep_to(self.limits, self.read(request), self.label)


# What is counted of a value that has limits.
COUNTED: dict[type, str] = {list: " items", str: " characters", int: "", float: ""}


def keep_to(limits: Limits, value: Any, label: str) -> None:
    """Raises BadRequest, with a message for the client, when a value breaks its limits."""
    if value is None:
        return
    least, most, check, _ = limits
    kind = type(value)
    if most is None and kind is list:
        most = MOST_IDS
    if (least is not None or most is not None) and (counted := COUNTED.get(kind)) is not None:
        size = len(value) if counted else value
        if (least is not None and size < least) or (most is not None and size > most):
            raise BadRequest(f"{label}: {_wanted(least, most, counted)}.")
    if check is not None and (said := check(value)):
        raise BadRequest(f"{label}: {said}")


def _wanted(least: float | None, most: float | None, counted: str) -> str:
    if least is None:
        return f"at most {most}{counted}"
    if most is None:
        return f"at least {least}{counted}" if counted else f"{least} or more"
    return f"{least} to {most}{counted}"


# --- What is plain ----------------------------------------------------------------------------------------------------


def is_plain(value: Any) -> bool:
    """Whether a value is plain by itself: null, booleans, enums, and lists of these."""
    if isinstance(value, list):
        return bool(value) and all(item is None or isinstance(item, bool | enum.Enum) for item in value)
    return value is None or isinstance(value, bool | enum.Enum)


def in_order(values: list[Any]) -> list[Any]:
    """Plain values as a set: each once, so that one plan serves every order."""
    unique = {(value.name if isinstance(value, enum.Enum) else repr(value)): value for value in values}
    return [unique[name] for name in sorted(unique)]


def shape_of(type_: Any, limits: Limits = UNLIMITED) -> Callable[[Any], Hashable]:
    """Makes the function that says what of a value of this type is in a plan's key: all that `mark` leaves plain."""
    type_ = graphql.get_nullable_type(type_)
    if limits.plain:
        said = limits.plain
        return partial(frozen, limits) if said is True else lambda value: None if value is None else (said(value),)
    if graphql.is_list_type(type_):
        return shape_of_list(type_)
    if graphql.is_input_object_type(type_):
        return shape_of_input(type_)
    if graphql.is_enum_type(type_) or type_.name == "Boolean":
        return lambda value: value
    said_of = model_of if type_.name == "ID" else lambda _: ...
    return lambda value: None if value is None else said_of(value)


def shape_of_list(type_: Any) -> Callable[[Any], Hashable]:
    """As `shape_of`, for lists: of enums which there are, of ids their models, of inputs the shape of each."""
    item, named = shape_of(type_.of_type), graphql.get_named_type(type_)
    if graphql.is_enum_type(named) or named.name == "Boolean":
        return lambda value: None if value is None else tuple(in_order(value))
    if graphql.is_input_object_type(named):
        return lambda value: None if value is None else tuple(item(each) for each in value)
    return lambda value: None if value is None else frozenset(item(each) for each in value)


def shape_of_input(type_: Any) -> Callable[[Any], Hashable]:
    """As `shape_of`, for an input object; its fields' functions are made when first needed, since inputs may nest."""
    shapes: dict[str, Callable[[Any], Hashable]] = {}

    def shape(value: Any) -> Hashable:
        if value is None:
            return None
        for name in value:
            if name not in shapes:
                shapes[name] = shape_of(type_.fields[name].type, limits_of(type_.fields[name]))
        return tuple([(name, shapes[name](item)) for name, item in value.items()])

    return shape


def frozen(limits: Limits, value: Any) -> Hashable:
    """A plain value as part of a key. All that is refused has one key, so that it doesn't drive plans out."""
    try:
        keep_to(limits, value, "")
    except BadRequest:
        return BadRequest
    return repr(value) if isinstance(value, list | dict) else value


def limits_of(declared: Any) -> Limits:
    """The limits that an argument or input field was declared with; `declared` is graphql-core's."""
    definition = declared.extensions.get(DEFINITION)
    limits = definition.metadata.get(LIMITS) if definition is not None else None
    return limits or UNLIMITED


def mark(type_: Any, value: Any, path: tuple[Any, ...], limits: Limits = UNLIMITED) -> Any:
    """A variable's value with everything that is not plain as Given; `path`: where a request has it."""
    if limits.plain is True or is_plain(value):
        return in_order(value) if isinstance(value, list) and limits.plain is not True else value
    type_ = graphql.get_nullable_type(type_)
    if isinstance(value, dict) and graphql.is_input_object_type(type_):
        return {
            name: mark(type_.fields[name].type, item, (*path, name), limits_of(type_.fields[name]))
            for name, item in value.items()
        }
    if isinstance(value, list) and graphql.is_input_object_type(graphql.get_named_type(type_)):
        return [mark(type_.of_type, item, (*path, number)) for number, item in enumerate(value)]
    return Given(value, reader(path))


def reader(path: tuple[Any, ...]) -> Read:
    """Reads what stands at a path of the variables."""
    if len(path) == 1:
        (name,) = path
        return lambda request: request.variables[name]

    def read(request: Request) -> Any:
        value: Any = request.variables
        for step in path:
            value = value[step]
        return value

    return read


# --- What SQL is given ------------------------------------------------------------------------------------------------


def sql_type(name: str, *, many: bool = False) -> TypeEngine[Any]:
    """The type of a parameter for a scalar, or for a list of it."""
    type_ = SQL_TYPES.get(name) or sa.Text()
    return ARRAY(type_) if many else type_


def key_in(text: str) -> str:
    """The key within an id; asyncpg takes it as text."""
    return text.partition("_")[2]


def not_an_id(value: str | list[str]) -> str | None:
    """Says so when there is no key in an id, or in one of a list."""
    for text in [value] if isinstance(value, str) else value:
        if not KEY.fullmatch(text.partition("_")[2]):
            return "This is not an id."
    return None


def not_text(value: str | list[str | None] | None) -> str | None:
    """Says so when PostgreSQL can't hold a text, or one of a list."""
    for text in value if isinstance(value, list) else [value]:
        if text is not None and ("\0" in text or not (text.isascii() or sound(text))):
            return "Text can't hold such characters."
    return None


def sound(value: str) -> bool:
    """Whether a text can be written in UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Binder:
    """Collects what a plan asks of each request: parameters and checks."""

    def __init__(self) -> None:
        """It begins empty."""
        self.asked: dict[str, tuple[TypeEngine[Any], Read]] = {}
        self.checks: list[Check] = []

    def bind(self, type_: TypeEngine[Any], read: Read) -> Asked:
        """A new parameter of the statement."""
        name = f"p{len(self.asked)}"
        self.asked[name] = type_, read
        return Asked(name, type_)

    def check(self, given: Given, limits: Limits, label: str) -> None:
        """Has a value checked: a literal now, a variable at each request."""
        if given.constant:
            keep_to(limits, given.value, label)
        elif limits != UNLIMITED:
            self.checks.append(Check(given.read, limits, label))

    def arguments(
        self, definition: Any, node: Any, variables: Mapping[str, Any], *, unread: frozenset[str]
    ) -> dict[str, Any]:
        """A field's arguments as its build is given them, by their Python names.

        `variables`: as `mark` leaves them. `unread`: arguments that are left as Given.
        """
        found = graphql.get_argument_values(definition, node, VariableValues({}, dict(variables)))
        values = {}
        for name, value in found.items():
            declared = definition.args[name]
            python_name = declared.extensions[DEFINITION].python_name
            if name in unread:
                values[python_name] = None if value is None else as_given(value)
            else:
                values[python_name] = self.convert(declared.type, value, limits_of(declared), name)
        return values

    def convert(self, type_: Any, value: Any, limits: Limits, label: str) -> Any:
        """A value as a build is given it."""
        if value is None:
            return None
        type_ = graphql.get_nullable_type(type_)
        named = graphql.get_named_type(type_)
        many = graphql.is_list_type(type_)
        if limits.plain:
            return self.plain(named, value, limits, label, many=many)
        if graphql.is_enum_type(named) or named.name == "Boolean":
            value = value.value if isinstance(value, Given) else value
            keep_to(limits, value, label)
            return in_order(value) if many else value
        if graphql.is_input_object_type(named):
            if not many:
                return self.input(type_, value, label)
            keep_to(limits, value, label)
            return [self.convert(type_.of_type, item, UNLIMITED, f"{label}.{n}") for n, item in enumerate(value)]
        return self.scalar(named, as_given(value), limits, label, many=many)

    def plain(self, named: Any, value: Any, limits: Limits, label: str, *, many: bool) -> Any:
        """A value that was declared plain, or one of which a class was."""
        given = as_given(value)
        if limits.plain is True:
            keep_to(limits._replace(plain=False), given.value, label)
            return given.value
        kind = limits.plain(given.value)  # type: ignore[operator] # neither True nor False, so callable
        return Classified(kind, self.scalar(named, given, limits._replace(plain=False), label, many=many))

    def input(self, type_: Any, value: Mapping[str, Any], label: str) -> Any:
        """An input object; what is absent is the field's default, else UNSET."""
        values = {}
        for name, field in type_.fields.items():
            definition = field.extensions[DEFINITION]
            if name in value:
                item = self.convert(field.type, value[name], limits_of(field), f"{label}.{name}")
            else:
                item = strawberry.UNSET if definition.default is dataclasses.MISSING else definition.default
            values[definition.python_name] = item
        return type_.extensions[DEFINITION].origin(**values)

    def scalar(self, named: Any, given: Given, limits: Limits, label: str, *, many: bool) -> Any:
        """Parameters for a scalar or a list of scalars."""
        read = given.read
        if many or limits != UNLIMITED:
            self.check(given, limits, label)
        if named.name == "ID":
            self.check(given, Limits(check=not_an_id), label)
            if many:
                return ManyIds(frozenset(map(model_of, given.value)), Keys(self, read))
            return NodeId(model_of(given.value), self.bind(sa.Uuid(), lambda request: key_in(read(request))))
        if named.name not in SQL_TYPES:
            self.check(given, Limits(check=not_text, most=None if not many else limits.most), label)
        elif named.name == "JSON":
            return self.bind(sql_type("JSON"), lambda request: orjson.dumps(read(request)).decode())
        return self.bind(sql_type(named.name, many=many), read)


class Keys(dict[Any, Any]):
    """Of a list of ids each model's keys, as an array parameter with NULL in place of other models' keys."""

    def __init__(self, binder: Binder, read: Read) -> None:
        """`read`: gives the ids of a request."""
        super().__init__()
        self.binder, self.read = binder, read

    def __missing__(self, model: type | None) -> Asked:
        read = self.read
        self[model] = array = self.binder.bind(
            ARRAY(sa.Uuid()),
            lambda request: [key_in(text) if model_of(text) is model else None for text in read(request)],
        )
        return array


def as_given(value: Any) -> Given:
    """A value of the document, of a variable, or a list of the document with variables in it, as one to read."""
    if isinstance(value, Given):
        return value
    if isinstance(value, list) and any(isinstance(item, Given) for item in value):
        items = [as_given(item) for item in value]
        reads = [item.read for item in items]  # which outlive the request that is planned for, as its values must not
        return Given([item.value for item in items], lambda request: [read(request) for read in reads])
    return Given(value, lambda _: value, constant=True)
