"""Arguments: variables and literals, what is plain, what is checked."""

import datetime as dt
import itertools

import planner_records as models
import pytest
from planner_records import Status

NOWHERE = "00000000-0000-0000-0000-000000000000"
LIST = "query ($f: TicketFilter, $all: Boolean! = true) "
LIST += "{ tickets(filter: $f, solvedToo: $all, first: 100) { nodes { number } } }"


def numbers(data):
    return sorted(node["number"] for node in data["tickets"]["nodes"])


def those(rows, holds):
    return sorted(row.number for row in rows[models.Ticket] if holds(row))


async def test_every_kind_of_filter(ask, agent, rows):
    people, tickets = rows[models.Person], rows[models.Ticket]
    some, moment = tickets[30], tickets[60].updated_at
    cases = [
        (None, lambda _: True),
        ({}, lambda _: True),
        ({"statuses": ["OPEN", "PENDING", "OPEN"]}, lambda t: t.status is not Status.SOLVED),
        ({"statuses": []}, lambda _: True),
        ({"text": "FIRE"}, lambda t: "fire" in t.subject),
        ({"text": "it's 100 % $1 :x"}, lambda t: "it's 100 % $1 :x" in t.subject),
        ({"assigned": True}, lambda t: t.assignee_id is not None),
        ({"assigned": False}, lambda t: t.assignee_id is None),
        ({"assigned": None}, lambda _: True),
        ({"assigneeId": None}, lambda t: t.assignee_id is None),
        ({"assigneeId": f"ppe_{people[4].id}"}, lambda t: t.assignee_id == people[4].id),
        (
            {"requesterIds": [f"ppe_{people[n].id}" for n in (1, 2)]},
            lambda t: t.requester_id in (people[1].id, people[2].id),
        ),
        ({"numbers": [1, 5, 5, 1000]}, lambda t: t.number in (1, 5)),
        ({"numbers": []}, lambda _: False),
        ({"tags": ["mail", "tab\t\x01"]}, lambda t: {"mail", "tab\t\x01"} & set(t.tags)),
        ({"updated": {"from": moment.isoformat()}}, lambda t: t.updated_at >= moment),
        (
            {"updated": {"to": "2026-11-24T10:29:00.000+01:00"}},
            lambda t: t.updated_at < models.NOW - dt.timedelta(minutes=1),
        ),
        ({"updated": {"from": moment.isoformat(), "to": None}}, lambda t: t.updated_at >= moment),
        ({"day": some.day.isoformat()}, lambda t: t.day == some.day),
        ({"opens": "03:30"}, lambda t: t.opens == dt.time(3, 30)),
        ({"form": {"n": 7}}, lambda t: t.form["n"] == 7),
        (
            {"anyOf": [{"numbers": [3]}, {"statuses": ["SOLVED"], "assigned": False}]},
            lambda t: t.number == 3 or (t.status is Status.SOLVED and t.assignee_id is None),
        ),
    ]
    for given, holds in cases:
        expected = those(rows, holds)
        page = await ask.same(agent, LIST.replace("first: 100", "first: 100") + "", f=given)
        assert numbers(page) == sorted(in_page(rows, expected)), given


def in_page(rows, expected):
    newest = sorted(rows[models.Ticket], key=lambda row: (row.updated_at, row.id), reverse=True)
    return [row.number for row in newest if row.number in expected][:100]


async def test_literals_do_as_variables_do(ask, agent, rows):
    person = rows[models.Person][4]
    literal = f"""query ($t: String, $n: Int!, $id: ID!) {{ tickets(first: 100, solvedToo: false, filter: {{
        statuses: [OPEN, SOLVED], text: $t, numbers: [$n, 5, 9], requesterIds: [$id, "ppe_{person.id}"],
        updated: {{from: "2020-01-01T00:00Z"}}, opens: "04:30", form: {{n: 4}} }}) {{ nodes {{ number }} }} }}"""
    other = rows[models.Person][5]

    data = await ask.same(agent, literal, t="", n=5, id=f"ppe_{other.id}")

    ticket = rows[models.Ticket][4]
    assert numbers(data) == ([5] if ticket.status is Status.OPEN else [])
    assert numbers(await ask.same(agent, "{ tickets(filter: {numbers: 7}) { nodes { number } } }")) == [7]


