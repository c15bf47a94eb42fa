"""Subscriptions: their channels, what is read now, and feeds."""

import asyncio

import orjson
import planner_records as models
import pytest

from planner import changes, streams

UPDATED = (
    "subscription ($id: ID!) { now: ticketUpdated(id: $id) { id status latest { __typename } requester { name } } }"
)
ANY = "subscription ($ids: [ID!]!) { anyUpdated(ids: $ids) { number } }"
EVENTS = """subscription ($id: ID!, $after: String) {
    ticketEvents(ticketId: $id, after: $after) { cursor
      node { __typename id seq ... on CommentAdded { comment { link } } } } }"""


async def test_a_state_is_read_as_the_viewer_until_it_is_out_of_sight(ask, customer, mine, rows):
    stream = ask.engine.subscription(UPDATED, {"id": f"ptk_{mine[0].id}"}, None, customer)

    assert stream.channels == [f"ticket:{mine[0].id}"]
    body = await stream.read()
    assert body.startswith(b'{"data":{"now":{"id":"ptk_')
    assert orjson.loads(body)["data"]["now"]["status"] == mine[0].status.name

    hidden = next(row for row in rows[models.Ticket] if row.requester_id != customer.id)
    stream = ask.engine.subscription(UPDATED, {"id": f"ptk_{hidden.id}"}, None, customer)
    assert await stream.read() is None
    assert await stream.read_for({stream.member}) == (None, None)


async def test_many_channels_and_a_change_that_says_what_changed(ask, agent, rows):
    first, second = rows[models.Ticket][:2]
    ids = [f"ptk_{first.id}", f"ptk_{second.id}", f"ptk_{first.id}"]
    stream = ask.engine.subscription(ANY, {"ids": ids}, None, agent)

    assert stream.channels == [f"ticket:{first.id}", f"ticket:{second.id}", "desk", f"person:{agent.id}"]
    assert await stream.read() is None
    assert await stream.read(told=second.id) == b'{"data":{"anyUpdated":{"number":2}}}'
    assert await stream.read(told=rows[models.Ticket][2].id) is None


async def test_what_takes_many_ids_is_read_for_each(ask, agent, rows, monkeypatch):
    """Also by many at once, who wait for each other."""
    monkeypatch.setattr("planner.line.SLOW_SECONDS", 60)
    told = rows[models.Ticket][:6]
    asked = [{"ids": [f"ptk_{row.id}", f"ptk_{told[0].id}"]} for row in told]
    streams = [ask.engine.subscription(ANY, each, None, agent) for each in asked]
    ask.reads.statements.clear()
    async with asyncio.timeout(5):
        bodies = await asyncio.gather(*(each.read(row.id) for each, row in zip(streams, told, strict=True)))
    assert bodies == [b'{"data":{"anyUpdated":{"number":%d}}}' % row.number for row in told]
    assert len(ask.reads.statements) == len(told)


async def test_who_may_share_a_reading(ask, agent, customer, rows):
    variables = {"id": f"ptk_{rows[models.Ticket][0].id}"}

    def shared(viewer, text=UPDATED, given=variables):
        return ask.engine.subscription(text, given, None, viewer).shared

    colleague = type(agent)(agent.role, rows[models.Person][21].id)
    assert shared(agent) == shared(colleague)
    assert shared(agent) != shared(customer)
    assert shared(customer) != shared(type(customer)(customer.role, rows[models.Person][4].id))
    assert shared(agent) != shared(agent, UPDATED.replace("status", "number"))
    watched = {"ids": [variables["id"]]}
    assert shared(agent, ANY, watched) == shared(agent, ANY, watched)
    assert shared(agent, ANY, watched) != shared(colleague, ANY, watched)  # each hears of what is told to them alone


