"""What somebody sees who may not see it any more: nothing, and soon their stream has ended."""

import asyncio
import contextlib
import time

import pytest
from websockets.exceptions import ConnectionClosed

from domain.people import Newcomer, add
from infra.desk import Desk
from models import Role
from tests.faults.promises import ROUNDS

SECONDS = 5
CANARY = "Canary in a mine"
WATCH = """subscription ($id: ID!) { ticketUpdated(id: $id) {
  lastSeq subject comments(last: 3) { nodes { body internal } } } }"""
FOLLOW = "mutation ($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
LOSE = "mutation ($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename ... on Refusal { message } } }"
SAY = """mutation ($input: AddInternalCommentInput!) { addInternalComment(input: $input) {
  __typename ... on Refusal { message } } }"""


@pytest.fixture
async def leaver(real):
    """An agent who is about to lose something: their key, and a token."""
    async with Desk.open(real.settings) as desk:
        (department,) = await real.rows("SELECT id FROM departments WHERE name = 'Support'")
        made = []

        async def made_one(*, seconds=3600):
            async with desk.writes.begin() as unit:
                address = f"leaver-{time.monotonic_ns()}@example.com"
                given = ("Lou Leaver", address, Role.AGENT, [department["id"]], None)
                made.append(await add(unit, Newcomer(*given, invite=False)))
            return f"per_{made[-1]}", await real.token_of(made[-1], desk, seconds=seconds)

        yield made_one
    await real.rows("UPDATE people SET active = false WHERE id = ANY($1)", made)


async def until_closed(socket):
    """What was told until then."""
    told = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            told.append(await socket.receive())
    return told


async def whispered(real, ticket_id, times=3):
    for number in range(times):
        said = {"ticketId": ticket_id, "body": f"{CANARY} {number}"}
        answer = (await real.post(SAY, by=real.admin_token, input=said)).json()
        assert answer["data"]["addInternalComment"]["__typename"] == "AddInternalCommentSuccess", answer
        await asyncio.sleep(0.1)


@pytest.mark.promise(
    "No payload is read after the commit that took a right away, and the stream ends within 5 s",
    injected="departments or role taken away, or shut out, while subscribed; Redis there, hidden, or untold of it",
)
@pytest.mark.parametrize("lost", [{"departmentIds": []}, {"active": False}, {"role": "CUSTOMER", "departmentIds": []}])
async def test_whoever_loses_a_right_is_told_nothing_more(real, far, leaver, kept, lost):
    seen, told, slowest = 0, 0, 0.0
    for number in range(3 * ROUNDS):
        hidden = ("nobody", "subscriber", "changer")[number % 3]
        near, by = (real, far) if hidden == "changer" else (far, real)
        ticket_id = await real.submitted("Secret")
        person_id, token = await leaver()
        assert (await real.post(FOLLOW, by=token, input={"ticketId": ticket_id})).json()["data"]["watchTicket"]
        async with near.connected(token) as socket:
            await socket.send(id="1", type="subscribe", payload={"query": WATCH, "variables": {"id": ticket_id}})
            assert (await socket.item())["subject"] == "Secret"
            if hidden != "nobody":
                far.proxies["valkey"].hole()
            answer = await by.post(LOSE, by=real.admin_token, input={"personId": person_id, **lost})
            assert answer.json()["data"]["updatePerson"]["__typename"] == "UpdatePersonSuccess", answer.json()
            await whispered(real, ticket_id)
            far.proxies["valkey"].heal()
            ended = time.monotonic()
            for message in await until_closed(socket):
                told += 1
                seen += CANARY in str(message)
            slowest = max(slowest, time.monotonic() - ended)
    kept(times=3 * ROUNDS, tried=told, canaries=seen, healed=slowest)
    assert slowest < SECONDS


@pytest.mark.promise(
    "A socket ends with its token",
    injected="tokens that end while subscribed",
)
async def test_a_socket_ends_with_its_token(real, far, leaver, kept):
    ticket_id = await real.submitted("Short")
    slowest, seen = 0.0, 0
    for _ in range(ROUNDS):
        _, token = await leaver(seconds=2)
        async with far.connected(token) as socket:
            await socket.send(id="1", type="subscribe", payload={"query": WATCH, "variables": {"id": ticket_id}})
            await socket.item()
            began = time.monotonic()
            await until_closed(socket)
            slowest = max(slowest, time.monotonic() - began)
            assert socket.socket.close_code == 4403
        await whispered(real, ticket_id, 1)
    kept(times=ROUNDS, tried=ROUNDS, canaries=seen, healed=slowest)
    assert slowest < SECONDS
