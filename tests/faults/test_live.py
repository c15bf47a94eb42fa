"""Subscriptions while what tells them of changes is cut, hidden, frozen and emptied: nothing lost, nothing twice."""

import asyncio
import contextlib
import signal
import time

import pytest
from redis.asyncio import Redis
from websockets.exceptions import WebSocketException

from tests.faults.promises import ROUNDS

SECONDS = 5
AWAY_SECONDS = 2.5  # longer than anybody waits to tell Redis something
FEED = """subscription ($id: ID!, $after: String) {
  ticketUpdated: ticketEvents(ticketId: $id, after: $after) { cursor node { seq } } }"""
COMMENT = """mutation ($input: AddCommentInput!) { addComment(input: $input) {
  ... on AddCommentSuccess { ticket { lastSeq } } } }"""


async def comment(api, ticket_id, body):
    """The customer says it; gives how long the history then is."""
    answer = (await api.post(COMMENT, input={"ticketId": ticket_id, "body": body})).json()
    return answer["data"]["addComment"]["ticket"]["lastSeq"]


class Follower:
    """A client that follows a feed, and goes on from its cursor whenever its connection breaks."""

    def __init__(self, api, ticket_id):
        self.api, self.ticket_id = api, ticket_id
        self.cursor, self.seqs, self.connections = None, [], 0

    async def follow(self):
        port = self.api.proxies["clients"].port
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with self.api.connected(port=port) as socket:
                    self.connections += 1
                    variables = {"id": self.ticket_id, "after": self.cursor}
                    await socket.send(id="1", type="subscribe", payload={"query": FEED, "variables": variables})
                    while (message := await socket.receive())["type"] == "next":
                        item = message["payload"]["data"]["ticketUpdated"]
                        self.cursor = item["cursor"]
                        self.seqs.append(item["node"]["seq"])
                    # It began while the database was cut off, and is told to come again.
                    assert message["payload"][0]["extensions"]["code"] == "UNAVAILABLE", message
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def following(far, ticket_id):
    follower = Follower(far, ticket_id)
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def all_told(real, follower, last):
    """What the follower was told is all of it, once and in order."""

    async def told():
        return len(follower.seqs) >= last

    with contextlib.suppress(AssertionError):
        await real.until(told, seconds=15)
    await asyncio.sleep(0.3)  # for what would be too much
    found, wanted = follower.seqs, set(range(1, last + 1))
    return {"gaps": len(wanted - set(found)), "duplicates": len(found) - len(set(found))} | (
        {} if found == sorted(found) else {"failed": 1}
    )


@pytest.mark.promise(
    "A feed resumed from its cursor gives every later item once, in order",
    injected="connections of clients and of the hub cut, and delayed",
)
async def test_a_feed_that_is_cut_again_and_again_misses_nothing(real, far, kept):
    ticket_id = await real.submitted("Cut")
    drops = 0
    async with following(far, ticket_id) as follower:
        for number in range(12 * ROUNDS):
            for each in range(3):
                last = await comment(real, ticket_id, f"Comment {number} {each}")
                await asyncio.sleep(0.02)
            proxy = far.proxies[("clients", "valkey", "clients", "postgres")[number % 4]]
            proxy.delay = 0.005 * (number % 3)
            drops += proxy.cut() > 0
            await asyncio.sleep(0.05)
        found = await all_told(real, follower, last)
    kept(times=drops, tried=last, **found)
    assert follower.connections > 2 * ROUNDS


@pytest.mark.promise(
    "A feed gives every item once, in order",
    injected="every message of pub/sub repeated at once and again late, by hand",
)
async def test_messages_that_come_twice_and_late_are_one_item(real, far, kept):
    ticket_id = await real.submitted("Repeated")
    key = ticket_id[4:]
    repeated = 0
    async with Redis.from_url(real.settings.redis_url) as redis, following(far, ticket_id) as follower:
        for number in range(10 * ROUNDS):
            last = await comment(real, ticket_id, f"Comment {number}")
            for _ in range(3):  # of this change, and of all that were told before
                repeated += await redis.publish(f"ticket:{key}", key) > 0
            await asyncio.sleep(0.02)
        for _ in range(10):
            repeated += await redis.publish(f"ticket:{key}", key) > 0
        found = await all_told(real, follower, last)
    kept(times=repeated, tried=last, **found)


class Faults:
    """What befalls Redis and the way to it; each ends when it is left."""

    def __init__(self, real, far):
        self.real, self.far = real, far

    @contextlib.asynccontextmanager
    async def flushed(self):
        async with Redis.from_url(self.real.settings.redis_url) as redis:
            await redis.flushall()
            yield
            await redis.flushall()

    @contextlib.asynccontextmanager
    async def restarted_empty(self):
        self.real.valkey.stop()
        yield
        self.real.start_servers()

    @contextlib.asynccontextmanager
    async def frozen(self):
        self.real.valkey.process.send_signal(signal.SIGSTOP)
        yield
        self.real.valkey.process.send_signal(signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def hidden(self):
        self.far.proxies["valkey"].hole()
        yield
        self.far.proxies["valkey"].heal()

    @contextlib.asynccontextmanager
    async def without_a_database(self):
        self.far.proxies["postgres"].hole()
        yield
        self.far.proxies["postgres"].heal()


@pytest.mark.promise(
    "A state subscription shows the final state within 5 s after a fault heals",
    injected="Redis flushed, restarted empty, frozen, hidden from the subscriber or from who changes; no database",
)
@pytest.mark.parametrize("fault", ["flushed", "restarted_empty", "frozen", "hidden", "without_a_database"])
async def test_the_last_state_is_seen_soon_after_a_fault(real, far, kept, fault):
    ticket_id = await real.submitted(fault)
    await real.all_settled()
    slowest = 0.0
    for number in range(ROUNDS):
        away = AWAY_SECONDS if number % 2 == 0 else 6 * AWAY_SECONDS  # then the hub gives its connection up
        writer = far if fault == "hidden" and number % 2 == 0 else real
        async with real.watching(ticket_id) as near, far.watching(ticket_id) as distant:
            async with getattr(Faults(real, far), fault)():
                last = await comment(writer, ticket_id, f"Meanwhile {number}")
                await asyncio.sleep(away)
            healed = time.monotonic()
            for socket in (near, distant):
                async with asyncio.timeout(20):
                    while (await socket.item())["lastSeq"] < last:
                        pass
            slowest = max(slowest, time.monotonic() - healed)
    kept(times=ROUNDS, tried=2 * ROUNDS, healed=slowest)
    assert slowest < SECONDS