async def test_one_reading_tells_who_of_many_sees_it(ask, customer, mine, rows):
    def watched(viewer, ticket=mine[0]):
        text = "subscription ($id: ID!) { ticketWatched(id: $id) { status requester { name } } }"
        return ask.engine.subscription(text, {"id": f"ptk_{ticket.id}"}, None, viewer)

    stranger = type(customer)(customer.role, rows[models.Person][4].id)
    stream, other = watched(customer), watched(stranger)
    assert stream.shared == other.shared
    assert stream.shared != watched(customer, mine[1]).shared
    assert (stream.member, other.member) == (customer.id, stranger.id)
    for each in (stream, other):
        state, seeing = await each.read_for({customer.id, stranger.id})
        assert (state.body, seeing) == (await stream.read(), {customer.id})
        assert await each.read_for({stranger.id}) == (None, set())


@pytest.mark.parametrize("field", ["ticketWatched", "ticketUpdated"])
@pytest.mark.parametrize("selected", ["mine", "alike { nodes { mine } }"])
async def test_what_depends_on_who_asks_is_read_for_each(ask, agent, rows, field, selected):
    """Also where only what is read once the first rows are known does."""
    ticket = rows[models.Ticket][0]
    text = f"subscription ($id: ID!) {{ {field}(id: $id) {{ {selected} }} }}"
    requester, colleague = (type(agent)(agent.role, id_) for id_ in (ticket.requester_id, agent.id))
    streams = [ask.engine.subscription(text, {"id": f"ptk_{ticket.id}"}, None, each) for each in (requester, colleague)]
    assert streams[0].shared != streams[1].shared
    assert [stream.member for stream in streams] == [None, None]
    bodies = [(await stream.read_for({None}))[0].body for stream in streams]
    assert bodies == [await stream.read() for stream in streams]
    assert [b"true" in body for body in bodies] == [True, False]


