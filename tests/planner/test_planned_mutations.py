"""Mutations: planned fields of what they answer, and answering without graphql-core what it would answer."""

import orjson
import planner_api as api
import planner_mutations as mutations
import planner_records as models
import pytest

from infra.postgres import Unavailable
from planner.engine import Engine
from planner.mutations import Mutation

TOUCH = """mutation ($id: ID!, $comments: [ID!]!, $fail: Boolean! = false, $n: Int = 1) {
    touch(id: $id, comments: $comments, fail: $fail) { __typename
      ... on TouchSuccess { said ticket { id status requester { name } latest { __typename ... on Comment { link } }
          comments(first: $n) { nodes { id } } again: comments(first: 2) { nodes { id } } }
        last { id author { name } } comments { id body } maybe { id } }
      ... on Conflict { message current { __typename id ... on Ticket { subject events { __typename seq } } } } } }"""


async def test_a_payload_reads_by_the_keys_that_the_answer_holds(ask, agent, rows):
    ticket = rows[models.Ticket][1]
    theirs = sorted(
        (row for row in rows[models.Comment] if row.ticket_id == ticket.id), key=lambda row: row.id, reverse=True
    )
    chosen = [theirs[3], theirs[1], theirs[3]]
    ids = [f"pco_{row.id}" for row in chosen]

    data = await ask.data(agent, TOUCH, id=f"ptk_{ticket.id}", comments=ids, n=2)

    done = data["touch"]
    assert list(done) == ["__typename", "said", "ticket", "last", "comments", "maybe"]
    assert done["said"] == "Role.AGENT"
    assert done["ticket"]["id"] == f"ptk_{ticket.id}"
    assert done["ticket"]["status"] == ticket.status.name
    assert done["ticket"]["comments"] == done["ticket"]["again"]
    assert [node["id"] for node in done["ticket"]["again"]["nodes"]] == [f"pco_{row.id}" for row in theirs[:2]]
    assert done["ticket"]["latest"]["link"].startswith(f"https://files/{theirs[0].id}")
    assert done["last"]["id"] == ids[0]
    assert done["comments"] == [{"id": f"pco_{row.id}", "body": row.body} for row in chosen]
    assert [node["id"] for node in done["maybe"]] == ids


async def test_a_payload_is_read_as_the_viewer(ask, customer, mine, rows):
    ticket = mine[1]
    theirs = [row for row in rows[models.Comment] if row.ticket_id == ticket.id]
    ids = [f"pco_{row.id}" for row in theirs]

    done = (await ask.data(customer, TOUCH, id=f"ptk_{ticket.id}", comments=ids))["touch"]

    seen = [None if row.internal else {"id": f"pco_{row.id}"} for row in theirs]
    assert done["maybe"] == seen
    assert [{"id": node["id"]} for node in done["comments"]] == [node for node in seen if node]


async def test_null_and_a_node_of_any_type(ask, agent, rows):
    ticket = rows[models.Ticket][1]
    before = len(ask.reads.statements)
    done = (await ask.data(agent, TOUCH, id=f"ptk_{ticket.id}", comments=[]))["touch"]
    assert (done["last"], done["comments"], done["maybe"]) == (None, [], [])
    assert len(ask.reads.statements) == before + 3

    done = (await ask.data(agent, TOUCH, id=f"ptk_{ticket.id}", comments=[], fail=True))["touch"]
    assert done["__typename"] == "Conflict"
    assert done["current"]["subject"] == ticket.subject
    assert done["current"]["events"][0] == {"__typename": "TicketSubmitted", "seq": 1}


async def test_payloads_of_many_results_share_a_plan_and_go_together(ask, agent, rows):
    query = "mutation ($ids: [ID!]!) { touchAll(ids: $ids) { ... on TouchSuccess { ticket { number } } } }"
    tickets = rows[models.Ticket][:20]

    data = await ask.data(agent, query, ids=[f"ptk_{row.id}" for row in tickets])

    assert [result["ticket"]["number"] for result in data["touchAll"]] == [row.number for row in tickets]
    assert len(ask.reads.statements) < 10
    assert len(set(ask.reads.statements)) == 2


