"""Whether what Deskwire needs from outside answers: for `desk check`."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import aiosmtplib
import asyncpg
import obstore
from redis.asyncio import Redis

from infra.ids import new_id
from infra.issuer import Issuer
from infra.settings import Settings

SECONDS = 5


@dataclass(frozen=True)
class Result:
    """One thing that was looked at."""

    name: str
    good: bool
    said: str


async def check(settings: Settings, head: str | None) -> list[Result]:
    """Looks at everything at once. `head` is the migration that the database should be at."""
    looks = [
        _look("database", _database(settings.database_url, head)),
        _look("redis", _redis(settings.redis_url)),
        files(settings),
        mail(settings),
    ]
    if settings.oidc_issuer:
        looks.append(_look("identity provider", Issuer(settings).check()))
    return list(await asyncio.gather(*looks))


async def files(settings: Settings) -> Result:
    """Whether the place for files takes one."""
    return await _look("files", _files(settings.storage_url))


async def mail(settings: Settings) -> Result:
    """Whether the mail server answers."""
    return await _look("mail", _mail(settings.smtp_url) if settings.smtp_url else _unset())


async def _look(name: str, look: Awaitable[str]) -> Result:
    try:
        async with asyncio.timeout(SECONDS):
            return Result(name, good=True, said=await look)
    except TimeoutError:
        return Result(name, good=False, said=f"no answer in {SECONDS} s")
    except Exception as failed:  # noqa: BLE001 (whatever it is, it is what there is to tell)
        return Result(name, good=False, said=f"{type(failed).__name__}: {failed}")


async def _database(url: str, head: str | None) -> str:
    connection = await asyncpg.connect(url)
    try:
        version = await connection.fetchval("SHOW server_version")
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
            raise RuntimeError("it has no tables yet: run `desk migrate`")
        stands = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    if stands != head:
        raise RuntimeError(f"it is at migration {stands}, not at {head}: run `desk migrate`")
    return f"PostgreSQL {version}, at migration {stands}"


async def _redis(url: str) -> str:
    async with Redis.from_url(url) as client:
        about = await client.info("server")
    return f"{about.get('server_name', 'redis')} {about.get('valkey_version', about['redis_version'])}"


async def _files(url: str) -> str:
    store = obstore.store.from_url(url, mkdir=True) if url.startswith("file:") else obstore.store.from_url(url)
    name = f".check-{new_id()}"  # another process may look at the same moment
    await obstore.put_async(store, name, b"Deskwire was here.")
    await obstore.delete_async(store, name)
    return f"{urlsplit(url).scheme} takes and deletes a file"


async def _mail(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "ses":
        return f"letters go to Amazon SES in {parts.hostname}, which is not asked"
    client = aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=parts.port,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        start_tls=True if parts.scheme == "smtp+starttls" else False if parts.scheme == "smtps" else None,
        timeout=SECONDS,
    )
    async with client:
        await client.noop()
    return f"{parts.hostname} answers"


async def _unset() -> str:
    return "no SMTP_URL, so mail waits"
