"""The hub: who waits is woken, whatever becomes of Redis meanwhile."""

import asyncio
import contextlib
import signal

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from infra import embedded, hub
from infra.hub import Hub

SOON = 3  # seconds in which something must happen
QUIET = 0.3  # long enough for something to happen that must not


class Valkey:
    """A server of these tests' own, which can be stopped, started, killed and frozen."""

    def __init__(self, server):
        self.server = server
        self.url = server.url(server.port)

    def start(self):
        self.server.launch()
        self.server.wait()

    def stop(self):
        self.server.stop()

    def signal(self, number):
        self.server.process.send_signal(number)

    @contextlib.asynccontextmanager
    async def client(self):
        client = Redis.from_url(self.url)
        yield client
        await client.aclose(close_connection_pool=True)

    async def publish(self, channel, message=""):
        """Tells a channel; gives how many listen to it."""
        async with self.client() as client:
            return await client.publish(channel, message)

    async def listened_to(self):
        """The channels that somebody is subscribed to."""
        async with self.client() as client:
            return {name.decode() for name in await client.pubsub_channels()}


@pytest.fixture(scope="module")
def server(folder):
    own = folder / "hub"
    own.mkdir(mode=0o711)
    made = embedded.prepare_valkey(own)
    made.launch()
    made.wait()
    yield Valkey(made)
    made.stop()


@pytest.fixture
def valkey(server):
    """Runs at the beginning of each test."""
    if not server.server.runs():
        server.start()
    return server


@pytest.fixture
async def running(valkey):
    """Makes a hub and starts it."""
    made = []

    async def start(*, connected=True):
        one = Hub(valkey.url)
        made.append(one)
        one.start()
        if connected:
            await connects(one)
        return one

    yield start
    for one in made:
        await one.stop()


async def connects(one):
    async with asyncio.timeout(SOON):
        while not one.connected:  # noqa: ASYNC110 # it tells nobody
            await asyncio.sleep(0.01)


async def woken(event, *, within=SOON):
    async with asyncio.timeout(within):
        await event.wait()
    event.clear()


async def left_alone(event):
    await asyncio.sleep(QUIET)
    assert not event.is_set()


async def test_a_message_wakes_those_who_wait_for_its_channel(running, valkey):
    one = await running()
    async with one.watching(["a"]) as first, one.watching(["a", "b"]) as second, one.watching(["c"]) as third:
        assert [event.is_set() for event in (first, second, third)] == [False] * 3
        assert await valkey.publish("a") == 1
        await woken(first)
        await woken(second)
        await valkey.publish("b")
        await woken(second)
        await left_alone(first)
        await left_alone(third)


async def test_who_watches_has_subscribed_before_reading(running, valkey):
    one = await running()
    for number in range(50):
        async with one.watching([f"channel {number}"]) as event:
            assert await valkey.publish(f"channel {number}") == 1
            await woken(event)


async def test_many_come_and_go_at_once_and_each_hears_its_own(running, valkey):
    one = await running()

    async def come_and_go(number):
        for _ in range(5):
            async with one.watching([f"many {number % 7}", f"mine {number}"]) as event:
                await valkey.publish(f"mine {number}")
                await woken(event)

    await asyncio.gather(*(come_and_go(number) for number in range(40)))
    assert not one._waiting


async def test_channels_that_nobody_wants_any_more_are_left_at_the_next_sweep(running, valkey, monkeypatch):
    monkeypatch.setattr(hub, "SWEEP_SECONDS", 0.2)
    one = await running()
    one.listen("always", lambda _: None)
    async with one.watching(["kept"]):
        async with one.watching(["left", "kept"]):
            assert {"kept", "left"} <= await valkey.listened_to()
        async with asyncio.timeout(SOON):
            while "left" in await valkey.listened_to():  # noqa: ASYNC110 # it tells nobody
                await asyncio.sleep(0.02)
        assert "kept" in await valkey.listened_to()
    async with one.watching(["left"]) as event:
        assert await valkey.publish("left") == 1
        await woken(event)


async def test_without_a_message_everybody_looks_again_after_a_while(running, monkeypatch):
    monkeypatch.setattr(hub, "SWEEP_SECONDS", 0.4)
    one = await running()
    async with one.watching(["a"]) as first, one.watching(["b"]) as second:
        for _ in range(2):
            await woken(first)
            await woken(second)


async def test_listeners_get_what_is_said_and_survive_what_they_cannot_understand(running, valkey):
    one, heard = Hub(valkey.url), []

    def hear(message):
        heard.append(message)
        if message == "nonsense":
            raise ValueError(message)

    one.listen("said", hear)
    one.start()
    await connects(one)
    async with one.watching(["said"]) as event:
        with capture_logs() as logs:
            for message in ("a", "nonsense", "b"):
                await valkey.publish("said", message)
                await woken(event)
        one.heard({"said": "here", "elsewhere": "x"})
    await one.stop()

    assert heard == ["a", "nonsense", "b", "here"]
    assert [log["event"] for log in logs] == ["unexpected_error"]


