"""Routing rules: making, replacing, ordering and deleting them, and what they do to new tickets."""

import asyncio

import pytest

from models import Role

RULE = """id name position active categories { name } priorities services { name } words emailDomains
  department { name } assignee { name } priority addTags"""
SAVE = f"""mutation ($input: SaveRoutingRuleInput!) {{ saveRoutingRule(input: $input) {{ __typename
  ... on SaveRoutingRuleSuccess {{ routingRule {{ {RULE} }} }}
  ... on InvalidInput {{ field problems {{ field }} }} ... on NotFound {{ field }} ... on NotAllowed {{ message }}
  ... on Conflict {{ reason current {{ id }} }} }} }}"""
DELETE = """mutation ($id: ID!) { deleteRoutingRule(input: {routingRuleId: $id}) { __typename
  ... on DeleteRoutingRuleSuccess { deletedId } ... on NotFound { field } ... on NotAllowed { message } } }"""
LISTED = "{ routingRules { totalCount nodes { id name position } } }"
ROUTED = """query ($id: ID!) { ticket(id: $id) { priority department { name } assignee { name } tags
  events { nodes { ... on TicketRouted { rule { name } } } } } }"""
NOWHERE = "00000000-0000-7000-8000-000000000000"
EMPTY = {
    "active": True,
    "categories": [],
    "priorities": [],
    "services": [],
    "words": [],
    "emailDomains": [],
    "department": None,
    "assignee": None,
    "priority": None,
    "addTags": [],
}


