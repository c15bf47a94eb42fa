"""Tokens for programs: made once and shown once, what they may do, and how they end."""

import asyncio
import datetime as dt
import hashlib

import graphql
import pytest

from domain import api_tokens
from infra import unit
from resolvers.root import schema

FIELDS = "id name hint scope owner { name } createdAt lastUsedAt expiresAt"
CREATE = f"""mutation($input: CreateApiTokenInput!) {{ createApiToken(input: $input) {{ __typename
  ... on CreateApiTokenSuccess {{ token apiToken {{ {FIELDS} }} }} ... on InvalidInput {{ problems {{ field }} }}
  ... on Refusal {{ message }} }} }}"""
REVOKE = """mutation($id: ID!) { revokeApiToken(input: {apiTokenId: $id}) { __typename
  ... on RevokeApiTokenSuccess { revokedId } ... on NotFound { field message } ... on Refusal { message } } }"""
LIST = f"{{ viewer {{ apiTokens {{ {FIELDS} }} }} }}"
WHO = "{ viewer { person { name role } can } }"
NODE = "query($id: ID!) { node(id: $id) { ... on ApiToken { name } } }"


class Program:
    def __init__(self, token):
        self.token = token


@pytest.fixture
def create(api):
    """Makes a token, and gives the Success or the refusal."""

    async def made(viewer, **given):
        return (await api(viewer, CREATE, input={"name": "Nightly report"} | given))["createApiToken"]

    return made


async def test_a_token_is_shown_once_and_kept_as_a_digest(api, create, database, agent):
    made = await create(agent)

    token, data = made["token"], made["apiToken"]
    assert token.startswith("dwt_")
    assert len(token) == api_tokens.CHARACTERS
    assert data["hint"] == token[:8]
    assert (data["name"], data["scope"], data["owner"]) == ("Nightly report", "READ", {"name": "Ada Agent"})
    assert data["lastUsedAt"] is None
    lasts = dt.datetime.fromisoformat(data["expiresAt"]) - dt.datetime.fromisoformat(data["createdAt"])
    assert lasts == dt.timedelta(days=90)
    assert (await api(agent, LIST))["viewer"]["apiTokens"] == [data]
    (row,) = await database.rows("SELECT * FROM api_tokens")
    assert row["digest"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)


async def test_it_acts_as_its_owner(api, create, agent, ticket):
    program = Program((await create(agent))["token"])

    assert (await api(program, WHO))["viewer"]["person"] == {"name": "Ada Agent", "role": "AGENT"}
    query = "query($id: ID!) { ticket(id: $id) { number } }"
    assert (await api(program, query, id=ticket.gid)) == {"ticket": {"number": ticket.number}}


async def test_a_reading_one_can_do_nothing_else(api, create, database, admin):
    program = Program((await create(admin))["token"])
    await api(program, WHO)
    before = await database.counts()

    names = list(schema._schema.mutation_type.fields)
    for name in names:
        answer = await api.answer(program, f"mutation {{ {_minimal(name)} {{ __typename }} }}")
        if "errors" in answer:
            assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_ALLOWED"], name
            assert answer["data"] == {name: None}
        else:
            assert answer["data"] == {name: {"__typename": "NotAllowed"}}, name
    assert len(names) > 40
    assert await database.counts() == before


def _minimal(name):
    """The mutation with as little input as it takes."""
    return f"{name}(input: {_value(schema._schema.mutation_type.fields[name].args['input'].type)})"


def _value(type_):
    if graphql.is_non_null_type(type_):
        return _value(type_.of_type)
    if graphql.is_list_type(type_):
        return "[]"
    if graphql.is_enum_type(type_):
        return next(iter(type_.values))
    if graphql.is_input_object_type(type_):
        fields = type_.fields.items()
        if type_.extensions["strawberry-definition"].is_one_of:
            name, field = next(iter(fields))
            return f"{{{name}: {_value(field.type)}}}"
        wanted = [f"{name}: {_value(field.type)}" for name, field in fields if graphql.is_required_input_field(field)]
        return "{" + ", ".join(wanted) + "}"
    return {"Int": "1", "Float": "1", "Boolean": "true", "DateTime": '"2026-12-24T00:00:00Z"'}.get(type_.name, '"x"')


async def test_a_writing_one_does_all_but_tokens_passwords_people_and_sessions(api, create, admin, database, ticket):
    program = Program((await create(admin, scope="WRITE"))["token"])
    comment = 'mutation($id: ID!) { addComment(input: {ticketId: $id, body: "Hello"}) { __typename } }'
    assert (await api(program, comment, id=ticket.gid))["addComment"]["__typename"] == "AddCommentSuccess"
    before = await database.counts()

    for field in (
        'createApiToken(input: {name: "More"})',
        f'revokeApiToken(input: {{apiTokenId: "tok_{ticket.id}"}})',
        'setPassword(input: {newPassword: "three green umbrellas"})',
        'createPerson(input: {name: "N", email: "n@example.com"})',
        f'updatePerson(input: {{personId: "{admin.gid}", name: "N"}})',
        "signOut(input: {everywhere: true})",
        "signOut(input: {})",
    ):
        answer = await api(program, f"mutation {{ {field} {{ __typename }} }}")
        assert list(answer.values()) == [{"__typename": "NotAllowed"}], field
    assert await database.counts() == before