async def test_an_absent_variable_is_an_absent_argument(ask, agent, rows):
    query = """query ($text: String, $assigned: Boolean) {
        tickets(first: 100, filter: {text: $text, assigned: $assigned}) { nodes { number } } }"""
    assert len(numbers(await ask.same(agent, query))) == 100
    assert numbers(await ask.same(agent, query, assigned=False)) == those(rows, lambda t: t.assignee_id is None)
    unsolved = await ask.same(agent, LIST, all=False)
    assert numbers(unsolved) == sorted(in_page(rows, those(rows, lambda t: t.status is not Status.SOLVED)))


@pytest.mark.parametrize(
    ("query", "variables", "said"),
    [
        (LIST, {"f": {"text": "x" * 41}}, "filter.text: at most 40 characters."),
        (LIST, {"f": {"numbers": [1] * 6}}, "filter.numbers: at most 5 items."),
        (LIST, {"f": {"tags": ["x"] * 101}}, "filter.tags: at most 100 items."),
        (LIST, {"f": {"anyOf": [{}] * 101}}, "filter.anyOf: at most 100 items."),
        (LIST, {"f": {"text": "a\0b"}}, "filter.text: Text can't hold such characters."),
        (LIST, {"f": {"text": "\ud800"}}, "filter.text: Text can't hold such characters."),
        (LIST, {"f": {"tags": ["a\0b"]}}, "filter.tags: Text can't hold such characters."),
        (LIST, {"f": {"requesterIds": ["ppe_x"]}}, "filter.requesterIds: This is not an id."),
        (
            LIST,
            {"f": {"requesterIds": ["ptk_" + NOWHERE]}},
            "One of these is not the id of a Person.",
        ),
        (
            LIST,
            {"f": {"requesterIds": ["ppe_" + NOWHERE, "ptk_" + NOWHERE]}},
            "One of these is not the id of a Person.",
        ),
        (
            LIST,
            {"f": {"requesterIds": ["ppe_" + NOWHERE, f"ppe_{NOWHERE}x"]}},
            "filter.requesterIds: This is not an id.",
        ),
        (LIST, {"f": {"requesterIds": ["ppe_" + NOWHERE] * 4}}, "filter.requesterIds: at most 3 items."),
        (LIST, {"f": {"assigneeId": "ppe_"}}, "filter.assigneeId: This is not an id."),
        ('{ tickets(filter: {text: "' + "x" * 41 + '"}) { totalCount } }', {}, "filter.text: at most 40 characters."),
        ("query ($n: Int!) { tickets: ticketByNumber(number: $n) { id } }", {"n": 0}, "number: 1 to 1000000."),
        ("{ tickets: ticketByNumber(number: 0) { id } }", {}, "number: 1 to 1000000."),
        ("query ($n: Int!) { tickets: statusCounts(first: $n) { count } }", {"n": 4}, "first: 1 to 3."),
        ('{ tickets: search(text: "") { totalCount } }', {}, "text: 1 to 50 characters."),
        ("query ($id: ID!) { tickets: ticket(id: $id) { id } }", {"id": "ptk_1"}, "id: This is not an id."),
        ("query ($id: ID!) { tickets: node(id: $id) { id } }", {"id": "garbage"}, "id: This is not an id."),
        ("query ($id: ID!) { tickets: node(id: $id) { id } }", {"id": "ptk_" + "A" * 32}, "id: This is not an id."),
        (
            "query ($id: ID!) { tickets: ticket(id: $id) { id } }",
            {"id": "pco_" + NOWHERE},
            "This is not the id of a Ticket.",
        ),
    ],
)
async def test_what_breaks_a_limit_is_refused_at_its_field(ask, agent, query, variables, said):
    for _ in range(2):
        answer = await ask(agent, query.replace("{ tickets", "{ me { __typename } tickets", 1), **variables)

        assert answer["data"] == {"me": {"__typename": "Person"}, "tickets": None}
        [error] = answer["errors"]
        assert error["path"] == ["tickets"]
        assert error["extensions"] == {"code": "BAD_REQUEST"}
        assert error["message"] == said
        assert error["locations"][0]["line"] == 1
    assert not ask.reported


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"id": None},
        {"id": 5.5},
        {"id": "ptk_", "n": "1"},
        {"id": "ptk_", "n": 2**31},
        {"id": "ptk_", "s": ["NONE"]},
        {"id": "ptk_", "s": "OPEN", "f": {"nonsense": 1}},
        {"id": "ptk_", "f": {"updated": {"from": "2026-01-01T00:00:00"}}},
        {"id": "ptk_", "f": {"day": "2026-02-30"}},
        {"id": "ptk_", "f": {"opens": "24:01"}},
        {"id": "ptk_", "f": {"form": []}},
        {"id": "ptk_", "f": {"text": 1}},
    ],
)
async def test_wrong_variables_are_not_executed(ask, agent, variables):
    query = """query ($id: ID!, $n: Int = 1, $s: [TicketStatus!], $f: TicketFilter) { ticket(id: $id) { id }
        ticketByNumber(number: $n) { id } tickets(filter: $f) { totalCount }
        t: tickets(filter: {statuses: $s}) { totalCount } }"""

    answer = await ask.engine.query(query, variables, None, agent, ask.context(agent))

    assert not answer.executed
    assert answer.code == "BAD_REQUEST"
    assert answer.body.startswith(b'{"errors":[')
    assert not ask.reads.statements
    assert not ask.reported


