"""Each root field of the API, called by everybody: it does what it is for, or refuses, as `rights.py` says."""

import asyncio
from types import SimpleNamespace

import graphql
import pytest
from inputs import value_of
from rights import EVERYONE, RIGHTS

from domain import sessions
from infra.ids import new_id
from models import Role
from resolvers.root import schema

SCHEMA = schema._schema
ROOTS = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
QUIET_SECONDS = 0.5
BY_LINK, READS, WRITES = "by a link", "a program that reads", "a program that writes"
STAFF = (Role.AGENT, Role.TEAM_LEAD, Role.MANAGER, Role.DIRECTOR, Role.ADMIN)
# Those who may not come first, so that what is called is still there for them.
VIEWERS = (None, READS, BY_LINK, Role.CUSTOMER, *STAFF, WRITES)
REFUSED = {"NotAllowed", "NOT_ALLOWED"}
TOKEN = """mutation ($scope: ApiTokenScope!) { createApiToken(input: {name: "T", scope: $scope}) {
  ... on CreateApiTokenSuccess { token } } }"""
# Of what is not made here, an id that nothing has.
UNKNOWN = {
    "noticeId": "mnt", "versionId": "arv", "escalationId": "esc", "ticketViewId": "tvw", "apiTokenId": "tok",
    "deadLetterIds": "ded", "notificationId": "ntf", "reviewId": "rev",
}  # fmt: skip
LAST = {"signOut"}  # after which nobody is there
NOTHING_DONE = {"null", "NotFound", "InvalidInput", "Conflict", "WrongCredentials", "RateLimited"}
# What finds nothing here, or is given what is not right: that it is not refused is all that shows.
IDLE = {
    "query": {"articleBySlug", "maintenanceNotice", "ticketByNumber"},
    "mutation": {
        "acknowledgeEscalation", "closeArticleReview", "createPerson", "createUpload", "deleteTicketView",
        "discardDeadLetters", "endEscalation", "escalateTicket", "giveArticleFeedback", "postMaintenanceUpdate",
        "refreshSession", "requestSignInLink", "restoreArticleVersion", "retryDeadLetters", "revokeApiToken",
        "saveBusinessCalendar", "saveSlaPolicy", "scheduleMaintenance", "setPassword", "signIn", "signInWithLink",
        "signUp", "triageTicket", "updateMaintenance",
    },
}  # fmt: skip
# What is given to a field in place of what its arguments' names say.
GIVEN = {
    "node": {"id": "ticketId"},
    "nodes": {"ids": "ticketId"},
    "ticket": {"id": "ticketId"},
    "ticketUpdated": {"id": "ticketId"},
    "person": {"id": "personId"},
    "article": {"id": "articleId"},
    "articleUpdated": {"id": "articleId"},
    "maintenanceNotice": {"id": "noticeId"},
    "createArticle": {"categoryId": "shelfId"},
    "markNotificationsRead": {"ids": "notificationId"},
}


@pytest.fixture
async def people(house, api, desk, support, ticket, customer):
    """Somebody of each role, and what else can ask: a link to one ticket, and programs of an admin."""
    found = {None: None, Role.CUSTOMER: customer}
    for role in STAFF:
        works = [] if role in {Role.DIRECTOR, Role.ADMIN} else [support]
        found[role] = await house.person(f"A {role.name}", role, *works)
    for who, scope in ((READS, "READ"), (WRITES, "WRITE")):
        made = (await api(found[Role.ADMIN], TOKEN, scope=scope))["createApiToken"]
        found[who] = SimpleNamespace(token=made["token"])
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id, ticket_id=ticket.uuid)
    found[BY_LINK] = SimpleNamespace(token=opened.access_token)
    return found


def may(right, who, kind):
    """Whether this is one of those who may. All things here are the customer's; programs are an admin's."""
    if kind == "mutation" and who == READS:
        return False
    if who is None:
        return right.least is EVERYONE
    if who == BY_LINK:
        return right.by_link
    if right.least is EVERYONE or who == Role.CUSTOMER:
        return right.least in {EVERYONE, Role.CUSTOMER}
    role = Role.ADMIN if who in {READS, WRITES} else who
    named = right.others is not None and role.value >= max(right.least.value, right.others.value)
    return named and (right.program or isinstance(who, Role))


def call(kind, name, given):
    """An operation that calls a field with these arguments, as variables."""
    field = ROOTS[kind].fields[name]
    declared = ", ".join(f"${argument}: {field.args[argument].type}" for argument in given)
    passed = ", ".join(f"{argument}: ${argument}" for argument in given)
    return f"{kind} {f'({declared})' if given else ''} {{ {name}{f'({passed})' if given else ''} {{ __typename }} }}"


async def outcome(api, viewer, kind, name, given):
    """What comes of calling it: the code of an error, or the type of the answer."""
    answer = await api.answer(viewer, call(kind, name, given), **given)
    if "errors" in answer:
        return answer["errors"][0]["extensions"]["code"]
    found = answer["data"][name]
    return found["__typename"] if isinstance(found, dict) else "null" if found is None else "list"