async def test_what_it_writes_came_in_by_the_api(api, create, agent, ticket):
    program = Program((await create(agent, scope="WRITE"))["token"])
    comment = """mutation($id: ID!) { addComment(input: {ticketId: $id, body: "Hello"}) {
      ... on AddCommentSuccess { comment { channel } } } }"""

    assert (await api(program, comment, id=ticket.gid))["addComment"] == {"comment": {"channel": "API"}}


async def test_what_a_program_can_is_told(api, create, admin):
    mine = (await api(admin, WHO))["viewer"]["can"]
    reading = Program((await create(admin))["token"])
    writing = Program((await create(admin, scope="WRITE"))["token"])

    assert (await api(reading, WHO))["viewer"]["can"] == ["SEE_METRICS"]
    assert (await api(writing, WHO))["viewer"]["can"] == [right for right in mine if right != "MANAGE_PEOPLE"]


CAN = """query($id: ID!) { ticket(id: $id) { viewerCan comments(first: 1) { nodes { viewerCanEdit } } }
  articles(first: 1) { nodes { viewerCan } } }"""


@pytest.mark.parametrize(("scope", "can"), [("READ", False), ("WRITE", True)])
async def test_who_only_reads_has_no_buttons(api, create, agent, ticket, article, scope, can):
    program = Program((await create(agent, scope=scope))["token"])
    comment = 'mutation($id: ID!) { addComment(input: {ticketId: $id, body: "Hello"}) { __typename } }'
    await api(agent, comment, id=ticket.gid)

    found = await api(program, CAN, id=ticket.gid)

    assert bool(found["ticket"]["viewerCan"]) is can
    assert found["ticket"]["comments"]["nodes"] == [{"viewerCanEdit": can}]
    assert [bool(article["viewerCan"]) for article in found["articles"]["nodes"]] == [can]


async def test_its_use_is_noted_once_an_hour(api, create, desk, database, agent, billing_agent):
    program = Program((await create(agent))["token"])
    await create(billing_agent)
    hour = unit.now().replace(minute=0, second=0, microsecond=0)
    written = "SELECT xmin::text, last_used_at FROM api_tokens ORDER BY id"

    await asyncio.gather(*(api(program, WHO) for _ in range(20)))
    first, unused = await database.rows(written)
    for _ in range(5):
        await api_tokens.bearer(desk, program.token)

    assert first["last_used_at"] in {hour, hour + dt.timedelta(hours=1)}
    assert unused["last_used_at"] is None
    assert await database.rows(written) == [first, unused]
    await database.rows("UPDATE api_tokens SET last_used_at = last_used_at - interval '1 hour'")
    await api_tokens.bearer(desk, program.token)
    assert (await database.rows(written))[0]["last_used_at"] == first["last_used_at"]


async def test_a_revoked_one_ends_at_once(api, create, agent):
    made = await create(agent)
    program = Program(made["token"])
    assert (await api.post(program, WHO)).status_code == 200

    answer = (await api(agent, REVOKE, id=made["apiToken"]["id"]))["revokeApiToken"]

    assert answer == {"__typename": "RevokeApiTokenSuccess", "revokedId": made["apiToken"]["id"]}
    response = await api.post(program, WHO)
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert (await api(agent, LIST))["viewer"]["apiTokens"] == []
    again = (await api(agent, REVOKE, id=made["apiToken"]["id"]))["revokeApiToken"]
    assert again["__typename"] == "NotFound"


async def test_one_that_has_expired_is_refused(api, create, database, agent):
    program = Program((await create(agent))["token"])
    await database.rows("UPDATE api_tokens SET expires_at = now() - interval '1 ms'")

    assert (await api.post(program, WHO)).status_code == 401


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t[:-1] + "!", lambda t: t[:4], str.upper]
)
async def test_what_is_like_a_token_is_none(api, create, agent, change):
    token = (await create(agent))["token"]

    assert (await api.post(Program(change(token)), WHO)).status_code == 401


async def test_tokens_of_others_are_for_admins_alone(api, create, agent, billing_agent, director, admin, customer):
    made = await create(agent)
    gid = made["apiToken"]["id"]

    for other in (billing_agent, director, customer):
        assert await api(other, NODE, id=gid) == {"node": None}
        answer = (await api(other, REVOKE, id=gid))["revokeApiToken"]
        assert answer == {"__typename": "NotFound", "field": "apiTokenId", "message": "There is no such token."}
        assert (await api(other, LIST))["viewer"]["apiTokens"] == []
    assert await api(admin, NODE, id=gid) == {"node": {"name": "Nightly report"}}
    assert (await api(admin, LIST))["viewer"]["apiTokens"] == []  # those are the viewer's own
    assert (await api(admin, REVOKE, id=gid))["revokeApiToken"]["__typename"] == "RevokeApiTokenSuccess"
    assert (await api.post(Program(made["token"]), WHO)).status_code == 401


