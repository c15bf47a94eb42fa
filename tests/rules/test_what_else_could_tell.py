"""What tells without words: places, moments, counts and cursors betray nothing that its reader may not know."""

from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

import models
from domain import history
from domain.happenings import MessageSent, TicketAssigned
from models import MessageChannel, NotificationKind, Role

EVENTS = """query ($id: ID!, $first: Int, $after: String) { ticket(id: $id) { events(first: $first, after: $after) {
  totalCount pageInfo { hasNextPage startCursor endCursor } edges { cursor node { __typename seq } } } } }"""
AS_CUSTOMERS = ("requester", "watcher", "watching_agent")
AS_STAFF = ("agent", "assignee", "director")


def one(ticket_id):
    return select(models.Ticket).where(models.Ticket.id == ticket_id)


@pytest.fixture
async def scene(desk, house, work, mailbox, submit, support, billing, problem, other, customer, agent, director):
    """A ticket in whose history internal events stand between public ones, and who sees it from either side."""
    people = SimpleNamespace(requester=customer, agent=agent, director=director)
    people.watcher = await house.person("Wanda Watcher")
    people.watching_agent = await house.person("Will Watching", Role.AGENT, billing)
    people.assignee = await house.person("Otto Outside", Role.AGENT, billing)
    found = await submit(customer, other, subject="A crash", body="It crashes.", otherTopic="Something", priority="LOW")
    ticket = SimpleNamespace(gid=found["id"], uuid=UUID(found["id"].removeprefix("tkt_")))
    async with desk.writes.begin() as unit:
        for watcher in (people.watcher, people.watching_agent):
            unit.insert(models.Watcher, ticket_id=ticket.uuid, person_id=watcher.id)
    await happens(desk, ticket, TicketAssigned(None, people.assignee.id))
    await work.run()
    return SimpleNamespace(ticket=ticket, **vars(people))


async def happens(desk, ticket, happening):
    async with desk.writes.begin() as unit:
        row = await unit.lock(one, ticket.uuid)
        history.record(unit, None, row, happening)
        if isinstance(happening, TicketAssigned):
            unit.change(row, assignee_id=happening.to_assignee_id)


async def mail_is_sent(desk, scene):
    """Something happens that customers see nothing of."""
    sent = MessageSent(scene.requester.id, MessageChannel.EMAIL, NotificationKind.TICKET_RECEIVED, scene.ticket.uuid)
    await happens(desk, scene.ticket, sent)


async def test_cursors_of_a_history_count_as_their_reader_does(api, scene):
    answers = {}
    for who in (*AS_CUSTOMERS, *AS_STAFF):
        page = (await api(getattr(scene, who), EVENTS, id=scene.ticket.gid))["ticket"]["events"]
        places = [int(edge["cursor"].rpartition(",")[2]) for edge in page["edges"]]

        assert places == [edge["node"]["seq"] for edge in page["edges"]], who
        answers[who] = page["totalCount"]
    assert answers == dict.fromkeys(AS_CUSTOMERS, 3) | dict.fromkeys(AS_STAFF, 5)


