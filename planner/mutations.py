"""Mutations without graphql-core: performed one after the other, and each answer written by at most one statement.

Only what goes well goes this way. Whatever else happens is graphql-core's to say: it is told what was done so far,
performs the rest, and answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import graphql
import orjson
from graphql import FieldNode
from graphql.execution import VariableValues
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryMaybe

from planner.answers import Answering, Said, Unexpected, hindrance, keys_of, shape_of
from planner.arguments import Binder, Request
from planner.documents import Operation, variables_in
from planner.fields import DEFINITION
from planner.plan import Plan, viewer_key
from planner.selection import Selecting, Selections, Setting, selections

if TYPE_CHECKING:
    from planner.engine import Engine

# Key in the metadata of a mutation: what does all that its resolver does, as `perform(context, **arguments)`.
PERFORM = "perform"

Convert = Callable[[Any], Any]


class Done(dict[str, Any]):
    """What was done before graphql-core goes on: a result or an exception, by the key of the answer."""


# --- What the schema says of a mutation -------------------------------------------------------------------------------


class Mutation:
    """A field of the mutation type: how it is performed, and what it answers with."""

    def __init__(self, schema: graphql.GraphQLSchema, field: graphql.GraphQLField) -> None:
        """`field`: of the mutation type."""
        definition = field.extensions[DEFINITION]
        self.field, self.required = field, graphql.is_non_null_type(field.type)
        self.perform: Any = definition.metadata.get(PERFORM)
        self.converts = {
            name: (each.extensions[DEFINITION].python_name, converting(each.type) or as_strawberry(schema, each))
            for name, each in field.args.items()
        }
        type_ = graphql.get_nullable_type(field.type)
        possible = schema.get_possible_types(type_) if graphql.is_abstract_type(type_) else [type_]
        self.types = {each.extensions[DEFINITION].origin: each for each in possible if graphql.is_object_type(each)}
        self.keys = {each: [attrgetter(path) for path in keys_of(each)] for each in self.types.values()}
        self.hindrance = self.find_hindrance()

    def find_hindrance(self) -> str | None:
        """Why graphql-core must perform it and write what it answers; None when nothing stands in the way."""
        if self.perform is None:
            return "Strawberry alone knows how it is performed."
        if not self.types:
            return "It answers with something else than one object."
        return next((said for each in self.types.values() if (said := hindrance(each))), None)

    def arguments(self, node: FieldNode) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """Makes what `perform` is given of a request's variables; it raises GraphQLError."""
        converts = self.converts

        def read(variables: Mapping[str, Any]) -> dict[str, Any]:
            return graphql.get_argument_values(self.field, node, VariableValues({}, dict(variables)))

        def made(given: dict[str, Any]) -> dict[str, Any]:
            pairs = [(*converts[name], value) for name, value in given.items()]
            return {name: None if value is None else convert(value) for name, convert, value in pairs}

        if not any(variables_in(argument.value) for argument in node.arguments or ()):
            literal = cache(partial(read, {}))
            return lambda _: made(literal())
        return lambda variables: made(read(variables))


# --- What is given ----------------------------------------------------------------------------------------------------


def converting(type_: Any, around: tuple[Any, ...] = ()) -> Convert | None:
    """As Strawberry, makes objects of input classes out of dicts; None for what is left to Strawberry itself."""
    type_ = graphql.get_nullable_type(type_)
    if graphql.is_list_type(type_):
        item = converting(type_.of_type, around)
        return item and (lambda values: [None if value is None else item(value) for value in values])
    if not graphql.is_input_object_type(type_):
        return lambda value: value
    definition = type_.extensions[DEFINITION]
    if type_ in around or type_.is_one_of or definition.from_input is not None:
        return None
    fields: dict[str, tuple[str, Convert]] = {}
    absent: dict[str, None] = {}
    for name, field in type_.fields.items():
        own, convert = field.extensions[DEFINITION], converting(field.type, (*around, type_))
        if convert is None or isinstance(own.type, StrawberryMaybe):
            return None
        fields[name] = own.python_name, convert
        if own.default_value is own.default_factory is dataclasses.MISSING:
            absent[own.python_name] = None

    def make(value: Mapping[str, Any]) -> Any:
        given: dict[str, Any] = dict(absent)
        for name, item in value.items():
            python_name, convert = fields[name]
            given[python_name] = None if item is None else convert(item)
        return definition.origin(**given)

    return make