async def test_customers_have_none(api, create, database, customer):
    before = await database.counts()

    assert (await create(customer))["__typename"] == "NotAllowed"
    assert await api.refused(None, CREATE, input={"name": "N"}) == "UNAUTHENTICATED"
    assert await database.counts() == before


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"expiresAt": "2026-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"name": "", "expiresAt": "2999-01-01T00:00:00Z"}, ["name", "expiresAt"]),
    ],
)
async def test_what_is_wrong_is_said(create, database, agent, given, fields):
    before = await database.counts()

    answer = await create(agent, **given)

    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_fifty_are_enough_even_at_once(create, database, agent, billing_agent):
    made = await create(agent)
    await database.rows(
        "INSERT INTO api_tokens (id, owner_id, name, hint, digest, scope, created_at, expires_at) SELECT "
        "gen_random_uuid(), owner_id, name, hint, n::text, scope, created_at, expires_at FROM api_tokens, "
        "generate_series(1, 48) AS n"
    )

    answers = await asyncio.gather(create(agent), create(agent))

    assert sorted(answer["__typename"] for answer in answers) == ["CreateApiTokenSuccess", "InvalidInput"]
    assert made["token"]
    assert (await create(billing_agent))["__typename"] == "CreateApiTokenSuccess"  # each has fifty
    await database.rows("UPDATE api_tokens SET revoked_at = now() WHERE digest = '1'")
    assert (await create(agent))["__typename"] == "CreateApiTokenSuccess"


@pytest.mark.parametrize("given", [{"active": False}, {"role": "CUSTOMER"}])
async def test_who_is_shut_out_or_works_here_no_more_meanwhile_gets_none(
    api, create, halted, database, agent, billing_agent, admin, given
):
    """It would outlive them: all that they had are revoked before."""
    updated = await halted(update(api, admin, agent, **given), "FOR NO KEY UPDATE")
    made = asyncio.create_task(create(agent))
    await asyncio.sleep(0.2)  # it waits for them
    await updated()

    assert (await made)["__typename"] == "NotAllowed"
    assert await database.rows("SELECT id FROM api_tokens") == []


async def test_an_owner_with_another_role_gives_it_other_rights_at_once(api, create, agent, admin):
    program = Program((await create(agent, scope="WRITE"))["token"])
    await api(program, WHO)

    await update(api, admin, agent, role="MANAGER")

    assert (await api(program, WHO))["viewer"]["person"]["role"] == "MANAGER"


@pytest.mark.parametrize("change", [{"active": False}, {"role": "CUSTOMER"}])
async def test_an_owner_who_leaves_takes_it_along(api, create, agent, admin, change):
    program = Program((await create(agent))["token"])
    await api(program, WHO)

    await update(api, admin, agent, **change)

    assert (await api.post(program, WHO)).status_code == 401
    await update(api, admin, agent, active=True, role="AGENT")
    assert (await api.post(program, WHO)).status_code == 401


async def update(api, admin, person, **given):
    query = "mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"
    answer = await api(admin, query, input={"personId": person.gid} | given)
    assert answer["updatePerson"]["__typename"] == "UpdatePersonSuccess"


async def test_what_ended_long_ago_is_forgotten(desk, create, database, agent):
    await create(agent)
    await create(agent)
    await database.rows(
        "UPDATE api_tokens SET expires_at = now() - interval '31 days' "
        "WHERE id = (SELECT id FROM api_tokens ORDER BY id LIMIT 1)"
    )

    await api_tokens.sweep(desk)

    assert len(await database.rows("SELECT id FROM api_tokens")) == 1


async def test_what_a_program_writes_came_in_by_one(api, create, submit, agent, customer, problem):
    program = Program((await create(agent, scope="WRITE"))["token"])
    add = """mutation($input: AddCommentInput!) { addComment(input: $input) {
      ... on AddCommentSuccess { comment { channel } } } }"""
    listed = """{ tickets(filter: {channels: [API]}) { nodes {
      id channel events { nodes { ... on TicketSubmitted { channel } } } } } }"""

    await submit(agent, problem, requesterId=customer.gid)
    theirs = await submit(program, problem, requesterId=customer.gid)
    own = await submit(program, problem)

    found = (await api(agent, listed))["tickets"]["nodes"]
    assert {each["id"] for each in found} == {theirs["id"], own["id"]}
    assert {each["channel"] for each in found} == {each["events"]["nodes"][0]["channel"] for each in found} == {"API"}
    comment = {"ticketId": theirs["id"], "body": "Seen."}
    assert (await api(program, add, input=comment))["addComment"]["comment"] == {"channel": "API"}
    assert (await api(agent, add, input=comment))["addComment"]["comment"] == {"channel": "PORTAL"}
