"""How much one operation may ask for, and what of that shows before it is validated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import graphql
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from planner.errors import InvalidDocument, TooCostly

LARGEST_SAID = 10**9  # larger numbers aren't written out
TOO_DEEP = "This operation is nested too deeply."


@dataclass(frozen=True)
class Most:
    """The most that may be asked for. All but tokens count what a fragment holds each time it is spread.

    `fields` and `directives` are of a whole document; each spread and inline fragment counts as a field.
    `repeats`: pairs of fields that say the same key of the same object, since validation compares each two.
    `pieces`: fields of an operation, counted for each type that an object of an interface or union may be of.
    """

    tokens: int = 5_000
    depth: int = 15
    fields: int = 2_000
    directives: int = 100
    root_fields: int = 20
    repeats: int = 20_000
    pieces: int = 5_000
    cost: int = 20_000


def parsed(source: graphql.Source, most: Most) -> DocumentNode:
    """The document of a text, within limits. Raises InvalidDocument.

    What stands here is linear in the text's length: nothing that compares, spreads or plans comes before it.
    """
    try:
        node = graphql.parse(source, max_lexical_tokens=most.tokens, max_comments=most.tokens)
    except GraphQLError as error:
        if error.message.endswith("Parsing aborted."):  # which only the limits say
            said = f"This document has more than {most.tokens:,} tokens, the most that is possible."
            raise too_costly(said) from None
        raise InvalidDocument([error]) from None
    except RecursionError:
        raise InvalidDocument([GraphQLError("The document is nested too deeply.")]) from None
    try:
        check(node, most)
    except RecursionError:
        raise too_costly(TOO_DEEP) from None
    return node


def check(document: DocumentNode, most: Most) -> None:
    """Raises InvalidDocument when operations ask for more than they may, as far as they tell by themselves."""
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: list[OperationDefinitionNode] = []
    for node in document.definitions:
        if isinstance(node, FragmentDefinitionNode):
            if fragments.setdefault(node.name.value, node) is not node:
                said = f"There can be only one fragment named '{node.name.value}'."
                raise InvalidDocument([GraphQLError(said, [node])])
        elif isinstance(node, OperationDefinitionNode):
            operations.append(node)
    sizes = Sizes(fragments)
    found = [sizes.of_operation(node) for node in operations]
    for name, node in fragments.items():
        if name not in sizes.known:
            raise InvalidDocument([GraphQLError(f"Fragment '{name}' is never used.", [node])])
    if not found:
        return
    keep("operation", max(size.roots for size in found), most.root_fields, "root fields")
    keep("operation", max(size.depth for size in found), most.depth, "levels")
    keep("document", sum(size.fields for size in found), most.fields, "fields and fragments")
    keep("document", sum(size.directives for size in found), most.directives, "directives")
    repeats = sum(repeated(fragments, [node.selection_set]) for node in operations)
    keep("document", repeats, most.repeats, "pairs of fields under the same key")


def keep(of: str, number: int, most: int, what: str) -> None:
    """Raises InvalidDocument when a number is larger than it may be."""
    if number > most:
        raise too_costly(over(of, number, most, what))


def over(of: str, number: int, most: int, what: str) -> str:
    """Says that there is too much of something."""
    said = f"{number:,}" if number <= LARGEST_SAID else f"more than {LARGEST_SAID:,}"
    return f"This {of} has {said} {what}; at most {most:,} are possible."


def too_costly(said: str) -> InvalidDocument:
    """The refusal of a document that asks for too much."""
    return InvalidDocument([GraphQLError(said)], TooCostly.code)


class Size(NamedTuple):
    """What a selection holds, fragments included."""

    depth: int = 0
    fields: int = 0
    directives: int = 0
    roots: int = 0  # fields on its own level


class Sizes:
    """Measures selections; each fragment once, so that fragments that double each other take no time."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        """`fragments`: by name."""
        self.fragments = fragments
        self.known: dict[str, Size | None] = {}  # None: while it is measured

    def of_operation(self, node: OperationDefinitionNode) -> Size:
        """What an operation holds. Raises InvalidDocument when a fragment spreads itself."""
        size = self.of(node.selection_set)
        directives = len(node.directives or ())
        directives += sum(len(variable.directives or ()) for variable in node.variable_definitions or ())
        return size._replace(directives=size.directives + directives)

    def of(self, selection_set: SelectionSetNode) -> Size:
        """What a selection holds."""
        depth = fields = directives = roots = 0
        for node in selection_set.selections:
            fields += 1
            directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                inner = self.of_fragment(node)
            else:
                below: SelectionSetNode | None = node.selection_set  # type: ignore[attr-defined] # the other two kinds have one
                inner = self.of(below) if below else Size()
            if isinstance(node, FieldNode):
                inner = inner._replace(depth=1 + inner.depth, roots=1)
            depth, roots = max(depth, inner.depth), roots + inner.roots
            fields, directives = fields + inner.fields, directives + inner.directives
        return Size(depth, fields, directives, roots)

    def of_fragment(self, spread: FragmentSpreadNode) -> Size:
        """What a spread fragment holds; nothing when there is none, which validation tells."""
        name = spread.name.value
        node = self.fragments.get(name)
        if node is None:
            return Size()
        if name in self.known:
            size = self.known[name]
            if size is None:
                said = f"Cannot spread fragment '{name}' within itself."
                raise InvalidDocument([GraphQLError(said, [spread])])
            return size
        self.known[name] = None
        size = self.of(node.selection_set)
        self.known[name] = size = size._replace(directives=size.directives + len(node.directives or ()))
        return size


def repeated(fragments: Mapping[str, FragmentDefinitionNode], merged: list[SelectionSetNode]) -> int:
    """How many pairs of fields, and of spreads, validation compares in selections of one object, and below them."""
    below: dict[str, list[SelectionSetNode]] = defaultdict(list)
    times: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    spreads = 0

    def visit(selection_set: SelectionSetNode) -> None:
        nonlocal spreads
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                key = (node.alias or node.name).value
                times[key] += 1
                if node.selection_set:
                    below[key].append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                spreads += 1
                if node.name.value not in seen and node.name.value in fragments:
                    seen.add(node.name.value)
                    visit(fragments[node.name.value].selection_set)
            else:
                visit(node.selection_set)  # type: ignore[attr-defined] # the third kind has one

    for selection_set in merged:
        visit(selection_set)
    pairs = sum(number * (number - 1) // 2 for number in (spreads, *times.values()))
    return pairs + sum(repeated(fragments, sets) for sets in below.values())
