"""What operations cost, and that what costs too much is not begun."""

import graphql
import orjson
import planner_records as models
import pytest
from test_planned_limits import engine, refused

from planner.limits import Most

SIZED = "query ($n: Int) { tickets(first: $n) { nodes { id } } }"
WITH_DEFAULT = "query ($n: Int = 5) { tickets(first: $n) { nodes { id } } }"
PERHAPS = """query ($yes: Boolean!) { me { id } again: me @include(if: $yes) { id ...F @skip(if: $yes) ...G } }
    fragment F on Person { presence { since } } fragment G on Person { id }"""
LATEST = """{ ticketByNumber(number: 3) { latest {
    ... on Comment { id author { id } ticket { id } } ... on StatusChanged { id } } } }"""
LEAVES = " ".join(f"a{n}: name" for n in range(23))
COSTS = {
    "a leaf": ("{ word }", {}, 1),
    "nothing": ("{ __typename }", {}, 1),
    "a page": ("{ me { id requests: tickets(first: 7) { nodes { number } } } }", {}, 1 + 1 + 1 + 7),
    "the usual page": ("{ tickets { nodes { id } } }", {}, 1 + 1 + 20),
    "edges": ("{ tickets { edges { node { id requester { id } } } } }", {}, 1 + 1 + 20 * 2),
    "cursors": ("{ tickets { edges { cursor } } }", {}, 1 + 1 + 20),
    "pages in a page": (
        "{ tickets(last: 50) { nodes { comments(first: 4) { totalCount nodes { author { id } } } } } }",
        {},
        1 + 1 + 50 * (1 + 1 + 10 + 4 * 2),
    ),
    "what is said of a page": ("{ tickets { totalCount pageInfo { hasNextPage } } }", {}, 1 + 1 + 10 + 1),
    "a size": (SIZED, {"n": 3}, 1 + 1 + 3),
    "no size": (SIZED, {}, 1 + 1 + 20),
    "null as a size": (SIZED, {"n": None}, 1 + 1 + 20),
    "null said as a size": ("{ tickets(first: null) { __typename nodes { id } } }", {}, 1 + 1 + 20),
    "a size by default": (WITH_DEFAULT, {}, 1 + 1 + 5),
    "what is included": (PERHAPS, {"yes": True}, 1 + 1 + 1),
    "what isn't": (PERHAPS, {"yes": False}, 1 + 1),
    "what is said twice": ("{ me { id } me { presence { ticketCount } } }", {}, 1 + 1 + 1),
    "a list": ("{ ticketByNumber(number: 3) { events { id } } }", {}, 1 + 1 + 10),
    "a list with a most": ("{ statusCounts { count first { id } } }", {}, 1 + 3 * 2),
    "a list by ids": ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": []}, 1 + 50),
    "many leaves": (f"{{ me {{ {LEAVES} }} }}", {}, 1 + 1 + 3),
    "one of two": (LATEST, {}, 1 + 1 + 3),
}
ELSEWHERE = {
    "a field of Python": ('{ shout(word: "a") tickets { nodes { id } } }', 1 + 1 + 20),
    "a fault": ("{ bug word tickets { nodes { id } } }", 1 + 1 + 20),
    "a refusal": ("{ tickets(first: 500) { nodes { id } } }", 1 + 1 + 100),
    "a mutation": (
        "mutation { touchAll(ids: []) { ... on TouchSuccess { ticket { id } comments { id } } } }",
        1 + 100 * (1 + 1 + 10),
    ),
}


@pytest.mark.parametrize(("text", "variables", "cost"), COSTS.values(), ids=COSTS)
async def test_both_ways_tell_what_an_operation_cost(ask, agent, text, variables, cost):
    await ask.same(agent, text, **variables)

    answer = await ask.engine.query(text, variables, None, agent, ask.context(agent))
    assert answer.body.endswith(b'},"extensions":{"cost":{"operation":%d,"most":20000}}}' % cost)


