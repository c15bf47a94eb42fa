"""Escalation rules: making, replacing and deleting them, who may, and which tickets are then looked at again."""

import pytest

from domain import waking
from domain.jobs import LookAgain
from models import Role

RULE = "id name active trigger afterSeconds level priorities departments { name }"
SAVE = f"""mutation ($input: SaveEscalationRuleInput!) {{ saveEscalationRule(input: $input) {{ __typename
  ... on SaveEscalationRuleSuccess {{ escalationRule {{ {RULE} }} }}
  ... on InvalidInput {{ field problems {{ field }} }} ... on NotFound {{ field }} ... on NotAllowed {{ message }}
  ... on Conflict {{ reason current {{ id }} }} }} }}"""
DELETE = """mutation ($id: ID!) { deleteEscalationRule(input: {escalationRuleId: $id}) { __typename
  ... on DeleteEscalationRuleSuccess { deletedId } ... on NotFound { field } ... on NotAllowed { message } } }"""
LISTED = "{ escalationRules { totalCount nodes { id name } } }"
BY_ID = "query ($id: ID!) { node(id: $id) { id ... on EscalationRule { name } } }"
NOWHERE = "00000000-0000-7000-8000-000000000000"
USUAL = {"name": "Nobody has it", "trigger": "UNASSIGNED", "afterSeconds": 3600, "level": "TEAM_LEAD"}