@pytest.fixture
def save(api, admin):
    """Saves a rule as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input=given))["saveRoutingRule"]
        return answer.get("routingRule") or answer

    return saved


@pytest.fixture
def listed(api, admin):
    """The names of the rules, with their places."""

    async def names():
        return [(each["name"], each["position"]) for each in (await api(admin, LISTED))["routingRules"]["nodes"]]

    return names


@pytest.fixture
async def abc(save):
    """Three rules."""
    return {name: (await save(name=name))["id"] for name in "ABC"}


async def test_a_rule_holds_all_that_the_form_says(save, house, problem, invoices, billing, billing_agent):
    mail = await house.service("Mail")

    made = await save(
        name="Refunds",
        active=False,
        categoryIds=[problem.gid, invoices.gid, problem.gid],
        priorities=["HIGH", "URGENT"],
        serviceIds=[mail.gid],
        words=["refund", "money  back"],
        emailDomains=["@Example.COM", "example.org", "xn--mnchen-3ya.example", "München.example"],
        departmentId=billing.gid,
        assigneeId=billing_agent.gid,
        priority="HIGH",
        addTags=["Refund"],
    )

    assert made.pop("id").startswith("rul_")
    assert sorted(each["name"] for each in made.pop("categories")) == ["Invoices", "Technical problem"]
    assert made == {
        "name": "Refunds",
        "position": 0,
        "active": False,
        "priorities": ["HIGH", "URGENT"],
        "services": [{"name": "Mail"}],
        "words": ["refund", "money  back"],
        "emailDomains": ["example.com", "example.org", "münchen.example"],
        "department": {"name": "Billing"},
        "assignee": {"name": "Bill Billing"},
        "priority": "HIGH",
        "addTags": ["refund"],
    }


async def test_saving_takes_the_whole_form(save, billing, problem):
    made = await save(
        name="Refunds", active=False, departmentId=billing.gid, categoryIds=[problem.gid], words=["x"], priority="LOW"
    )

    assert (
        await save(routingRuleId=made["id"], name="Empty")
        == {
            "id": made["id"],
            "name": "Empty",
            "position": 0,
        }
        | EMPTY
    )


@pytest.mark.parametrize(("position", "order"), [(0, "DABC"), (2, "ABDC"), (3, "ABCD"), (None, "ABCD"), (9, "ABCD")])
async def test_a_new_one_moves_the_others_along(save, listed, abc, position, order):
    await save(name="D", position=position)

    assert await listed() == [*zip(order, range(4), strict=True)]


@pytest.mark.parametrize(("moved", "position", "order"), [("A", 1, "BAC"), ("A", None, "BCA"), ("C", 0, "CAB")])
async def test_one_that_moves_makes_the_others_close_up(save, listed, abc, moved, position, order):
    for _ in range(2):
        saved = await save(routingRuleId=abc[moved], name=moved, position=position)

        assert saved["position"] == order.index(moved)
        assert await listed() == [*zip(order, range(3), strict=True)]


async def test_one_that_is_deleted_is_gone_and_the_others_close_up(api, listed, abc, admin):
    assert await api(admin, DELETE, id=abc["A"]) == {
        "deleteRoutingRule": {"__typename": "DeleteRoutingRuleSuccess", "deletedId": abc["A"]}
    }

    assert await listed() == [("B", 0), ("C", 1)]
    assert await api(admin, "query ($id: ID!) { node(id: $id) { id } }", id=abc["A"]) == {"node": None}
    gone = {"deleteRoutingRule": {"__typename": "NotFound", "field": "routingRuleId"}}
    assert await api(admin, DELETE, id=abc["A"]) == gone
    assert await api(admin, DELETE, id="nonsense") == gone


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 101, "position": -1}, ["position", "name"]),
        ({"words": [""]}, ["words.0"]),
        ({"words": ["x"] * 51}, ["words"]),
        ({"emailDomains": ["example.com", "not a domain"]}, ["emailDomains.1"]),
        ({"addTags": ["x" * 51]}, ["addTags.0"]),
        ({"addTags": [str(number) for number in range(21)]}, ["addTags"]),
        ({"categoryIds": [f"cat_{NOWHERE}"] * 51}, ["categoryIds"]),
        ({"serviceIds": [f"svc_{NOWHERE}"] * 51}, ["serviceIds"]),
        ({"categoryIds": [f"dep_{NOWHERE}"]}, ["categoryIds.0"]),
        ({"departmentId": "x"}, ["departmentId"]),
        ({"assigneeId": f"cat_{NOWHERE}"}, ["assigneeId"]),
        ({"routingRuleId": "x"}, ["routingRuleId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, given, fields):
    before = await database.counts()

    refusal = await save(**{"name": "x"} | given)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"routingRuleId": f"rul_{NOWHERE}"}, "routingRuleId"),
        ({"categoryIds": [f"cat_{NOWHERE}"]}, "categoryIds.0"),
        ({"serviceIds": [f"svc_{NOWHERE}"]}, "serviceIds.0"),
        ({"departmentId": f"dep_{NOWHERE}"}, "departmentId"),
        ({"assigneeId": f"per_{NOWHERE}"}, "assigneeId"),
    ],
)
async def test_what_is_named_and_unknown_is_not_found(save, database, given, field):
    before = await database.counts()

    assert await save(**{"name": "x"} | given) == {"__typename": "NotFound", "field": field}
    assert await database.counts() == before


async def test_the_agent_works_in_the_department(save, database, billing, agent, customer, director):
    assert await save(name="x", assigneeId=customer.gid) == {"__typename": "NotFound", "field": "assigneeId"}
    refusal = await save(name="x", departmentId=billing.gid, assigneeId=agent.gid)
    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "assigneeId")
    assert (await save(name="x", departmentId=billing.gid, assigneeId=director.gid))["assignee"] == {
        "name": "Dora Director"
    }
    await database.rows("UPDATE departments SET archived_at = now() WHERE id = :id", id=billing.id)
    refusal = await save(name="y", departmentId=billing.gid)
    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "departmentId")


async def test_a_name_is_taken_once(save, abc):
    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}

    assert await save(name="A") == taken
    assert await save(routingRuleId=abc["B"], name="A") == taken
    assert (await save(routingRuleId=abc["A"], name="A"))["name"] == "A"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_admins_know_of_rules(api, house, save, database, abc, role):
    viewer = await house.person("Someone Else", role)
    before = await database.counts()

    for given in ({"name": "x"}, {"routingRuleId": abc["A"], "name": "x"}, {"routingRuleId": f"rul_{NOWHERE}"}):
        assert (await save(viewer, **{"name": "x"} | given))["__typename"] == "NotAllowed"
    for rule_id in (abc["A"], f"rul_{NOWHERE}"):
        assert (await api(viewer, DELETE, id=rule_id))["deleteRoutingRule"]["__typename"] == "NotAllowed"
    assert await api.refused(viewer, LISTED) == "NOT_ALLOWED"
    assert await api(viewer, "query ($id: ID!) { node(id: $id) { id } }", id=abc["A"]) == {"node": None}
    assert await database.counts() == before


async def test_nobody_knows_of_rules(api, abc):
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"
    assert await api.refused(None, SAVE, input={"name": "x"}) == "UNAUTHENTICATED"
    assert await api.refused(None, DELETE, id=abc["A"]) == "UNAUTHENTICATED"


async def test_what_a_rule_decided_stays_when_it_is_deleted(api, save, submit, problem, billing, customer, admin):
    rule = await save(name="All", departmentId=billing.gid)
    ticket = await submit(customer, problem)
    await api(admin, DELETE, id=rule["id"])

    seen = (await api(admin, ROUTED, id=ticket["id"]))["ticket"]

    assert seen["department"] == {"name": "Billing"}
    assert seen["events"]["nodes"][1] == {"rule": None}


async def test_rules_saved_at_once_stand_in_one_order(save, listed):
    await asyncio.gather(*(save(name=f"R{number}", position=number % 2 or None) for number in range(6)))
    assert [position for _, position in await listed()] == list(range(6))