async def test_a_second_mutation_finds_its_plans(ask, agent, rows, monkeypatch):
    first, second = rows[models.Ticket][1:3]
    await ask.data(agent, TOUCH, id=f"ptk_{first.id}", comments=[])
    monkeypatch.setattr(ask.engine, "planner", None)

    data = await ask.data(agent, TOUCH, id=f"ptk_{second.id}", comments=[])

    assert data["touch"]["ticket"]["id"] == f"ptk_{second.id}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ppe_1", "This is not the id of a Ticket."),
        ("ptk_1", "This is not an id."),
        ("ptk_0ABCDEF0-0000-7000-8000-000000000000", "This is not an id."),  # one has one spelling
        ("ptk_0abcdef0000070008000000000000000", "This is not an id."),
    ],
)
async def test_what_a_mutation_refuses(ask, agent, given, said):
    answer = await ask.engine.query(TOUCH, {"id": given, "comments": []}, None, agent, ask.context(agent))

    assert answer.executed
    assert orjson.loads(answer.body) == {
        "data": None,
        "errors": [
            {
                "message": said,
                "locations": [{"line": 2, "column": 5}],
                "path": ["touch"],
                "extensions": {"code": "BAD_REQUEST"},
            }
        ],
        "extensions": {"cost": {"operation": 32, "most": 20_000}},
    }


# --- Without graphql-core ---------------------------------------------------------------------------------------------


@pytest.fixture
def both(ask):
    """Gives the answer of either way, which must be the same, and how often each performed."""
    ask.engine = Engine(mutations.SCHEMA, ask.reads, refusals=api.Forbidden, report=ask.report, given="files")

    async def answers(viewer, text, **variables):
        operation = ask.engine.document(text).operation(None)
        cost = ask.engine.price(operation, operation.variables.coerce(variables)).cost
        mutations.CALLS.clear()
        ask.reported.clear()
        reference = await ask.engine.execute(operation, variables, ask.context(viewer), None, cost)
        performed, reported = list(mutations.CALLS), [repr(error) for error in ask.reported]
        mutations.CALLS.clear()
        ask.reported.clear()
        ask.reads.statements.clear()
        answer = await ask.engine.query(text, variables, None, viewer, ask.context(viewer))
        assert answer == reference
        assert performed == mutations.CALLS
        assert [repr(error) for error in ask.reported] == reported
        return orjson.loads(answer.body)

    return answers


CHANGE = """mutation ($input: ChangeInput!, $name: String, $which: Choice, $first: Int = 1, $yes: Boolean = true) {
  change(input: $input, name: $name, which: $which) { __typename ...Done
    ... on Conflict { message kind: __typename current { id ... on Ticket { subject } } } } }
fragment Done on Changed { count whole { at parts { called: name status __typename } spare { status }
    one: ticket { number comments(first: $first) { nodes { body } } } }
  ticket @include(if: $yes) { id subject latest { __typename ... on Comment { link } } }
  comments { id } again: comments @skip(if: $yes) { body } }"""


@pytest.fixture
def given(rows):
    """An input that names a ticket and comments."""
    ticket = rows[models.Ticket][1]
    comments = [row for row in rows[models.Comment] if row.ticket_id == ticket.id][:2]
    return {
        "how": "",
        "ticket": f"ptk_{ticket.id}",
        "comments": [f"pco_{row.id}" for row in comments],
        "name": "über 🔥 \\ \n\t\x7f/",
    }


HOWS = [
    "",
    "conflict",
    "none",
    "forbidden",
    "error",
    "graphql",
    "another type",
    "a gap",
    "nothing there",
    "nothing there where something must be",
    "another viewer",
]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("ticket", [True, False])
async def test_both_ways_answer_the_same(both, ask, agent, customer, given, how, ticket):
    given = given | {"how": how} | ({} if ticket else {"ticket": None})
    for viewer in (agent, customer, agent):
        answer = await both(viewer, CHANGE, input=given)
        fine = "errors" not in answer and how != "none"
        if fine:
            assert len(ask.reads.statements) <= 1
    assert fine == (how in {"", "conflict", "nothing there"} and (ticket or how == "conflict")), answer


