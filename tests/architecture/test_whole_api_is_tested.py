"""Each query, mutation and subscription is asked by a test of its own, besides those that go through all of them."""

import ast
import re
from pathlib import Path

import graphql

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = graphql.build_schema((ROOT / "schema/schema.graphql").read_text())
KINDS = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
FILES = [path for name in ("api", "live", "web") for path in (ROOT / "tests" / name).glob("*.py")]
OF_ALL = {"test_audit.py", "test_idempotency.py", "test_mutations_both_ways.py"}  # they list the mutations


def asked(text):
    """The kinds and names of what an operation asks for at its root; nothing of what is none."""
    try:
        document = graphql.parse(text, no_location=True)
    except graphql.GraphQLSyntaxError:
        return set()
    return {
        (operation.operation.value, field.name.value)
        for operation in document.definitions
        if isinstance(operation, graphql.OperationDefinitionNode)
        for field in operation.selection_set.selections
        if isinstance(field, graphql.FieldNode)
    }


def texts(path):
    """What is written in a file; what is put into a text when it runs stands there as `x`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_each_root_field_is_asked_by_a_test_of_its_own():
    """In an operation that is written out; or, where a test puts its mutations together, by its name."""
    left = {(kind, name) for kind, type_ in KINDS.items() for name in type_.fields}
    for path in FILES:
        names = re.compile(rf"\b({'|'.join(name for _, name in left)})\b")
        for text in filter(names.search, texts(path)):
            left -= asked(text) if "{" in text else set() if path.name in OF_ALL else {("mutation", text)}
    assert not left
