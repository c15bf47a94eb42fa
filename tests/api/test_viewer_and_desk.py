"""What anybody may know of the desk, who asks, and which root field is for whom."""

from types import SimpleNamespace

import pytest

import models
from domain import sessions
from models import Role
from schema.guide import GUIDE

NOWHERE = "00000000-0000-7000-8000-000000000000"
VIEWER = "{ viewer { person { name email role departments { name } } can unread { count } } }"
CAN = {
    Role.CUSTOMER: ["SUBMIT_TICKETS"],
    Role.AGENT: ["SUBMIT_TICKETS", "SUBMIT_TICKETS_FOR_OTHERS", "WORK_TICKETS", "WRITE_ARTICLES"],
}
CAN[Role.TEAM_LEAD] = [*CAN[Role.AGENT], "PUBLISH_ARTICLES", "SEE_METRICS"]
CAN[Role.MANAGER] = [*CAN[Role.TEAM_LEAD], "ANNOUNCE_MAINTENANCE"]
CAN[Role.DIRECTOR] = CAN[Role.MANAGER]
CAN[Role.ADMIN] = [*CAN[Role.DIRECTOR], "MANAGE_PEOPLE", "MANAGE_SETTINGS", "OPERATE"]

EVERYONE, SIGNED_IN, ADMINS = "everyone", "signed in", "admins"
QUERIES = {
    "desk { name }": EVERYONE,
    "viewer { can }": EVERYONE,
    "categories { totalCount }": EVERYONE,
    "services { totalCount }": EVERYONE,
    f'node(id: "tkt_{NOWHERE}") {{ id }}': SIGNED_IN,
    f'ticket(id: "tkt_{NOWHERE}") {{ id }}': SIGNED_IN,
    "ticketByNumber(number: 1) { id }": SIGNED_IN,
    "tickets { totalCount }": SIGNED_IN,
    "departments { totalCount }": SIGNED_IN,
    "routingRules { totalCount }": ADMINS,
    "categories(includeArchived: true) { totalCount }": ADMINS,
    "services(includeArchived: true) { totalCount }": ADMINS,
    "departments(includeArchived: true) { totalCount }": ADMINS,
}
MUTATIONS = {
    f'deleteRoutingRule(input: {{routingRuleId: "rul_{NOWHERE}"}})': "NotFound",
    'saveDepartment(input: {name: ""})': "InvalidInput",
    f'saveCategory(input: {{name: "", departmentId: "dep_{NOWHERE}"}})': "InvalidInput",
    'saveRoutingRule(input: {name: ""})': "InvalidInput",
    f'submitTicket(input: {{subject: "", body: "", categoryId: "cat_{NOWHERE}"}})': "InvalidInput",
    'createPerson(input: {name: "", email: ""})': "InvalidInput",
    f'updatePerson(input: {{personId: "per_{NOWHERE}", name: "N"}})': "NotFound",
    'createApiToken(input: {name: ""})': "InvalidInput",
    f'revokeApiToken(input: {{apiTokenId: "tok_{NOWHERE}"}})': "NotFound",
    'setPassword(input: {newPassword: ""})': "InvalidInput",
    'updateProfile(input: {name: ""})': "InvalidInput",
    'createUpload(input: {filename: "", contentType: "", sizeBytes: 0})': "InvalidInput",
    "markNotificationsRead(input: {which: {ids: []}})": "MarkNotificationsReadSuccess",
    "setNotificationPreferences(input: {preferences: []})": "InvalidInput",
}
FOR_STAFF = ("createPerson", "updatePerson", "createApiToken")
FOR_ADMINS = ("deleteRoutingRule", "saveDepartment", "saveCategory", "saveRoutingRule")


@pytest.fixture
async def session(desk, house, customer, ticket):
    """The customer, in a session that sees their ticket alone."""
    return await session_for(desk, customer, ticket)


async def session_for(desk, person, ticket):
    async with desk.writes.begin() as unit:
        row = unit.insert(
            models.Session,
            person_id=person.id,
            ticket_id=ticket.uuid,
            refresh_count=0,
            created_at=unit.now,
            expires_at=unit.now + sessions.KEPT,
            ended_at=None,
        )
        opened = sessions._tokens(desk, row, person.role, unit.now)
    return SimpleNamespace(token=opened.access_token)


