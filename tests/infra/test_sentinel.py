"""A Valkey whose primary changes, which Sentinels tell of: what is told arrives before and after."""

import asyncio
import secrets
import shutil
import subprocess
import time

import pytest
from redis.exceptions import RedisError

from infra import checks, embedded
from infra.hub import Hub
from infra.redis import QUEUE, Bus, pool_at, sentinels_of, working_side

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


async def test_a_cluster_is_refused(tmp_path):
    valkeys = Valkeys(tmp_path)
    valkeys.start(valkeys.primary, "cluster-enabled yes\n")
    try:
        await until(lambda: valkeys.asked(valkeys.primary, "PING"))
        with pytest.raises(RuntimeError, match="it is a cluster"):
            await checks._redis(f"redis://:{PASSWORD}@127.0.0.1:{valkeys.primary}")
    finally:
        valkeys.end(valkeys.primary)


async def test_without_a_sentinel_that_answers_it_is_away():
    bus = Bus("redis+sentinel://127.0.0.1:9/desk")
    assert not await bus.ready()
    await bus.close()


def test_what_a_url_says_of_sentinels():
    url = "rediss+sentinel://desk:p%40ss@one,two:26380,[::1]:7/first/3?sentinel_username=s&sentinel_password=t"
    assert sentinels_of(url) == [("one", 26379), ("two", 26380), ("::1", 7)]
    pool = pool_at(url, socket_connect_timeout=1)
    given = pool.connection_kwargs
    assert (pool.service_name, given["username"], given["password"], given["db"]) == ("first", "desk", "p@ss", 3)
    asked = pool.sentinel_manager.sentinels[0].connection_pool
    assert (asked.connection_kwargs["username"], asked.connection_kwargs["password"]) == ("s", "t")
    assert "SSL" in pool.connection_class.__name__
    assert "SSL" in asked.connection_class.__name__
