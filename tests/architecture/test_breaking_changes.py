"""What breaks clients of the last release is said in the changelog, in these words.

At a release `schema/released.graphql` becomes a copy of `schema/schema.graphql`.
"""

from pathlib import Path

import graphql
import pytest
from graphql import build_schema, find_breaking_changes

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def unsaid(released: graphql.GraphQLSchema, now: graphql.GraphQLSchema, changelog: str) -> list[str]:
    """What breaks clients and does not stand in the changelog."""
    said = " ".join(changelog.split())
    return [each.description for each in find_breaking_changes(released, now) if each.description not in said]


def test_what_breaks_clients_is_said():
    released, now = (build_schema((ROOT / f"schema/{name}.graphql").read_text()) for name in ("released", "schema"))
    missing = unsaid(released, now, CHANGELOG)
    assert not missing, f"Say in CHANGELOG.md, under **Breaking**: {' '.join(missing)}"


RELEASED = """type Query { ticket(id: ID!): Ticket } type Ticket { id: ID! subject: String! status: Status! }
  enum Status { OPEN CLOSED } input Filter { text: String }"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("subject: String! ", ""),
        ("subject: String!", "subject: String"),
        ("OPEN CLOSED", "OPEN"),
        ("ticket(id: ID!)", "ticket(id: ID!, number: Int!)"),
        ("text: String", "text: String limit: Int!"),
        ("ticket(id: ID!)", "ticket"),
    ],
)
def test_a_breaking_change_is_found_until_it_is_said(before, after):
    released, now = build_schema(RELEASED), build_schema(RELEASED.replace(before, after))
    (missing,) = unsaid(released, now, CHANGELOG)
    assert unsaid(released, now, f"- **Breaking**: {missing}\n  Ask otherwise.") == []


def test_what_is_added_breaks_nothing():
    now = build_schema(RELEASED.replace("id: ID! subject", "id: ID! number: Int! subject"))
    assert unsaid(build_schema(RELEASED), now, "") == []