async def test_what_goes_well_goes_without_graphql_core(both, ask, agent, given, monkeypatch):
    monkeypatch.setattr(Engine, "execute", None)
    for how in ("", "conflict", "nothing there", "none", ""):
        ask.reads.statements.clear()
        variables = {"input": given | {"how": how}}
        answer = await ask.engine.query(CHANGE, variables, None, agent, ask.context(agent))
        assert "errors" not in orjson.loads(answer.body)
        assert len(ask.reads.statements) == (how != "none")
    monkeypatch.setattr(ask.engine, "planner", None)  # and what is planned is kept
    assert await ask.engine.query(CHANGE, variables, None, agent, ask.context(agent)) == answer


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["changeSurely", "changeRefusal", "changeOnly"])
async def test_whatever_the_type_of_the_answer_is(both, agent, given, how, name):
    text = f"""mutation ($input: ChangeInput!) {{ __typename {name}(input: $input) {{ __typename
      {"... on Changed { count }" if name != "changeRefusal" else "message"} }} }}"""
    await both(agent, text, input=given | {"how": how})
    await both(agent, text.replace("__typename " + name, name), input=given | {"how": how})


@pytest.mark.parametrize("variables", [{}, {"yes": True}, {"yes": False}, {"first": 2}, {"first": None}, {"first": 0}])
@pytest.mark.parametrize(
    "more", [{}, {"name": None}, {"name": "x"}, {"which": {"name": "x"}}, {"which": {"number": 1}}]
)
async def test_variables_absent_null_and_given(both, agent, given, variables, more):
    await both(agent, CHANGE, input=given, **variables, **more)


async def test_several_run_one_after_the_other_and_each_fails_alone(both, agent, given):
    for how in HOWS:
        text = f"""mutation ($input: ChangeInput!, $name: String) {{
            first: change(input: {{how: "conflict", name: "1"}}, name: $name) {{ ... on Conflict {{ message }} }}
            second: change(input: {{how: "{how}", name: null}}) {{ ...F }} ...G
            left: change(input: $input) @skip(if: true) {{ __typename }} }}
          fragment F on ChangeResult {{ ... on Changed {{ count whole {{ ticket {{ id }} }} }} }}
          fragment G on Mutation {{ third: change(input: $input) {{ ...F }} second: change(input: {{how: "{how}",
            name: null}}) {{ __typename }} }}"""
        answer = await both(agent, text, input=given)
        assert answer["data"].keys() == {"first", "second", "third"}
        assert (answer["data"]["third"] is None) == (how == "another viewer")
        await both(agent, text.replace("second: change(", "second: changeSurely("), input=given)


@pytest.mark.parametrize(
    "literal",
    [
        '{how: "", name: null}',
        '{how: "", name: "x", status: SOLVED, comments: [], parts: []}',
        '{how: "", name: "x", parts: [{called: "a"}, {called: null, sizes: [1, null]}]}',
        '{how: "", name: "x", parts: {called: "a", sizes: 1}}',
        "{how: $how, name: $name, status: $status}",
    ],
)
@pytest.mark.parametrize("how", [{}, {"how": "conflict"}])
async def test_arguments_are_what_strawberry_makes_of_them(both, agent, literal, how):
    head = 'mutation ($how: String! = "none", $name: String, $status: TicketStatus! = PENDING)'
    head = head if "$" in literal else "mutation"
    for _ in range(2):
        await both(agent, f"{head} {{ change(input: {literal}) {{ __typename }} }}", **how if "$" in literal else {})


@pytest.mark.parametrize(
    ("literal", "which"),
    [
        ("{}", {}),
        ('{name: "x", number: 1}', {"name": "x", "number": 1}),
        ('{name: "x", number: null}', {"name": "x", "number": None}),
        ("{name: null}", {"name": None}),
    ],
)
async def test_one_of_several_is_exactly_one(both, ask, agent, given, literal, which):
    """Otherwise nothing is executed, and it is told where that stands; clients are told of it by introspection."""
    for text, variables in (
        (CHANGE.replace("$which: Choice, ", "").replace("$which", literal), {}),
        (CHANGE, {"which": which}),
    ):
        mutations.CALLS.clear()
        answer = await ask.engine.query(text, {"input": given, **variables}, None, agent, ask.context(agent))
        assert (answer.executed, answer.code) == (False, "BAD_REQUEST")
        assert all(error["locations"] for error in orjson.loads(answer.body)["errors"])
        assert mutations.CALLS == []

    nullable = CHANGE.replace("$which: Choice", "$number: Int").replace("$which", "{number: $number}")
    answer = await ask.engine.query(nullable, {"input": given, "number": 1}, None, agent, ask.context(agent))
    assert answer.executed is False
    answer = await both(agent, nullable.replace("$number: Int", "$number: Int!"), input=given, number=1)
    assert "errors" not in answer

    types = '{ choice: __type(name: "Choice") { isOneOf } input: __type(name: "ChangeInput") { isOneOf }'
    data = await both(
        agent, types + ' query: __type(name: "Query") { isOneOf } text: __type(name: "String") { isOneOf } }'
    )
    assert [found["isOneOf"] for found in data["data"].values()] == [True, False, None, None]


