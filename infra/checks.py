"""Whether what Deskwire needs from outside answers: for `desk check`."""

import asyncio
import re
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import obstore
from redis.asyncio import Redis

from infra import migrations, replicas
from infra.files import store_at
from infra.ids import new_id
from infra.issuer import Issuer
from infra.redis import pool_at
from infra.settings import Settings
from infra.smtp import connected, goodbye
from infra.weaknesses import is_here

SECONDS = 5


LEAST_POSTGRES = 18
LEAST_REDIS = 7
CATCH_UP_SECONDS = 1.0
MOST_SKEW_SECONDS = 2.0  # between clocks: what is due by one is not by the other


@dataclass(frozen=True)
class Result:
    """One thing that was looked at. What is weak works, and should not stay so."""

    name: str
    good: bool
    said: str
    weak: bool = False


class Weak(Exception):
    """It works, and should not stay so."""


async def check(settings: Settings) -> list[Result]:
    """Looks at everything at once."""
    looks = [
        _look("database", _database(settings)),
        _look("redis", _redis(settings.redis_url)),
        files(settings),
        mail(settings),
    ]
    looks += [
        _look(f"replica {number}", _replica(settings.database_url, url))
        for number, url in enumerate(settings.replica_urls, start=1)
    ]
    if settings.traces_endpoint:
        looks.append(_look("traces", _traces(settings)))
    if settings.oidc_issuer:
        looks.append(_look("identity provider", Issuer(settings).check()))
    return list(await asyncio.gather(*looks))


async def files(settings: Settings) -> Result:
    """Whether the place for files takes one."""
    return await _look("files", _files(settings.storage_url))


async def mail(settings: Settings) -> Result:
    """Whether a mail server answers; of several, those that do not are told of as well."""
    found = await asyncio.gather(*(_look("mail", _mail(url)) for url in settings.smtp_urls))
    if not found:
        return Result("mail", good=True, said="no SMTP_URL, so mail waits")
    good = any(one.good for one in found)
    weak = good and any(one.weak or not one.good for one in found)
    return Result("mail", good=good, weak=weak, said="; ".join(one.said for one in found))


async def _look(name: str, look: Awaitable[str]) -> Result:
    try:
        async with asyncio.timeout(SECONDS):
            return Result(name, good=True, said=await look)
    except Weak as weak:
        return Result(name, good=True, weak=True, said=str(weak))
    except TimeoutError:
        return Result(name, good=False, said=f"no answer in {SECONDS} s")
    except Exception as failed:  # noqa: BLE001 (whatever it is, it is what there is to tell)
        return Result(name, good=False, said=f"{type(failed).__name__}: {_in_a_line(str(failed))}")


def _in_a_line(text: str) -> str:
    """What an error says. A bucket's says why only within pages of what it is made of, innermost last."""
    said, _, source = text.partition("\n\nDebug source:")
    why = re.findall(r'(?:error|message): "((?:[^"\\]|\\.)*)"', source)
    return " ".join(": ".join([said, *(each for each in why[-1:] if each not in said)]).split())


FACTS = """SELECT current_setting('server_version') AS version,
    (SELECT string_agg(name, ', ' ORDER BY name) FROM pg_settings
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off') AS unsafe,
    current_setting('server_version_num')::int / 10000 AS major, current_setting('server_encoding') AS encoding,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS connections,
    extract(epoch FROM clock_timestamp())::float8 AS clock, pg_is_in_recovery() AS copies,
    current_setting('transaction_read_only') = 'on' AS read_only"""


async def _database(settings: Settings) -> str:
    connection = await asyncpg.connect(settings.database_url)
    try:
        (facts,) = await connection.fetch(FACTS)
        skew = abs(time.time() - facts["clock"])
        _require_fit(facts)
        stands = await migrations.stands(connection)
        if stands is None:
            raise RuntimeError("it has no tables yet: run `desk migrate`")
    finally:
        await connection.close()
    if not migrations.suffices(stands):
        raise RuntimeError(f"it is at migration {stands}, not at {migrations.head()}: run `desk migrate`")
    wanted = (settings.worker_count + 1) * (settings.read_pool_size + settings.write_pool_size)
    weak = []
    if facts["unsafe"]:
        weak.append(f"off there: {facts['unsafe']}, so what was answered may be lost when the server fails")
    if skew > MOST_SKEW_SECONDS:
        weak.append(f"its clock and this machine's differ by {skew:.0f} s: what is due comes as much too late or early")
    if wanted > facts["connections"]:
        weak.append(f"it takes {facts['connections']} connections, and one API and one worker may want {wanted}")
    newer = ", of a later version than this" if migrations.is_newer(stands) else ""
    found = f"PostgreSQL {facts['version']}, at migration {stands}{newer}"
    if weak:
        raise Weak("; ".join([*weak, found]))
    return found


