"""Each root field of the API, called by everybody: it does what it is for, or refuses, as `rights.py` says."""

import asyncio
import itertools
from collections import Counter
from types import SimpleNamespace

import graphql
import pytest
from inputs import value_of
from rights import EVERYONE, RIGHTS

from domain import links, messages, sessions
from infra.ids import new_id
from models import DeadLetter, DeadLetterKind, DeadLetterStatus, MessageKind, Role
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
LAST = ("setPassword", "signOut")  # after which other sessions, and this one, are no more
HOURLY = {"signUp", "requestSignInLink"}  # so many from one network
SLOW = {"signIn"}  # hashes passwords: called by one of them alone
# What is done once, by whoever comes first, and what not all who may ask have.
ONCE = {
    "query": {"maintenanceNotice", "viewer"},
    "mutation": {
        "acknowledgeEscalation", "closeArticleReview", "closeTicket", "deleteEscalationRule",
        "deleteMessageTemplate", "deleteRoutingRule", "deleteTicketView", "discardDeadLetters", "endEscalation",
        "escalateTicket", "mergeTickets", "refreshSession", "reopenTicket", "requestArticleReview", "resolveTicket",
        "retryDeadLetters", "revokeApiToken", "signInWithLink", "triageTicket",
    },
}  # fmt: skip
NOTHING_DONE = {"null", "NotFound", "InvalidInput", "Conflict", "WrongCredentials", "RateLimited"}
# What is given to a field in place of what its arguments' names say.
GIVEN = {
    "node": {"id": "ticketId"},
    "nodes": {"ids": "ticketId"},
    "ticket": {"id": "ticketId"},
    "ticketUpdated": {"id": "ticketId"},
    "person": {"id": "personId"},
    "article": {"id": "articleId"},
    "articleUpdated": {"id": "articleId"},
    "articleBySlug": {"slug": "slug"},
    "maintenanceNotice": {"id": "noticeId"},
    "discardDeadLetters": {"deadLetterIds": "otherDeadLetterId"},
    "archiveArticle": {"articleId": "oldArticleId"},
    "createArticle": {"categoryId": "shelfId"},
    "refreshSession": {"refreshToken": "refreshToken"},
    "triageTicket": {"ticketId": "newTicketId"},
    "escalateTicket": {"ticketId": "newTicketId"},
    "markNotificationsRead": {"ids": "notificationId"},
}
# What an input says beside what the schema asks for, so that it is fit: of each call another number stands in it.
NOTICE = {"startsAt": "2126-12-01T20:00:00Z", "endsAt": "2126-12-01T22:00:00Z"}
NUMBERS = itertools.count()
PASSWORD = "correct horse battery staple"
NAMED = (
    *("saveArticleCategory", "saveCategory", "saveDepartment", "saveEscalationRule", "saveMessageTemplate"),
    *("saveRoutingRule", "saveService", "saveTicketView"),
)
FIT = {name: {"name": "Number {}"} for name in NAMED} | {
    "createPerson": {"email": "somebody-{}@example.com"},
    "createUpload": {"filename": "a.txt", "contentType": "text/plain"},
    "giveArticleFeedback": {"helpful": True},
    "postMaintenanceUpdate": {"message": "{} of many"},
    "requestSignInLink": {"email": "somebody-{}@example.com"},
    "saveBusinessCalendar": {"name": "Number {}", "timeZone": "UTC", "hours": []},
    "saveSlaPolicy": {"name": "Number {}", "targets": [{"priority": "LOW", "resolutionSeconds": 600}]},
    "scheduleMaintenance": NOTICE,
    "setPassword": {"newPassword": "nothing to do with anybody"},
    "signIn": {"email": "sam@example.com", "password": PASSWORD},
    "signUp": {"email": "somebody-{}@example.com"},
    "updateMaintenance": {"title": "Number {}"},
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
async def ids(api, desk, house, people, database, submit, support, problem, other, ticket, customer):
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
    second, raised = [(await submit(customer, problem))["id"] for _ in range(2)]
    third = (await submit(customer, other, otherTopic="Something else"))["id"]
    await house.person("Sam", password=PASSWORD)
    await made(Role.CUSTOMER, "addComment", ticketId=second, body="x")
    shelf = await setting("saveArticleCategory", "article_categories", "arc", name="S", ticketCategoryIds=[])
    rule = {"categoryIds": [], "serviceIds": [], "words": ["x"], "departmentId": support.gid}
    reply = {"name": "T", "use": "REPLY", "body": "x"}
    escalating = {"trigger": "UNASSIGNED", "afterSeconds": 900, "level": "MANAGER", "departmentIds": []}
    old, article, asked = [
        await setting("createArticle", "articles", "art", title=title, body="x", categoryId=shelf) for title in "OAR"
    ]
    for each in (old, article, asked):
        await made(Role.TEAM_LEAD, "publishArticle", articleId=each)
    await made(Role.AGENT, "requestArticleReview", articleId=asked, note="x")
    await made(Role.AGENT, "escalateTicket", ticketId=raised, reason="x")
    await made(Role.CUSTOMER, "subscribeToService", serviceId=service)
    planned = {"title": "T", "message": "x", "severity": "MINOR", "serviceIds": [service], "audience": "EVERYONE"}
    await made(Role.MANAGER, "scheduleMaintenance", **planned, **NOTICE)
    await made(Role.AGENT, "saveTicketView", name="V", filter={})
    await made(Role.AGENT, "createApiToken", name="T", scope="READ")
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id)
        link = links.send(unit, customer.id, MessageKind.SIGN_IN_LINK)
        waits = {"kind": DeadLetterKind.JOB, "name": "Announce", "attempt_count": 9, "error": "x"}
        waits |= {"status": DeadLetterStatus.WAITING, "first_tried_at": unit.now, "failed_at": unit.now}
        nobody = dict.fromkeys(("recipient_id", "ticket_id", "settled_by_id", "settled_at"))
        letters = [unit.insert(DeadLetter, source_id=new_id(), **waits, **nobody) for _ in range(2)]
    return {
        "notificationId": f"ntf_{new_id()}",  # those that are not there are read already
        "escalationId": await newest("escalations", "esc"),
        "noticeId": await newest("maintenance_notices", "mnt"),
        "versionId": await newest("article_versions", "arv"),
        "reviewId": await newest("article_reviews", "rev"),
        "ticketViewId": await newest("ticket_views", "tvw"),
        "apiTokenId": await newest("api_tokens", "tok"),
        "deadLetterIds": f"ded_{letters[0].id}",
        "otherDeadLetterId": f"ded_{letters[1].id}",
        "ticketId": ticket.gid,
        "otherTicketId": second,
        "newTicketId": third,
        "intoTicketId": ticket.gid,
        "ticketIds": second,
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
        "articleId": article,
        "oldArticleId": old,
        "slug": "a",
        "refreshToken": opened.refresh_token,
        "token": desk.signer.sign(messages.SIGN_IN_LINK, {"link": str(link.id)}, 600),
    }


