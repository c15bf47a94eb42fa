"""What builds may return, against the rows themselves and against graphql-core."""

import orjson
import planner_records as models
import pytest
from planner_records import Status

LEAVES = """query ($id: ID!) { ticket(id: $id) {
    __typename id number subject status tags score urgent form day opens updatedAt dueAt
    requesterId mine can moments } }"""
PEOPLE = """query ($id: ID!) { ticket(id: $id) {
    requester { ...P } assignee { ...P } checkedBy { ...P } authors { id } authorNames } }
    fragment P on Person { __typename id name website email presence { id since ticketCount } }"""
KINDS = """query ($id: ID!, $brief: Boolean!) {
    node(id: $id) { __typename id ... on Person { name } ...E ... on Ticket {
      subject @skip(if: $brief)
      latest { __typename ... on Node { id } ... on Comment { body link } ... on StatusChanged { seq } }
      events { ...E }
      some: comments(last: 2) @include(if: $brief) { pageInfo { hasPreviousPage } edges { cursor } } } } }
    fragment E on TicketEvent { __typename id seq
      ... on CommentAdded { comment { body author { name } } } ... on StatusChanged { to: status } }"""


def moment(value):
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"


def by_id(rows, model, key):
    return next((row for row in rows[model] if row.id == key), None)


async def test_every_kind_of_leaf(ask, agent, rows):
    for ticket in rows[models.Ticket][:5]:
        data = await ask.same(agent, LEAVES, id=f"ptk_{ticket.id}")

        assert data["ticket"] == {
            "__typename": "Ticket",
            "id": f"ptk_{ticket.id}",
            "number": ticket.number,
            "subject": ticket.subject,
            "status": ticket.status.name,
            "tags": ticket.tags,
            "score": ticket.score,
            "urgent": ticket.urgent,
            "form": ticket.form,
            "day": ticket.day.isoformat(),
            "opens": f"{ticket.opens:%H:%M}",
            "updatedAt": moment(ticket.updated_at),
            "dueAt": moment(ticket.due_at),
            "requesterId": f"ppe_{ticket.requester_id}",
            "mine": False,
            "can": ["OPEN", "SOLVED"],
            "moments": [moment(ticket.updated_at)],
        }


async def test_relationships_lists_and_objects_of_the_same_row(ask, agent, customer, rows, mine):
    def person(key, viewer):
        found = by_id(rows, models.Person, key)
        staff = viewer is agent
        return found and {
            "__typename": "Person",
            "id": f"ppe_{found.id}",
            "name": found.name,
            "website": found.website,
            "email": found.email if staff or found.id == viewer.id else None,
            "presence": {
                "id": f"pps_{found.id}",
                "since": moment(found.seen_at),
                "ticketCount": sum(row.requester_id == found.id for row in rows[models.Ticket]),
            }
            if staff and found.seen_at
            else None,
        }

    for viewer in (agent, customer):
        for ticket in mine[:6]:
            data = await ask.same(viewer, PEOPLE, id=f"ptk_{ticket.id}")

            wrote = {row.author_id for row in rows[models.Comment] if row.ticket_id == ticket.id}
            authors = sorted((row for row in rows[models.Person] if row.id in wrote), key=lambda row: row.name)
            assert data["ticket"] == {
                "requester": person(ticket.requester_id, viewer),
                "assignee": person(ticket.assignee_id, viewer),
                "checkedBy": person(ticket.reviewer_id, viewer),
                "authors": [{"id": f"ppe_{row.id}"} for row in authors],
                "authorNames": [row.name for row in authors],
            }


