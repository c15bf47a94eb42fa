"""Inside graphql-core: planned fields answer with JSON, and graphql-core completes from it.

It serves introspection, and queries and mutations of which a part is refused or fails. It is also the reference for
what one statement answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphql

from planner.fields import DECLARED, DEFINITION
from planner.mutations import PERFORM, Done

Resolve = Callable[..., Any]
READY = "planned"  # marks a schema whose resolvers are ours


def prepare(schema: graphql.GraphQLSchema) -> None:
    """Has the fields of a schema resolved by the planner that a request's context names, or from what it answered."""
    # Strawberry's own fails for lists and for what can't be null, and is of all schemas of a process.
    introspected: Any = schema.type_map["__Type"]
    introspected.fields["isOneOf"].resolve = lambda type_, _: (
        type_.is_one_of if graphql.is_input_object_type(type_) else None
    )
    if schema.extensions.get(READY):
        return
    schema.extensions[READY] = True
    roots = {schema.query_type, schema.mutation_type, schema.subscription_type}
    for type_ in schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        if graphql.is_object_type(type_):
            if type_.is_type_of is not None:
                type_.is_type_of = among_answers(type_.is_type_of)
            for field in type_.fields.values():
                field.resolve = resolving(field, root=type_ in roots)
        elif graphql.is_abstract_type(type_) and type_.resolve_type is not None:
            type_.resolve_type = type_in_answer(type_.resolve_type)
        elif graphql.is_input_object_type(type_):  # of which Strawberry tells nobody but itself
            type_.is_one_of = type_.extensions[DEFINITION].is_one_of


def resolving(field: Any, *, root: bool) -> Resolve:
    """How a field is resolved."""
    definition = field.extensions[DEFINITION]
    declared = definition.metadata.get(DECLARED)
    if declared is not None and declared.payload:
        return payload(definition.python_name, declared, field)
    if root and declared is not None:
        return planned_root
    if PERFORM in definition.metadata:
        return unless_done(field.resolve)
    if root:
        return field.resolve  # type: ignore[no-any-return] # graphql-core's
    return from_answer(field.resolve, members(field.type))


async def planned_root(_source: Any, info: graphql.GraphQLResolveInfo[Any], **_arguments: Any) -> Any:
    """A root field, read by its own statement."""
    return await info.context.planner.root_field(info)


def unless_done(original: Resolve) -> Resolve:
    """A mutation, or what came of it when it was done already."""

    def resolve(source: Any, info: graphql.GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        key = str(info.path.key)
        if not isinstance(source, Done) or key not in source:
            return original(source, info, **arguments)
        return source[key]  # an exception too, which graphql-core raises

    return resolve


def payload(attribute: str, declared: Any, field: Any) -> Resolve:
    """A field of a mutation's answer, read by the key that the answer's object holds."""

    async def resolve(source: Any, info: graphql.GraphQLResolveInfo[Any], **_arguments: Any) -> Any:
        held = getattr(source, attribute)
        if held is None:
            return None
        return await info.context.planner.payload(info, declared, field, held)

    return resolve


def from_answer(original: Resolve, convert: Callable[[Any], Any] | None) -> Resolve:
    """A field of an object that the planner answered, or that a mutation returned."""

    def resolve(source: Any, info: graphql.GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        if type(source) is not dict:
            return original(source, info, **arguments)
        value = source[info.path.key]  # by the key of the answer
        return value if convert is None else convert(value)

    return resolve


def members(type_: Any) -> Callable[[Any], Any] | None:
    """Turns names of an enum's values, as JSON has them, to what graphql-core takes."""
    named = graphql.get_named_type(type_)
    if not graphql.is_enum_type(named):
        return None
    values = {name: value.value for name, value in named.values.items()}

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return [convert(item) for item in value]
        return None if value is None else values[value]

    return convert


def among_answers(original: Resolve) -> Resolve:
    """Whether an object is of a type: what the planner answered was placed there by its type."""
    return lambda value, info: type(value) is dict or original(value, info)


def type_in_answer(original: Resolve) -> Resolve:
    """The type of an object where an interface or union stands: what the planner answered says it."""
    return lambda value, info, type_: value[""] if type(value) is dict else original(value, info, type_)