def test_each_root_field_has_a_rule():
    assert {kind: set(rights) for kind, rights in RIGHTS.items()} == {kind: set(r.fields) for kind, r in ROOTS.items()}


@pytest.fixture
async def ids(api, house, people, database, submit, support, problem, ticket, customer):
    """Ids of things that whoever may deal with them can see, by the name of an argument or of an input's field."""

    async def made(role, name, /, **given):
        kind = f"{name[0].upper()}{name[1:]}"
        text = f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename }} }}"
        assert (await api(people[role], text, input=given))[name]["__typename"] == f"{kind}Success"

    async def newest(table, prefix):
        (row,) = await database.rows(f"SELECT id FROM {table} ORDER BY id DESC LIMIT 1")
        return f"{prefix}_{row['id']}"

    async def setting(name, table, prefix, /, **given):
        await made(Role.ADMIN, name, **given)
        return await newest(table, prefix)

    service = (await house.service("API")).gid
    other = (await submit(customer, problem))["id"]
    await made(Role.CUSTOMER, "addComment", ticketId=other, body="x")
    shelf = await setting("saveArticleCategory", "article_categories", "arc", name="S", ticketCategoryIds=[])
    rule = {"categoryIds": [], "serviceIds": [], "words": ["x"], "departmentId": support.gid}
    reply = {"name": "T", "use": "REPLY", "body": "x"}
    escalating = {"trigger": "UNASSIGNED", "afterSeconds": 900, "level": "MANAGER", "departmentIds": []}
    return {name: f"{prefix}_{new_id()}" for name, prefix in UNKNOWN.items()} | {
        "ticketId": ticket.gid,
        "otherTicketId": other,
        "intoTicketId": ticket.gid,
        "ticketIds": other,
        "categoryId": problem.gid,
        "departmentId": support.gid,
        "serviceId": service,
        "serviceIds": service,
        "personId": customer.gid,
        "number": ticket.number,
        "shelfId": shelf,
        "commentId": await newest("comments", "com"),
        "routingRuleId": await setting("saveRoutingRule", "routing_rules", "rul", name="R", **rule),
        "escalationRuleId": await setting("saveEscalationRule", "escalation_rules", "esr", name="E", **escalating),
        "messageTemplateId": await setting("saveMessageTemplate", "message_templates", "tpl", **reply),
        "articleId": await setting("createArticle", "articles", "art", title="A", body="x", categoryId=shelf),
    }


def arguments(kind, name, ids):
    """Values for the arguments that a field must have: what they name is there."""
    named = ids | {field: ids[known] for field, known in GIVEN.get(name, {}).items()}
    given = {}
    for argument, declared in ROOTS[kind].fields[name].args.items():
        if graphql.is_required_argument(declared):
            fields = getattr(graphql.get_named_type(declared.type), "fields", {})
            required = {field for field in fields if graphql.is_required_input_field(fields[field])}
            wanted = {field: named[field] for field in required & named.keys()}
            given[argument] = value_of(declared.type, wanted | {"other": named.get}, argument)
    return given


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_who_may_not_is_refused_and_changes_nothing(api, people, ids, database, kind):
    before = await database.counts()
    for name, right in RIGHTS[kind].items():
        given = arguments(kind, name, ids)
        for who in VIEWERS:
            if not may(right, who, kind):
                came = await outcome(api, people[who], kind, name, given)
                assert came in ({"UNAUTHENTICATED"} if who is None else REFUSED), (name, who, came)
    assert await database.counts() == before


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_who_may_is_not_refused(api, people, ids, kind):
    """In one house, so that some find done what others did before; each field does its work for somebody."""
    worked = set()
    for name, right in sorted(RIGHTS[kind].items(), key=lambda each: each[0] in LAST):
        given = arguments(kind, name, ids)
        for who in VIEWERS:
            if may(right, who, kind):
                came = await outcome(api, people[who], kind, name, given)
                assert came not in REFUSED | {"UNAUTHENTICATED", "INTERNAL", "BAD_REQUEST"}, (name, who, came)
                if came not in NOTHING_DONE:
                    worked.add(name)
    assert RIGHTS[kind].keys() - worked == IDLE[kind]


async def test_who_may_subscribe(signed_in, people, ids):
    async def came_of(name, who):
        given = arguments("subscription", name, ids)
        client = await signed_in(people[who])
        await client.subscribe(call("subscription", name, given), **given)
        try:
            async with asyncio.timeout(
                QUIET_SECONDS if may(RIGHTS["subscription"][name], who, "subscription") else None
            ):
                message = await client.receive()
        except TimeoutError:
            return "quiet"
        return message["payload"][0]["extensions"]["code"] if message["type"] == "error" else message["type"]

    for name, right in RIGHTS["subscription"].items():
        came = await asyncio.gather(*(came_of(name, who) for who in VIEWERS))
        for who, code in zip(VIEWERS, came, strict=True):
            if may(right, who, "subscription"):
                assert code in {"next", "complete", "quiet"}, (name, who)
            else:
                assert code == ("UNAUTHENTICATED" if who is None else "NOT_ALLOWED"), (name, who)
