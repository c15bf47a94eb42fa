"""Documents: parsed and validated once, with what each of their operations asks of a request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import graphql
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, OperationDefinitionNode, SelectionSetNode

from planner.arguments import UNLIMITED, limits_of, mark, shape_of
from planner.coercion import Variables
from planner.errors import InvalidDocument
from planner.fields import DECLARED, DEFINITION, Declared, Limits
from planner.limits import Most, parsed

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """A mapping that forgets what was not used for longest."""

    def __init__(self, most: int, heaviest: int) -> None:
        """`most`: how many it keeps. `heaviest`: what they may weigh together."""
        self.most, self.heaviest, self.weight = most, heaviest, 0
        self.kept: OrderedDict[Key, Value] = OrderedDict()
        self.weights: dict[Key, int] = {}

    def get(self, key: Key) -> Value | None:
        """What is kept under a key, which counts as used."""
        value = self.kept.get(key)
        if value is not None:
            self.kept.move_to_end(key)
        return value

    def put(self, key: Key, value: Value, weight: int) -> None:
        """Keeps a value, unless it alone is too heavy."""
        self.weight += weight - self.weights.get(key, 0)
        self.kept[key], self.weights[key] = value, weight
        self.kept.move_to_end(key)
        while len(self.kept) > self.most or self.weight > self.heaviest:
            oldest, _ = self.kept.popitem(last=False)
            self.weight -= self.weights.pop(oldest)


class Operation:
    """One operation of a document."""

    def __init__(self, schema: graphql.GraphQLSchema, document: Document, node: OperationDefinitionNode) -> None:
        """`node`: of the document."""
        self.schema, self.document, self.node = schema, document, node
        self.kind: str = node.operation.value
        self.name = node.name.value if node.name else None
        self.key = (document.text, self.name)
        self.variables = Variables(schema, node, introspection=document.introspection)
        if self.variables.types and document.limits.refused:
            raise InvalidDocument(document.limits.refused)
        self.limits = {name: document.limits.found.get(name, UNLIMITED) for name in self.variables.types}
        self.shapes: dict[str, Callable[[Any], Hashable]] = {
            name: shape_of(type_, self.limits[name]) for name, type_ in self.variables.types.items()
        }
        self.root_type: Any = schema.get_root_type(node.operation)
        self.planned = self.kind == "query" and all(self.is_planned(field) for field in self.root_fields())

    def shape(self, values: Mapping[str, Any]) -> tuple[Hashable, ...]:
        """What of the variables is in a plan's key."""
        return tuple([(name, self.shapes[name](value)) for name, value in values.items()])

    def mark(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The variables for a walk, with all that is not plain as Given."""
        return {
            name: mark(self.variables.types[name], value, (name,), self.limits[name]) for name, value in values.items()
        }

    def root_fields(self) -> Iterator[FieldNode]:
        """All fields of the root, whether their directives leave them out or not."""
        seen: set[str] = set()

        def visit(selections: SelectionSetNode) -> Iterator[FieldNode]:
            for node in selections.selections:
                if isinstance(node, FieldNode):
                    yield node
                elif isinstance(node, FragmentSpreadNode):
                    if node.name.value not in seen:
                        seen.add(node.name.value)
                        yield from visit(self.document.fragments[node.name.value].selection_set)
                else:
                    yield from visit(node.selection_set)  # type: ignore[attr-defined] # the third kind has one

        return visit(self.node.selection_set)

    def is_planned(self, node: FieldNode) -> bool:
        """Whether a root field can be part of one statement."""
        name = node.name.value
        if name.startswith("__"):
            return name == "__typename"
        return declared_of(self.root_type.fields[name]) is not None


class FindLimits(graphql.ValidationRule):
    """Finds for each variable the limits of where it's used, as far as they make it plain.

    It goes with what validates: to go through the document once more would cost a fifth as much again.
    """

    def __init__(self, context: graphql.ValidationContext) -> None:
        """`context`: says where in the schema a value stands."""
        super().__init__(context)
        self.found: dict[str, Limits] = {}
        self.refused: list[graphql.GraphQLError] = []  # what an operation with variables may not say

    def enter_argument(self, node: Any, *_: Any) -> None:
        """An argument, perhaps a variable's place."""
        self.enter_value(node.value, self.context.get_argument())

    def enter_object_field(self, node: Any, *_: Any) -> None:
        """A field of an input, perhaps a variable's place."""
        parent = graphql.get_named_type(self.context.get_parent_input_type())
        if graphql.is_input_object_type(parent):
            self.enter_value(node.value, parent.fields.get(node.name.value))

    def enter_value(self, value: Any, declared: Any) -> None:
        """A value, and the argument or input field that it is for."""
        if isinstance(value, graphql.VariableNode):
            self.note(value.name.value, limits_of(declared) if declared is not None else UNLIMITED)
            return
        if declared is None or not isinstance(value, graphql.ListValueNode | graphql.ObjectValueNode):
            return
        inside = variables_in(value)
        named = graphql.get_named_type(declared.type)
        if inside and graphql.is_scalar_type(named) and not graphql.is_specified_scalar_type(named):
            said = f"A variable can't be a part of a value of type {named.name}: give all of it as a variable."
            self.refused = self.refused or [graphql.GraphQLError(said, inside)]
            return
        if limits_of(declared).plain:
            for variable in inside:
                self.note(variable.name.value, Limits(plain=True))

    def note(self, variable: str, limits: Limits) -> None:
        """Keeps the strongest: that the value itself is plain."""
        known = self.found.get(variable, UNLIMITED)
        if limits.plain and known.plain is not True:
            if known.plain and limits.plain is not True and known.plain is not limits.plain:
                limits = Limits(plain=True)  # two classes of one value
            self.found[variable] = limits


def variables_in(value: Any) -> list[Any]:
    """The variables that stand somewhere within a literal."""
    if isinstance(value, graphql.VariableNode):
        return [value]
    if isinstance(value, graphql.ListValueNode):
        return [found for item in value.values for found in variables_in(item)]
    if isinstance(value, graphql.ObjectValueNode):
        return [found for field in value.fields for found in variables_in(field.value)]
    return []


class Text(graphql.Source):
    """The text of a document, which leads from its nodes back to it."""

    document: Document


class Document:
    """A document that is valid for the schema."""

    def __init__(self, schema: graphql.GraphQLSchema, text: str, most: Most, *, introspection: bool) -> None:
        """`introspection`: whether it may ask for the schema, and is told what it may have meant of that.

        Raises InvalidDocument, also when it asks for more than one operation may.
        """
        self.schema, self.text, self.introspection = schema, text, introspection
        source = Text(text)
        source.document = self
        self.node = parsed(source, most)
        self.limits: FindLimits
        finding: Any = self.finding
        hidden = () if introspection else (graphql.NoSchemaIntrospectionCustomRule,)
        rules = [*graphql.specified_rules, *hidden, finding]
        if errors := graphql.validate(schema, self.node, rules, max_errors=20, hide_suggestions=not introspection):
            raise InvalidDocument(errors)
        self.tokens: int = self.node.token_count or 0
        self.fragments: dict[str, FragmentDefinitionNode] = {
            node.name.value: node for node in self.node.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.nodes = {
            node.name.value if node.name else None: node
            for node in self.node.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        self.operations: dict[str | None, Operation] = {}  # made at first use

    def finding(self, context: graphql.ValidationContext) -> FindLimits:
        """Begins to find the limits of variables."""
        self.limits = FindLimits(context)
        return self.limits

    def operation(self, name: str | None) -> Operation:
        """The operation of a name, or the only one. Raises InvalidDocument."""
        found = self.operations.get(name)
        if found is None:
            self.operations[name] = found = Operation(self.schema, self, self.chosen(name))
        return found

    def chosen(self, name: str | None) -> OperationDefinitionNode:
        """The node of the operation of a name, or of the only one. Raises InvalidDocument."""
        if name is None and len(self.nodes) == 1:
            return next(iter(self.nodes.values()))
        if name not in self.nodes or name is None:
            said = "Say by operationName which one to run." if name is None else f"There is no operation {name!r}."
            raise InvalidDocument([graphql.GraphQLError(said)])
        return self.nodes[name]


def declared_of(field: Any) -> Declared | None:
    """What a field of graphql-core's says about how it is read; None when Python resolves it."""
    definition = field.extensions.get(DEFINITION)
    if definition is None:
        return None
    declared: Declared | None = definition.metadata.get(DECLARED)
    if declared is None and definition.base_resolver is None:
        return Declared()
    return declared
