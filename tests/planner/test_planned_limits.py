"""What one operation may ask for, and what is refused before it is even validated."""

import time

import graphql
import orjson
import planner_api as api
import pytest

from planner.engine import Answer, Engine
from planner.limits import Most

DOUBLING = " ".join(f"fragment F{n} on Person {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))
DOUBLING = f"{{ me {{ ...F0 }} }} {DOUBLING} fragment F30 on Person {{ name }}"
NESTED = "{ me { tickets { nodes { requester { tickets { nodes { number } } } } } } }"  # 7 levels
SPREAD = """{ ... { me { ...F } } } fragment F on Person { tickets { ... on TicketConnection { nodes { ...G } } } }
    fragment G on Ticket { requester { tickets { nodes { number } } } }"""  # 7 as well
DIRECTED = """query Q { me { ...F ...F @skip(if: false) } }
    fragment F on Person { id @include(if: true) ... @skip(if: true) { id } }"""
CYCLE = """{ ...F } fragment F on Query { me { tickets { nodes { requester { ...G } } } } }
    fragment G on Person { tickets { nodes { requester { ...G } } } }"""


def engine(most):
    """An engine for what never reaches a database."""
    return Engine(api.SCHEMA, None, refusals=api.Forbidden, report=repr, most=most)


async def refused(asked, text, viewer, **variables):
    """The one error of a request that was not executed: its code and its words."""
    answer = await asked.query(text, variables, None, viewer, None)
    assert not answer.executed, answer.body
    body = orjson.loads(answer.body)
    assert body.keys() == {"errors"}
    (error,) = body["errors"]
    assert error["extensions"] == {"code": answer.code}
    return answer.code, error["message"]


@pytest.mark.parametrize(
    ("most", "text", "said"),
    [
        (
            Most(tokens=20),
            "{ " + "word " * 20 + "}",
            "This document has more than 20 tokens, the most that is possible.",
        ),
        (Most(tokens=20), "{ word }" + "#\n" * 30, "This document has more than 20 tokens, the most that is possible."),
        (Most(depth=6), NESTED, "This operation has 7 levels; at most 6 are possible."),
        (Most(depth=6), SPREAD, "This operation has 7 levels; at most 6 are possible."),
        (
            Most(depth=4),
            "{ __schema { types { fields { type { name } } } } }",
            "This operation has 5 levels; at most 4 are possible.",
        ),
        (
            Most(fields=12),
            "{ a: me { ...F ...F } b: me { ...F } } fragment F on Person { id name ... { id } }",
            "This document has 17 fields and fragments; at most 12 are possible.",
        ),
        (Most(directives=4), DIRECTED, "This document has 5 directives; at most 4 are possible."),
        (
            Most(directives=4),
            "query ($n: Int @a) @a { ...F } fragment F on Query @a @a { word(say: $n) @a }",
            "This document has 5 directives; at most 4 are possible.",
        ),
        (
            Most(root_fields=3),
            "{ word ...F ... { a: word } } fragment F on Query { b: word c: word }",
            "This operation has 4 root fields; at most 3 are possible.",
        ),
        (
            Most(root_fields=1),
            "query A { word } query B { a: word b: word }",
            "This operation has 2 root fields; at most 1 are possible.",
        ),
        (
            Most(depth=1),
            "query A { me { id } } query B { word }",
            "This operation has 2 levels; at most 1 are possible.",
        ),
        (
            Most(repeats=9),
            "{ me { id id ...F } me { id } } fragment F on Person { id ... { id } }",  # five times id, twice me
            "This document has 11 pairs of fields under the same key; at most 9 are possible.",
        ),
        (
            Most(repeats=5),
            "{ me { ...F ...F ...F ...F } } fragment F on Person { id }",
            "This document has 6 pairs of fields under the same key; at most 5 are possible.",
        ),
        (
            Most(),
            DOUBLING,
            "This document has more than 1,000,000,000 fields and fragments; at most 2,000 are possible.",
        ),
    ],
)
async def test_what_asks_for_too_much_is_not_even_validated(most, text, said, agent, monkeypatch):
    asked = engine(most)
    monkeypatch.setattr(graphql, "validate", None)

    for _ in range(2):
        assert await refused(asked, text, agent) == ("TOO_COSTLY", said)
    assert isinstance(asked.operation(text, None), Answer)


@pytest.mark.parametrize(
    "text",
    [
        "{ word } fragment F on Query { word }",
        "{ ...F } fragment F on Query { word } fragment F on Query { word }",
        CYCLE,
        "{ ...F }",
        "{ word(say: }",
        "query A { word } query A { word }",
        "type T { a: Int }",
        "{ word } type T { a: Int }",
    ],
)
async def test_a_document_that_is_wrong_is_a_bad_request(text, agent):
    asked = engine(Most())
    for _ in range(2):
        code, _ = await refused(asked, text, agent)
        assert code == "BAD_REQUEST"


async def test_what_is_just_possible_is_possible(ask, agent):
    ask.engine.texts.most = Most(tokens=19, depth=4, fields=4, directives=1, root_fields=1, repeats=0)
    await ask.same(agent, "{ me { tickets { nodes @skip(if: false) { number } } } }")


def test_a_flood_within_a_document_is_refused_in_no_time(monkeypatch):
    asked = engine(Most())
    monkeypatch.setattr(graphql, "validate", None)  # which would take seconds
    many = " ".join(f"...F{n}" for n in range(400))
    floods = [
        DOUBLING,
        "{ me {" + "id " * 4000 + "} }",
        "{ me {" + "tickets { nodes { id } } " * 700 + "} }",
        f"{{ me {{ {many} }} }}" + " ".join(f"fragment F{n} on Person {{ id }}" for n in range(400)),
        "{ me {" + "...F " * 2000 + "} } fragment F on Person { id }",
        "{ me { ...F0 } } fragment F500 on Person { id }"
        + " ".join(f"fragment F{n} on Person {{ id ...F{n + 1} }}" for n in range(500)),
        "{ me {" + "... { " * 700 + "id" + "}" * 702,
        "{ word } fragment F on Person {" + "tickets { nodes { id } } " * 700 + "}",
        "{ me { ...F } } fragment F on Person { id } fragment F on Person {" + "tickets { nodes { id } } " * 700 + "}",
        "{ word(say: " + "[" * 3000,
        "{ word }" + "#\n" * 100_000,
    ]
    began = time.process_time()
    for flood in floods:
        assert isinstance(asked.operation(flood, None), Answer)
    assert time.process_time() - began < 2


async def test_the_introspection_of_clients_is_possible(ask, agent):
    query = graphql.get_introspection_query(
        descriptions=True,
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )

    answer = await ask(agent, query)

    assert graphql.build_client_schema(answer["data"]).query_type.name == "Query"
    assert answer["extensions"]["cost"]["operation"] < 10_000
    again = "a: __schema { types { ...FullType } } b: __schema { types { ...FullType } } __schema {"
    code, said = await refused(ask.engine, query.replace("__schema {", again, 1), agent)
    assert code == "TOO_COSTLY"
    assert said.startswith("This operation costs 24,")