async def test_a_union_over_two_tables_and_an_interface_by_kind(ask, agent, customer, rows):
    data = await ask.data(customer, "{ tickets(first: 100) { nodes { id number } } }")
    assert {row["number"] for row in data["tickets"]["nodes"]} == {
        row.number for row in rows[models.Ticket] if row.requester_id == customer.id
    }
    for brief in (True, False):
        for model, prefix in ((models.Person, "ppe"), (models.Comment, "pco"), (models.Event, "pev")):
            for row in rows[model][:3]:
                await ask.same(agent, KINDS, id=f"{prefix}_{row.id}", brief=brief)
    bare, full = rows[models.Ticket][0], rows[models.Ticket][1]

    data = await ask.same(agent, KINDS, id=f"ptk_{bare.id}", brief=False)
    assert data["node"]["latest"]["__typename"] == "StatusChanged"
    assert [event["__typename"] for event in data["node"]["events"]] == ["TicketSubmitted", "StatusChanged"]

    data = await ask.same(agent, KINDS, id=f"ptk_{full.id}", brief=False)
    last = max((row for row in rows[models.Comment] if row.ticket_id == full.id), key=lambda row: row.id)
    link = f'https://files/{last.id}?{len(last.body)}&"'
    assert data["node"]["latest"] == {
        "__typename": "Comment",
        "id": f"pco_{last.id}",
        "body": last.body,
        "link": link,
    }
    seen = sorted((row.seq, row.kind) for row in rows[models.Event] if row.ticket_id == full.id)
    assert [event["seq"] for event in data["node"]["events"]] == [seq for seq, _ in seen]


async def test_computed_leaves_are_given_what_json_has(ask, agent, rows):
    for comment in rows[models.Comment][:5]:
        data = await ask.same(
            agent, "query ($id: ID!) { node(id: $id) { ... on Comment { seen } } }", id=f"pco_{comment.id}"
        )

        values = (True, len(comment.body), None, 2.5, str(comment.author_id))
        assert data["node"]["seen"] == (repr(values) if comment.internal else None)


WORDS = """query ($id: ID!, $n: Int!) { node(id: $id) { ... on Comment { words(first: $n) { ...W }
  two: words { text } longest { length t: text rest { letters __typename } } } } }
  fragment W on Word { __typename text length status rest { letters } }"""


async def test_computed_objects_have_what_is_selected_of_them(ask, agent, rows):
    for comment in rows[models.Comment][:5]:
        found = (await ask.same(agent, WORDS, id=f"pco_{comment.id}", n=3))["node"]

        words = comment.body.split()
        assert [(each["__typename"], each["text"], each["length"]) for each in found["words"]] == [
            ("Word", word, len(word)) for word in words[:3]
        ]
        assert found["two"] == [{"text": word} for word in words[:2]]
        for each in found["words"]:
            assert each["rest"] == ({"letters": list(each["text"])} if each["length"] > 4 else None)
        longest = max(words, key=len)
        rest = {"letters": list(longest), "__typename": "Letters"} if len(longest) > 4 else None
        assert found["longest"] == {"length": len(longest), "t": longest, "rest": rest}


async def test_what_may_not_be_seen_looks_like_what_is_missing(ask, customer, nobody, rows):
    hidden = next(row for row in rows[models.Ticket] if row.requester_id != customer.id)
    missing = f"ptk_{'0' * 8}-0000-0000-0000-{'0' * 12}"
    for viewer in (customer, nobody):
        before = len(ask.reads.statements)
        one = await ask.same(viewer, KINDS, id=f"ptk_{hidden.id}", brief=False)
        other = await ask.same(viewer, KINDS, id=missing, brief=False)
        assert one == other == {"node": None}
        assert len(set(ask.reads.statements[before:])) == 2  # the fast one and the reference's, the same for both


async def test_an_unknown_prefix_names_nothing(ask, agent):
    assert await ask.same(agent, KINDS, id="xyz_" + "0" * 8 + "-0000-0000-0000-" + "0" * 12, brief=True) == {
        "node": None
    }


async def test_nodes_keep_the_order_of_their_ids(ask, agent, customer, rows):
    people, tickets, comments = (rows[model] for model in (models.Person, models.Ticket, models.Comment))
    ids = [f"pco_{comments[9].id}", f"xyz_{people[0].id}", f"ppe_{people[1].id}", f"ptk_{tickets[4].id}"]
    ids += [f"ppe_{tickets[0].id}", f"ppe_{people[0].id}", f"pco_{comments[0].id}", f"pco_{comments[9].id}"]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Person { name } } }"

    data = await ask.same(agent, query, ids=ids)

    found = [node and node["id"] for node in data["nodes"]]
    assert found == [ids[0], None, ids[2], ids[3], None, ids[5], ids[6], ids[7]]
    assert await ask.same(agent, query, ids=[]) == {"nodes": []}
    assert await ask.same(agent, query, ids=ids[1:2]) == {"nodes": [None]}
    internal = next(row for row in comments if row.internal)
    assert await ask.same(customer, query, ids=[f"pco_{internal.id}"]) == {"nodes": [None]}
    assert await ask.same(agent, f'{{ nodes(ids: "{ids[0]}") {{ id }} }}') == {"nodes": [{"id": ids[0]}]}