def as_strawberry(schema: Any, argument: graphql.GraphQLArgument) -> Convert:
    """Has Strawberry make an argument's value."""
    whole = schema._strawberry_schema  # noqa: SLF001 - Strawberry's way back from graphql-core
    type_, registry = argument.extensions[DEFINITION].type, whole.schema_converter.scalar_registry
    return lambda value: convert_argument(value, type_, registry, whole.config)


# --- An operation -----------------------------------------------------------------------------------------------------


class Root(NamedTuple):
    """A field of the operation."""

    key: str
    mutation: Mutation
    arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    inner: Selections


class Performing:
    """How the mutations of an operation are performed; its hindrance, if there is one, says why graphql-core must."""

    def __init__(self, engine: Engine, operation: Operation, values: Mapping[str, Any]) -> None:
        """`engine`: answers the operation."""
        self.engine, self.operation = engine, operation
        self.cost = engine.price(operation, values).cost
        self.end = b'},"extensions":' + orjson.dumps(engine.extensions(self.cost)) + b"}"
        setting = Setting(operation.schema, operation.document.fragments, operation.mark(values), None)
        self.roots, self.hindrance = [], None
        fields: dict[str, list[FieldNode]] = {}
        try:
            fields = Selecting(setting, Binder()).collect(operation.root_type, [operation.node.selection_set])
        except graphql.GraphQLError as error:  # whether to skip a field is null, which is graphql-core's to say
            self.hindrance = error.message
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name == "__typename":
                self.hindrance = "It asks for the name of its own type."
                continue
            mutation = engine.mutations.get(name)
            if mutation is None:
                field = operation.root_type.fields[name]
                mutation = engine.mutations[name] = Mutation(operation.schema, field)
            self.roots.append(Root(key, mutation, mutation.arguments(nodes[0]), selections(nodes)))
            self.hindrance = self.hindrance or mutation.hindrance

    async def answer(self, shape: Hashable, values: Mapping[str, Any], context: Any, done: Done) -> bytes:
        """The response. `shape`: of the values. `done`: is told what was done.

        Whatever it raises, graphql-core can go on from there.
        """
        texts = []
        for root in self.roots:
            arguments = root.arguments(values)
            try:
                result = done[root.key] = await root.mutation.perform(context, **arguments)
            except Exception as error:
                done[root.key] = error
                raise
            text = await self.written(root, shape, Request(values, context.viewer, result))
            texts.append(b'"' + root.key.encode() + b'":' + text)
        return b'{"data":{' + b",".join(texts) + self.end

    async def written(self, root: Root, shape: Hashable, request: Request) -> bytes:
        """What one of them answers, read as the viewer that it left."""
        if request.payload is None and not root.mutation.required:
            return b"null"
        engine, operation = self.engine, self.operation
        type_ = root.mutation.types.get(type(request.payload))
        if type_ is None:
            raise Unexpected(f"A mutation returned {request.payload!r}.")

        def make() -> Plan | Said:
            planner = engine.planner(operation, request.variables, request.viewer)
            return Answering(planner, request.payload).plan(type_, root.inner)

        held = tuple([shape_of(find(request.payload)) for find in root.mutation.keys[type_]])
        key = ("answer", operation.key, root.key, type_.name, held, viewer_key(request.viewer), shape)
        plan: Plan | Said = engine.plan(key, make)
        return await plan.answer(engine.reads, request, batch=engine.batch) or b"null"
