"""Services: keeping them, subscribing to them, and who may know who is subscribed."""

import pytest

from models import Role

SAVE = """mutation ($input: SaveServiceInput!) { saveService(input: $input) { __typename
  ... on SaveServiceSuccess { service { id name description archivedAt status viewerIsSubscribed } }
  ... on InvalidInput { field problems { field } } ... on NotFound { field } ... on Conflict { reason } } }"""
ANSWER = """{ __typename ... on %sSuccess { service { name viewerIsSubscribed subscribers { nodes { name } } } }
  ... on InvalidInput { field problems { field } } ... on NotFound { field } ... on NotAllowed { message } }"""
SUBSCRIBE = f"""mutation ($input: SubscribeToServiceInput!) {{
  subscribeToService(input: $input) {ANSWER % "SubscribeToService"} }}"""
UNSUBSCRIBE = f"""mutation ($input: UnsubscribeFromServiceInput!) {{
  unsubscribeFromService(input: $input) {ANSWER % "UnsubscribeFromService"} }}"""
SUBSCRIBED = "query ($id: ID!) { person(id: $id) { subscribedServices { totalCount nodes { name } } } }"
NOWHERE = "svc_00000000-0000-7000-8000-000000000000"
NOBODY = "per_00000000-0000-7000-8000-000000000000"


@pytest.fixture
def save(api, admin):
    """Saves a service as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input=given))["saveService"]
        return answer.get("service") or answer

    return saved


@pytest.fixture
def subscribe(api):
    """Subscribes; gives the service, or the refusal."""

    async def done(viewer, service, query=SUBSCRIBE, **given):
        (answer,) = (await api(viewer, query, input={"serviceId": service, **given})).values()
        return answer.get("service") or answer

    return done


@pytest.fixture
async def mail(house):
    return await house.service("Mail")


async def test_saving_takes_the_whole_form(save):
    made = await save(name="Mail", description="Letters.")
    assert made.pop("id").startswith("svc_")
    usual = {"archivedAt": None, "status": "OPERATIONAL", "viewerIsSubscribed": False}
    assert made == {"name": "Mail", "description": "Letters.", **usual}

    other = await save(name="Web", archived=True)
    assert other["archivedAt"] is not None
    again = await save(serviceId=other["id"], name="The Web", description=" ")
    assert again == {"id": other["id"], "name": "The Web", "description": None, **usual}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101, "description": "x" * 501}, ["name", "description"]),
        ({"name": "x", "serviceId": "svc_1"}, ["serviceId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, given, fields):
    before = await database.counts()
    refusal = await save(**given)
    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


async def test_a_service_must_be_there_and_a_name_is_taken_once(save, database, mail):
    before = await database.counts()
    assert await save(serviceId=NOWHERE, name="x") == {"__typename": "NotFound", "field": "serviceId"}
    assert await save(name="Mail") == {"__typename": "Conflict", "reason": "TAKEN"}
    assert await database.counts() == before


async def test_only_admins_save(api, save, database, customer, director, mail):
    before = await database.counts()
    for viewer in (customer, director):
        for given in ({"name": "x"}, {"serviceId": mail.gid, "name": "x"}, {"serviceId": NOWHERE, "name": "x"}):
            assert (await save(viewer, **given))["__typename"] == "NotAllowed"
    assert await api.refused(None, SAVE, input={"name": "x"}) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_one_subscribes_oneself_once_and_ends_it(api, subscribe, customer, mail, database):
    for _ in range(2):
        answer = await subscribe(customer, mail.gid)
        assert answer == {"name": "Mail", "viewerIsSubscribed": True, "subscribers": None}
    assert (await subscribe(customer, mail.gid, personIds=[customer.gid]))["viewerIsSubscribed"]
    assert len(await database.rows("SELECT * FROM service_subscriptions")) == 1
    mine = {"person": {"subscribedServices": {"totalCount": 1, "nodes": [{"name": "Mail"}]}}}
    assert await api(customer, SUBSCRIBED, id=customer.gid) == mine

    for _ in range(2):
        assert not (await subscribe(customer, mail.gid, UNSUBSCRIBE))["viewerIsSubscribed"]
    assert not await database.rows("SELECT * FROM service_subscriptions")


async def test_managers_subscribe_others_and_see_who_is(subscribe, house, support, customer, stranger, mail):
    manager = await house.person("Mia", Role.MANAGER, support)
    both = [customer.gid, stranger.gid]
    answer = await subscribe(manager, mail.gid, personIds=[*both, customer.gid])
    names = sorted(person.name for person in (customer, stranger))
    assert [node["name"] for node in answer["subscribers"]["nodes"]] == names
    assert not answer["viewerIsSubscribed"]
    answer = await subscribe(manager, mail.gid, UNSUBSCRIBE, personIds=[stranger.gid])
    assert [node["name"] for node in answer["subscribers"]["nodes"]] == [customer.name]


async def test_nobody_else_subscribes_others(subscribe, house, support, database, customer, stranger, agent, mail):
    lead = await house.person("Leo", Role.TEAM_LEAD, support)
    before = await database.counts()
    for viewer in (stranger, agent, lead):
        for those in ([customer.gid], [viewer.gid, customer.gid], [NOBODY]):
            for query in (SUBSCRIBE, UNSUBSCRIBE):
                refusal = await subscribe(viewer, mail.gid, query, personIds=those)
                assert refusal["__typename"] == "NotAllowed"
    assert await database.counts() == before


async def test_what_can_not_be_subscribed(api, subscribe, save, database, customer, admin, mail):
    await save(serviceId=mail.gid, name="Mail", archived=True)
    other = await save(name="Other")
    before = await database.counts()
    for gid in (mail.gid, NOWHERE):
        assert await subscribe(customer, gid) == {"__typename": "NotFound", "field": "serviceId"}
    missing = {"__typename": "NotFound", "field": "personIds.1"}
    assert await subscribe(admin, other["id"], personIds=[customer.gid, NOBODY]) == missing
    for those in ([], [customer.gid] * 1001, ["svc_1"]):
        assert (await subscribe(admin, other["id"], personIds=those))["__typename"] == "InvalidInput"
    assert (await subscribe(customer, "tkt_1"))["__typename"] == "InvalidInput"
    assert await api.refused(None, SUBSCRIBE, input={"serviceId": other["id"]}) == "UNAUTHENTICATED"
    assert await database.counts() == before


async def test_who_is_subscribed_is_for_themselves_and_staff(
    api, subscribe, house, customer, agent, director, stranger, mail, ticket
):
    await subscribe(customer, mail.gid)
    await subscribe(agent, mail.gid)
    one = {"totalCount": 1, "nodes": [{"name": "Mail"}]}
    assert await api(agent, SUBSCRIBED, id=customer.gid) == {"person": {"subscribedServices": one}}
    # A customer knows of the agent who works on their ticket, and not of what that agent reads.
    query = "{ tickets { nodes { requester { subscribedServices { totalCount } } } } }"
    (seen,) = (await api(customer, query))["tickets"]["nodes"]
    assert seen["requester"]["subscribedServices"]["totalCount"] == 1
    assert await api(stranger, SUBSCRIBED, id=customer.gid) == {"person": None}
    query = "{ services { nodes { subscribers { totalCount } viewerIsSubscribed status } } }"
    for viewer, count, mine in ((director, {"totalCount": 2}, False), (agent, None, True), (None, None, False)):
        (seen,) = (await api(viewer, query))["services"]["nodes"]
        assert seen == {"subscribers": count, "viewerIsSubscribed": mine, "status": "OPERATIONAL"}
