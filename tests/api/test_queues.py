"""How much waits where, and who takes new tickets."""

import asyncio

import pytest

from models import Role

QUEUE = """query Q($id: ID) { queue(departmentId: $id) { id department { name } openCount unassignedCount mineCount
  triageCount pendingCount onHoldCount escalatedCount atRiskCount breachedCount longestWaitingSince
  availableAgentCount } }"""
SET = """mutation S($input: SetAvailabilityInput!) { setAvailability(input: $input) { __typename
  ... on SetAvailabilitySuccess { person { name availability { status until capacity assignedCount } } }
  ... on InvalidInput { field } ... on NotFound { field } } }"""
PEOPLE = """query P($filter: PersonFilter, $order: PersonOrder) { people(filter: $filter, orderBy: $order) {
  totalCount nodes { name } } }"""
THEIRS = """query T($id: ID!, $filter: TicketFilter) { person(id: $id) { name
  requestedTickets(filter: $filter) { totalCount nodes { number } }
  assignedTickets(filter: $filter) { totalCount nodes { number } } } }"""


@pytest.fixture
def queue(api):
    async def found(viewer, department=None):
        return (await api(viewer, QUEUE, id=department and department.gid))["queue"]

    return found


async def test_what_waits_is_counted_where_the_viewer_works(
    queue, api, house, database, submit, customer, agent, billing_agent, director, problem, invoices, other, support,
    billing,
):  # fmt: skip
    gone = await house.person("Gone Gary", Role.AGENT, support)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    numbers = [(await submit(customer, category))["number"] for category in (problem,) * 6 + (invoices,)]
    await submit(customer, other, otherTopic="Something")
    changes = [
        "status = 'PENDING', breached_at = now()", "status = 'ON_HOLD', escalation_rank = 1",
        "status = 'RESOLVED', assignee_id = :agent", "assignee_id = :agent", "due_at = now() + interval '10 minutes'",
        "due_at = now() + interval '10 hours', waiting_since = '2020-01-01T00:00:00Z'", "assignee_id = :agent",
    ]  # fmt: skip
    for number, change in zip(numbers, changes, strict=True):
        values = {"agent": agent.id} if ":agent" in change else {}
        await database.rows(f"UPDATE tickets SET {change} WHERE number = :n", n=number, **values)

    found = await queue(agent, support)

    assert found == {
        "id": f"que_{support.id}", "department": {"name": support.name}, "openCount": 4, "unassignedCount": 3,
        "mineCount": 1, "triageCount": 1, "pendingCount": 1, "onHoldCount": 1, "escalatedCount": 1, "atRiskCount": 1,
        "breachedCount": 1, "longestWaitingSince": "2020-01-01T00:00:00.000Z", "availableAgentCount": 1,
    }  # fmt: skip
    together = {"id": f"que_{agent.id}", "department": None, "openCount": 5, "mineCount": 2}
    assert await queue(agent) == found | together
    assert (await queue(agent, billing))["openCount"] == 1  # the one that was given to them
    assert (await queue(billing_agent))["openCount"] == 1
    assert (await queue(billing_agent, support))["openCount"] == 0
    assert (await queue(director))["openCount"] == 5
    nested = "query D { departments { nodes { name queue { openCount } } } }"
    assert {each["name"]: each["queue"] for each in (await api(agent, nested))["departments"]["nodes"]} == {
        "Billing": {"openCount": 1}, "Technical Support": {"openCount": 4},
    }  # fmt: skip
    assert {each["queue"] for each in (await api(customer, nested))["departments"]["nodes"]} == {None}


async def test_queues_are_for_staff(api, customer, agent, support):
    assert await api.refused(customer, QUEUE) == "NOT_ALLOWED"
    assert await api.refused(None, QUEUE) == "UNAUTHENTICATED"
    assert await api(agent, QUEUE, id="dep_0193a000-0000-7000-8000-000000000000") == {"queue": None}


async def test_staff_say_whether_they_take_tickets(
    api, queue, house, database, agent, billing_agent, customer, support
):
    lead = await house.person("Lea Lead", Role.TEAM_LEAD, support)
    manager = await house.person("Mia Manager", Role.MANAGER, support)

    async def said(viewer, **given):
        return (await api(viewer, SET, input=given))["setAvailability"]

    answer = await said(agent, status="AWAY", until="2099-01-01T00:00:00Z", capacity=3)
    assert answer["person"]["availability"] == {
        "status": "AWAY", "until": "2099-01-01T00:00:00.000Z", "capacity": 3, "assignedCount": 0,
    }  # fmt: skip
    assert (await queue(agent, support))["availableAgentCount"] == 2
    answer = await said(lead, personId=agent.gid, status="BUSY")
    assert answer["person"]["availability"] == {"status": "BUSY", "until": None, "capacity": 3, "assignedCount": 0}
    answer = await said(lead, personId=agent.gid, status="BUSY", capacity=None)
    assert answer["person"]["availability"]["capacity"] is None
    await database.rows("UPDATE availabilities SET until = now() - interval '1 second'")
    found = await api(customer, "query P($id: ID!) { person(id: $id) { availability { status } } }", id=customer.gid)
    assert found["person"]["availability"] is None
    found = await api(agent, "query P($id: ID!) { person(id: $id) { availability { status until } } }", id=agent.gid)
    assert found["person"]["availability"] == {"status": "AVAILABLE", "until": None}
    before = await database.counts()
    assert (await said(lead, personId=billing_agent.gid, status="AWAY"))["__typename"] == "NotAllowed"
    assert (await said(agent, personId=lead.gid, status="AWAY"))["__typename"] == "NotAllowed"
    assert (await said(lead, personId=manager.gid, status="AWAY"))["__typename"] == "NotAllowed"
    assert (await said(customer, status="AWAY"))["__typename"] == "NotAllowed"
    assert (await said(agent, status="AWAY", until="2020-01-01T00:00:00Z"))["field"] == "until"
    assert (await said(agent, status="AWAY", capacity=501))["field"] == "capacity"
    missing = "per_0193a000-0000-7000-8000-000000000000"
    assert (await said(lead, personId=missing, status="AWAY"))["field"] == "personId"
    assert await database.counts() == before


