"""A Valkey whose primary changes, as Sentinels or a cluster's nodes tell: what is told arrives before and after."""

import asyncio
import secrets
import shutil
import subprocess
import time

import pytest
from redis.crc import key_slot
from redis.exceptions import RedisError

from infra import checks, embedded, jobs, worker
from infra.hub import Hub
from infra.redis import QUEUE, SLOT, Bus, hosts_of, pool_at, working_side

PASSWORD = secrets.token_hex(8)
SECONDS = 15  # in which they have agreed on another primary, on a machine with much to do
COMMON = f"""bind 127.0.0.1
requirepass {PASSWORD}
"""
SERVER = f"""masterauth {PASSWORD}
save ""
repl-diskless-sync-delay 0
"""


def sentinel(primary):
    return f"""sentinel monitor desk 127.0.0.1 {primary} 1
sentinel auth-pass desk {PASSWORD}
sentinel down-after-milliseconds desk 150
sentinel failover-timeout desk 3000
"""


class Valkeys:
    """A primary, its replica and a Sentinel."""

    def __init__(self, folder):
        self.folder, self.program = folder, embedded.prepare_valkey(folder).program
        self.primary, self.replica, self.sentinel = (embedded.free_port() for _ in range(3))
        self.processes = {}
        self.url = (
            f"redis+sentinel://:{PASSWORD}@127.0.0.1:9,127.0.0.1:{self.sentinel}/desk/0?sentinel_password={PASSWORD}"
        )

    def start(self, port, text, *more):
        """Runs one until `end`."""
        place = self.folder / str(port)
        place.mkdir()
        (place / "valkey.conf").write_text(f"{COMMON}port {port}\ndir {place}\n{text}")
        with (place / "log").open("wb") as log:
            self.processes[port] = subprocess.Popen(
                [self.program, place / "valkey.conf", *more], stdout=log, stderr=log
            )

    async def start_all(self):
        """Runs all: the Sentinel last, since it asks for replicas once in ten seconds."""
        self.start(self.primary, SERVER)
        self.start(self.replica, f"{SERVER}replicaof 127.0.0.1 {self.primary}\n")

        async def copied():
            return (await self.asked(self.replica, "INFO", "replication"))["master_link_status"] == "up"

        await until(copied)
        self.start(self.sentinel, sentinel(self.primary), "--sentinel")
        await until(lambda: self.asked(self.sentinel, "SENTINEL", "REPLICAS", "desk"))

    def end(self, port):
        process = self.processes.pop(port)
        process.kill()
        process.wait()

    async def asked(self, port, *command):
        """What one of them answers."""
        client = working_side(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
        try:
            return await client.execute_command(*command)
        finally:
            await client.aclose(close_connection_pool=True)


async def until(true):
    """Waits for it."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            if await true():
                return
        except (RedisError, OSError, TimeoutError):
            pass
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


@pytest.fixture
async def valkeys(tmp_path):
    found = Valkeys(tmp_path)
    await found.start_all()
    yield found
    for port in list(found.processes):
        found.end(port)
    shutil.rmtree(tmp_path)


async def test_what_is_told_arrives_before_and_after_the_primary_changes(valkeys, settings):
    wanted = settings.model_copy(update={"redis_url": valkeys.url})
    bus, hub = Bus(valkeys.url), Hub(valkeys.url)
    hub.start()
    try:
        async with hub.watching(["ticket:1"]) as watch:

            async def arrives():
                watch.clear()
                await bus.relay([], ["AnnounceComment"])  # what has a worker look
                await bus.tell([], {"ticket:1": ""})
                async with asyncio.timeout(0.5):
                    await watch.wait()
                return True

            await until(arrives)
            valkeys.end(valkeys.primary)
            await until(arrives)
            await until(arrives)  # the first may have been told that there is another connection
        assert await bus.ready()
        assert await valkeys.asked(valkeys.replica, "EXISTS", QUEUE)
        (found,) = [each for each in await checks.check(wanted) if each.name == "redis"]
        assert found.good, found.said
    finally:
        await hub.stop()
        await bus.close()


@pytest.fixture
async def cluster(tmp_path):
    """A cluster of two: one has all the slots, the other copies it."""
    found = Valkeys(tmp_path)
    for port in (found.primary, found.replica):
        found.start(port, f"{SERVER}cluster-enabled yes\ncluster-node-timeout 2000\n")
        await until(lambda port=port: found.asked(port, "PING"))
    await found.asked(found.primary, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    name = (await found.asked(found.primary, "CLUSTER", "MYID")).decode()
    await found.asked(found.replica, "CLUSTER", "MEET", "127.0.0.1", found.primary)

    async def copies():
        return await found.asked(found.replica, "CLUSTER", "REPLICATE", name)

    async def is_whole():
        info = await found.asked(found.replica, "INFO", "replication")
        return info.get("master_link_status") == "up"

    await until(copies)
    await until(is_whole)
    found.url = f"redis+cluster://:{PASSWORD}@127.0.0.1:9,127.0.0.1:{found.replica}"
    yield found
    for port in list(found.processes):
        found.end(port)
    shutil.rmtree(tmp_path)


async def test_a_cluster_does_what_one_does_before_and_after_our_keys_have_moved(cluster, settings, desk, monkeypatch):
    wanted = settings.model_copy(update={"redis_url": cluster.url})
    bus, hub = Bus(cluster.url), Hub(cluster.url)
    hub.start()
    performed, ticked = asyncio.Event(), asyncio.Event()

    async def perform(_desk, _kind):
        performed.set()

    async def tick(_desk):
        ticked.set()

    monkeypatch.setattr(jobs, "perform_together", perform)
    try:
        async with hub.watching(["ticket:1"]) as watch:

            async def arrives():
                watch.clear()
                performed.clear()
                ticked.clear()
                await bus.relay([], ["Announce"])
                await bus.tell([], {"ticket:1": ""})
                await asyncio.wait_for(watch.wait(), 0.5)
                return True

            async def is_performed():
                working = worker._worker(wanted, desk, [(1, tick)])
                running = asyncio.create_task(working.async_run())
                found = asyncio.gather(performed.wait(), ticked.wait())
                await asyncio.wait({running, found}, timeout=2, return_when=asyncio.FIRST_COMPLETED)
                found.cancel()
                await worker._end(working, running)
                return performed.is_set() and ticked.is_set()

            await until(arrives)
            await until(is_performed)
            await cluster.asked(cluster.replica, "CLUSTER", "FAILOVER", "TAKEOVER")

            async def has_moved():
                return (await cluster.asked(cluster.primary, "INFO", "replication"))["role"] == "slave"

            await until(has_moved)  # whose connections stay
            await bus.relay([], ["Announce"])
            await until(arrives)
            await until(is_performed)
            cluster.end(cluster.primary)
            await until(arrives)
        assert await bus.ready()
        assert {key_slot(key) for key in await cluster.asked(cluster.replica, "KEYS", "*")} == {SLOT}
        (found,) = [each for each in await checks.check(wanted) if each.name == "redis"]
        assert found.good, found.said
        with pytest.raises(RuntimeError, match="it is a cluster: begin REDIS_URL with redis"):
            await checks._redis(f"redis://:{PASSWORD}@127.0.0.1:{cluster.replica}")
    finally:
        await hub.stop()
        await bus.close()


async def test_where_there_is_no_cluster_it_is_away(redis_url):
    for url in ("redis+cluster://127.0.0.1:9", redis_url.replace("redis:", "redis+cluster:").rpartition("/")[0]):
        bus = Bus(url)
        assert not await bus.ready()
        await bus.close()


async def test_without_a_sentinel_that_answers_it_is_away():
    bus = Bus("redis+sentinel://127.0.0.1:9/desk")
    assert not await bus.ready()
    await bus.close()


def test_what_a_url_says_of_sentinels():
    url = "rediss+sentinel://desk:p%40ss@one,two:26380,[::1]:7/first/3?sentinel_username=s&sentinel_password=t"
    assert hosts_of("redis+cluster://one,two:7000") == [("one", 6379), ("two", 7000)]
    assert hosts_of(url) == [("one", 26379), ("two", 26380), ("::1", 7)]
    pool = pool_at(url, socket_connect_timeout=1)
    given = pool.connection_kwargs
    assert (pool.service_name, given["username"], given["password"], given["db"]) == ("first", "desk", "p@ss", 3)
    asked = pool.sentinel_manager.sentinels[0].connection_pool
    assert (asked.connection_kwargs["username"], asked.connection_kwargs["password"]) == ("s", "t")
    assert "SSL" in pool.connection_class.__name__
    assert "SSL" in asked.connection_class.__name__
