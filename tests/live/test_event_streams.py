"""Event streams: subscriptions, queries and mutations as graphql-sse wants them, each on a connection of its own."""

import asyncio
import contextlib
import datetime as dt
import gc
import json
import secrets
import socket
from dataclasses import replace
from urllib.parse import urlencode

import httpx
import pytest
from sockets import served
from structlog.testing import capture_logs

from domain import sessions
from infra.postgres import Unavailable
from web import event_streams

PATIENCE_SECONDS = 5
QUIET_SECONDS = 0.4
WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { subject } }"
DESK = "{ desk { name } }"
KIND = "text/event-stream; charset=utf-8"


class Events:
    """What comes on one stream, as a browser would read it."""

    def __init__(self, response):
        self.response, self.chunks, self.rest = response, response.aiter_raw(), b""

    async def block(self):
        """The lines of the next block, empty at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"\n\n" not in self.rest:
                chunk = await anext(self.chunks, None)
                if chunk is None:
                    assert self.rest == b""
                    return []
                self.rest += chunk
        block, _, self.rest = self.rest.partition(b"\n\n")
        return block.decode().split("\n")

    async def event(self):
        """The next event and its data; comments are passed over. None at the end."""
        while (lines := await self.block()) == [":"]:
            pass
        if not lines:
            return None
        kind, data = lines  # never more: no line break is in what is told
        assert kind.startswith("event: ")
        data = data.removeprefix("data:").strip()
        return kind.removeprefix("event: "), json.loads(data) if data else None

    async def item(self):
        kind, data = await self.event()
        assert (kind, "errors" in data) == ("next", False), data
        return data["data"]

    async def errors(self):
        kind, data = await self.event()
        assert (kind, list(data)) == ("next", ["errors"])
        return data["errors"]

    async def completes(self):
        assert await self.event() == ("complete", None)
        assert await self.event() is None


@pytest.fixture
async def client():
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as made:
        yield made


@pytest.fixture
async def streams(address, client):
    """Asks for event streams, which are closed in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def asked(viewer, query, *, get=False, at=address, accept="text/event-stream", **variables):
            headers = {"Accept": accept} | ({"Authorization": f"Bearer {viewer.token}"} if viewer else {})
            given = {"query": query, "variables": variables}
            if get:
                params = {"query": query, "variables": json.dumps(variables)}
                request = client.stream("GET", f"http://{at}/graphql", params=params, headers=headers)
            else:
                request = client.stream("POST", f"http://{at}/graphql", json=given, headers=headers)
            response = await stack.enter_async_context(request)
            assert (response.status_code, response.headers["content-type"]) == (200, KIND)
            return Events(response)

        yield asked


async def test_what_was_sent_is_kept_no_longer_than_it_is_needed(streams, ticket, customer):
    """Variables that no operation has are passed over, however large; a subscription may last for days."""
    events = await streams(customer, WATCH, get=True, id=ticket.gid, junk=["x" * 1_000])
    await events.item()
    assert not [found for found in gc.get_objects() if type(found) is dict and isinstance(found.get("junk"), list)]


async def change(database, hub, ticket, subject):
    await database.rows("UPDATE tickets SET subject = :s WHERE id = :id", s=subject, id=ticket.uuid)
    hub._wake(f"ticket:{ticket.id}")