async def test_whoever_looks_for_an_agent_just_then_is_in_nobodys_way(
    api, halted, database, submit, customer, agent, problem
):
    """A submission makes the row that agents wait for, which stands there before its end."""
    await database.rows("UPDATE departments SET assignment = 'ROUND_ROBIN'")
    submitted = await halted(submit(customer, problem), "INSERT INTO availabilities")
    said = asyncio.create_task(api(agent, SET, input={"status": "AWAY"}))
    await asyncio.sleep(0.2)  # it waits for that row

    await submitted()

    assert (await said)["setAvailability"]["person"]["availability"]["status"] == "AWAY"
    (row,) = await database.rows("SELECT status, last_assigned_at FROM availabilities")
    assert row["status"] == "AWAY"
    assert row["last_assigned_at"]


async def test_people_are_found(api, house, database, agent, billing_agent, customer, support):
    await api(billing_agent, SET, input={"status": "AWAY"})

    async def names(filter_=None, order=None):
        return [each["name"] for each in (await api(agent, PEOPLE, filter=filter_, order=order))["people"]["nodes"]]

    assert await names() == [agent.name, billing_agent.name, customer.name]
    assert await names(order={"field": "CREATED_AT", "direction": "DESC"}) != []
    assert await names(order={"field": "LAST_SEEN_AT", "direction": "ASC"}) != []
    assert await names({"text": "carl cust"}) == [customer.name]
    assert await names({"text": "bill.bill"}) == [billing_agent.name]
    assert await names({"text": "O'Neil & | !"}) == []
    assert await names({"text": "  "}) == await names()
    assert await names({"roles": ["AGENT"], "availability": ["AVAILABLE"]}) == [agent.name]
    assert await names({"departmentIds": [support.gid]}) == [agent.name]
    assert await names({"active": False}) == []
    assert await api.refused(customer, PEOPLE) == "NOT_ALLOWED"
    assert await api.refused(None, THEIRS, id=agent.gid) == "UNAUTHENTICATED"


async def test_tickets_of_a_person_that_the_viewer_sees(
    api, database, submit, customer, stranger, agent, director, problem, invoices
):
    first, second = await submit(customer, problem), await submit(customer, invoices)
    await database.rows("UPDATE tickets SET assignee_id = :a WHERE number = :n", a=director.id, n=first["number"])

    async def theirs(viewer, person, **filter_):
        found = (await api(viewer, THEIRS, id=person.gid, filter=filter_ or None))["person"]
        kinds = ("requestedTickets", "assignedTickets")
        return found and [[each["number"] for each in found[kind]["nodes"]] for kind in kinds]

    assert await theirs(agent, customer) == [[first["number"]], []]
    assert await theirs(director, customer) == [[second["number"], first["number"]], []]
    assert await theirs(customer, customer) == [[second["number"], first["number"]], []]
    assert await theirs(agent, director) == [[], [first["number"]]]
    assert await theirs(director, customer, requesterIds=[stranger.gid]) == [[], []]
    assert await theirs(director, customer, requesterIds=[customer.gid], statuses=["OPEN"]) != [[], []]
    assert await theirs(stranger, customer) is None


async def test_what_is_listed_for_triage_is_what_the_queue_counts(api, submit, agent, customer, other):
    left, withdrawn = [await submit(customer, other, otherTopic="Something") for _ in range(2)]
    close = "mutation ($input: CloseTicketInput!) { closeTicket(input: $input) { __typename } }"
    await api(customer, close, input={"ticketId": withdrawn["id"]})

    asked = """query ($waits: Boolean!) { queue { triageCount }
      tickets(filter: {needsTriage: $waits}) { totalCount nodes { id } } }"""
    found = await api(agent, asked, waits=True)
    assert found["queue"] == {"triageCount": 1}
    assert found["tickets"] == {"totalCount": 1, "nodes": [{"id": left["id"]}]}
    assert (await api(agent, asked, waits=False))["tickets"]["nodes"] == [{"id": withdrawn["id"]}]
