"""Many who watch the same: one reading for all, and nobody is told what is not theirs to see."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from infra.hub import Watch
from infra.postgres import Reads
from planner.plan import State
from web import cohorts
from web.cohorts import Cohorts

PLAIN = "subscription ($id: ID!) { ticketUpdated(id: $id) { status subject assignee { name } } }"
OWN = "subscription ($id: ID!) { ticketUpdated(id: $id) { status lastSeq comments { nodes { body } } } }"
FILES = "subscription ($id: ID!) { ticketUpdated(id: $id) { subject attachments { nodes { url } } } }"
STATUS = "mutation S($input: ChangeTicketStatusInput!) { changeTicketStatus(input: $input) { __typename } }"
INTERNAL = "mutation C($input: AddInternalCommentInput!) { addInternalComment(input: $input) { __typename } }"
WATCH = "mutation W($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
UNWATCH = "mutation W($input: UnwatchTicketInput!) { unwatchTicket(input: $input) { __typename } }"


@pytest.fixture
def watch(signed_in, ticket):
    """Opens a socket that watches the ticket, and takes its first state."""

    async def watched(viewer, text):
        client = await signed_in(viewer)
        await client.subscribe(text, id=ticket.gid)
        client.first = (await client.item())["ticketUpdated"]
        return client

    return watched


async def test_all_who_see_the_same_share_a_reading(api, watch, statements, house, support, agent, ticket):
    colleagues = [agent, *[await house.person(f"Colleague {n}", agent.role, support) for n in range(4)]]
    clients = [await watch(viewer, PLAIN) for viewer in colleagues for _ in range(3)]
    assert len({str(client.first) for client in clients}) == 1

    statements.clear()
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
    states = [(await client.item())["ticketUpdated"]["status"] for client in clients]
    assert states == ["ON_HOLD"] * len(clients)
    assert len([text for text in statements if "seeing" in text]) == 1


async def test_whoever_loses_sight_is_told_no_more_and_the_others_are(
    api, watch, agent, customer, stranger, house, ticket
):
    other = await house.person("Other Watcher", stranger.role)
    for person in (stranger, other):
        await api(agent, WATCH, input={"ticketId": ticket.gid, "personId": person.gid})
    leaves, stays, owns = await watch(stranger, PLAIN), await watch(other, PLAIN), await watch(customer, PLAIN)

    await api(agent, UNWATCH, input={"ticketId": ticket.gid, "personId": stranger.gid})
    assert (await leaves.receive())["type"] == "complete"
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
    for client in (stays, owns):
        assert (await client.item())["ticketUpdated"]["status"] == "ON_HOLD"
    await leaves.quiet()


async def test_what_depends_on_who_looks_is_read_for_each(api, watch, agent, billing_agent, ticket):
    await api(agent, WATCH, input={"ticketId": ticket.gid, "personId": billing_agent.gid})
    works, watches = await watch(agent, OWN), await watch(billing_agent, OWN)
    await api(agent, INTERNAL, input={"ticketId": ticket.gid, "body": "Between us."})
    assert (await works.item())["ticketUpdated"]["comments"] == {"nodes": [{"body": "Between us."}]}
    await watches.quiet()
    assert watches.first["comments"] == {"nodes": []}


async def test_whoever_comes_later_is_told_the_state_of_now(api, watch, agent, ticket):
    first = await watch(agent, PLAIN)
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
    assert (await first.item())["ticketUpdated"]["status"] == "ON_HOLD"
    second = await watch(agent, PLAIN)
    assert second.first["status"] == "ON_HOLD"
    await first.quiet()

    await first.socket.close()
    await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "OPEN"})
    assert (await second.item())["ticketUpdated"]["status"] == "OPEN"


async def test_what_breaks_for_all_who_watch_the_same_is_one_fault(
    api, watch, signed_in, house, support, agent, ticket, monkeypatch
):
    colleagues = [agent, *[await house.person(f"Colleague {n}", agent.role, support) for n in range(4)]]
    clients = [await watch(viewer, PLAIN) for viewer in colleagues]

    async def breaks(*_):
        raise ValueError("of all")

    with capture_logs() as logs, monkeypatch.context() as broken:
        broken.setattr(Reads, "fetch", breaks)
        await api(agent, STATUS, input={"ticketId": ticket.gid, "status": "ON_HOLD"})
        ends = [await client.receive() for client in clients]

    assert {end["type"] for end in ends} == {"error"}
    (told,) = {end["payload"][0]["extensions"]["id"] for end in ends}
    assert [log["error_id"] for log in logs if log["error_id"] == told] == [told]


async def test_a_look_that_tells_nothing_keeps_no_news_waiting():
    """Of a stream that is told once a second at most."""
    watch, reads, told = Watch(), asyncio.Queue(), asyncio.Queue()

    class Hub:
        @asynccontextmanager
        async def watching(self, _channels):
            yield watch

    async def read_for(_members):
        reads.put_nowait(state)
        return State(state, state, lasting=True), None

    stream = SimpleNamespace(channels=["a"], pause=1.0, shared="a", member=None, read_for=read_for)
    outlet = SimpleNamespace(name="", frame=lambda body: body, write=lambda frame: told.put_nowait(frame) or True)
    state = b"first"
    async with asyncio.timeout(5), Cohorts(Hub()).joined(stream, outlet):
        assert (await told.get(), await reads.get()) == (b"first", b"first")
        await asyncio.sleep(1.1)
        watch.look()
        assert await reads.get() == b"first"
        state = b"second"
        watch.wake()
        async with asyncio.timeout(0.7):
            assert await told.get() == b"second"
    assert reads.qsize() == 1


async def test_a_link_that_is_signed_anew_is_told_by_the_clock_and_not_by_what_is_internal(
    api, signed_in, submit, uploaded, monkeypatch, agent, customer, problem
):
    monkeypatch.setattr(cohorts, "FRESH_SECONDS", 4.0)
    ticket = await submit(customer, problem, uploadIds=[await uploaded(customer)])
    client, late = await signed_in(customer), await signed_in(customer)
    await client.subscribe(FILES, id=ticket["id"])
    first = (await client.item())["ticketUpdated"]
    await asyncio.sleep(1.1)  # signatures are of a second
    await api(agent, INTERNAL, input={"ticketId": ticket["id"], "body": "Between us."})
    await client.quiet()
    await late.subscribe(FILES, id=ticket["id"])
    assert (await late.item())["ticketUpdated"]["subject"] == first["subject"]

    again = (await client.item())["ticketUpdated"]
    assert again["attachments"] != first["attachments"]
    assert again | {"attachments": []} == first | {"attachments": []}


def test_what_is_told_at_long_intervals_is_seldom_looked_at_without_a_message():
    watch = Watch()
    watch.every = 5
    found = []
    for _ in range(10):
        watch.look()
        found.append(watch.is_set())
        watch.clear()
    assert found == [False, False, False, False, True] * 2