async def rid(desk, before):
    """Until nothing is left of what ran."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while desk.hub._waiting or asyncio.all_tasks() - before - {asyncio.current_task()}:  # noqa: ASYNC110 # as they end
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("get", [False, True])
async def test_the_ticket_now_and_after_every_change(streams, desk, database, customer, ticket, get):
    events = await streams(customer, WATCH, get=get, id=ticket.gid)
    assert events.response.headers["cache-control"] == "no-store"
    assert await events.item() == {"ticketUpdated": {"subject": "Printer on fire"}}

    await change(database, desk.hub, ticket, "Smouldering")

    assert await events.item() == {"ticketUpdated": {"subject": "Smouldering"}}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUIET_SECONDS):
            raise AssertionError(await events.event())


async def test_something_comes_at_once_so_that_browsers_know_of_the_stream(streams, customer, ticket):
    events = await streams(customer, WATCH, id=ticket.gid)
    assert await events.block() == [":"]


async def test_no_line_break_is_in_what_is_told(streams, desk, database, customer, ticket):
    subject = "one\r\ntwo\n\nthree\revent: next\u2028\u0085"
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()
    await change(database, desk.hub, ticket, subject)
    assert await events.item() == {"ticketUpdated": {"subject": subject}}
    assert event_streams.event(b'{\n"a":\r\n1}') == b'event: next\ndata: { "a":  1}\n\n'


async def test_queries_and_mutations_are_one_event_and_a_completion(streams, client, address, customer):
    events = await streams(customer, "{ viewer { person { name } } }")
    assert await events.item() == {"viewer": {"person": {"name": "Carla Customer"}}}
    await events.completes()

    await (events := await streams(None, DESK, get=True)).item()
    await events.completes()

    events = await streams(customer, "mutation { signOut(input: {}) { __typename } }")
    assert await events.item() == {"signOut": {"__typename": "SignOutSuccess"}}
    await events.completes()
    assert "set-cookie" in events.response.headers


async def test_what_is_not_valid_is_told_in_an_event(streams, customer, ticket):
    for query, variables in (
        ("{ nonsense }", {}),
        ("subscription { nonsense }", {}),
        ("query A { desk { name } } query B { desk { name } }", {}),
        (WATCH, {}),
        (WATCH, {"id": "nonsense"}),
        (WATCH, {"id": "per_00000000-0000-7000-8000-000000000000"}),
    ):
        events = await streams(customer, query, **variables)
        for error in await events.errors():
            assert error["extensions"]["code"] == "BAD_REQUEST"
        await events.completes()

    events = await streams(None, WATCH, id=ticket.gid)
    (error,) = await events.errors()
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    await events.completes()


async def test_what_cannot_be_seen_completes_without_a_word(streams, stranger, ticket):
    for wanted in (ticket.gid, "tkt_00000000-0000-7000-8000-000000000000"):
        await (await streams(stranger, WATCH, id=wanted)).completes()


async def test_a_right_that_is_lost_ends_the_stream(streams, desk, database, customer, stranger, ticket):
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()
    await database.rows("UPDATE tickets SET requester_id = :who WHERE id = :id", who=stranger.id, id=ticket.uuid)
    desk.hub._wake(f"ticket:{ticket.id}")
    await events.completes()


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("text/event-stream", 200, KIND),
        ("text/event-stream, multipart/mixed", 200, KIND),
        ("application/json, TEXT/EVENT-STREAM", 200, KIND),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", 200, KIND),
        ("application/json", 400, "application/json; charset=utf-8"),
        ("*/*", 400, "application/graphql-response+json; charset=utf-8"),
    ],
)
async def test_a_subscription_is_a_stream_to_those_who_take_one(
    client, address, customer, ticket, accept, status, kind
):
    headers = {"Accept": accept, "Authorization": f"Bearer {customer.token}"}
    given = {"query": WATCH, "variables": {"id": ticket.gid}}
    async with client.stream("POST", f"http://{address}/graphql", json=given, headers=headers) as response:
        assert (response.status_code, response.headers["content-type"]) == (status, kind)


async def test_a_query_is_json_to_those_who_take_both(client, address):
    accept = "application/graphql-response+json, application/json, text/event-stream"
    answer = await client.post(f"http://{address}/graphql", json={"query": DESK}, headers={"Accept": accept})
    assert answer.json()["data"] == {"desk": {"name": "Deskwire"}}


async def test_no_page_of_elsewhere_can_make_a_stream_do_anything(client, address, database):
    url, events = f"http://{address}/graphql", {"Accept": "text/event-stream"}
    mutation = 'mutation { requestSignInLink(input: {email: "a@example.com"}) { __typename } }'
    before = await database.counts()
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = events | {"Content-Type": media_type}
        answer = await client.post(url, content=json.dumps({"query": mutation}), headers=headers)
        assert answer.status_code == 415
    answer = await client.get(url, params={"query": mutation}, headers=events)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await database.counts() == before


async def test_what_is_no_operation_has_a_status_of_its_own(client, address):
    url, events = f"http://{address}/graphql", {"Accept": "text/event-stream"}
    for body in (b"null", b'"x"', b"3", b"\xff", b"1" * 5000, b"{}", b"[" * 10_000):
        answer = await client.post(url, content=body, headers=events | {"Content-Type": "application/json"})
        assert (answer.status_code, list(answer.json())) == (400, ["errors"])
    answer = await client.post(url, json={"query": DESK}, headers=events | {"Authorization": "Bearer nonsense"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json; charset=utf-8")


async def test_a_stream_ends_with_its_token(streams, desk, customer, ticket):
    short = desk.settings.model_copy(update={"access_token_seconds": 3})
    async with desk.writes.begin() as unit:
        opened = await sessions.open_for(replace(desk, settings=short), unit, customer.id)
    customer.token = opened.access_token
    began = dt.datetime.now(dt.UTC)

    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()

    (error,) = await events.errors()
    assert (error["message"], error["extensions"]["code"]) == ("The access token has ended.", "UNAUTHENTICATED")
    await events.completes()
    assert dt.datetime.now(dt.UTC) - began < dt.timedelta(seconds=6)


async def test_signing_out_ends_the_stream(streams, api, customer, ticket):
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()

    await api(customer, "mutation { signOut(input: {}) { __typename } }")

    (error,) = await events.errors()
    assert (error["message"], error["extensions"]["code"]) == ("The session has ended.", "UNAUTHENTICATED")
    await events.completes()


async def test_being_shut_out_ends_the_stream(streams, api, admin, agent):
    events = await streams(agent, "subscription { unreadCountUpdated { count } }")
    await events.item()

    query = "mutation($id: ID!) { updatePerson(input: {personId: $id, active: false}) { __typename } }"
    assert (await api(admin, query, id=agent.gid))["updatePerson"]["__typename"] == "UpdatePersonSuccess"

    (error,) = await events.errors()
    assert (error["message"], error["extensions"]["code"]) == ("The session has ended.", "UNAUTHENTICATED")
    await events.completes()


async def test_a_client_that_has_gone_leaves_nothing_behind(streams, desk, customer, ticket):
    before = asyncio.all_tasks()
    for _ in range(3):
        await (events := await streams(customer, WATCH, id=ticket.gid)).item()
        assert desk.hub._waiting
        await events.response.aclose()
        await rid(desk, before)


async def test_comments_keep_a_quiet_stream_alive(streams, customer, ticket, monkeypatch):
    monkeypatch.setattr(event_streams, "KEEP_ALIVE_SECONDS", 0.05)
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()
    for _ in range(3):
        assert await events.block() == [":"]


async def test_streams_are_counted_as_long_as_they_run(streams, http, customer, ticket):
    async def running():
        (line,) = [x for x in (await http.get("/metrics")).text.splitlines() if x.startswith("deskwire_subscriptions ")]
        return float(line.split()[1])

    before = await running()
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()
    assert await running() == before + 1
    await events.response.aclose()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await running() != before:  # noqa: ASYNC110 # nothing tells
            await asyncio.sleep(0.02)


@pytest.fixture
def reads(desk, monkeypatch):
    """Makes the database fail as the test says."""
    real = type(desk.reads).fetch

    class Reads:
        error = None

    async def fetch(self, *given):
        if Reads.error:
            raise Reads.error
        return await real(self, *given)

    monkeypatch.setattr(type(desk.reads), "fetch", fetch)
    return Reads


async def test_a_stream_outlives_a_database_that_is_away(streams, desk, database, reads, customer, ticket):
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()

    reads.error = Unavailable()
    await change(database, desk.hub, ticket, "Changed meanwhile")
    (error,) = await (late := await streams(customer, WATCH, id=ticket.gid)).errors()
    assert error["extensions"]["code"] == "UNAVAILABLE"
    await late.completes()
    await asyncio.sleep(QUIET_SECONDS)
    reads.error = None

    assert await events.item() == {"ticketUpdated": {"subject": "Changed meanwhile"}}


async def test_what_nobody_expects_is_masked(streams, desk, database, reads, customer, ticket):
    events = await streams(customer, WATCH, id=ticket.gid)
    await events.item()

    with capture_logs() as logs:
        reads.error = ZeroDivisionError("secret")
        await change(database, desk.hub, ticket, "Never seen")
        (error,) = await events.errors()
        await events.completes()

    assert error["extensions"]["code"] == "INTERNAL"
    assert [log["error_id"] for log in logs if log["event"] == "unexpected_error"] == [error["extensions"]["id"]]
    assert "secret" not in json.dumps(error)


async def test_a_client_that_takes_nothing_is_cut_off(address, desk, database, customer, submit, problem, monkeypatch):
    """What it has not taken is not kept for it: no more than a buffer and one answer, and that not for long."""
    monkeypatch.setattr(event_streams, "SEND_SECONDS", 0.3)
    body = secrets.token_hex(9_500)
    found = await submit(customer, problem, body=body)
    key = found["id"].removeprefix("tkt_")
    fields = " ".join(f"a{number}: body" for number in range(50))
    query = f'subscription {{ ticketUpdated(id: "{found["id"]}") {{ subject {fields} }} }}'
    before = asyncio.all_tasks()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        host, _, port = address.partition(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (host, int(port)))
        head = f"GET /graphql?{urlencode({'query': query})} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        await loop.sock_sendall(slow, f"{head}Authorization: Bearer {customer.token}\r\n\r\n".encode())
        for number in range(20):
            await database.rows("UPDATE tickets SET subject = :s WHERE id = :id", s=f"No. {number}", id=key)
            desk.hub._wake(f"ticket:{key}")
            await asyncio.sleep(0.05)
        await rid(desk, before)
        got = await all_of(slow)
    assert b"200 OK" in got
    assert not got.endswith(b"0\r\n\r\n")  # broken off, and not brought to an end
    assert got.count(b"event: next") < 20


async def all_of(reader):
    """What is left to read."""
    loop = asyncio.get_running_loop()
    got = b""
    while chunk := await loop.sock_recv(reader, 2**16):
        got += chunk
    return got


async def test_a_server_that_is_told_to_stop_ends_its_streams_so_that_they_come_again(
    application, streams, customer, ticket
):
    async with served(application) as here:
        events = await streams(customer, WATCH, at=here.at, id=ticket.gid)
        await events.item()
        began = asyncio.get_running_loop().time()
        here.server.should_exit = True
        assert await events.event() is None  # the end, whole, and without a completion
        async with asyncio.timeout(PATIENCE_SECONDS):
            await here.task
        assert asyncio.get_running_loop().time() - began < 3