@pytest.mark.parametrize(("text", "cost"), ELSEWHERE.values(), ids=ELSEWHERE)
async def test_every_answer_tells_it(ask, agent, text, cost):
    answer = await ask(agent, text)
    assert answer["extensions"] == {"cost": {"operation": cost, "most": 20_000}}


async def test_what_was_counted_is_known(ask, agent, monkeypatch):
    answer = await ask(agent, ELSEWHERE["a field of Python"][0])
    monkeypatch.setattr("planner.engine.price", None)
    assert await ask(agent, ELSEWHERE["a field of Python"][0]) == answer


async def test_what_may_be_left_out_or_not_is_counted(ask, agent):
    text = "query ($yes: Boolean = true) { word tickets @skip(if: $yes) { nodes { id } } }"
    assert (await ask(agent, text))["extensions"]["cost"]["operation"] == 1

    answer = await ask(agent, text, yes=None)
    assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_REQUEST"}]
    assert answer["extensions"]["cost"]["operation"] == 1 + 1 + 20


@pytest.mark.parametrize(
    "text",
    [
        "query ($n: Int) { tickets(first: $n) { nodes { comments(first: 100) { nodes { id } } } } }",
        'query ($n: Int) { shout(word: "a") tickets(first: $n) { nodes { comments(first: 100) { nodes { id } } } } }',
        """mutation ($n: Int) { touchAll(ids: []) { ... on TouchSuccess { ticket {
            comments(first: $n) { nodes { id } } } } } }""",
    ],
)
async def test_what_costs_too_much_is_not_begun(ask, agent, text, monkeypatch):
    ask.engine.most = Most(cost=6000)
    assert "errors" not in await ask(agent, text, n=10)
    ask.reads.statements.clear()
    monkeypatch.setattr(graphql, "execute", None)

    for _ in range(2):
        code, said = await refused(ask.engine, text, agent, n=100)
        assert code == "TOO_COSTLY"
        assert said.startswith("This operation costs 10,")
        assert said.endswith("; at most 6,000 is possible.")

    assert not ask.reads.statements
    assert not ask.reported


async def test_a_size_that_is_refused_costs_as_the_largest(ask, agent):
    for size in (0, -5, 101, 10**9):
        answer = await ask(agent, SIZED.replace("{ tickets", "{ word tickets"), n=size)
        assert [error["extensions"] for error in answer["errors"]] == [{"code": "BAD_REQUEST"}]
        assert answer["data"] == {"word": "nothing said", "tickets": None}
        assert answer["extensions"]["cost"]["operation"] == 102


async def test_types_that_multiply_are_counted_before_they_are_planned(agent):
    asked = engine(Most(pieces=15))
    text = "{ ticketByNumber(number: 3) { events { seq a: seq b: seq c: seq d: seq } } }"

    code, said = await refused(asked, text, agent)
    assert (code, said) == (
        "TOO_COSTLY",
        "This operation has 17 fields, counted for each type of object; at most 15 are possible.",
    )
    asked.most = Most(pieces=17)
    assert asked.price(asked.operation(text, None), {}).pieces == 17


async def test_a_subscription_is_refused_alike_and_its_items_do_not_tell(ask, agent, rows):
    text = "subscription ($id: ID!, $n: Int) { ticketUpdated(id: $id) { comments(first: $n) { nodes { id } } } }"
    variables = {"id": f"ptk_{rows[models.Ticket][0].id}"}
    ask.engine.most = Most(cost=50)

    stream = ask.engine.subscription(text, variables | {"n": 47}, None, agent)
    assert orjson.loads(await stream.read()).keys() == {"data"}

    for _ in range(2):
        answer = ask.engine.subscription(text, variables | {"n": 48}, None, agent)
        assert (answer.executed, answer.code) == (False, "TOO_COSTLY")
        said = "This operation costs 51; at most 50 is possible."
        assert orjson.loads(answer.body) == {"errors": [{"message": said, "extensions": {"code": "TOO_COSTLY"}}]}