async def test_the_desk_tells_anybody_what_a_client_needs(api, customer, migrated):
    query = """{ desk { name version signInMethods externalIssuer maxAttachmentBytes maxAttachmentsPerComment
        attachmentTypes confirmationSeconds } }"""

    told = (await api(None, query))["desk"]

    assert told == (await api(customer, query))["desk"]
    assert told["name"] == migrated.desk_name
    assert told["version"]
    assert told["signInMethods"] == ["PASSWORD", "EMAIL_LINK"]
    assert told["externalIssuer"] is None
    assert told["maxAttachmentBytes"] == migrated.max_attachment_bytes
    assert told["maxAttachmentsPerComment"] == 10
    assert "image/*" in told["attachmentTypes"]
    assert told["confirmationSeconds"] > 0


async def test_nobody_is_no_viewer(api):
    assert await api(None, "{ viewer { id person { name } } desk { name } }") == {
        "viewer": None,
        "desk": {"name": "Deskwire"},
    }


@pytest.mark.parametrize("role", Role)
async def test_the_viewer_is_who_asks_with_the_rights_of_their_role(api, house, support, role):
    departments = [] if role is Role.CUSTOMER else [support]
    person = await house.person("Some One", role, *departments)

    assert (await api(person, VIEWER))["viewer"] == {
        "person": {
            "name": "Some One",
            "email": "some.one@example.com",
            "role": role.name,
            "departments": [{"name": department.name} for department in departments],
        },
        "can": CAN[role],
        "unread": {"count": 0},
    }


async def test_a_session_for_one_ticket_has_no_rights_and_no_news(api, work, mailbox, session, ticket):
    await work.run()

    viewer = (await api(session, "{ viewer { can unread { count } notifications { totalCount } } }"))["viewer"]

    assert viewer == {"can": [], "unread": {"count": 0}, "notifications": {"totalCount": 0}}
    query = "query ($id: ID!) { ticket(id: $id) { viewerUnreadCount } }"
    assert await api(session, query, id=ticket.gid) == {"ticket": {"viewerUnreadCount": 0}}


@pytest.mark.parametrize("field", QUERIES)
async def test_a_query_is_for_whom_it_says(api, house, session, field):
    for_whom, name = QUERIES[field], field.partition("(")[0].partition(" ")[0]
    people = {role: await house.person(role.name.title(), role) for role in Role}
    for who, viewer in ({None: None, "session": session} | people).items():
        answer = await api.answer(viewer, f"{{ {field} desk {{ version }} }}")

        assert answer["data"]["desk"]["version"]  # a neighbour keeps its answer
        expected = []
        if who is None and for_whom is not EVERYONE:
            expected = [([name], "UNAUTHENTICATED")]
        elif for_whom is ADMINS and who is not Role.ADMIN:
            expected = [([name], "NOT_ALLOWED")]
        errors = [(error["path"], error["extensions"]["code"]) for error in answer.get("errors", [])]
        assert errors == expected, who
        if expected:
            assert answer["data"][name] is None


@pytest.mark.parametrize("field", MUTATIONS)
async def test_a_mutation_is_for_whom_it_says(api, house, database, session, field):
    name = field.partition("(")[0]
    people = {role: await house.person(role.name.title(), role) for role in Role}
    before = await database.counts()
    for who, viewer in people.items():
        answer = (await api(viewer, f"mutation {{ {field} {{ __typename }} }}"))[name]["__typename"]

        refused = (name in FOR_ADMINS and who is not Role.ADMIN) or (name in FOR_STAFF and who is Role.CUSTOMER)
        assert answer == ("NotAllowed" if refused else MUTATIONS[field]), who
    assert await api.refused(None, f"mutation {{ {field} {{ __typename }} }}") == "UNAUTHENTICATED"
    assert await database.counts() == before


@pytest.mark.parametrize("field", [field for field in MUTATIONS if not field.startswith("createUpload")])
async def test_a_session_for_one_ticket_does_nothing_else(api, desk, admin, ticket, field):
    name = field.partition("(")[0]
    session = await session_for(desk, admin, ticket)

    answer = await api.answer(session, f"mutation {{ {field} {{ __typename }} }}")

    if name in {"markNotificationsRead", "updateProfile"}:  # their results have no NotAllowed
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_ALLOWED"]
    else:
        assert answer["data"] == {name: {"__typename": "NotAllowed"}}


async def test_the_schema_describes_itself(api):
    described = (await api(None, "{ __schema { description } }"))["__schema"]["description"]
    assert described == GUIDE
    assert described.startswith("Deskwire: ")
