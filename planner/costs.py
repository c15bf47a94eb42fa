"""What an operation costs at most, known from its document and the plain part of its variables.

Every object costs 1, times the items around it at their most: the size of a page, the declared most of a list, or 10.
An object's leaves are free up to 20 and cost 1 each beyond; a totalCount costs 10. An edge costs what its node costs.
Where an object may be of several types, the dearest counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import graphql
from graphql import FieldNode, IntValueNode, VariableNode

from planner.arguments import Binder, limits_of
from planner.documents import Operation, declared_of
from planner.errors import TooCostly
from planner.fields import DEFINITION, MOST
from planner.limits import Most, over
from planner.nodes import MOST_IDS
from planner.pages import LARGEST_PAGE, SIZES, USUAL_PAGE
from planner.selection import Selecting, Selections, Setting, selections

USUAL_LIST = 10
FREE_LEAVES = 20
TOTAL_COUNT = 10

# Of introspection's lists the usual length. An ofType costs nothing: there are few, and clients ask for nine levels.
INTROSPECTION = {
    "__Schema.types": 100,
    "__Schema.directives": 5,
    "__Type.fields": 10,
    "__Type.inputFields": 5,
    "__Type.enumValues": 5,
    "__Type.possibleTypes": 5,
    "__Type.interfaces": 2,
    "__Type.ofType": 0,
    "__Field.args": 2,
    "__Directive.args": 2,
}


class Price(NamedTuple):
    """`cost`: as told to clients. `pieces`: fields, counted for each type that an object may be of."""

    cost: int
    pieces: int

    def check(self, most: Most) -> None:
        """Raises TooCostly when it is more than may be."""
        if self.cost > most.cost:
            raise TooCostly(f"This operation costs {self.cost:,}; at most {most.cost:,} is possible.")
        if self.pieces > most.pieces:
            raise TooCostly(over("operation", self.pieces, most.pieces, "fields, counted for each type of object"))


def price(operation: Operation, variables: dict[str, Any]) -> Price:
    """The price of an operation. `variables`: as marked."""
    setting = Setting(operation.schema, operation.document.fragments, variables, None)
    return Costing(setting, Binder()).price(operation.root_type, [operation.node.selection_set])


class Costing(Selecting):
    """A walk over an operation that builds nothing. Each selection of a type is counted once, and multiplied."""

    def __init__(self, setting: Setting, binder: Binder) -> None:
        """As every walk."""
        super().__init__(setting, binder)
        self.known: dict[tuple[Any, ...], Price] = {}

    def price(self, type_: Any, inner: Selections, page: int | None = None, *, edge: bool = False) -> Price:
        """The price of one object. `page`: the length of a connection's lists. `edge`: whether it's an edge."""
        key = (type_.name, page, edge, *map(id, inner))
        found = self.known.get(key)
        if found is None:
            if graphql.is_abstract_type(type_):
                prices = [self.price(each, inner) for each in self.setting.schema.get_possible_types(type_)]
                found = Price(max(each.cost for each in prices), sum(each.pieces for each in prices))
            else:
                found = self.of_object(type_, inner, page, edge=edge)
            self.known[key] = found
        return found

    def left_out(self, node: Any) -> bool:
        """As ever; what depends on a null where none may be is counted, and refused when it is read."""
        try:
            return super().left_out(node)
        except graphql.GraphQLError:
            return False

    def of_object(self, type_: Any, inner: Selections, page: int | None, *, edge: bool) -> Price:
        """The price of an object of this type."""
        cost, leaves, pieces = 0 if edge else 1, 0, 0
        for nodes in self.collect(type_, inner).values():
            pieces += 1
            name = nodes[0].name.value
            field: Any = self.setting.schema.get_field(type_, name)
            named = graphql.get_named_type(field.type)
            if graphql.is_leaf_type(named):
                if page is not None and name == "totalCount":
                    cost += TOTAL_COUNT
                else:
                    leaves += 1
                continue
            declared = declared_of(field)
            paged = self.size(nodes[0]) if declared is not None and declared.paged else None
            each = self.price(named, selections(nodes), paged, edge=page is not None and name == "edges")
            cost += self.times(type_, name, field, page) * each.cost
            pieces += each.pieces
        cost += max(0, leaves - FREE_LEAVES)
        return Price(max(cost, 1), pieces)

    def times(self, type_: Any, name: str, field: Any, page: int | None) -> int:
        """How many objects a field may give. `page`: when it's a connection's."""
        introspected = INTROSPECTION.get(f"{type_.name}.{name}")
        if introspected is not None:
            return introspected
        if not graphql.is_list_type(graphql.get_nullable_type(field.type)):
            return 1
        if page is not None:
            return page
        definition = field.extensions.get(DEFINITION)
        most: int | None = None if definition is None else definition.metadata.get(MOST)
        if most is not None:
            return most
        for argument in field.args.values():  # one object for each id
            nullable = graphql.get_nullable_type(argument.type)
            if graphql.is_list_type(nullable) and graphql.get_named_type(nullable).name == "ID":
                return limits_of(argument).most or MOST_IDS
        return USUAL_LIST

    def size(self, node: FieldNode) -> int:
        """The size of the page that a field asks for; one that is refused later counts as the largest."""
        sizes = []
        for argument in node.arguments or ():
            if argument.name.value in SIZES:
                value: Any = None
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    value = self.setting.variables.get(argument.value.name.value)
                if value is not None:
                    sizes.append(value if 1 <= value <= LARGEST_PAGE else LARGEST_PAGE)
        return max(sizes, default=USUAL_PAGE)
