"""When somebody's rights end or change, so does what they have open: within 5 seconds, wherever it is."""

import asyncio
import time

import pytest

from domain import api_tokens, sessions
from infra.ids import new_id
from infra.postgres import Unavailable
from infra.signing import BadToken
from models import ApiTokenScope
from web import identity

LIVE = "subscription { unreadCountUpdated { count } }"
UPDATE = "mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"
SECONDS = 5


class Program:
    def __init__(self, token, gid):
        self.token, self.gid = token, gid


@pytest.fixture
def watching(signed_in):
    """Opens a socket with something live on it."""

    async def opened(viewer):
        client = await signed_in(viewer)
        await client.subscribe(LIVE)
        await client.item()
        return client

    return opened


@pytest.fixture
async def program(desk, agent):
    """A program of the agent's."""
    return await made(desk, agent)


async def made(desk, owner):
    async with desk.writes.begin() as unit:
        viewer = sessions.Viewer(owner.role, owner.id)
        token = await api_tokens.create(unit, viewer, name="P", scope=ApiTokenScope.READ, expires_at=None)
    return Program(token.token, f"tok_{token.id}")


async def change(api, admin, person, **given):
    answer = await api(admin, UPDATE, input={"personId": person.gid} | given)
    assert answer["updatePerson"]["__typename"] == "UpdatePersonSuccess"


async def code_of(client):
    """With which code the socket is closed, within 5 seconds."""
    began = time.monotonic()
    code = await client.closed()
    assert time.monotonic() - began < SECONDS
    return code


@pytest.mark.parametrize(
    "given", [{"active": False}, {"role": "TEAM_LEAD"}, {"role": "CUSTOMER"}, {"departmentIds": []}]
)
async def test_other_rights_end_the_sockets_of_people_and_programs(api, watching, admin, agent, program, given):
    person, other, mine = await watching(agent), await watching(admin), await watching(program)

    await change(api, admin, agent, **given)

    assert await asyncio.gather(code_of(person), code_of(mine)) == [4403, 4403]
    await other.quiet()


async def test_another_name_ends_nothing(api, watching, admin, agent, program):
    person, mine = await watching(agent), await watching(program)

    await change(api, admin, agent, name="Ada B")

    await person.quiet()
    await mine.quiet()


async def test_another_password_ends_the_other_sockets(api, watching, desk, customer):
    here = await watching(customer)
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(desk, unit, customer.id)
    there = await watching(Program(opened.access_token, None))

    query = 'mutation { setPassword(input: {newPassword: "three green umbrellas"}) { __typename } }'
    assert (await api(customer, query))["setPassword"]["__typename"] == "SetPasswordSuccess"

    assert await code_of(there) == 4403
    await here.quiet()


async def test_a_revoked_token_ends_its_sockets_and_no_others(api, watching, desk, agent, program):
    mine, other, owner = await watching(program), await watching(await made(desk, agent)), await watching(agent)

    query = "mutation($id: ID!) { revokeApiToken(input: {apiTokenId: $id}) { __typename } }"
    assert (await api(agent, query, id=program.gid))["revokeApiToken"]["__typename"] == "RevokeApiTokenSuccess"

    assert await code_of(mine) == 4403
    await other.quiet()
    await owner.quiet()


async def test_a_program_begins_anew_with_the_rights_of_now(api, signed_in, watching, admin, agent, program):
    mine = await watching(program)
    await change(api, admin, agent, role="MANAGER")
    assert await code_of(mine) == 4403

    again = await signed_in(program)
    await again.subscribe("{ viewer { person { role } } }")

    assert await again.item() == {"viewer": {"person": {"role": "MANAGER"}}}


async def test_a_message_that_comes_twice_ends_what_was_open_before_it(watching, desk, program):
    """As the process that it comes from hears it: at once, and from Redis."""
    mine, token_id = await watching(program), program.gid.removeprefix("tok_")
    message = f"{new_id()},{token_id}"
    await desk.bus.tell([], {api_tokens.CHANNEL: message})
    assert await code_of(mine) == 4403
    again = await watching(program)

    await desk.bus.tell([], {api_tokens.CHANNEL: message})
    await again.quiet()

    await desk.bus.tell([], {api_tokens.CHANNEL: f"{new_id()},{token_id}"})
    assert await code_of(again) == 4403


