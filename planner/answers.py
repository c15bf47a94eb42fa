"""What a mutation returned, as JSON text: values are written here, what it holds keys of is read by one statement."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any

import graphql
import orjson
import sqlalchemy as sa

from infra.postgres import Reads
from planner.arguments import Read, Request
from planner.compiling import Asked
from planner.documents import declared_of
from planner.fields import DEFINITION
from planner.plan import Plan, Planner, is_one
from planner.selection import Known, Selections, selections
from planner.text import Parts


class Unexpected(Exception):
    """What a mutation returned is not what the schema says of it, or not plainly so."""


# --- What the schema says ---------------------------------------------------------------------------------------------


def hindrance(type_: Any, *, alone: bool = True) -> str | None:
    """Why graphql-core must write objects of this type. `alone`: whether there is always one, and no more."""
    for name, field in type_.fields.items():
        declared, named = declared_of(field), graphql.get_named_type(field.type)
        where = f"{type_.name}.{name}"
        if declared is None or (declared.build is not None and not declared.payload):
            return f"{where} is no attribute of what a mutation returns."
        if declared.payload:
            if not alone:
                return f"{where} may be many, each with a key of its own."
        elif graphql.is_abstract_type(named):
            return f"{where} may be of several types."
        elif graphql.is_object_type(named) and (said := hindrance(named, alone=alone and is_alone(field))):
            return said
    return None


def is_alone(field: Any) -> bool:
    """Whether a field always holds one object."""
    return graphql.is_non_null_type(field.type) and graphql.is_object_type(field.type.of_type)


def keys_of(type_: Any) -> Iterator[str]:
    """Paths of the attributes by which what a mutation returns may hold keys."""
    for field in type_.fields.values():
        name, declared = field.extensions[DEFINITION].python_name, declared_of(field)
        if declared is not None and declared.payload:
            yield name
        elif is_alone(field):
            yield from (f"{name}.{path}" for path in keys_of(field.type.of_type))


# --- What is selected -------------------------------------------------------------------------------------------------


class Said:
    """An answer for which nothing has to be read."""

    def __init__(self, parts: list[str | Read]) -> None:
        """`parts`: JSON text, and what gives it."""
        self.parts = parts

    async def answer(self, _reads: Reads, request: Request, *, batch: bool) -> bytes:  # noqa: ARG002 - as a plan's
        """The text."""
        return "".join([part if isinstance(part, str) else part(request) for part in self.parts]).encode()


class Answering:
    """A walk over what is selected of an object that a mutation returned."""

    def __init__(self, planner: Planner, held: Any) -> None:
        """`planner`: of this walk alone. `held`: an object like those that the plan is for."""
        self.planner, self.held, self.by_key = planner, held, True

    def plan(self, type_: Any, inner: Selections) -> Plan | Said:
        """What answers with every object of this type that holds keys in the same places."""
        parts = self.object(type_, inner, "")
        asked = self.planner.binder.asked
        if all(isinstance(part, str | Asked) for part in parts):
            return Said([asked[part.key][1] if isinstance(part, Asked) else str(part) for part in parts])
        return self.planner.plan(parts, by_key=self.by_key)

    def object(self, type_: Any, inner: Selections, path: str) -> Parts:
        """The text of an object. `path`: attributes that lead to it."""
        fields: Known = {name: partial(self.field, type_, field, path) for name, field in type_.fields.items()}
        return self.planner.walk.object(type_, inner, None, fields)

    def field(self, type_: Any, field: Any, path: str, inner: Selections) -> Parts:
        """The text of a field's value: read by a key, or written of what Python has."""
        name, declared = field.extensions[DEFINITION].python_name, declared_of(field)
        find = attrgetter(path + name)
        if declared is not None and declared.payload:
            self.by_key = self.by_key and is_one(field.type)
            model, _ = model_and_key(find(self.held))
            where = f"{type_.name}.{name}"
            if find(self.held) is None:
                return self.planner.walk.complete(field.type, inner, None, where)
            return self.planner.held(
                field.type, inner, declared.build, model, where, lambda request: model_and_key(find(request.payload))[1]
            )
        if is_alone(field):
            return self.object(field.type.of_type, inner, f"{path}{name}.")
        write = self.writing(field.type, inner)
        return [self.planner.binder.bind(sa.Text(), lambda request: write(find(request.payload)))]

    def writing(self, type_: Any, inner: Selections) -> Callable[[Any], str]:
        """Writes a value of Python's as JSON text."""
        nullable = graphql.get_nullable_type(type_)
        if graphql.is_list_type(nullable):
            item = self.writing(nullable.of_type, inner)
            write: Callable[[Any], str] = lambda values: f"[{','.join(map(item, values))}]"  # noqa: E731 - of three
        elif graphql.is_object_type(nullable):
            write = self.writing_object(nullable, inner)
        else:
            write = lambda value: orjson.dumps(nullable.coerce_output_value(value)).decode()  # noqa: E731 - as above
        if nullable is type_:
            return lambda value: "null" if value is None else write(value)
        return lambda value: missing() if value is None else write(value)

    def writing_object(self, type_: Any, inner: Selections) -> Callable[[Any], str]:
        """As `writing`, for one object of many."""
        pieces: list[tuple[str, Callable[[Any], Any], Callable[[Any], str]]] = []
        for key, nodes in self.planner.walk.collect(type_, inner).items():
            name = nodes[0].name.value
            if name == "__typename":
                pieces.append((f'"{key}":"{type_.name}"', lambda value: value, lambda _: ""))
                continue
            field = type_.fields[name]
            find = attrgetter(field.extensions[DEFINITION].python_name)
            pieces.append((f'"{key}":', find, self.writing(field.type, selections(nodes))))
        return lambda value: "{" + ",".join([said + write(find(value)) for said, find, write in pieces]) + "}"


def missing() -> str:
    """Nothing stands where the schema says that there is something."""
    raise Unexpected("A value is missing.")


def model_and_key(held: Any) -> tuple[Any, Any]:
    """The model that a key is of, if what an object holds says it, and the key or keys."""
    return held if isinstance(held, tuple) else (None, held)


def shape_of(held: Any) -> Hashable:
    """What of the keys that an object holds decides how it is read."""
    return held[0] if isinstance(held, tuple) else None if held is None else isinstance(held, list)
