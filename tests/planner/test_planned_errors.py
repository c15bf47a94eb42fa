"""What fails: refusals, faults of PostgreSQL and of builds, values that are missing, documents that are wrong."""

import asyncpg
import orjson
import planner_records as models
import pytest
from graphql import GraphQLError

from infra.postgres import Unavailable

MASKED = "Something went wrong on our side."


async def test_a_refused_root_is_null_and_its_neighbours_answer(ask, customer, nobody, agent):
    query = "{ word staff { name } a: staff { id } ticketCount }"
    for viewer, code, said in (
        (customer, "NOT_ALLOWED", "This is for staff."),
        (nobody, "NOT_ALLOWED", "Sign in."),
    ):
        for _ in range(2):
            answer = await ask(viewer, query)

            assert answer["data"]["word"] == "nothing said"
            assert answer["data"]["staff"] is answer["data"]["a"] is None
            assert answer["data"]["ticketCount"] is not None
            assert answer["errors"] == [
                {
                    "message": said,
                    "locations": [{"line": 1, "column": column}],
                    "path": [key],
                    "extensions": {"code": code},
                }
                for key, column in (("staff", 8), ("a", 23))
            ]
    assert len((await ask.same(agent, query))["staff"]) == 2
    assert not ask.reported


async def test_a_refusal_is_known_without_planning_again(ask, customer, monkeypatch):
    await ask(customer, "{ staff { name } }")
    monkeypatch.setattr(ask.engine, "planner", None)

    answer = await ask(customer, "{ staff { name } }")

    assert answer["errors"][0]["extensions"] == {"code": "NOT_ALLOWED"}


@pytest.mark.parametrize("field", ["broken", "bug"])
async def test_a_fault_is_masked_reported_and_its_neighbours_answer(ask, agent, field):
    answer = await ask(agent, f"{{ word {field} me {{ __typename }} }}")

    assert answer["data"] == {"word": "nothing said", field: None, "me": {"__typename": "Person"}}
    [error] = answer["errors"]
    assert error == {
        "message": MASKED,
        "locations": [{"line": 1, "column": 8}],
        "path": [field],
        "extensions": {"code": "INTERNAL", "id": "id-1"},
    }
    [reported] = ask.reported
    assert isinstance(reported, asyncpg.DivisionByZeroError if field == "broken" else AttributeError)
    assert (await ask(agent, f"{{ {field} }}"))["data"] == {field: None}  # and the next request is answered as well


@pytest.mark.parametrize(("cause", "code"), [(ValueError("secret"), "INTERNAL"), (Unavailable("away"), "UNAVAILABLE")])
async def test_what_stands_behind_an_error_of_an_error_decides(ask, cause, code):
    error = GraphQLError("secret", original_error=GraphQLError("secret", original_error=cause))
    said = ask.engine.formatted(error)
    assert said["extensions"]["code"] == code
    assert said["message"] == (MASKED if code == "INTERNAL" else str(cause))
    assert ask.reported == ([cause] if code == "INTERNAL" else [])


async def test_null_where_the_schema_says_there_is_a_value(ask, agent, rows):
    for query in (
        "{ word tickets { nodes { id hole } } }",
        "{ word tickets { edges { node { hole } } totalCount } }",
        "{ word tickets: ticketByNumber(number: 3) { hole } }",
    ):
        ask.reported.clear()

        answer = await ask(agent, query)

        assert answer["data"] == {"word": "nothing said", "tickets": None}
        assert [error["path"] for error in answer["errors"]] == [["tickets"]]
        [reported] = ask.reported
        assert isinstance(reported, asyncpg.NullValueNotAllowedError)
        assert "Ticket.hole" in str(reported)


async def test_none_where_the_schema_says_there_is_a_value(ask, agent):
    answer = await ask(agent, "{ word tickets { nodes { comments { nodes { lost } } } } }")

    assert answer["data"] == {"word": "nothing said", "tickets": None}
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert [str(reported) for reported in ask.reported] == [
        "Comment.lost can't be null, and its function returned None"
    ]


async def test_what_cannot_be_null_costs_no_call(ask, agent):
    await ask.same(agent, "{ tickets { nodes { id subject status updatedAt requester { name } } } }")
    assert "deskwire_missing" not in ask.reads.statements[0]


async def test_a_failed_statement_is_tried_root_by_root(ask, agent):
    ask.reads.failures = [RuntimeError("once")]

    answer = await ask(agent, "{ word ticketCount }")

    assert answer["data"]["ticketCount"] == 120
    assert len(ask.reads.statements) == 3
    assert [str(reported) for reported in ask.reported] == ["once"]