async def test_variables_are_read_as_graphql_core_reads_them(ask, agent, rows):
    query = """query ($n: Int! = 3, $s: [TicketStatus!] = OPEN, $f: TicketFilter = {numbers: 4}) {
        ticketByNumber(number: $n) { number } a: tickets(filter: $f) { nodes { number } }
        b: tickets(filter: {statuses: $s}) { totalCount } }"""

    data = await ask.same(agent, query, unused=[1])
    assert data["ticketByNumber"] == {"number": 3}
    assert data["a"]["nodes"] == [{"number": 4}]
    assert data["b"]["totalCount"] == len(those(rows, lambda t: t.status is Status.OPEN))

    data = await ask.same(agent, query, n=5, s="SOLVED", f={"numbers": 6})  # one item for a list
    assert data["ticketByNumber"] == {"number": 5}
    assert data["a"]["nodes"] == [{"number": 6}]
    assert data["b"]["totalCount"] == len(those(rows, lambda t: t.status is Status.SOLVED))


async def test_a_variable_is_no_part_of_a_value_that_sql_reads_whole(ask, agent):
    text = """query part ($v: String) { tickets(filter: { form: { a: $v } }) { totalCount } }
        query plain { word(say: "x") }"""

    refused = await ask(agent, text, "part", v="x")

    assert [error["message"] for error in refused["errors"]] == [
        "A variable can't be a part of a value of type JSON: give all of it as a variable."
    ]
    assert (await ask(agent, text, "plain"))["data"] == {"word": "x"}


async def test_one_variable_may_be_of_another_kind_at_each_place(ask, open_desk, agent):
    fields = ("kindOf(text: $t)", "search(text: $t) { totalCount }", "word(say: $t)")
    for order in itertools.permutations(fields):
        text = f"query ($t: String!) {{ {' '.join(order)} }}"
        for said in ("17", "ab", "mail", "1234"):
            data = await ask.same(agent, text, t=said)
            assert data == await open_desk().same(agent, text, t=said)
            assert (data["kindOf"], data["word"]) == (f"{len(said)} characters", said)
