"""Anything by its id: each kind, in the order asked for, and what is wrong with an id."""

from uuid import uuid4

import pytest

import models

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } desk { name } }"
KINDS = {
    "tkt": "Ticket",
    "per": "Person",
    "dep": "Department",
    "cat": "Category",
    "svc": "Service",
    "mnt": "MaintenanceNotice",
    "mup": "MaintenanceUpdate",
    "rul": "RoutingRule",
    "ntf": "Notification",
    "evt": "TicketSubmitted",
    "att": "Attachment",
}


@pytest.fixture
async def ids(desk, house, database, work, mailbox, api, admin, customer, support, problem, ticket):
    """An id of each kind, by its prefix, that an admin can see. The admin works in the department."""
    async with desk.writes.begin() as unit:
        unit.insert(models.Membership, person_id=admin.id, department_id=support.id)
        unit.insert(
            models.Attachment,
            ticket_id=ticket.uuid,
            filename="a.txt",
            content_type="text/plain",
            size_bytes=1,
            key="a",
            internal=False,
            uploaded_by_id=customer.id,
            created_at=unit.now,
        )
    await work.run()
    made = await api(
        admin,
        """mutation { saveRoutingRule(input: {name: "A"}) {
            ... on SaveRoutingRuleSuccess { routingRule { id } } } }""",
    )
    service = await house.service("Mail")
    schedule = """mutation ($input: ScheduleMaintenanceInput!) { scheduleMaintenance(input: $input) {
        ... on ScheduleMaintenanceSuccess { notice { id } } } }"""
    post = """mutation ($input: PostMaintenanceUpdateInput!) { postMaintenanceUpdate(input: $input) {
        ... on PostMaintenanceUpdateSuccess { notice { id } update { id } } } }"""
    window = {"startsAt": "2101-01-01T00:00:00Z", "endsAt": "2101-01-02T00:00:00Z", "serviceIds": [service.gid]}
    notice = await api(admin, schedule, input={"title": "M", "message": "m", "severity": "INFO", **window})
    notice_id = notice["scheduleMaintenance"]["notice"]["id"]
    posted = await api(admin, post, input={"noticeId": notice_id, "message": "m"})
    query = """query ($id: ID!) { ticket(id: $id) { events { nodes { id } } attachments { nodes { id } } }
        viewer { notifications { nodes { id } } } }"""
    seen = await api(admin, query, id=ticket.gid)
    return {
        "tkt": ticket.gid,
        "per": customer.gid,
        "dep": support.gid,
        "cat": problem.gid,
        "svc": service.gid,
        "mnt": notice_id,
        "mup": posted["postMaintenanceUpdate"]["update"]["id"],
        "rul": made["saveRoutingRule"]["routingRule"]["id"],
        "ntf": seen["viewer"]["notifications"]["nodes"][0]["id"],
        "evt": seen["ticket"]["events"]["nodes"][0]["id"],
        "att": seen["ticket"]["attachments"]["nodes"][0]["id"],
    }


async def test_each_kind_is_found_by_its_id(api, ids, admin):
    assert ids.keys() == KINDS.keys()
    for prefix, gid in ids.items():
        assert gid.startswith(f"{prefix}_")
        assert await api(admin, NODE, id=gid) == {"node": {"__typename": KINDS[prefix], "id": gid}}


async def test_events_are_of_the_type_of_what_happened(api, ids, admin, ticket):
    query = "query ($id: ID!) { ticket(id: $id) { events { nodes { __typename id } } } }"
    events = (await api(admin, query, id=ticket.gid))["ticket"]["events"]["nodes"]

    assert [event["__typename"] for event in events] == ["TicketSubmitted", "TicketRouted", "MessageSent"]
    for event in events:
        assert await api(admin, NODE, id=event["id"]) == {"node": event}


async def test_what_is_not_seen_looks_like_what_is_not_there(api, ids, stranger):
    seen = {"dep", "cat", "svc"}
    for prefix, gid in ids.items():
        answer = await api.post(stranger, NODE, id=gid)
        missing = await api.post(stranger, NODE, id=f"{prefix}_{uuid4()}")
        assert missing.json()["data"] == {"node": None}
        assert (answer.content == missing.content) == (prefix not in seen), prefix


async def test_many_are_found_in_the_order_asked_for_with_null_for_what_is_not_there(api, ids, admin, stranger):
    asked = [*ids.values(), f"tkt_{uuid4()}", *reversed(ids.values()), f"evt_{uuid4()}"]

    found = (await api(admin, NODES, ids=asked))["nodes"]

    assert [node and node["id"] for node in found] == [*ids.values(), None, *reversed(ids.values()), None]
    assert [node["__typename"] for node in found[: len(ids)]] == [KINDS[prefix] for prefix in ids]
    for_stranger = (await api(stranger, NODES, ids=asked))["nodes"]
    assert {node["__typename"] for node in for_stranger if node} == {"Department", "Category", "Service"}
    assert (await api(admin, NODES, ids=[]))["nodes"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "nonsense",
        "tkt_",
        "tkt_1",
        "tkt-01a20e28-254c-73aa-8189-c7714a81bf68",
        "xyz_01a20e28-254c-73aa-8189-c7714a81bf68",
        "tkt_01A20E28-254C-73AA-8189-C7714A81BF68",
        "tkt_01a20e28254c73aa8189c7714a81bf68",
        "tkt_01a20e28-254c-73aa-8189-c7714a81bf68 ",
        "upl_01a20e28-254c-73aa-8189-c7714a81bf68",
        "vwr_01a20e28-254c-73aa-8189-c7714a81bf68",
    ],
)
async def test_what_is_no_id_is_refused_at_its_field(api, agent, ticket, wrong):
    query = (
        "query ($id: ID!, $right: ID!) { node(id: $id) { id } ticket(id: $id) { id } right: node(id: $right) { id } }"
    )

    answer = await api.answer(agent, query, id=wrong, right=ticket.gid)

    assert answer["data"] == {"node": None, "ticket": None, "right": {"id": ticket.gid}}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["node"], "BAD_REQUEST"),
        (["ticket"], "BAD_REQUEST"),
    ]
    assert await api.refused(agent, NODES, ids=[ticket.gid, wrong]) == "BAD_REQUEST"


async def test_the_id_of_something_else_is_refused(api, agent, customer):
    assert await api.refused(agent, "query ($id: ID!) { ticket(id: $id) { id } }", id=customer.gid) == "BAD_REQUEST"


async def test_at_most_a_hundred_are_found_at_once(api, agent, ticket):
    assert len((await api(agent, NODES, ids=[ticket.gid] * 100))["nodes"]) == 100

    answer = await api.answer(agent, NODES, ids=[ticket.gid] * 101)

    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["nodes"], "BAD_REQUEST")


async def test_nobody_finds_anything(api, ids):
    for gid in ids.values():
        assert await api.refused(None, NODE, id=gid) == "UNAUTHENTICATED"
        assert await api.refused(None, NODES, ids=[gid]) == "UNAUTHENTICATED"