async def test_what_redis_does_not_tell_is_found_in_postgresql(watching, monkeypatch, database, program, agent):
    monkeypatch.setattr(api_tokens, "LOOK_SECONDS", 0.3)
    mine = await watching(program)
    await asyncio.sleep(0.5)
    await mine.quiet()  # it is looked up anew, and is good

    await database.rows("UPDATE api_tokens SET revoked_at = now()")

    assert await code_of(mine) == 4403


async def test_another_role_that_nobody_told_of_is_found_too(watching, monkeypatch, database, program, agent):
    monkeypatch.setattr(api_tokens, "LOOK_SECONDS", 0.3)
    mine = await watching(program)

    await database.rows("UPDATE people SET role = 'MANAGER' WHERE id = :id", id=agent.id)

    assert await code_of(mine) == 4403


async def test_a_token_that_ends_by_itself_ends_its_sockets(watching, monkeypatch, database, program):
    monkeypatch.setattr(api_tokens, "LOOK_SECONDS", 0.3)
    mine = await watching(program)

    await database.rows("UPDATE api_tokens SET expires_at = now() + interval '1 s'")

    assert await code_of(mine) == 4403


async def test_what_was_found_before_an_end_was_heard_is_not_kept(desk, database, program, monkeypatch):
    monkeypatch.setattr(desk.hub, "_listeners", dict(desk.hub._listeners))  # who listens here takes nobody's place
    known = identity.Identities(desk)
    looked_up = api_tokens.bearer

    async def slow(desk, token):
        found = await looked_up(desk, token)
        known._hear_of_tokens(str(found.session_id))  # it was revoked meanwhile
        return found

    monkeypatch.setattr(api_tokens, "bearer", slow)

    await known.bearer(program.token)

    assert program.token not in known._known


async def test_a_process_that_begins_knows_whose_session_has_ended(desk, database, monkeypatch, customer):
    monkeypatch.setattr(desk.hub, "_listeners", dict(desk.hub._listeners))
    monkeypatch.setattr(identity, "LOOK_SECONDS", 0.01)
    async with desk.writes.begin() as unit:
        lately, before, never = [await sessions.open_for(desk, unit, customer.id) for _ in range(3)]
    lasts = desk.settings.access_token_seconds  # so long its tokens are good by themselves
    for opened, ago in ((lately, lasts), (before, lasts + 120)):
        sql = "UPDATE sessions SET ended_at = now() - make_interval(secs => :ago) WHERE id = :id"
        await database.rows(sql, ago=ago, id=opened.session_id)
    known = identity.Identities(desk)

    known.start()
    async with asyncio.timeout(5):
        while not known._ended:  # noqa: ASYNC110 # nobody is told of it
            await asyncio.sleep(0.01)
    await known.stop()

    assert known._ended.keys() == {lately.session_id}
    with pytest.raises(BadToken):
        await known.bearer(lately.access_token)
    assert (await known.bearer(never.access_token)).viewer == never.viewer


async def test_a_look_that_fails_is_not_the_last(desk, database, monkeypatch):
    monkeypatch.setattr(desk.hub, "_listeners", dict(desk.hub._listeners))
    monkeypatch.setattr(identity, "LOOK_SECONDS", 0.01)
    known, ended, faults = identity.Identities(desk), new_id(), [ValueError("Not now."), ValueError("Nor now.")]

    async def fails(*_):
        if faults:
            raise faults.pop()
        return {ended: sessions.now()}

    monkeypatch.setattr("infra.migrations.awaited", fails)
    monkeypatch.setattr(sessions, "ended_lately", fails)
    known.start()
    async with asyncio.timeout(5):
        while ended not in known._ended:  # noqa: ASYNC110 # nobody is told of it
            await asyncio.sleep(0.01)
    await known.stop()


async def test_a_socket_that_nobody_can_tell_of_is_told_to_come_again(socket, program, monkeypatch):
    async def away(*_):
        raise Unavailable

    monkeypatch.setattr(api_tokens, "bearer", away)
    client = await socket()

    await client.send(type="connection_init", payload={"authorization": f"Bearer {program.token}"})

    assert await client.closed() == 1013


async def test_a_socket_outlives_a_database_that_is_away(watching, program, monkeypatch):
    monkeypatch.setattr(api_tokens, "LOOK_SECONDS", 0.1)
    mine = await watching(program)

    async def away(*_):
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(api_tokens, "bearer", away)
        await mine.quiet()