@pytest.mark.parametrize("who", [*AS_CUSTOMERS, *AS_STAFF])
async def test_a_history_is_walked_in_pages_by_either_side(api, scene, who):
    seen, after = [], None
    while True:
        variables = {"id": scene.ticket.gid, "first": 1, "after": after}
        page = (await api(getattr(scene, who), EVENTS, **variables))["ticket"]["events"]
        seen += [edge["node"]["seq"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert seen == list(range(1, (5 if who in AS_STAFF else 3) + 1))


async def test_what_is_internal_moves_nothing_that_customers_see(api, desk, scene, submit, problem):
    later = await submit(scene.requester, problem, subject="Later")
    query = """query ($id: ID!) { ticket(id: $id) { updatedAt lastSeq events { pageInfo { endCursor } } } }"""
    lists = "{ tickets { pageInfo { endCursor } edges { cursor node { id updatedAt lastSeq } } } }"
    before = {who: await api(getattr(scene, who), query, id=scene.ticket.gid) for who in (*AS_CUSTOMERS, *AS_STAFF)}
    listed = {who: await api(getattr(scene, who), lists) for who in AS_CUSTOMERS}
    assert listed["requester"]["tickets"]["edges"][0]["node"]["id"] == later["id"]

    await mail_is_sent(desk, scene)

    for who in AS_CUSTOMERS:
        assert await api(getattr(scene, who), query, id=scene.ticket.gid) == before[who], who
    for who, expected in listed.items():
        assert await api(getattr(scene, who), lists) == expected, who
    for who in AS_STAFF:
        after = await api(getattr(scene, who), query, id=scene.ticket.gid)
        assert after["ticket"]["updatedAt"] > before[who]["ticket"]["updatedAt"], who
        assert after["ticket"]["lastSeq"] == before[who]["ticket"]["lastSeq"] + 1, who
        first = (await api(getattr(scene, who), lists))["tickets"]["edges"][0]
        assert first["node"]["id"] == scene.ticket.gid, who


async def test_a_filter_by_change_does_not_tell_of_what_is_internal(api, desk, scene):
    query = "query ($from: DateTime) { tickets(filter: {updated: {from: $from}}) { totalCount } }"
    await mail_is_sent(desk, scene)
    seen = (await api(scene.agent, "query ($id: ID!) { ticket(id: $id) { updatedAt } }", id=scene.ticket.gid))["ticket"]

    for who in AS_STAFF:
        assert await api(getattr(scene, who), query, **{"from": seen["updatedAt"]}) == {"tickets": {"totalCount": 1}}
    for who in AS_CUSTOMERS:
        assert await api(getattr(scene, who), query, **{"from": seen["updatedAt"]}) == {"tickets": {"totalCount": 0}}


async def test_staff_who_only_watch_see_it_as_customers_do(api, scene, database, problem):
    await database.rows("UPDATE tickets SET suggested_category_id = :id, tags = '{vip}'", id=problem.id)
    query = """query ($id: ID!) { ticket(id: $id) { tags triage { topic pending suggestedCategory { name } }
        watchers { totalCount nodes { name } } } }"""

    seen = {
        who: (await api(getattr(scene, who), query, id=scene.ticket.gid))["ticket"]
        for who in vars(scene)
        if who != "ticket"
    }

    assert (
        seen["watching_agent"]
        == seen["watcher"]
        == seen["requester"]
        == {
            "tags": [],
            "triage": {"topic": "Something", "pending": True, "suggestedCategory": None},
            "watchers": {"totalCount": 1, "nodes": [{"name": "Wanda Watcher"}]},
        }
    )
    assert (
        seen["agent"]
        == seen["assignee"]
        == seen["director"]
        == {
            "tags": ["vip"],
            "triage": {"topic": "Something", "pending": True, "suggestedCategory": {"name": "Technical problem"}},
            "watchers": {"totalCount": 2, "nodes": [{"name": "Wanda Watcher"}, {"name": "Will Watching"}]},
        }
    )


async def test_a_filter_by_tags_does_not_tell_watching_staff_of_them(api, scene, database):
    await database.rows("UPDATE tickets SET tags = '{vip}'")
    query = '{ tickets(filter: {tags: ["vip"]}) { totalCount } }'

    for who in AS_CUSTOMERS:
        assert await api(getattr(scene, who), query) == {"tickets": {"totalCount": 0}}, who
    for who in AS_STAFF:
        assert await api(getattr(scene, who), query) == {"tickets": {"totalCount": 1}}, who


async def test_only_admins_learn_which_rule_decided(api, house, submit, admin, customer, agent, director, problem):
    lead = await house.person("Leo Lead", Role.TEAM_LEAD)
    await api(
        admin,
        """mutation { saveRoutingRule(input: {name: "word-in-rule", priority: HIGH, addTags: ["x"]}) {
        ... on SaveRoutingRuleSuccess { routingRule { id } } } }""",
    )
    found = await submit(customer, problem)
    query = "query ($id: ID!) { ticket(id: $id) { events { nodes { ... on TicketRouted { rule { name } } } } } }"
    for viewer in (customer, agent, director):
        assert (await api(viewer, query, id=found["id"]))["ticket"]["events"]["nodes"][1] == {"rule": None}
    assert await api(lead, query, id=found["id"]) == {"ticket": None}


@pytest.mark.parametrize("who", [*AS_CUSTOMERS, *AS_STAFF])
async def test_a_cursor_of_a_history_holds_whichever_way_its_ticket_was_reached(api, scene, who):
    page = "events(first: 1) { edges { cursor } }"
    doors = f"""query ($id: ID!) {{ ticket(id: $id) {{ {page} }} node(id: $id) {{ ... on Ticket {{ {page} }} }}
        tickets(filter: {{mine: true}}) {{ nodes {{ {page} }} }} viewer {{ can }}
        nodes(ids: [$id]) {{ ... on Ticket {{ {page} }} }} }}"""

    seen = await api(getattr(scene, who), doors, id=scene.ticket.gid)

    tickets = [seen["ticket"], seen["node"], *seen["tickets"]["nodes"], *seen["nodes"]]
    assert len({ticket["events"]["edges"][0]["cursor"] for ticket in tickets}) == 1


async def test_staff_who_only_watch_find_nothing_internal_by_its_id(api, scene, database):
    events = await database.rows("SELECT 'evt_' || id AS id, public_seq IS NULL AS internal FROM events")
    assert sum(event["internal"] for event in events) == 2
    query = "query ($id: ID!) { node(id: $id) { id ... on TicketEvent { seq ticket { id } } } }"
    for event in events:
        for who in (*AS_CUSTOMERS, *AS_STAFF):
            found = (await api(getattr(scene, who), query, id=event["id"]))["node"]
            assert (found is None) == (event["internal"] and who in AS_CUSTOMERS), (who, event)


BY_ID = """query ($id: ID!) { node(id: $id) { __typename id ... on Ticket { subject events { totalCount } }
  ... on Person { name email } ... on Notification { title } ... on Attachment { url } } }"""


async def test_what_is_not_seen_costs_the_statements_of_what_is_not_there(api, house, scene, database, statements):
    stranger = await house.person("Stella Stranger")
    rows = await database.rows(
        "SELECT 'tkt_' || id AS id FROM tickets UNION ALL SELECT 'evt_' || id FROM events UNION ALL "
        "SELECT 'ntf_' || id FROM notifications UNION ALL SELECT 'per_' || id FROM people WHERE role <> 'CUSTOMER'"
    )
    assert {row["id"][:3] for row in rows} == {"tkt", "evt", "ntf", "per"}
    for row in rows:
        answers = []
        for gid in (row["id"], f"{row['id'][:3]}_{uuid4()}"):
            statements.clear()
            answers.append(((await api.post(stranger, BY_ID, id=gid)).content, list(statements)))
        assert answers[0] == answers[1]
        assert len(answers[0][1]) == 1
