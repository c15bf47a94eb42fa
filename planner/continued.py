"""Fields whose arguments lie in a row: what follows on a statement, by plans that are made once the rows are known."""

from __future__ import annotations

from typing import Any

from graphql import ArgumentNode, FieldNode, NameNode, VariableNode

from planner.arguments import Request, limits_of, mark, shape_of
from planner.coercion import coercing
from planner.fields import Later
from planner.selection import Setting

PLACE = "\x04"  # stands around such a field's place: JSON text holds no control character otherwise


class Continued:
    """One such field of a plan, as it stands in the document."""

    def __init__(self, setting: Setting, nodes: list[FieldNode], later: Later) -> None:
        """`setting`: of the walk that met it. `nodes`: all that select it."""
        self.setting = setting
        query: Any = setting.schema.query_type
        self.parent_type, field = query, query.fields[later.field]
        self.arguments = {f".{name}": field.args[name] for name in later.arguments}  # no client's variable has a dot
        first, *others = nodes
        given = [
            ArgumentNode(name=NameNode(value=name), value=VariableNode(name=NameNode(value=f".{name}")))
            for name in later.arguments
        ]
        asked = FieldNode(
            name=NameNode(value=later.field),
            arguments=(*(first.arguments or ()), *given),
            selection_set=first.selection_set,
        )
        self.nodes = [asked, *others]
        self.readers = {name: coercing(argument.type) for name, argument in self.arguments.items()}
        self.shapes = {name: shape_of(each.type, limits_of(each)) for name, each in self.arguments.items()}

    @property
    def weight(self) -> int:
        """About how much memory the variables take, in bytes, of the request that the walk was for."""
        return len(repr(self.setting.variables))

    def request(self, request: Request, values: list[Any]) -> Request:
        """The request with what a row gives for the arguments, in their order."""
        found = {name: read(value) for (name, read), value in zip(self.readers.items(), values, strict=True)}
        return request._replace(variables={**request.variables, **found})

    def shape(self, request: Request) -> tuple[Any, ...]:
        """What of them is in the key of a plan."""
        return tuple([shape(request.variables[name]) for name, shape in self.shapes.items()])

    def marked(self, request: Request) -> dict[str, Any]:
        """All variables, as marked."""
        own = {
            name: mark(each.type, request.variables[name], (name,), limits_of(each))
            for name, each in self.arguments.items()
        }
        return {**self.setting.variables, **own}
