"""Planned fields of what mutations answer."""

import orjson
import planner_records as models

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
    monkeypatch.setattr(ask.engine, "planning", None)

    data = await ask.data(agent, TOUCH, id=f"ptk_{second.id}", comments=[])

    assert data["touch"]["ticket"]["id"] == f"ptk_{second.id}"


async def test_what_a_mutation_refuses(ask, agent):
    answer = await ask.engine.query(TOUCH, {"id": "ppe_1", "comments": []}, None, agent, ask.context(agent))

    assert answer.executed
    assert orjson.loads(answer.body) == {
        "data": None,
        "errors": [
            {
                "message": "This is not the id of a Ticket.",
                "locations": [{"line": 2, "column": 5}],
                "path": ["touch"],
                "extensions": {"code": "BAD_REQUEST"},
            }
        ],
        "extensions": {"cost": {"operation": 32, "most": 20_000}},
    }