def _require_fit(facts: asyncpg.Record) -> None:
    if facts["major"] < LEAST_POSTGRES:
        raise RuntimeError(f"it is PostgreSQL {facts['version']}: {LEAST_POSTGRES} is the oldest that can be used")
    if facts["encoding"] != "UTF8":
        raise RuntimeError(f"its encoding is {facts['encoding']}: it has to be UTF8")
    if facts["copies"]:
        raise RuntimeError("it copies another server, so nothing can be written there: name that one")
    if facts["read_only"]:
        raise RuntimeError("nothing can be written there: default_transaction_read_only is on")


COPY = """SELECT (SELECT system_identifier FROM pg_control_system()) AS of, pg_is_in_recovery() AS copies,
    current_setting('synchronous_commit') AS waits, extract(epoch FROM clock_timestamp())::float8 AS clock"""


async def _replica(database_url: str, url: str) -> str:
    primary = await asyncpg.connect(database_url)
    try:
        copy = await asyncpg.connect(url)
        try:
            (own,), (facts,) = await primary.fetch(COPY), await copy.fetch(COPY)
            skew = abs(time.time() - facts["clock"])
            if not facts["copies"]:
                raise RuntimeError("it copies no other server")
            if own["copies"]:
                raise RuntimeError("DATABASE_URL names a copy itself")
            if facts["of"] != own["of"]:
                raise RuntimeError("it copies another server than DATABASE_URL names")
            if own["waits"] == "off":
                raise RuntimeError(
                    "the database's synchronous_commit is off: reads here may miss what was just written"
                )
            behind = await _behind(primary, copy)
        finally:
            await copy.close()
    finally:
        await primary.close()
    if behind:
        raise Weak(f"it is {behind:,} bytes behind: nothing is read there as long as it is")
    if skew > MOST_SKEW_SECONDS:
        raise Weak(f"its clock and this machine's differ by {skew:.0f} s")
    return "has what the database has"


async def _behind(primary: asyncpg.Connection, copy: asyncpg.Connection) -> int:
    """How many bytes a copy lacks of what the primary had a while ago."""
    needed: int = await primary.fetchval(replicas.REACHED)
    until = time.monotonic() + CATCH_UP_SECONDS
    while True:
        behind: int = needed - await copy.fetchval(replicas.REPLAYED)
        if behind <= 0 or time.monotonic() > until:
            return max(0, behind)
        await asyncio.sleep(replicas.PAUSE_SECONDS)


async def _redis(url: str) -> str:
    async with Redis.from_pool(pool_at(url)) as client:
        about = await client.info()
    if about.get("cluster_enabled") and "+cluster:" not in url:
        raise RuntimeError("it is a cluster: begin REDIS_URL with redis+cluster:// or rediss+cluster://")
    if about.get("role") not in {None, "master"}:
        raise RuntimeError("it copies another server, so nothing can be written there: name that one")
    if int(str(about["redis_version"]).partition(".")[0]) < LEAST_REDIS:
        raise RuntimeError(f"it is Redis {about['redis_version']}: {LEAST_REDIS} is the oldest that can be used")
    return f"{about.get('server_name', 'redis')} {about.get('valkey_version', about['redis_version'])}"


async def _files(url: str) -> str:
    store = store_at(url)
    name = f".check-{new_id()}"  # another process may look at the same moment
    await obstore.put_async(store, name, b"Deskwire was here.")
    await obstore.delete_async(store, name)
    return f"{urlsplit(url).scheme} takes and deletes a file"


async def _mail(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "ses":
        return f"letters go to Amazon SES in {parts.hostname}, which is not asked"
    client = await connected(parts, SECONDS)
    try:
        await client.noop()
        encrypted = client.get_transport_info("sslcontext") is not None
    finally:
        await goodbye(client)
    if not encrypted and not is_here(parts.hostname):
        raise Weak(f"{parts.hostname} answers, and takes letters in the clear")
    return f"{parts.hostname} answers"


async def _traces(settings: Settings) -> str:
    from infra import collector  # as where it is used

    return await asyncio.to_thread(collector.answers, settings)