async def test_what_is_wrong_with_arguments_is_said_by_graphql_core(both, agent):
    text = """mutation ($status: TicketStatus = OPEN, $name: String) {
        change(input: {how: "conflict", name: $name, status: $status}) { __typename } }"""
    answer = await both(agent, text, status=None)
    assert answer["data"] == {"change": None}
    assert answer["errors"][0]["path"] == ["change"]
    await both(agent, text, name=None)


async def test_a_mutation_that_may_be_or_not_is_not_made(both, agent, given):
    """Nor any of its neighbours: what is null says neither that it should be left out nor that it should not."""
    text = """mutation ($input: ChangeInput!, $perhaps: Boolean = true) {
        first: change(input: $input) { __typename } change(input: $input) @include(if: $perhaps) { __typename } }"""
    answer = await both(agent, text, input=given, perhaps=None)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_REQUEST"]
    assert mutations.CALLS == []

    answer = await both(agent, text, input=given, perhaps=False)
    assert answer["data"].keys() == {"first"}


async def test_each_request_of_a_mutation_is_answered_as_it_asks(both, agent, given):
    """What was planned for others is taken only where they asked alike, and where what was done holds the same."""
    for variables in ({"first": 1}, {"first": 2}, {"yes": False}, {"first": 3, "yes": None}, {"first": 1}):
        for how in ("", "conflict", "conflict about a comment"):
            for ticket in (given["ticket"], None):
                await both(agent, CHANGE, input=given | {"how": how, "ticket": ticket}, **variables)


@pytest.mark.usefixtures("both")
async def test_an_input_without_what_it_must_have_is_not_executed(ask, agent):
    mutations.CALLS.clear()
    for given in ({"name": "x"}, {"how": "", "name": None, "parts": [{"called": "x", "sizes": [1], "size": 1}]}):
        answer = await ask.engine.query(CHANGE, {"input": given}, None, agent, ask.context(agent))
        assert (answer.executed, answer.code) == (False, "BAD_REQUEST")
    assert mutations.CALLS == []


async def test_when_the_answer_cannot_be_read_the_mutation_is_not_made_again(both, ask, agent, given):
    ask.reads.failures = [RuntimeError("once")]
    mutations.CALLS.clear()
    answer = await ask.engine.query(CHANGE, {"input": given}, None, agent, ask.context(agent))
    assert orjson.loads(answer.body)["data"]["change"]["count"] == 2
    assert [str(error) for error in ask.reported] == ["once"]
    assert len(mutations.CALLS) == 1

    ask.reads.failures = [Unavailable(), Unavailable(), Unavailable(), Unavailable()]
    answer = orjson.loads((await ask.engine.query(CHANGE, {"input": given}, None, agent, ask.context(agent))).body)
    assert answer["data"] == {"change": None}
    assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert len(mutations.CALLS) == 2


async def test_why_graphql_core_performs_a_mutation_is_known(both, ask, agent, given):
    fields = mutations.SCHEMA._schema.mutation_type.fields
    found = {name: Mutation(mutations.SCHEMA._schema, field).hindrance for name, field in fields.items()}
    assert found == {
        "change": None,
        "changeSurely": None,
        "changeRefusal": None,
        "changeOnly": None,
        "plain": "Strawberry alone knows how it is performed.",
        "many": "It answers with something else than one object.",
        "scalar": "It answers with something else than one object.",
        "oddShout": "Odd.shout is no attribute of what a mutation returns.",
        "oddWholes": "Whole.ticket may be many, each with a key of its own.",
        "oddName": "OddPlan.name is no attribute of what a mutation returns.",
        "oddNode": "OddKind.node may be of several types.",
    }
    text = (
        "mutation ($input: ChangeInput!) { plain(input: $input) { __typename } change(input: $input) { __typename } }"
    )
    answer = await both(agent, text, input=given)
    assert answer["data"] == {"plain": {"__typename": "Changed"}, "change": {"__typename": "Changed"}}
