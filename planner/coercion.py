"""Variables: read in a few microseconds when nothing is wrong with them, and by graphql-core otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import graphql
from graphql.utilities.coerce_input_value import coerce_default_value

from planner.errors import InvalidDocument

Coerce = Callable[[Any], Any]

LARGEST_INT = 2**31 - 1


class Unusual(Exception):
    """A value that isn't plainly right."""


class InvalidVariables(InvalidDocument):
    """What is wrong with a request's variables."""


def text(value: Any) -> str:
    """A String or ID."""
    if type(value) is str:
        return value
    raise Unusual


def whole_number(value: Any) -> int:
    """An Int."""
    if type(value) is int and -LARGEST_INT <= value <= LARGEST_INT:
        return value
    raise Unusual


def truth(value: Any) -> bool:
    """A Boolean."""
    if type(value) is bool:
        return value
    raise Unusual


BUILT_IN: dict[str, Coerce] = {"String": text, "ID": text, "Int": whole_number, "Boolean": truth}


def coercing(type_: Any) -> Coerce:
    """Makes the function that reads values of a type, or raises Unusual."""
    if graphql.is_non_null_type(type_):
        inner = coercing_nullable(type_.of_type)

        def required(value: Any) -> Any:
            if value is None:
                raise Unusual
            return inner(value)

        return required
    inner_or_null = coercing_nullable(type_)
    return lambda value: None if value is None else inner_or_null(value)


def coercing_nullable(type_: Any) -> Coerce:
    """As `coercing`, for values that aren't null."""
    if graphql.is_list_type(type_):
        item = coercing(type_.of_type)

        def many(value: Any) -> list[Any]:
            if type(value) is not list:
                raise Unusual
            return [item(each) for each in value]

        return many
    if graphql.is_input_object_type(type_):
        return CoercingInput(type_)
    if graphql.is_enum_type(type_):
        return coercing_enum(type_)
    return BUILT_IN.get(type_.name) or coercing_scalar(type_)


def coercing_enum(type_: Any) -> Coerce:
    """As `coercing`, for enums."""
    members = {name: type_.coerce_input_value(name) for name in type_.values}

    def member(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise Unusual from None

    return member


def coercing_scalar(type_: Any) -> Coerce:
    """As `coercing`, for scalars of our own."""

    def scalar(value: Any) -> Any:
        try:
            return type_.coerce_input_value(value)
        except Exception:  # noqa: BLE001 - graphql-core runs it again and tells the client
            raise Unusual from None

    return scalar


class CoercingInput:
    """As `coercing`, for input objects; what is known of their fields is made at first use, since inputs may nest."""

    def __init__(self, type_: Any) -> None:
        """`type_`: graphql-core's."""
        self.type = type_
        self.plain = not type_.is_one_of and "out_type" not in vars(type_)
        self.fields: dict[str, tuple[Coerce, bool, Any]] = {}

    def __call__(self, value: Any) -> dict[str, Any]:
        """The object with its defaults, in the order of the type's fields."""
        if type(value) is not dict or not self.plain:
            raise Unusual
        if not self.fields:
            self.fields = {
                name: (coercing(field.type), graphql.is_required_input_field(field), coerce_default_value(field))
                for name, field in self.type.fields.items()
            }
        found, used = {}, 0
        for name, (coerce, required, default) in self.fields.items():
            if name in value:
                found[name] = coerce(value[name])
                used += 1
            elif default is not graphql.Undefined:
                found[name] = default
            elif required:
                raise Unusual
        if used != len(value):
            raise Unusual
        return found


class Variables:
    """The variables of an operation."""

    def __init__(
        self, schema: graphql.GraphQLSchema, operation: graphql.OperationDefinitionNode, *, introspection: bool
    ) -> None:
        """`operation`: validated against the schema. `introspection`: whether it may be told of that what was meant."""
        self.schema, self.definitions = schema, operation.variable_definitions or ()
        self.introspection = introspection
        self.types = {d.variable.name.value: graphql.type_from_ast(schema, d.type) for d in self.definitions}
        defaults = self.by_graphql_core({}, [d for d in self.definitions if d.default_value])
        self.plan = [
            (name, coercing(type_), graphql.is_non_null_type(type_), defaults.get(name, graphql.Undefined))
            for name, type_ in self.types.items()
        ]

    def coerce(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values, in the order of their definitions. Raises InvalidVariables."""
        values = {}
        try:
            for name, coerce, required, default in self.plan:
                if name in given:
                    values[name] = coerce(given[name])
                elif default is not graphql.Undefined:
                    values[name] = default
                elif required:
                    return self.by_graphql_core(given, self.definitions)
        except (Unusual, RecursionError):
            return self.by_graphql_core(given, self.definitions)
        return values

    def by_graphql_core(self, given: Mapping[str, Any], definitions: Sequence[Any]) -> dict[str, Any]:
        """The values as graphql-core reads them, or its errors."""
        found = graphql.get_variable_values(
            self.schema, definitions, dict(given), max_errors=50, hide_suggestions=not self.introspection
        )
        if isinstance(found, list):
            raise InvalidVariables(found)
        return found.coerced
