"""Saved lists of tickets: keeping them, who sees them, and what is in them."""

import pytest

from domain.access import Viewer
from models import Role
from schema.context import Context

VIEW = "id name owner { name } department { name } filter orderField orderDirection position"
SAVE = f"""mutation ($input: SaveTicketViewInput!) {{ saveTicketView(input: $input) {{ __typename
  ... on SaveTicketViewSuccess {{ ticketView {{ {VIEW} tickets {{ totalCount nodes {{ number }} }} }} }}
  ... on InvalidInput {{ problems {{ field message }} }} ... on NotFound {{ field }}
  ... on NotAllowed {{ message }} ... on Conflict {{ reason }} }} }}"""
DELETE = """mutation ($id: ID!) { deleteTicketView(input: {ticketViewId: $id}) { __typename
  ... on DeleteTicketViewSuccess { deletedId } ... on NotFound { field } ... on NotAllowed { message } } }"""
MINE = """query ($first: Int, $after: String) { viewer { ticketViews { totalCount nodes { name position
  tickets(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor }
    edges { cursor highlightHtml node { number subject } } } } } } }"""
BY_ID = """query ($id: ID!) { node(id: $id) { id ... on TicketView { name tickets { nodes { number } } } } }"""
LISTED = """query ($filter: TicketFilter, $order: TicketOrder) { tickets(filter: $filter, orderBy: $order) {
  totalCount nodes { number } } }"""
NOWHERE = "00000000-0000-7000-8000-000000000000"
OPEN = {"name": "Open ones", "filter": {"statuses": ["OPEN"]}}


@pytest.fixture
async def lead(house, support):
    return await house.person("Leo Lead", Role.TEAM_LEAD, support)


@pytest.fixture
def save(api):
    async def saved(viewer, **given):
        answer = (await api(viewer, SAVE, input=given))["saveTicketView"]
        return answer.get("ticketView") or answer

    return saved


async def test_a_view_is_kept_as_it_was_given_and_leads_to_its_tickets(api, save, agent, ticket, customer, support):
    wanted = {
        "statuses": ["OPEN", "PENDING"],
        "departmentIds": [support.gid],
        "requesterIds": [customer.gid],
        "created": {"from": "2020-01-01T00:00:00+00:00"},
        "mine": False,
    }
    order = {"field": "PRIORITY", "direction": "ASC"}

    made = await save(agent, name="Theirs", filter=wanted | {"text": None}, orderBy=order)

    assert made.pop("id").startswith("tvw_")
    assert made.pop("tickets") == {"totalCount": 1, "nodes": [{"number": ticket.number}]}
    assert made == {
        "name": "Theirs", "owner": {"name": agent.name}, "department": None, "filter": wanted,
        "orderField": "PRIORITY", "orderDirection": "ASC", "position": 0,
    }  # fmt: skip
    again = await api(agent, LISTED, filter=made["filter"], order=order)
    assert again["tickets"]["nodes"] == [{"number": ticket.number}]


async def test_each_view_has_its_own_tickets_in_its_own_order_in_pages(
    api, save, agent, submit, customer, problem, database
):
    numbers = [(await submit(customer, problem, subject=f"Printer {n}"))["number"] for n in range(5)]
    await database.rows("UPDATE tickets SET status = 'PENDING' WHERE number = :n", n=numbers[0])
    oldest = {"field": "CREATED_AT", "direction": "ASC"}
    await save(agent, name="Pending", filter={"statuses": ["PENDING"]})
    await save(agent, name="All, oldest first", filter={}, orderBy=oldest)
    await save(agent, name="Printers", filter={"text": "printer"})
    await save(agent, name="None", filter={"tags": ["nothing"]})

    found = (await api(agent, MINE, first=2))["viewer"]["ticketViews"]["nodes"]

    shown = {view["name"]: [edge["node"]["number"] for edge in view["tickets"]["edges"]] for view in found}
    assert shown["Pending"] == numbers[:1]
    assert shown["All, oldest first"] == numbers[:2]
    assert len(shown["Printers"]) == 2
    assert shown["None"] == []
    assert [view["tickets"]["totalCount"] for view in found] == [1, 5, 5, 0]
    marked = {view["name"]: [edge["highlightHtml"] is not None for edge in view["tickets"]["edges"]] for view in found}
    assert marked == {"Pending": [False], "All, oldest first": [False] * 2, "Printers": [True] * 2, "None": []}
    after = found[1]["tickets"]["pageInfo"]["endCursor"]
    one = """query ($id: ID!, $after: String) { node(id: $id) {
      ... on TicketView { tickets(after: $after) { nodes { number } } } } }"""
    views = (await api(agent, "{ viewer { ticketViews { nodes { id name } } } }"))["viewer"]["ticketViews"]["nodes"]
    rest = (await api(agent, one, id=views[1]["id"], after=after))["node"]["tickets"]["nodes"]
    assert [node["number"] for node in rest] == numbers[2:]
    assert await api.refused(agent, one, id=views[1]["id"], after="x") == "BAD_REQUEST"