async def test_an_absent_database_is_not_tried_again(ask, agent):
    ask.reads.failures = [Unavailable()]

    answer = await ask.engine.query("{ word }", None, None, agent, ask.context(agent))

    assert (answer.executed, answer.code, len(ask.reads.statements)) == (False, "UNAVAILABLE", 1)
    assert orjson.loads(answer.body)["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}


async def test_introspection_and_python_fields_mix_with_planned_ones(ask, agent, rows):
    query = """{ __typename __schema { queryType { name } } __type(name: "TicketStatus") { enumValues { name } }
        shout(word: "fire") ticketByNumber(number: 2) { subject status latest { __typename } requester { name } }
        queue { limits { status most } } nodes(ids: []) { id } statusCounts { status } }"""

    data = await ask.data(agent, query)

    ticket = rows[models.Ticket][1]
    assert data["__schema"] == {"queryType": {"name": "Query"}}
    assert [value["name"] for value in data["__type"]["enumValues"]] == ["OPEN", "PENDING", "SOLVED"]
    assert data["shout"] == "FIRE, Role.AGENT"
    assert data["ticketByNumber"]["subject"] == ticket.subject
    assert data["ticketByNumber"]["status"] == ticket.status.name
    assert data["ticketByNumber"]["latest"] == {"__typename": "Comment"}
    assert data["queue"]["limits"] == [{"status": "OPEN", "most": 5}, {"status": "SOLVED", "most": 7}]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", None),
        ("{", None),
        ("{ nonsense }", None),
        ("query A { word } query B { word }", None),
        ("query A { word } query B { word }", "C"),
        ("query A { word }", "B"),
        ("query A { word }", ""),
        ("fragment F on Query { word }", None),
        ("subscription { queueUpdated { name } }", None),
        ("{ word(say: 5) }", None),
        ("query ($x: Int) { word(say: $x) }", None),
        ("{ ...F } fragment F on Query { ...F }", None),
        ("{" * 5000, None),
    ],
)
async def test_a_wrong_document_is_not_executed(ask, agent, text, name):
    answer = await ask.engine.query(text, {}, name, agent, ask.context(agent))

    assert (answer.executed, answer.code) == (False, "BAD_REQUEST")
    body = orjson.loads(answer.body)
    assert body.keys() == {"errors"}
    assert all(error["extensions"] == {"code": "BAD_REQUEST"} for error in body["errors"])
    assert not ask.reads.statements
    assert not ask.reported


async def test_an_operation_may_be_wide_but_not_bottomless(ask, agent, rows):
    wide = " ".join(f"a{n}: number" for n in range(1600))
    data = await ask.data(agent, f"{{ ticketByNumber(number: 3) {{ {wide} }} }}")
    assert set(data["ticketByNumber"].values()) == {3}
    assert len(data["ticketByNumber"]) == 1600

    deep = "number"
    for _ in range(60):
        deep = f"comments {{ nodes {{ ticket {{ {deep} }} }} }}"
    answer = await ask(agent, f"{{ ticketByNumber(number: 3) {{ {deep} }} }}")
    assert answer["errors"][0]["extensions"]["code"] in {"TOO_COSTLY", "BAD_REQUEST"}
    assert not ask.reported


async def test_what_is_too_deep_to_be_planned_is_refused_once_and_for_all(ask, agent, monkeypatch):
    tried = []

    def planner(*_given):
        tried.append(1)
        raise RecursionError

    monkeypatch.setattr(ask.engine, "planner", planner)
    for _ in range(2):
        answer = await ask(agent, "{ word }")
        assert answer["errors"] == [
            {"message": "This operation is nested too deeply.", "extensions": {"code": "TOO_COSTLY"}}
        ]
    assert tried == [1]


async def test_a_variable_within_json_is_refused(ask, agent):
    query = "query ($n: Int) { tickets(filter: {form: {n: $n}}) { totalCount } }"
    answer = await ask.engine.query(query, {"n": 1}, None, agent, ask.context(agent))
    assert (answer.executed, answer.code) == (False, "BAD_REQUEST")


async def test_operations_are_chosen_by_name_and_told_apart(ask, agent):
    text = """query A { word } query B { other: word } mutation M { touchAll(ids: []) { __typename } }
        subscription S { queueUpdated { name } }"""
    assert (await ask(agent, text, "A"))["data"] == {"word": "nothing said"}
    assert (await ask(agent, text, "B"))["data"] == {"other": "nothing said"}
    assert (await ask(agent, text, "M"))["data"] == {"touchAll": []}
    kinds = [getattr(ask.engine.operation(text, name), "kind", None) for name in ("A", "B", "M", "S", "X", None)]
    assert kinds == ["query", "query", "mutation", "subscription", None, None]
