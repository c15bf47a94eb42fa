"""Random valid queries of a schema."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from random import Random
from typing import Any, NamedTuple

import graphql
from random_scene import Scene
from random_values import Known, Values

from planner.costs import INTROSPECTION
from planner.nodes import MOST_IDS
from planner.pages import PAGING

DEEPEST = 7  # from there on only leaves are selected
ROOM = 600  # most objects in a list of lists
USUAL_LIST = 20
NEW = 5  # weight of what was not reached yet
ROOTS = {"node": 4, "nodes": 3, "tickets": 4, "ticket": 2, "viewer": 3, "routingRules": 2}  # weights; others: 1
OF_NOW = {"Metrics.computedAt"}  # what is another a moment later
INTROSPECTED = {"fields", "interfaces", "possibleTypes", "inputFields"}  # of which at most two may be nested


class Asked(NamedTuple):
    """A document, the name of the operation to run, and two sets of variables for it."""

    text: str
    name: str | None
    variables: list[dict[str, Any]]
    keys: dict[tuple[str, str], str]  # of an object's type and a key of the answer, the field


class Writer(Values):
    """Writes one query."""

    def __init__(
        self, luck: Random, schema: graphql.GraphQLSchema, scene: Scene, known: Known, reached: Collection[str]
    ) -> None:
        """`known`: of the one who will ask. `reached`: coordinates of fields; others are preferred."""
        super().__init__(luck, schema, scene, known)
        self.reached = reached
        self.aim: dict[str, str] = {}  # of a type the field to go by
        self.left = luck.choice([8, 15, 30, 50])  # fields to write, about
        self.listed = 0  # lists of introspection around what is written
        # Of a key its field's name, type and arguments, which are the same wherever it stands: so fields merge.
        self.signatures: dict[str, tuple[str, str, str]] = {}
        self.called: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.fragments: list[tuple[str, Any, int, int]] = []
        self.written: list[str] = []

    def asked(self) -> Asked:
        """The query."""
        body = self.selection(self.schema.query_type, 0, ROOM)
        defined = ", ".join(f"${name}: {type_}" for name, (type_, _) in self.variables.items())
        head = f"query Q({defined}) " if defined else "query Q " if self.chance(50) else ""
        text, name = " ".join([f"{head}{body}", *self.written]), None
        if head and self.chance(10):
            text, name = f"query Other {{ desk {{ name }} }} {text}", "Q"
        return Asked(text, name, [self.given(), self.given()], self.keys)

    def given(self) -> dict[str, Any]:
        """Values of the variables."""
        made = {name: make() for name, (_, make) in self.variables.items()}
        return {name: value for name, value in made.items() if value is not graphql.Undefined}

    # --- Selections ---------------------------------------------------------------------------------------------------

    def selection(self, type_: Any, depth: int, room: int) -> str:
        """What is selected of a type. `room`: how many objects may still hang on each."""
        parts = [self.part(type_, depth, room) for _ in range(self.luck.randint(1, 4))]
        if graphql.is_abstract_type(type_) and self.chance(75):
            parts.insert(0, "__typename")  # so that what was reached is known
        return f"{{ {' '.join(parts)} }}"

    def part(self, type_: Any, depth: int, room: int) -> str:
        """A field or fragment."""
        abstract, roll = graphql.is_abstract_type(type_), self.luck.randrange(100)
        if roll < 6:
            return f"{'' if roll < 3 else f'n{self.number()}: '}__typename{self.directives()}"
        if self.left > 0 and depth < DEEPEST + 3:
            self.left -= 1
            if roll < 12:
                return f"...{self.directives()} {self.selection(type_, depth + 1, room)}"
            if roll < (75 if abstract else 20):
                return self.fragment(type_, depth, room)
        return "__typename" if graphql.is_union_type(type_) else self.field(type_, depth, room)

    def fragment(self, type_: Any, depth: int, room: int) -> str:
        """A fragment, perhaps one that was spread before."""
        fitting = [
            name
            for name, on, deep, wide in self.fragments
            if deep >= depth and wide <= room and graphql.do_types_overlap(self.schema, type_, on)
        ]
        if fitting and self.chance(40):
            return f"...{self.luck.choice(fitting)}{self.directives()}"
        on = self.condition(type_)
        body = self.selection(on, depth + 1, room)
        if self.chance(60) or on.name.startswith("__"):
            return f"... on {on.name}{self.directives()} {body}"
        name = f"F{self.number()}"
        self.fragments.append((name, on, depth, room))
        self.written.append(f"fragment {name} on {on.name} {body}")
        return f"...{name}{self.directives()}"

    def condition(self, type_: Any) -> Any:
        """What an object of this type may be, or is as well."""
        if type_.name == "Node" and self.hints and self.chance(60):
            return self.schema.type_map[self.luck.choice(self.hints)]
        if graphql.is_abstract_type(type_) and self.chance(85):
            possible = self.schema.get_possible_types(type_)
            if (aimed := [each for each in possible if each.name in self.on_way]) and self.chance(90):
                return self.luck.choice(aimed)
            return self.luck.choice([each for each in possible for _ in range(NEW if self.is_new(each) else 1)])
        composite: list[Any] = [each for each in self.schema.type_map.values() if graphql.is_composite_type(each)]
        return self.luck.choice([each for each in composite if graphql.do_types_overlap(self.schema, type_, each)])

    def field(self, type_: Any, depth: int, room: int) -> str:
        """A field with all that hangs on it."""
        name = self.chosen(type_, depth, room)
        if name == "__typename":
            return name
        self.left -= 1
        field: Any = self.schema.get_field(type_, name)
        called = self.called.setdefault((type_.name, name), [])
        fitting = [each for each in called if each[2] <= room]
        if fitting and self.chance(25):
            key, arguments, size = self.luck.choice(fitting)
        else:
            self.hints = self.hints if depth else []
            arguments, size = self.arguments(type_, name, field, room)
            signature = (name, str(field.type), arguments)
            key = name
            if self.signatures.setdefault(key, signature) != signature or self.chance(15):
                key = f"a{self.number()}"
                self.signatures[key] = signature
            called.append((key, arguments, size))
        for each in self.schema.get_possible_types(type_) if graphql.is_abstract_type(type_) else [type_]:
            self.keys[each.name, key] = name
        named = graphql.get_named_type(field.type)
        self.listed += name in INTROSPECTED
        below = "" if graphql.is_leaf_type(named) else f" {self.selection(named, depth + 1, room // size)}"
        self.listed -= name in INTROSPECTED
        return f"{'' if key == name else f'{key}: '}{name}{arguments}{self.directives()}{below}"

    def chosen(self, type_: Any, depth: int, room: int) -> str:
        """The name of a field that there is room for."""
        if type_.name == "Query":
            self.aim, self.on_way = self.way_to_new() if self.chance(85) else ({}, frozenset())
        aimed = self.aim.get(type_.name)
        if aimed is not None and self.size(type_, aimed) <= room and depth < DEEPEST and self.chance(90):
            return aimed
        if type_.name == "Query":
            names: list[str] = [
                name for name in type_.fields if f"Query.{name}" not in self.known.refused or self.chance(3)
            ]
            weighted = [name for name in names for _ in range(ROOTS.get(name, 1))]
            return self.luck.choice(["__schema", "__type"] if self.chance(3) else weighted)
        leaves, others = list[str](), list[str]()
        for name, field in type_.fields.items():
            if f"{type_.name}.{name}" in OF_NOW:
                continue
            named, is_new = graphql.get_named_type(field.type), f"{type_.name}.{name}" not in self.reached
            if graphql.is_leaf_type(named):
                leaves += [name] * (NEW if is_new else 1)
            elif self.size(type_, name) <= room and (name not in INTROSPECTED or self.listed < 2):
                others += [name] * (NEW if is_new or self.is_new(named) else 1)
        if others and self.left > 0 and depth < DEEPEST and (not leaves or self.chance(60)):
            return self.luck.choice(others)
        return self.luck.choice(leaves) if leaves else "__typename"

    def way_to_new(self) -> tuple[dict[str, str], frozenset[str]]:
        """The shortest way to some root or type that was not reached yet: the field to go by of each type, and all."""
        found: dict[str, dict[str, str]] = {"Query": {}}
        left, known = ["Query"], {coordinate.partition(".")[0] for coordinate in self.reached}
        for name in left:
            fields: dict[str, Any] = self.schema.type_map[name].fields  # type: ignore[attr-defined] # an object's
            for field_name, field in fields.items():
                named = graphql.get_named_type(field.type)
                if graphql.is_leaf_type(named) or f"{name}.{field_name}" in self.known.refused:
                    continue
                for each in self.schema.get_possible_types(named) if graphql.is_abstract_type(named) else [named]:
                    if each.name not in found:
                        found[each.name] = found[name] | {name: field_name}
                        left.append(each.name)
        ways = [(found[name], name) for name in left if name not in known and found[name]]
        ways += [
            ({"Query": name}, "Query")
            for name in self.schema.query_type.fields  # type: ignore[union-attr] # ours has one
            if not {f"Query.{name}"} & {*self.reached, *self.known.refused}
        ]
        way, end = self.luck.choice(ways) if ways else ({}, "Query")
        return way, frozenset({*way, end} - {"Query"})

    def is_new(self, type_: Any) -> bool:
        """Whether not all fields of a type, or of what is listed there, were reached yet."""
        if graphql.is_union_type(type_):
            return False
        if any(f"{type_.name}.{name}" not in self.reached for name in type_.fields):
            return True
        listed = ("nodes", "edges", "node") if type_.name.endswith(("Connection", "Edge")) else ()
        return any(
            self.is_new(graphql.get_named_type(type_.fields[name].type)) for name in listed if name in type_.fields
        )

    def size(self, type_: Any, name: str) -> int:
        """How many objects a field without pages may give. A connection's lists are counted with the connection."""
        if name == "nodes" and type_.name == "Query":
            return MOST_IDS
        field: Any = self.schema.get_field(type_, name)
        if not graphql.is_list_type(graphql.get_nullable_type(field.type)) or type_.name.endswith("Connection"):
            return 1
        return INTROSPECTION.get(f"{type_.name}.{name}", USUAL_LIST) or 1

    def arguments(self, type_: Any, name: str, field: Any, room: int) -> tuple[str, int]:
        """A field's arguments, and how many objects it then gives at most."""
        coordinate, size = f"{type_.name}.{name}", self.size(type_, name)
        given, fixed = list[str](), dict[str, Any]()
        if paged := "last" in field.args:
            given, size, fixed = self.page(coordinate, field, room)
        for argument, declared in field.args.items():
            place = f"{coordinate}.{argument}"
            again = partial(self.value, place, declared.type)
            if argument == "first":  # of a list without pages
                again = partial(self.luck.randint, 1, 5)
            if argument in fixed:
                place, again = "fixed", partial(fixed.get, argument)
                if fixed[argument] is None:
                    continue
            elif (paged and argument in PAGING) or not (graphql.is_required_argument(declared) or self.chance(55)):
                continue
            has_default = declared.default is not None or declared.default_value is not graphql.Undefined
            given.append(f"{argument}: {self.said(declared.type, again(), again, place, has_default=has_default)}")
        return (f"({', '.join(given)})" if given else ""), size

    def directives(self) -> str:
        """Mostly none."""
        if not self.chance(10):
            return ""
        required = graphql.GraphQLNonNull(graphql.GraphQLBoolean)
        found = ""
        for name, rare in (("include", False), ("skip", True)):
            if self.chance(50):
                again = partial(self.rarely, value=rare)
                found += f" @{name}(if: {self.said(required, again(), again, name)})"
        return found

    def rarely(self, *, value: bool) -> bool:
        """This one, now and then."""
        return value == self.chance(35)
