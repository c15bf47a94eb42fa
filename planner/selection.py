"""Which fields an operation selects of an object, and the state of a walk over it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import graphql
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode
from graphql.execution import VariableValues

from planner.arguments import Binder
from planner.cards import Cards
from planner.kept import Kept
from planner.text import Parts

Selections = list[SelectionSetNode]
Known = dict[str, Callable[[Selections], Parts]]  # fields that the planner itself knows how to read

Keep = Callable[[Hashable, Callable[[], Any]], Any]


def made_anew(_key: Hashable, make: Callable[[], Any]) -> Any:
    """Keeps no plan."""
    return make()


class Setting(NamedTuple):
    """What a walk is about: the schema, the document's fragments, the variables as marked, the viewer as builds see it.

    `tagged`: whether an object of an interface or union says its type under the empty key, for graphql-core.
    `given`: what computed leaves are given before their columns. `cards`: those of this process. `keep`: gives the plan
    under a key, which it makes when there is none. `kept`: of other plans.
    """

    schema: graphql.GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    viewer: Any
    tagged: bool = False
    given: Any = None
    cards: Cards | None = None
    keep: Keep = made_anew
    kept: Kept | None = None


class Selecting:
    """The state of a walk, and what of it knows no SQL."""

    def __init__(self, setting: Setting, binder: Binder) -> None:
        """`binder`: collects what is asked of each request."""
        self.setting, self.binder = setting, binder
        self.viewer = setting.viewer
        self.computed: list[Callable[..., Any]] = []
        self.continued: list[Any] = []  # of planner.continued
        self.aliases = 0

    def alias(self) -> str:
        """A new name for a row."""
        self.aliases += 1
        return f"t{self.aliases}"

    def object(
        self, type_: Any, inner: Selections, row: Any, known: Known | None = None, *, tag: bool = False
    ) -> Parts:
        """The text of an object whose fields are read from a row, or are known to the planner."""
        parts: Parts = []
        if tag and self.setting.tagged:
            parts.append(f'{{"":"{type_.name}"')
        for key, nodes in self.collect(type_, inner).items():
            name = nodes[0].name.value
            parts.append(f'{"," if parts else "{"}"{key}":')
            if name == "__typename":
                parts.append(f'"{type_.name}"')
            elif known is not None and name in known:
                parts += known[name](selections(nodes))
            else:
                parts += self.field(type_, nodes, row)
        return [*parts, "}"] if parts else ["{}"]

    def field(self, type_: Any, nodes: list[FieldNode], row: Any) -> Parts:
        """The text of a field's value."""
        raise NotImplementedError

    def collect(self, type_: Any, inner: Selections) -> dict[str, list[FieldNode]]:
        """The fields that are selected of an object of this type, by the key of their answer."""
        fields: dict[str, list[FieldNode]] = defaultdict(list)
        seen: set[str] = set()

        def visit(selection_set: SelectionSetNode) -> None:
            for node in selection_set.selections:
                if node.directives and self.left_out(node):
                    continue
                if isinstance(node, FieldNode):
                    fields[(node.alias or node.name).value].append(node)
                    continue
                fragment: Any = node
                if isinstance(node, FragmentSpreadNode):
                    if node.name.value in seen:
                        continue
                    seen.add(node.name.value)
                    fragment = self.setting.fragments[node.name.value]
                if self.applies(fragment, type_):
                    visit(fragment.selection_set)

        for selection_set in inner:
            visit(selection_set)
        return fields

    def applies(self, fragment: Any, type_: Any) -> bool:
        """Whether a fragment speaks of objects of this type."""
        if not fragment.type_condition:
            return True
        schema = self.setting.schema
        condition: Any = schema.get_type(fragment.type_condition.name.value)
        return condition is type_ or (graphql.is_abstract_type(condition) and schema.is_sub_type(condition, type_))

    def left_out(self, node: Any) -> bool:
        """Whether @skip or @include leave a selection out."""
        variables = VariableValues({}, self.setting.variables)
        skip = graphql.get_directive_values(graphql.GraphQLSkipDirective, node, variables)
        if skip and skip["if"]:
            return True
        include = graphql.get_directive_values(graphql.GraphQLIncludeDirective, node, variables)
        return bool(include and not include["if"])


def selections(nodes: Iterable[FieldNode]) -> Selections:
    """What is selected of the value of a field, wherever the document says so."""
    return [node.selection_set for node in nodes if node.selection_set]