@pytest.fixture
def save(api, admin):
    """Saves a rule as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input=USUAL | given))["saveEscalationRule"]
        return answer.get("escalationRule") or answer

    return saved


@pytest.fixture
def timers(database):
    """The numbers of the tickets at which the clock is to look at once."""

    async def woken():
        rows = await database.rows("SELECT number FROM tickets WHERE timer_at <= now() ORDER BY number")
        return [row["number"] for row in rows]

    return woken


@pytest.fixture
async def resting(database, work):
    """Makes that the clock is to look at nothing."""

    async def rest():
        await work.run()
        await database.rows("UPDATE tickets SET timer_at = now() + interval '1 day'")

    return rest


async def test_a_rule_holds_all_that_the_form_says(save, support, billing):
    made = await save(
        active=False,
        trigger="NOT_ACKNOWLEDGED",
        level="MANAGER",
        afterSeconds=0,
        priorities=["HIGH", "URGENT", "HIGH"],
        departmentIds=[support.gid, billing.gid, support.gid],
    )

    assert made.pop("id").startswith("esr_")
    assert made == {
        "name": "Nobody has it",
        "active": False,
        "trigger": "NOT_ACKNOWLEDGED",
        "afterSeconds": 0,
        "level": "MANAGER",
        "priorities": ["HIGH", "URGENT"],
        "departments": [{"name": "Billing"}, {"name": "Technical Support"}],
    }


async def test_saving_takes_the_whole_form(save, support):
    made = await save(active=False, priorities=["LOW"], departmentIds=[support.gid])

    again = await save(escalationRuleId=made["id"], name="Other", level="DIRECTOR")

    assert again == {
        "id": made["id"],
        "name": "Other",
        "active": True,
        "trigger": "UNASSIGNED",
        "afterSeconds": 3600,
        "level": "DIRECTOR",
        "priorities": [],
        "departments": [],
    }


async def test_rules_stand_by_level_and_time(api, save, admin):
    for name, level, seconds in (
        ("d", "DIRECTOR", 1),
        ("b", "TEAM_LEAD", 9),
        ("c", "MANAGER", 0),
        ("a", "TEAM_LEAD", 8),
    ):
        await save(name=name, level=level, afterSeconds=seconds)

    found = (await api(admin, LISTED))["escalationRules"]

    assert (found["totalCount"], [node["name"] for node in found["nodes"]]) == (4, ["a", "b", "c", "d"])
    page = (
        "query ($after: String) { escalationRules(first: 1, after: $after) { nodes { name } pageInfo { endCursor } } }"
    )
    names, after = [], None
    for _ in range(4):
        listed = (await api(admin, page, after=after))["escalationRules"]
        names += [node["name"] for node in listed["nodes"]]
        after = listed["pageInfo"]["endCursor"]
    assert names == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101, "afterSeconds": -1}, ["name", "afterSeconds"]),
        ({"afterSeconds": 31_536_001}, ["afterSeconds"]),
        ({"trigger": "NOT_ACKNOWLEDGED"}, ["trigger"]),
        ({"departmentIds": [f"dep_{NOWHERE}"] * 51}, ["departmentIds"]),
        ({"departmentIds": ["x"]}, ["departmentIds.0"]),
        ({"escalationRuleId": f"rul_{NOWHERE}"}, ["escalationRuleId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, given, fields):
    before = await database.counts()

    refusal = await save(**given)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"escalationRuleId": f"esr_{NOWHERE}"}, "escalationRuleId"),
        ({"departmentIds": [f"dep_{NOWHERE}"]}, "departmentIds.0"),
    ],
)
async def test_what_is_named_and_unknown_is_not_found(save, database, given, field):
    before = await database.counts()

    assert await save(**given) == {"__typename": "NotFound", "field": field}
    assert await database.counts() == before


async def test_a_name_is_taken_once(save, database):
    await save(name="A")
    other = await save(name="B")
    before = await database.counts()

    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}
    assert await save(name="A") == taken
    assert await save(name="A", escalationRuleId=other["id"]) == taken
    assert await database.counts() == before


async def test_one_that_is_deleted_is_gone(api, save, admin):
    made = await save()

    deleted = {"__typename": "DeleteEscalationRuleSuccess", "deletedId": made["id"]}
    assert await api(admin, DELETE, id=made["id"]) == {"deleteEscalationRule": deleted}

    assert (await api(admin, LISTED))["escalationRules"]["totalCount"] == 0
    gone = {"deleteEscalationRule": {"__typename": "NotFound", "field": "escalationRuleId"}}
    assert await api(admin, DELETE, id=made["id"]) == gone
    assert await api(admin, DELETE, id="nonsense") == gone


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_leads_read_rules_and_admins_alone_write_them(api, house, save, database, support, role):
    made = await save()
    viewer = await house.person("Someone Else", role, *([support] if role is not Role.CUSTOMER else []))
    before = await database.counts()

    for given in ({}, {"escalationRuleId": made["id"]}, {"escalationRuleId": f"esr_{NOWHERE}"}, {"name": ""}):
        assert (await save(viewer, **given))["__typename"] == "NotAllowed"
    for rule_id in (made["id"], f"esr_{NOWHERE}"):
        assert (await api(viewer, DELETE, id=rule_id))["deleteEscalationRule"]["__typename"] == "NotAllowed"
    if role.value >= Role.TEAM_LEAD.value:
        assert (await api(viewer, LISTED))["escalationRules"]["totalCount"] == 1
    else:
        assert await api.refused(viewer, LISTED) == "NOT_ALLOWED"
    found = (await api(viewer, BY_ID, id=made["id"]))["node"]
    assert (found is None) == (role is Role.CUSTOMER)  # escalations name it to all who work here
    assert await database.counts() == before


async def test_nobody_knows_of_rules(api, save):
    made = await save()
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"
    assert await api.refused(None, SAVE, input=USUAL) == "UNAUTHENTICATED"
    assert await api.refused(None, DELETE, id=made["id"]) == "UNAUTHENTICATED"
    assert await api.refused(None, BY_ID, id=made["id"]) == "UNAUTHENTICATED"


# --- Which tickets are looked at again --------------------------------------------------------------------------------


@pytest.fixture
async def numbers(submit, customer, agent, problem, invoices, database):
    """Tickets of two departments and two priorities, of which some are resolved; their numbers by name."""
    found = {
        "normal": await submit(customer, problem),
        "low": await submit(customer, problem, priority="LOW"),
        "elsewhere": await submit(customer, invoices),
        "resolved": await submit(customer, problem),
    }
    numbers = {name: ticket["number"] for name, ticket in found.items()}
    await database.rows("UPDATE tickets SET status = 'RESOLVED' WHERE number = :number", number=numbers["resolved"])
    return numbers


@pytest.mark.parametrize(
    ("given", "woken"),
    [
        ({}, ["normal", "low", "elsewhere"]),
        ({"priorities": ["LOW"]}, ["low"]),
        ({"departmentIds": "support"}, ["normal", "low"]),
        ({"departmentIds": "support", "priorities": ["NORMAL", "HIGH"]}, ["normal"]),
        ({"active": False}, []),
    ],
)
async def test_a_new_rule_has_those_looked_at_for_which_it_speaks(
    save, work, resting, timers, numbers, support, given, woken
):
    await resting()

    await save(**given | ({"departmentIds": [support.gid]} if "departmentIds" in given else {}))
    await work.run()

    assert await timers() == [numbers[name] for name in woken]


async def test_a_changed_or_deleted_rule_has_those_looked_at_for_which_it_spoke(
    api, save, admin, work, resting, timers, numbers, support, billing
):
    made = await save(departmentIds=[support.gid], priorities=["LOW"])
    for given, woken in (
        ({"departmentIds": [billing.gid]}, ["normal", "low", "elsewhere"]),
        ({"departmentIds": [billing.gid], "active": False}, ["elsewhere"]),
        ({"departmentIds": [support.gid], "active": False}, []),
        ({"departmentIds": [support.gid], "active": True}, ["normal", "low"]),
    ):
        await resting()
        await save(escalationRuleId=made["id"], **given)
        await work.run()
        assert await timers() == [numbers[name] for name in woken], given
    await resting()

    await api(admin, DELETE, id=made["id"])
    await work.run()

    assert await timers() == [numbers["normal"], numbers["low"]]


async def test_many_are_looked_at_again_in_batches_of_which_each_is_a_job(save, work, resting, timers, ticket, copies):
    await copies(ticket, waking.BATCH)
    await resting()
    await save()

    assert await work.run() == {LookAgain.__name__: 2}

    assert len(await timers()) == waking.BATCH + 1