def _numbered(value):
    return value.format(next(NUMBERS)) if isinstance(value, str) else value


def arguments(kind, name, ids):
    """Values for the arguments that a field must have: what they name is there."""
    named = ids | {field: ids[known] for field, known in GIVEN.get(name, {}).items()}
    given = {}
    for argument, declared in ROOTS[kind].fields[name].args.items():
        if graphql.is_required_argument(declared):
            fields = getattr(graphql.get_named_type(declared.type), "fields", {})
            required = {field for field in fields if graphql.is_required_input_field(fields[field])}
            wanted = {field: named[field] for field in {argument, *required, *GIVEN.get(name, ())} & named.keys()}
            given[argument] = value_of(declared.type, wanted | {"other": named.get}, argument)
            if argument == "input":
                given[argument] |= {field: _numbered(value) for field, value in FIT.get(name, {}).items()}
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
async def test_who_may_is_not_refused(api, people, ids, database, kind):
    """In one house, in turn: each of them does what the field is for, or one does what can be done once alone."""
    worked, calls = Counter(), Counter()
    for name, who in sorted(
        ((name, who) for name, right in RIGHTS[kind].items() for who in VIEWERS if may(right, who, kind)),
        key=lambda call: (VIEWERS.index(call[1]), LAST.index(call[0])) if call[0] in LAST else (-1, 0),
    ):
        if name in SLOW and calls[name]:
            continue
        if name in HOURLY:
            await database.rows("DELETE FROM attempts")
        came = await outcome(api, people[who], kind, name, arguments(kind, name, ids))
        assert came not in REFUSED | {"UNAUTHENTICATED", "INTERNAL", "BAD_REQUEST"}, (name, who, came)
        calls[name] += 1
        worked[name] += came not in NOTHING_DONE
    assert RIGHTS[kind].keys() == (+worked).keys()
    assert {name for name, count in calls.items() if worked[name] < count} == ONCE[kind]


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
