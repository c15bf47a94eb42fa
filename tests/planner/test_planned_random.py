"""Random operations: one statement answers what graphql-core answers."""

import json
import random

import graphql
import orjson
import planner_api as api
import planner_records as models
import pytest

from planner.limits import Most

SCHEMA = api.SCHEMA._schema
# They fail, or can't be one statement.
LEFT_OUT = {"hole", "lost", "broken", "bug", "divided", "staff", "shout", "alike"}
DEEPEST = 4


class Writer:
    """Writes a random valid query with its variables."""

    def __init__(self, seed, rows):
        self.luck, self.rows = random.Random(seed), rows
        self.variables, self.definitions, self.fragments, self.count = {}, [], [], 0

    def query(self):
        body = self.selection(SCHEMA.query_type, 0)
        head = f"query Q({', '.join(self.definitions)})" if self.definitions else "query Q"
        return " ".join([head, body, *self.fragments])

    def selection(self, type_, depth):
        parts = ["__typename"] if self.luck.random() < 0.3 else []
        if graphql.is_abstract_type(type_):
            possible = self.luck.sample(SCHEMA.get_possible_types(type_), k=2)
            parts += [self.fragment(each, depth) for each in possible]
            if graphql.is_interface_type(type_):
                parts.append("id")
            return "{ " + " ".join(parts or ["__typename"]) + " }"
        names = [name for name in type_.fields if name not in LEFT_OUT]
        leaves = [name for name in names if graphql.is_leaf_type(graphql.get_named_type(type_.fields[name].type))]
        chosen = self.luck.sample(
            names if depth < DEEPEST else leaves, k=min(4, len(names if depth < DEEPEST else leaves))
        )
        parts += [self.field(name, type_.fields[name], depth) for name in chosen]
        return "{ " + " ".join(parts or ["__typename"]) + " }"

    def fragment(self, type_, depth):
        body = self.selection(type_, depth)
        if self.luck.random() < 0.5:
            return f"... on {type_.name} {body}"
        self.count += 1
        self.fragments.append(f"fragment F{self.count} on {type_.name} {body}")
        return f"...F{self.count}"

    def field(self, name, field, depth):
        self.count += 1
        alias = f"a{self.count}: "  # so that no two clash
        given = [
            f"{each}: {value}" for each, declared in field.args.items() if (value := self.argument(each, declared))
        ]
        arguments = f"({', '.join(given)})" if given else ""
        named = graphql.get_named_type(field.type)
        below = "" if graphql.is_leaf_type(named) else " " + self.selection(named, depth + 1)
        directive = self.luck.choice(["", "", "", " @include(if: true)", " @skip(if: false)"])
        return f"{alias}{name}{arguments}{directive}{below}"

    def argument(self, name, declared):
        required = graphql.is_required_argument(declared)
        if name in {"after", "before", "last"} or (not required and self.luck.random() < 0.6):
            return None
        value = self.value(name, declared.type)
        if self.luck.random() < 0.5:
            return literal(value, declared.type)
        self.count += 1
        self.variables[f"v{self.count}"] = value
        self.definitions.append(f"$v{self.count}: {declared.type}")
        return f"$v{self.count}"

    def value(self, name, type_):
        type_, luck = graphql.get_nullable_type(type_), self.luck
        if graphql.is_list_type(type_):
            return [self.value(name, type_.of_type) for _ in range(luck.randrange(4))]
        if graphql.is_enum_type(type_):
            return luck.choice(list(type_.values))
        if graphql.is_input_object_type(type_):
            names = [each for each in luck.sample(list(type_.fields), k=2) if each != "anyOf"]
            return {each: self.value(each, type_.fields[each].type) for each in names}
        return {
            "Int": lambda: luck.randint(1, 3),
            "Boolean": lambda: luck.random() < 0.5,
            "String": lambda: luck.choice(["mail", "fire", "7", "line\nbreak"]),
            "ID": lambda: self.id(name),
            "DateTime": lambda: "2026-11-24T09:00:00.000Z",
            "Date": lambda: "2026-01-09",
            "LocalTime": lambda: "05:30",
            "JSON": lambda: {"n": luck.randrange(9)},
        }[type_.name]()

    def id(self, name):
        model, prefix = self.luck.choice([(models.Ticket, "ptk"), (models.Person, "ppe"), (models.Comment, "pco")])
        if name == "id":
            model, prefix = models.Ticket, "ptk"
        if name in {"requesterIds", "assigneeId"}:
            model, prefix = models.Person, "ppe"
        return f"{prefix}_{self.luck.choice(self.rows[model]).id}"


def literal(value, type_):
    type_ = graphql.get_nullable_type(type_)
    if isinstance(value, list):
        return "[" + ", ".join(literal(item, type_.of_type) for item in value) + "]"
    if isinstance(value, dict):
        fields = getattr(type_, "fields", {})
        return (
            "{" + ", ".join(f"{k}: {literal(v, fields[k].type if fields else type_)}" for k, v in value.items()) + "}"
        )
    return value if graphql.is_enum_type(type_) else orjson.dumps(value).decode()


@pytest.mark.parametrize("seed", range(60))
async def test_both_ways_answer_the_same(ask, agent, customer, nobody, rows, seed):
    ask.engine.most = Most(cost=1_000_000)
    writer = Writer(seed, rows)
    query = writer.query()
    assert not graphql.validate(SCHEMA, graphql.parse(query)), query
    for viewer in (agent, customer, nobody):
        ask.reads.statements.clear()
        answer = await ask.engine.query(query, writer.variables, None, viewer, ask.context(viewer))
        body = json.loads(answer.body, object_pairs_hook=list)  # the order of keys counts
        assert not ask.reported, (query, writer.variables, ask.reported)
        if "errors" not in dict(body):
            assert len(ask.reads.statements) == 1
        reference = await ask.reference(viewer, query, **writer.variables)
        assert body == json.loads(reference.body, object_pairs_hook=list), (query, writer.variables)