async def test_constants_are_live_too(ask, agent, customer):
    query = "subscription { queueUpdated { name openCount limits { most } first { number } } }"
    stream = ask.engine.subscription(query, None, None, agent)
    assert stream.channels == ["desk"]
    expected = {"name": "live", "openCount": 1, "limits": [], "first": {"number": 1}}
    assert orjson.loads(await stream.read())["data"]["queueUpdated"] == expected

    refused = ask.engine.subscription(query.replace("queue", "line: queue"), None, None, customer)
    assert (refused.executed, refused.code) == (False, "NOT_ALLOWED")
    assert orjson.loads(refused.body) == {
        "errors": [
            {
                "message": "This is for staff.",
                "locations": [{"line": 1, "column": 16}],
                "path": ["line"],
                "extensions": {"code": "NOT_ALLOWED"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (UPDATED, {"id": "ptk_1"}),
        (UPDATED, {"id": "ppe_" + "0" * 8 + "-0000-0000-0000-" + "0" * 12}),
        (UPDATED, {}),
        (EVENTS, {"id": "ptk_" + "0" * 8 + "-0000-0000-0000-" + "0" * 12, "after": "x"}),
        ("{ word }", {}),
        ("subscription {", {}),
    ],
)
async def test_what_cannot_be_subscribed_to(ask, agent, text, variables):
    refused = ask.engine.subscription(text, variables, None, agent)

    assert (refused.executed, refused.code) == (False, "BAD_REQUEST")
    assert not ask.reported


async def test_one_field_may_be_said_in_several_places(ask, agent, rows):
    """As everywhere, all that is selected of it is in the answer, in the order in which it stands there."""

    def stream(selections):
        text = f"subscription ($id: ID!) {{ {selections} }}"
        return ask.engine.subscription(text, {"id": f"ptk_{rows[models.Ticket][0].id}"}, None, agent)

    ticket, events = "ticketUpdated(id: $id)", "ticketEvents(ticketId: $id)"
    spread = (
        f"...More {ticket} {{ number }} }} fragment More on Subscription {{ {ticket} {{ requester {{ name }} status }}"
    )
    several = stream(f"{ticket} {{ id }} {spread}")
    assert await several.read() == await stream(f"{ticket} {{ id requester {{ name }} status number }}").read()

    several = stream(f"{events} {{ cursor }} {events} {{ node {{ seq }} }}")
    assert await several.read_after(None) == await stream(f"{events} {{ cursor node {{ seq }} }}").read_after(None)


@pytest.mark.parametrize(
    "text",
    [
        'subscription ($id: ID = "") { ticketUpdated(id: $id) { number } }',
        'subscription ($id: Boolean = true) { ticketUpdated(id: "") { number @skip(if: $id) } }',
    ],
)
async def test_a_null_where_none_may_be_is_refused_where_it_stands(ask, agent, rows, text):
    text = text.replace('(id: "")', f'(id: "ptk_{rows[models.Ticket][0].id}")')
    refused = ask.engine.subscription(text, {"id": None}, None, agent)

    assert (refused.executed, refused.code) == (False, "BAD_REQUEST")
    (error,) = orjson.loads(refused.body)["errors"]
    assert "\n" not in error["message"]
    assert error["path"] == ["ticketUpdated"]
    assert error["locations"] == [{"line": 1, "column": text.index("$id", 20) + 1}]


async def test_a_feed_goes_on_after_a_cursor_and_misses_nothing(ask, agent, customer, mine, rows):
    ticket = mine[1]
    for viewer in (agent, customer):
        expected = sorted(
            (row.seq, row.kind)
            for row in rows[models.Event]
            if row.ticket_id == ticket.id and (viewer is agent or not row.internal)
        )
        stream = ask.engine.subscription(EVENTS, {"id": f"ptk_{ticket.id}"}, None, viewer)
        assert stream.feed
        assert stream.after is None
        assert stream.channels == [f"ticket:{ticket.id}"]

        items = await stream.read_after(None)

        nodes = [orjson.loads(item.body)["data"]["ticketEvents"] for item in items]
        assert [node["node"]["seq"] for node in nodes] == [seq for seq, _ in expected]
        assert [node["cursor"] for node in nodes] == [item.cursor for item in items]
        assert nodes[0]["node"]["__typename"] == "TicketSubmitted"
        assert all(
            node["node"]["comment"]["link"].startswith("https")
            for node in nodes
            if node["node"]["__typename"] == "CommentAdded"
        )
        assert await stream.read_after(items[2].cursor) == items[3:]
        assert await stream.read_after(items[-1].cursor) == []

        again = ask.engine.subscription(EVENTS, {"id": f"ptk_{ticket.id}", "after": items[4].cursor}, None, viewer)
        assert again.after == items[4].cursor
        assert await again.read_after(again.after) == items[5:]


async def test_a_feed_that_has_much_to_tell_tells_it_in_parts(ask, agent, rows, monkeypatch):
    monkeypatch.setattr(streams, "LARGEST_CATCH", 3)
    stream = ask.engine.subscription(EVENTS, {"id": f"ptk_{rows[models.Ticket][1].id}"}, None, agent)
    catches, place = [], None
    while items := await stream.read_after(place):
        catches.append([orjson.loads(item.body)["data"]["ticketEvents"]["node"]["seq"] for item in items])
        place = items[-1].cursor
    assert catches == [[1, 2, 3], [4, 5, 6], [7, 20]]


def test_of_a_list_the_keys_that_were_last_told_of_are_remembered(monkeypatch):
    monkeypatch.setattr(changes, "MOST_HELD", 2)
    told = changes.Told(models.NOW, [], [("first", 1), ("second", 2)])
    told.learn("first", None)
    told.learn("third", 3)
    assert dict(told.places) == {"first": None, "third": 3}


async def test_a_feed_ends_when_what_it_is_about_is_out_of_sight(ask, customer, rows):
    hidden = next(row for row in rows[models.Ticket] if row.requester_id != customer.id)
    stream = ask.engine.subscription(EVENTS, {"id": f"ptk_{hidden.id}"}, None, customer)
    assert await stream.read_after(None) is None