async def test_labelled_columns_constants_and_expressions(ask, agent, customer, mine, rows):
    query = """{ statusCounts(first: 3) { status count first { number } }
        queue { name openCount limits { status most } until first { number } }
        ticketCount word other: word(say: "x") }"""

    data = await ask.same(customer, query)

    assert data["statusCounts"] == [
        {
            "status": status.name,
            "count": sum(row.status is status for row in mine),
            "first": {"number": min(row.number for row in mine if row.status is status)},
        }
        for status in Status
    ]
    assert data["queue"] == {
        "name": 'Today\'s "queue" of $1',
        "openCount": sum(row.status is Status.OPEN for row in mine),
        "limits": [{"status": "OPEN", "most": 5}, {"status": "SOLVED", "most": 7}],
        "until": "2026-11-24T09:30:00.000Z",
        "first": {"number": mine[0].number},
    }
    assert (data["ticketCount"], data["word"], data["other"]) == (len(mine), "nothing said", "x")
    assert (await ask.same(agent, query))["ticketCount"] == len(rows[models.Ticket])


async def test_aliases_fragments_and_merged_fields(ask, agent, rows):
    ticket = rows[models.Ticket][1]
    query = """query ($id: ID!) { a: ticket(id: $id) { ...F b: subject } ...Q
            a: ticket(id: $id) { number requester { id } } }
        fragment F on Ticket { requester { name } ...G } fragment G on Node { id ... on Ticket { subject } }
        fragment Q on Query { __typename me { id } }"""

    data = await ask.same(agent, query, id=f"ptk_{ticket.id}")

    requester = by_id(rows, models.Person, ticket.requester_id)
    assert list(data) == ["a", "__typename", "me"]
    assert data["a"] == {
        "requester": {"name": requester.name, "id": f"ppe_{requester.id}"},
        "id": f"ptk_{ticket.id}",
        "subject": ticket.subject,
        "b": ticket.subject,
        "number": ticket.number,
    }


async def test_nobody_has_no_self(ask, nobody):
    assert await ask.same(nobody, "{ me { id } tickets { totalCount } }") == {"me": None, "tickets": {"totalCount": 0}}
    assert " people " not in ask.reads.statements[0]  # the build was told so, and did not ask for one whose id is NULL


async def test_no_raw_control_character_is_in_an_answer(ask, agent):
    query = "{ tickets(first: 100) { nodes { subject tags form comments { nodes { body link } } } } }"
    answer = await ask.engine.query(query, None, None, agent, ask.context(agent))
    assert not any(byte < 32 for byte in answer.body)


@pytest.mark.parametrize("text", ['"', "\\", "\u0001", "'", "%s", "$1", ":x", "🔥", "\u2028", "a\nb"])
async def test_text_comes_back_as_it_went(ask, agent, text):
    assert await ask.same(agent, "query ($t: String) { word(say: $t) }", t=text) == {"word": text}


async def test_what_is_asked_for_once_a_row_is_known_is_of_that_row(ask, agent, customer, rows):
    text = """{ tickets(first: 9) { nodes { status counted: alike { totalCount }
        alike(first: 2) { nodes { status mine } } } } }"""
    for viewer in (agent, customer):
        seen = [row for row in rows[models.Ticket] if viewer is agent or row.requester_id == customer.id]
        data = await ask.data(viewer, text)
        assert {found["status"] for found in data["tickets"]["nodes"]} == {row.status.name for row in seen}
        for found in data["tickets"]["nodes"]:
            alike = [row for row in seen if row.status.name == found["status"]]
            assert found["counted"] == {"totalCount": len(alike)}
            assert [each["status"] for each in found["alike"]["nodes"]] == [found["status"]] * min(2, len(alike))
        assert (await ask.reference(viewer, text)).body == orjson.dumps(await ask(viewer, text))
