"""The walk from a selection to SQL: calls the builds, and nests what they return."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import graphql
import sqlalchemy as sa
import strawberry
from graphql import FieldNode
from sqlalchemy import Select, func
from sqlalchemy.sql.elements import ClauseElement

from planner.arguments import Binder
from planner.cards import MARK
from planner.cards import Shape as CardShape
from planner.compiling import Written, text_of
from planner.connections import Connecting
from planner.continued import PLACE, Continued
from planner.documents import declared_of
from planner.fields import DEFINITION, Computed, Declared, Later, When
from planner.kept import Kept, Varying, sign
from planner.leaves import Encoded, Prefixed, is_sql, leaf, may_be_null
from planner.nodes import STORED, Each, OneOf, Stored
from planner.pages import CURSORS, PAGING, Page, PageArguments
from planner.rows import Held, Related, Row, of_its_rows, within
from planner.selection import Selections, Setting, selections
from planner.text import (
    Parts,
    as_json,
    as_text,
    chain,
    either,
    first_of,
    listed,
    literal,
    missing,
    nested,
    or_missing,
    or_null,
    strung,
)
from planner.values import Shape, shaping

NO_ARGUMENTS: frozenset[str] = frozenset()


class Walk(Connecting):
    """Turns what is selected into SQL that gives its JSON text."""

    def __init__(self, setting: Setting, binder: Binder) -> None:
        """`binder`: collects what is asked of each request."""
        super().__init__(setting, binder)
        self.kept = setting.kept or Kept()
        self.signed: tuple[Any, Hashable] = None, None
        self.shown: list[CardShape] = []  # of the cards that it shows

    @property
    def standing(self) -> Hashable:
        """What of the viewer, as builds see it now, shapes a plan; None where that is never the same again."""
        if self.signed[0] is not self.viewer:
            try:
                self.signed = self.viewer, sign(self.viewer)
            except Varying:
                self.signed = self.viewer, None
        return self.signed[1]

    def field(self, type_: Any, nodes: list[FieldNode], row: Any) -> Parts:
        """The text of a field's value."""
        name = nodes[0].name.value
        if isinstance(row, Row):
            known = self.kept.leaf((type_, name), self.standing, row, partial(self.alike, type_, nodes[0]))
            if known is not None:
                return known
        value = self.value(type_, nodes[0], row)
        if isinstance(value, Later):
            return self.place(nodes, value)
        return self.complete(type_.fields[name].type, selections(nodes), value, f"{type_.name}.{name}")

    def alike(self, type_: Any, node: FieldNode, row: Row) -> Parts | None:
        """The text of a leaf's value; None where it may not be the same wherever the leaf is selected of such a row."""
        definition, before = type_.fields[node.name.value], self.aliases
        declared = declared_of(definition)
        if definition.args or not graphql.is_leaf_type(graphql.get_named_type(definition.type)):
            return None
        if declared is None or declared.told or not is_sql(value := self.value(type_, node, row)):
            return None
        parts = self.complete(definition.type, [], value, f"{type_.name}.{node.name.value}")
        return parts if self.aliases == before else None

    def value(self, type_: Any, node: FieldNode, row: Any) -> Any:
        """What a field's build returns, or the attribute of the row."""
        definition = type_.fields[node.name.value]
        declared = declared_of(definition)
        if declared is None:
            raise TypeError(f"{type_.name}.{node.name.value} is resolved by Python: it can't be planned")
        if declared.build is None:
            name = declared.column or definition.extensions[DEFINITION].python_name
            value = getattr(row, name)
            stored = stored_as(type_)
            if name == "id" and stored is not None and stored.prefix is not None:
                return Prefixed(stored.prefix, value)
            return value
        return self.built(type_, node, row)

    def built(self, type_: Any, node: FieldNode, row: Any) -> Any:
        """What a field's build returns."""
        definition = type_.fields[node.name.value]
        declared = declared_of(definition)
        if declared is None or declared.build is None or declared.payload:
            raise TypeError(f"{type_.name}.{node.name.value} has no build that a selection can call")
        arguments = self.arguments(definition, declared, node)
        make = partial(declared.build, *[row] * declared.nested, self.viewer, **arguments)
        return self.kept.build((type_, node.name.value), self.standing, row, arguments, make)

    def arguments(self, definition: Any, declared: Declared, node: FieldNode) -> dict[str, Any]:
        """What a build is given."""
        values: dict[str, Any] = {}
        if declared.told:
            values["told"] = self.binder.bind(sa.Uuid(), lambda request: request.payload)
        if not definition.args:
            return values
        unread = CURSORS if declared.paged else NO_ARGUMENTS
        values |= self.binder.arguments(definition, node, self.setting.variables, unread=unread)
        if declared.paged:
            values["page"] = PageArguments(*(values.pop(name, None) for name in PAGING))
        return values

    def complete(self, type_: Any, inner: Selections, value: Any, where: str) -> Parts:
        """The text of a value, never NULL. `where`: the field, for the error when a value is missing."""
        required = graphql.is_non_null_type(type_)
        if required and isinstance(value, Computed):
            value = Computed(partial(never_none, value.function, where), *value.columns)
        if value is None:
            if required:
                raise TypeError(f"{where} can't be null, and its build returned None")
            return ["null"]
        parts, may_be_missing = self.read(graphql.get_nullable_type(type_), inner, value, where)
        if not may_be_missing:
            return parts
        return or_missing(parts, where) if required else or_null(parts)

    def read(self, type_: Any, inner: Selections, value: Any, where: str) -> Encoded:
        """The text of a value that isn't None."""
        if isinstance(value, When):
            text = chain(self.complete(type_, inner, value.value, where))
            return [either([(value.condition, text)])], True
        if isinstance(value, Computed):
            return self.marker(value, shaping(self, type_, inner)), False
        if graphql.is_leaf_type(graphql.get_named_type(type_)):
            return leaf(type_, value, self.alias)
        if graphql.is_list_type(type_):
            return self.many(type_.of_type, inner, value, where), False
        return self.single(type_, inner, value, where)

    def single(self, type_: Any, inner: Selections, value: Any, where: str) -> Encoded:
        """The text of an object."""
        if isinstance(value, Related):
            return self.related(type_, inner, value)
        if isinstance(value, Select | OneOf | list):
            alternatives = (
                [value] if isinstance(value, Select) else value.selects if isinstance(value, OneOf) else value
            )
            found = [self.rows(type_, inner, rows) for rows in alternatives]
            return [found[0] if len(found) == 1 else first_of(*found)], True
        if isinstance(value, ClauseElement) or value is strawberry.UNSET:
            raise TypeError(f"{where} is an object, and its build returned {value!r}")
        if isinstance(value, Page):
            return self.connection(type_, inner, value), False
        return self.one_of(type_, inner, value), False

    # --- Objects ------------------------------------------------------------------------------------------------------

    def rows(self, type_: Any, inner: Selections, rows: Select[Any]) -> Written:
        """One row as a scalar sub-select: it measured equal to a LEFT JOIN, and leaves the row's own SELECT alone."""
        row = Row(self.alias(), rows)
        item = chain(self.one_of(type_, inner, row))
        return nested(item, within(row))

    def related(self, type_: Any, inner: Selections, related: Related) -> Encoded:
        """The row that a relationship leads to. Whoever sees the one row may see the other."""
        relation = related.relation
        if relation.uselist or relation.secondary is not None:
            raise TypeError(f"{relation} leads to many rows: a build must select them")
        if (card := self.card(type_, inner, related)) is not None:
            return card
        row = Row(self.alias(), relation.mapper.class_)
        mine, theirs = relation.parent, relation.mapper
        matching, may_be_missing = [], relation.direction.name != "MANYTOONE"
        for local, remote in relation.local_remote_pairs or ():
            may_be_missing = may_be_missing or bool(local.nullable)
            here = getattr(related.row, mine.get_property_by_column(local).key)
            matching.append(Written(here, " = ", getattr(row, theirs.get_property_by_column(remote).key)))
        item = chain(self.one_of(type_, inner, row))
        return [nested(item, within(row), *matching)], may_be_missing

    def card(self, type_: Any, inner: Selections, related: Related) -> Encoded | None:
        """The place of a card, when all that is selected of the row are columns, and cards of such rows are kept."""
        cards, stored, pairs = self.setting.cards, stored_as(type_), related.relation.local_remote_pairs or ()
        if cards is None or stored is None or stored.changed is None or len(pairs) != 1:
            return None
        fields = self.collect(type_, inner)
        names = {key: nodes[0].name.value for key, nodes in fields.items()}
        if not all(name == "__typename" or is_column(type_, name) for name in names.values()):
            return None
        (mine, _) = pairs[0]
        key = getattr(related.row, related.relation.parent.get_property_by_column(mine).key)

        def make() -> str:
            return text_of(chain(self.object(type_, inner, Row("c", stored.model))))

        table: str = sa.inspect(stored.model).local_table.name
        shape = cards.shape((stored.name, *names.items()), table, stored.changed, make)
        self.shown.append(shape)
        return [f"{MARK}{shape.number}:", as_text(key), MARK], may_be_null(key)

    def one_of(self, type_: Any, inner: Selections, row: Any) -> Parts:
        """An object of the type, or, where that is an interface or a union, of the type that the row is of."""
        if not graphql.is_abstract_type(type_):
            return self.object(type_, inner, row)
        possible = self.setting.schema.get_possible_types(type_)
        if not isinstance(row, Row):
            return self.object(next(t for t in possible if t.name == type(row).__name__), inner, row, tag=True)
        model = row._model  # noqa: SLF001 - a row hides what builds may not use
        types = [(t, stored) for t in possible if (stored := stored_as(t)) is not None and stored.model is model]
        if not types:
            raise TypeError(f"No type of {type_.name} reads {model}")
        if types[0][1].kind is None:
            return self.object(types[0][0], inner, row, tag=True)
        kind = as_text(row.kind)
        cases = [
            (Written(kind, f" = {literal(stored.kind or '')}"), chain(self.object(t, inner, row, tag=True)))
            for t, stored in types
        ]
        return [either(cases, missing(f"{type_.name}.__typename"))]

    def many(self, item_type: Any, inner: Selections, value: Any, where: str) -> Parts:
        """A list of objects."""
        if isinstance(value, Each):
            return self.each(item_type, inner, value)
        if isinstance(value, Select):
            row = Row(self.alias(), value)
            item = chain(self.one_of(graphql.get_named_type(item_type), inner, row))
            return listed(nested(of_its_rows(strung(item), row), within(row)))
        if not isinstance(value, list | tuple):
            raise TypeError(f"{where} is a list, and its build returned {value!r}")
        parts: Parts = ["["]
        for number, item in enumerate(value):
            parts += [","] * bool(number) + self.complete(item_type, inner, item, where)
        return [*parts, "]"]

    def each(self, item_type: Any, inner: Selections, each: Each) -> Parts:
        """One answer for each id, in the order of the ids."""
        models = sorted(each.ids.models & each.selects.keys(), key=lambda model: model.__name__ if model else "")
        arrays = [each.ids.arrays[model] for model in models or [None]]
        found = [self.keyed(item_type, inner, each.selects[model], n) for n, model in enumerate(models) if model]
        return self.in_order(item_type, arrays, found)

    def keyed(self, item_type: Any, inner: Selections, build: Any, number: int) -> Written:
        """What a build selects by one key of those in `in_order`."""
        key: Held = Held(f"k.k{number}", sa.Uuid(), nullable=True)
        return self.rows(graphql.get_named_type(item_type), inner, build(key))

    def in_order(self, item_type: Any, arrays: list[Any], found: list[Written]) -> Parts:
        """The first found for each place of the arrays. What isn't found is null, or left out where null can't be."""
        names = [f"k{number}" for number in range(len(arrays))]
        keys = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived(name="k")
        nothing = [] if graphql.is_non_null_type(item_type) else ["'null'"]
        item = first_of(*found, *nothing) if found or nothing else Written("'null'")
        return listed(nested(strung(item, " ORDER BY k.place"), keys))

    # --- Places -------------------------------------------------------------------------------------------------------

    def marker(self, value: Computed, shape: Shape) -> Parts:
        """A place in the text that a function fills: a control character can't stand there otherwise."""
        parts: Parts = [f"\x01{len(self.computed)}:"]
        function = partial(value.function, self.setting.given)
        self.computed.append(lambda *values: shape(function(*values)))
        for number, column in enumerate(value.columns):
            parts += ["\x02"] * bool(number) + or_null([as_json(column)])
        return [*parts, "\x01"]

    def place(self, nodes: list[FieldNode], later: Later) -> Parts:
        """A place in the text that a plan of its own fills."""
        parts: Parts = [f"{PLACE}{len(self.continued)}:"]
        self.continued.append(Continued(self.setting, nodes, later))
        for number, value in enumerate(later.arguments.values()):
            parts += ["\x02"] * bool(number) + or_null([as_text(value)])
        return [*parts, PLACE]


def never_none(function: Any, where: str, *arguments: Any) -> Any:
    """What a computed value's function gives, where the schema says that there is one."""
    value = function(*arguments)
    if value is None:
        raise TypeError(f"{where} can't be null, and its function returned None")
    return value


def stored_as(type_: Any) -> Stored | None:
    """Which rows a type of graphql-core's reads."""
    definition = type_.extensions.get(DEFINITION)
    return None if definition is None else STORED.get(definition.origin)


def is_column(type_: Any, name: str) -> bool:
    """Whether a field is a leaf that is a column of the row."""
    field = type_.fields[name]
    declared = declared_of(field)
    return declared is not None and declared.build is None and graphql.is_leaf_type(graphql.get_named_type(field.type))
