"""Departments: making, replacing and archiving them, and who sees which."""

import asyncio

import orjson
import pytest

from domain.access import Viewer
from domain.jobs import LeaveArchived
from domain.ranges import FIRST
from domain.refusals import Refusal
from domain.tickets import rerouting, submitting
from models import Role
from planner.engine import Engine
from resolvers.root import schema

SAVE = """mutation ($input: SaveDepartmentInput!) { saveDepartment(input: $input) { __typename
  ... on SaveDepartmentSuccess { department { id name description assignment agentCapacity archivedAt } }
  ... on InvalidInput { field problems { field } } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason current { id ... on Department { name archivedAt } } } } }"""
LISTED = """query ($archived: Boolean! = false) { departments(includeArchived: $archived) {
  totalCount nodes { name archivedAt } } }"""
NOWHERE = "dep_00000000-0000-7000-8000-000000000000"


@pytest.fixture
def save(api, admin):
    """Saves a department as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input=given))["saveDepartment"]
        return answer.get("department") or answer

    return saved


@pytest.fixture
def listed(api):
    """The names that somebody lists."""

    async def names(viewer, **variables):
        return [each["name"] for each in (await api(viewer, LISTED, **variables))["departments"]["nodes"]]

    return names


async def test_an_admin_makes_a_department_and_everyone_sees_it(save, listed, customer, director):
    made = await save(name="Field Service", description="They come to you.", assignment="ROUND_ROBIN", agentCapacity=5)

    assert made.pop("id").startswith("dep_")
    assert made == {
        "name": "Field Service",
        "description": "They come to you.",
        "assignment": "ROUND_ROBIN",
        "agentCapacity": 5,
        "archivedAt": None,
    }
    await save(name="Accounts")
    for viewer in (customer, director):
        assert await listed(viewer) == ["Accounts", "Field Service"]


async def test_with_the_first_department_tickets_can_be_submitted(save, api, customer):
    asked = "{ categories { nodes { id name isOther department { id } } } }"
    assert (await api(customer, asked))["categories"]["nodes"] == []
    await save(name="Closed", archived=True)
    first = await save(name="Support")
    await save(name="Accounts")

    (category,) = (await api(customer, asked))["categories"]["nodes"]
    assert category.pop("id").startswith("cat_")
    assert category == {"name": "Other", "isOther": True, "department": {"id": first["id"]}}


async def test_two_first_departments_bring_one_category(save, database):
    await asyncio.gather(save(name="Support"), save(name="Accounts"))

    counts = await database.counts()
    assert (counts["departments"], counts["categories"]) == (2, 1)


async def test_saving_takes_the_whole_form(save):
    made = await save(name="Field Service", description="They come.", assignment="LEAST_BUSY", agentCapacity=5)

    replaced = await save(departmentId=made["id"], name="On Site")

    assert replaced == {
        "id": made["id"],
        "name": "On Site",
        "description": None,
        "assignment": "MANUAL",
        "agentCapacity": None,
        "archivedAt": None,
    }
    assert await save(departmentId=made["id"], name="On Site") == replaced
    assert (await save(departmentId=made["id"], name="On Site", description="  "))["description"] is None


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"name": "x", "description": "x" * 501}, ["description"]),
        ({"name": "x", "agentCapacity": 0}, ["agentCapacity"]),
        ({"name": "x", "agentCapacity": 501}, ["agentCapacity"]),
        ({"name": "", "agentCapacity": -1}, ["name", "agentCapacity"]),
        ({"name": "x", "departmentId": "dep_1"}, ["departmentId"]),
        ({"name": "x", "departmentId": NOWHERE.replace("dep", "cat")}, ["departmentId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, given, fields):
    before = await database.counts()

    refusal = await save(**given)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


async def test_an_unknown_department_is_not_found(save, database):
    before = await database.counts()

    assert await save(departmentId=NOWHERE, name="x") == {"__typename": "NotFound", "field": "departmentId"}
    assert await database.counts() == before


async def test_a_name_is_taken_once(save, support, billing):
    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}

    assert await save(name="Billing") == taken
    assert await save(departmentId=support.gid, name="Billing") == taken
    assert (await save(departmentId=billing.gid, name="Billing"))["name"] == "Billing"


async def test_one_that_is_used_is_not_archived(save, database, house, billing, support, problem):
    refusal = await save(departmentId=support.gid, name="Renamed", archived=True)

    assert refusal == {
        "__typename": "Conflict",
        "reason": "IN_USE",
        "current": {"id": support.gid, "name": "Technical Support", "archivedAt": None},
    }


async def test_one_with_unresolved_tickets_is_not_archived_and_with_resolved_ones_is(
    save, database, submit, support, billing, problem, customer, ticket
):
    await database.rows("UPDATE categories SET department_id = :billing", billing=billing.id)
    for status in ("OPEN", "PENDING", "ON_HOLD"):
        await database.rows("UPDATE tickets SET status = :status", status=status)
        assert (await save(departmentId=support.gid, name="Support", archived=True))["reason"] == "IN_USE"
    await database.rows("UPDATE tickets SET status = 'RESOLVED'")

    assert (await save(departmentId=support.gid, name="Support", archived=True))["archivedAt"] is not None


async def test_an_archived_one_is_listed_for_admins_alone_and_comes_back(api, save, listed, admin, agent, support):
    archived = await save(departmentId=support.gid, name="Support", archived=True)
    again = await save(departmentId=support.gid, name="Support", archived=True)

    assert again == archived
    assert await listed(admin) == await listed(agent) == []
    assert await listed(admin, archived=True) == ["Support"]
    found = "query ($id: ID!) { node(id: $id) { id } }"
    assert await api(admin, found, id=support.gid) == {"node": {"id": support.gid}}
    assert await api(agent, found, id=support.gid) == {"node": None}

    assert (await save(departmentId=support.gid, name="Support"))["archivedAt"] is None
    assert await listed(agent) == ["Support"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_admins_save_and_list_archived_ones(api, house, save, database, support, role):
    viewer = await house.person("Someone Else", role, *([support] if role is not Role.CUSTOMER else []))
    before = await database.counts()

    for given in ({"name": "x"}, {"departmentId": support.gid, "name": "x"}, {"departmentId": NOWHERE, "name": "x"}):
        assert (await save(viewer, **given))["__typename"] == "NotAllowed"
    assert await api.refused(viewer, LISTED, archived=True) == "NOT_ALLOWED"
    assert await database.counts() == before


async def test_nobody_sees_or_saves_departments(api, support):
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"
    assert await api.refused(None, SAVE, input={"name": "x"}) == "UNAUTHENTICATED"


async def test_members_are_listed_by_role_and_name_for_staff(api, house, database, support, agent, customer):
    for name, role in (("Zoe", Role.AGENT), ("Leo", Role.TEAM_LEAD), ("Mia", Role.MANAGER), ("Gone", Role.AGENT)):
        gone = await house.person(name, role, support)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    query = "{ departments { nodes { members { totalCount nodes { name } } } } }"

    (seen,) = (await api(agent, query))["departments"]["nodes"]
    assert [person["name"] for person in seen["members"]["nodes"]] == ["Ada Agent", "Zoe", "Leo", "Mia"]
    pages = """query ($after: String) { departments { nodes { members(first: 1, after: $after) {
        nodes { name } pageInfo { endCursor } } } } }"""
    (first,) = (await api(agent, pages))["departments"]["nodes"]
    (second,) = (await api(agent, pages, after=first["members"]["pageInfo"]["endCursor"]))["departments"]["nodes"]
    assert second["members"]["nodes"] == [{"name": "Zoe"}]
    (seen,) = (await api(customer, query))["departments"]["nodes"]
    assert seen["members"] == {"totalCount": 0, "nodes": []}


async def test_lists_that_say_nothing_of_their_rows_are_read_for_many_at_once(
    application, desk, support, agent, customer
):
    query = "{ viewer { person { departments { members(first: 1) { nodes { locale } } } } } }"
    engine = Engine(schema, desk.reads, refusals=Refusal, report=repr, given=desk)
    operation = engine.operation(query, None)
    plan = engine.plan_of_query(operation, {}, Viewer(Role.CUSTOMER, customer.id))
    together = plan.plain.together

    rows = await desk.reads.fetch(together.sql, together.arguments([[customer.id, agent.id]]))

    assert [orjson.loads(row[0])["data"]["viewer"]["person"]["departments"] for row in rows] == [
        [],
        [{"members": {"nodes": []}}],
    ]


async def test_what_was_on_its_way_in_when_it_was_archived_goes_on(
    api, save, desk, database, work, mailbox, support, billing, problem, customer, stranger, monkeypatch
):
    """Nobody takes a ticket from a department that is in use no more."""
    monkeypatch.setattr(rerouting, "BATCH", 1)
    said = submitting.Submission("Printer on fire", "It burns.", problem.id)
    async with desk.writes.begin() as one, desk.writes.begin() as other:
        await submitting.submit(one, Viewer(Role.CUSTOMER, customer.id), said)
        await submitting.submit(other, Viewer(Role.CUSTOMER, stranger.id), said)
        await database.rows("UPDATE categories SET department_id = :billing", billing=billing.id)
        assert (await save(departmentId=support.gid, name="Support", archived=True))["archivedAt"]
    where = "SELECT DISTINCT department_id FROM tickets"
    assert await database.rows(where) == [{"department_id": support.id}]

    await database.rows("UPDATE jobs SET due_at = now()")
    done = await work.run()

    assert done["LeaveArchived"] == 3
    assert await database.rows(where) == [{"department_id": billing.id}]
    routed = "SELECT data ->> 'to_department_id' AS went FROM events WHERE kind = 'TicketRouted' ORDER BY seq, id"
    assert [row["went"] for row in await database.rows(routed)] == [str(support.id)] * 2 + [str(billing.id)] * 2


async def test_of_many_that_go_on_nobody_gets_more_than_fits(
    desk, house, submit, database, work, mailbox, support, billing, problem, customer
):
    await database.rows(
        "UPDATE departments SET assignment = 'LEAST_BUSY', agent_capacity = 2 WHERE id = :id", id=billing.id
    )
    agents = {(await house.person(name, Role.AGENT, billing)).id for name in ("Ann", "Bob")}
    for _ in range(5):
        await submit(customer, problem)
    await database.rows("UPDATE categories SET department_id = :id", id=billing.id)
    await database.rows("UPDATE departments SET archived_at = now() WHERE id = :id", id=support.id)
    async with desk.writes.begin() as unit:
        unit.enqueue(LeaveArchived(support.id, FIRST))

    await work.run()

    found = await database.rows("SELECT assignee_id, count(*) FROM tickets GROUP BY assignee_id")
    assert {row["assignee_id"]: row["count"] for row in found} == dict.fromkeys(agents, 2) | {None: 1}


async def test_one_that_is_in_use_again_keeps_them(save, database, work, mailbox, desk, house, support, billing):
    category = await house.category("Problem", billing)
    assert (await save(departmentId=support.gid, name="Support", archived=True))["archivedAt"]
    assert (await save(departmentId=support.gid, name="Support"))["archivedAt"] is None
    customer = await house.person("Carla Customer")
    async with desk.writes.begin() as unit:
        said = submitting.Submission("Printer on fire", "It burns.", category.id)
        await submitting.submit(unit, Viewer(Role.CUSTOMER, customer.id), said)
    await database.rows("UPDATE tickets SET department_id = :support", support=support.id)
    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()

    assert await database.rows("SELECT department_id FROM tickets") == [{"department_id": support.id}]