async def test_what_a_plan_keeps_of_a_request_counts_as_its_weight(application, desk, save, agent):
    await save(agent, **OPEN)
    viewer, engine = Viewer(agent.role, agent.id), application.engine
    before, text = engine.plans.weight, MINE.replace("name position", "name weighed: position")

    await engine.query(text, {"first": 3, "after": "x" * 300_000}, None, viewer, Context(desk, engine, viewer))

    assert engine.plans.weight > before + 300_000


async def test_of_a_shared_view_everyone_sees_what_they_may(
    api, save, lead, agent, billing_agent, director, customer, submit, problem, invoices, support
):
    here, there = (await submit(customer, problem))["number"], (await submit(customer, invoices))["number"]
    made = await save(lead, name="Everything", filter={}, departmentId=support.gid)
    assert made["department"] == {"name": support.name}

    async def numbers(viewer):
        node = (await api(viewer, BY_ID, id=made["id"]))["node"]
        return node and sorted(each["number"] for each in node["tickets"]["nodes"])

    assert await numbers(lead) == await numbers(agent) == [here]
    assert await numbers(director) == [here, there]
    for viewer in (billing_agent, customer):
        assert await numbers(viewer) is None
    for viewer, count in ((lead, 1), (agent, 1), (director, 1), (billing_agent, 0), (customer, 0)):
        assert (await api(viewer, MINE))["viewer"]["ticketViews"]["totalCount"] == count
    private = await save(lead, name="Mine", filter={})
    for viewer in (agent, director, billing_agent):
        assert (await api(viewer, BY_ID, id=private["id"]))["node"] is None


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101, "position": -1}, ["name", "position"]),
        ({"filter": {"text": "x" * 201}}, ["filter.text"]),
        ({"filter": {"tags": ["x"] * 51}}, ["filter.tags"]),
        ({"filter": {"tags": ["x" * 51]}}, ["filter.tags"]),
        ({"filter": {"departmentIds": ["x"]}}, ["filter.departmentIds.0"]),
        ({"filter": {"assigneeIds": [f"per_{NOWHERE}", f"cat_{NOWHERE}"]}}, ["filter.assigneeIds.1"]),
        (
            {"name": "", "departmentId": "x", "filter": {"serviceIds": [""]}},
            ["filter.serviceIds.0", "departmentId", "name"],
        ),
        ({"orderBy": {"field": "RELEVANCE", "direction": "DESC"}}, ["orderBy.field"]),
        ({"filter": {"text": " "}, "orderBy": {"field": "RELEVANCE", "direction": "DESC"}}, ["orderBy.field"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, agent, given, fields):
    before = await database.counts()
    refusal = await save(agent, **OPEN | given)
    assert refusal["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


async def test_views_have_places_and_names_of_their_own(api, save, database, agent, lead):
    made = {name: await save(agent, name=name, filter={}) for name in "abc"}
    assert (await save(lead, name="a", filter={}))["position"] == 0  # another's
    assert await save(agent, name="a", filter={}) == {"__typename": "Conflict", "reason": "TAKEN"}

    moved = await save(agent, ticketViewId=made["c"]["id"], name="C", filter={"mine": True}, position=0)

    assert (moved["id"], moved["filter"], moved["position"]) == (made["c"]["id"], {"mine": True}, 0)
    listed = (await api(agent, MINE))["viewer"]["ticketViews"]["nodes"]
    assert [(view["name"], view["position"]) for view in listed] == [("C", 0), ("a", 1), ("b", 2)]
    deleted = (await api(agent, DELETE, id=made["a"]["id"]))["deleteTicketView"]
    assert deleted == {"__typename": "DeleteTicketViewSuccess", "deletedId": made["a"]["id"]}
    gone = {"__typename": "NotFound", "field": "ticketViewId"}
    assert (await api(agent, DELETE, id=made["a"]["id"]))["deleteTicketView"] == gone
    listed = (await api(agent, MINE))["viewer"]["ticketViews"]["nodes"]
    assert [(view["name"], view["position"]) for view in listed] == [("C", 0), ("b", 1)]


PLACES = "{ viewer { ticketViews { edges { cursor node { name position } } } } }"


async def test_a_place_tells_nobody_of_anothers_own_views(api, save, agent, lead, support):
    shared = {"filter": {}, "departmentId": support.gid}
    for name in ("First", "Second"):
        await save(lead, name=name, **shared)
    await save(agent, name="Mine", filter={})
    before = (await api(agent, PLACES))["viewer"]["ticketViews"]["edges"]
    assert {edge["node"]["name"]: edge["node"]["position"] for edge in before} == {"First": 0, "Second": 1, "Mine": 0}

    for name in ("A secret", "Another"):
        await save(lead, name=name, filter={}, position=0)

    assert (await api(agent, PLACES))["viewer"]["ticketViews"]["edges"] == before
    theirs = [edge["node"]["name"] for edge in (await api(lead, PLACES))["viewer"]["ticketViews"]["edges"]]
    assert theirs == ["Another", "A secret", "First", "Second"]


async def test_a_name_tells_nobody_of_anothers_own_views(save, database, lead, director, support):
    shared = await save(lead, **OPEN, departmentId=support.gid)
    for name in ("Mine", OPEN["name"]):
        assert (await save(lead, name=name, filter={}))["name"] == name
    await save(lead, name="Ours", filter={}, departmentId=support.gid)

    given = {"ticketViewId": shared["id"], "filter": {}, "departmentId": support.gid}
    assert (await save(director, name="Mine", **given))["name"] == "Mine"
    before = await database.counts()
    taken = {"__typename": "Conflict", "reason": "TAKEN"}
    assert await save(director, name="Ours", **given) == taken
    assert await save(lead, ticketViewId=shared["id"], name="Mine", filter={}) == taken
    assert await database.counts() == before


async def test_who_may_not_keep_a_view_changes_nothing(
    api, save, database, agent, lead, billing_agent, customer, director, house, support, billing
):
    shared = await save(lead, **OPEN, departmentId=support.gid)
    private = await save(agent, **OPEN)
    before = await database.counts()

    async def outcomes(viewer, gid, **more):
        saved = (await save(viewer, ticketViewId=gid, **OPEN | more))["__typename"]
        return saved, (await api(viewer, DELETE, id=gid))["deleteTicketView"]["__typename"]

    not_found, not_allowed = ("NotFound", "NotFound"), ("NotAllowed", "NotAllowed")
    assert await outcomes(agent, shared["id"]) == not_allowed
    for viewer in (billing_agent, director, lead):
        assert await outcomes(viewer, private["id"]) == not_found
    assert await outcomes(billing_agent, shared["id"]) == not_found
    for gid in (shared["id"], private["id"], f"tvw_{NOWHERE}"):
        assert await outcomes(customer, gid) == not_allowed
    assert (await save(agent, name="x", filter={}, departmentId=support.gid))["__typename"] == "NotAllowed"
    assert (await save(lead, name="x", filter={}, departmentId=billing.gid))["__typename"] == "NotAllowed"
    assert (await save(director, ticketViewId=shared["id"], **OPEN))["__typename"] == "NotAllowed"  # stops sharing
    nowhere = await save(lead, name="x", filter={}, departmentId=f"dep_{NOWHERE}")
    assert nowhere == {"__typename": "NotFound", "field": "departmentId"}
    assert await database.counts() == before
    renamed = await save(director, ticketViewId=shared["id"], **OPEN | {"name": "X"}, departmentId=support.gid)
    assert (renamed["name"], renamed["owner"]) == ("X", {"name": lead.name})
    assert (await api(director, DELETE, id=shared["id"]))["deleteTicketView"]["__typename"] == "DeleteTicketViewSuccess"