async def test_a_restart_of_redis_wakes_all_and_is_followed(running, valkey):
    one = await running()
    async with one.watching(["a"]) as event:
        with capture_logs() as logs:
            valkey.stop()
            await left_alone(event)
            assert not one.connected
            one.heard({"a": ""})  # what this process itself says needs no Redis
            await woken(event)
            valkey.start()
            await woken(event)  # since something may have been said meanwhile
        assert [log["event"] for log in logs] == ["hub_without_redis", "hub_with_redis_again"]
        assert await valkey.publish("a") == 1
        await woken(event)


async def test_who_comes_while_redis_is_away_is_heard_when_it_is_back(running, valkey):
    valkey.stop()
    one = await running(connected=False)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with one.watching(["a"]) as event:
        assert loop.time() - began < 0.5
        valkey.start()
        await woken(event)
        assert await valkey.publish("a") == 1
        await woken(event)


async def test_a_connection_that_is_cut_is_made_again(running, valkey):
    one = await running()
    async with one.watching(["a"]) as event:
        for _ in range(3):
            async with valkey.client() as client:
                assert await client.execute_command("CLIENT KILL TYPE pubsub") == 1
            await woken(event)
            assert await valkey.publish("a") == 1
            await woken(event)


async def test_a_redis_that_freezes_is_noticed_and_followed_when_it_thaws(running, valkey, monkeypatch):
    monkeypatch.setattr(hub, "PING_SECONDS", 0.1)
    monkeypatch.setattr(hub, "CONFIRM_SECONDS", 0.2)
    one = await running()
    loop = asyncio.get_running_loop()
    async with one.watching(["a"]) as event:
        valkey.signal(signal.SIGSTOP)
        try:
            began = loop.time()
            async with one.watching(["b"]):  # does not wait for what does not come
                assert loop.time() - began < 1
            async with asyncio.timeout(SOON):
                while one.connected:  # noqa: ASYNC110 # it tells nobody
                    await asyncio.sleep(0.01)
        finally:
            valkey.signal(signal.SIGCONT)
        await woken(event, within=10)
        assert await valkey.publish("a") >= 1
        await woken(event)


async def test_a_quiet_connection_stays(running, valkey, monkeypatch):
    monkeypatch.setattr(hub, "PING_SECONDS", 0.05)
    one = await running()
    async with one.watching(["a"]) as event:
        link = one._link
        await asyncio.sleep(0.5)
        assert one._link is link
        await valkey.publish("a")
        await woken(event)


async def test_who_is_cancelled_while_subscribing_takes_nobody_along(running, valkey):
    one = await running()

    async def watch(name):
        async with one.watching([name]):
            await asyncio.sleep(10)

    async with one.watching(["a"]) as event:
        link = one._link
        tasks = [asyncio.create_task(watch(f"gone {number}")) for number in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert list(one._waiting) == ["a"]
        await valkey.publish("a")
        await woken(event)
        assert one._link is link


async def test_stopping_leaves_no_connection_and_no_task(running, valkey):
    before = asyncio.all_tasks()
    one = Hub(valkey.url)
    one.start()
    await connects(one)
    await one.stop()

    assert asyncio.all_tasks() == before
    async with valkey.client() as client:
        assert [each["name"] for each in await client.client_list("pubsub")] == []


class Said:
    """A connection that keeps what is said on it."""

    def __init__(self):
        self.commands = []

    async def subscribe(self, *names):
        self.commands.append(("subscribe", *names))

    async def unsubscribe(self, *names):
        self.commands.append(("unsubscribe", *names))

    async def ping(self):
        self.commands.append(("ping",))


@contextlib.asynccontextmanager
async def speaking(*names):
    """A link that speaks, and what it says."""
    said = Said()
    link = hub._Link(said, names)
    task = asyncio.create_task(link.speak())
    await asyncio.sleep(0.01)
    yield link, said.commands
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_not_wanted_any_more_before_it_is_said_is_not_said():
    async with speaking("a") as (link, commands):
        link.subscribe(["b"])
        link.unsubscribe(["a", "b"])
        link.subscribe(["a"])
        await asyncio.sleep(0.01)
        assert commands == [("subscribe", hub.ITSELF, "a"), ("unsubscribe", "b"), ("subscribe", "a")]
        assert link.told.keys() == {hub.ITSELF, "a"}


async def test_to_have_nothing_to_say_puts_off_no_ping(monkeypatch):
    monkeypatch.setattr(hub, "PING_SECONDS", 0.3)
    async with speaking() as (link, commands):
        await asyncio.sleep(0.2)
        link.unsubscribe([])
        await asyncio.sleep(0.2)
        assert commands == [("subscribe", hub.ITSELF), ("ping",)]
