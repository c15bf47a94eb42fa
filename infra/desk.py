"""What a process has at hand: settings, connections, files, keys."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from infra.files import Files
from infra.hub import Hub
from infra.issuer import Issuer
from infra.mail import Mailer
from infra.postgres import Reads
from infra.redis import Bus
from infra.replicas import opened
from infra.settings import Settings
from infra.signing import Signer
from infra.statements import prepare
from infra.unit import Wake
from infra.writes import Writes


@dataclass(frozen=True, slots=True)
class Desk:
    """The pipes of one process, opened at its start and closed at its end."""

    settings: Settings
    reads: Reads
    writes: Writes
    bus: Bus
    hub: Hub
    files: Files
    mail: Mailer
    signer: Signer
    issuer: Issuer

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """The pipes, open for as long as the block; PostgreSQL and Redis are connected to when they are needed."""
        bus, hub = Bus(settings.redis_url), Hub(settings.redis_url)

        def tell(jobs: list[Wake], channels: dict[str, str]) -> Coroutine[Any, Any, None]:
            hub.heard(channels)  # whoever is told here need not wait for Redis
            return bus.tell(jobs, channels)

        desk = cls(
            settings=settings,
            reads=opened(settings.database_url, settings.replica_urls, size=settings.read_pool_size),
            writes=Writes(settings.database_url, tell, size=settings.write_pool_size),
            bus=bus,
            hub=hub,
            files=Files(settings),
            mail=Mailer(settings),
            signer=Signer(settings.secret_key, *settings.trusted_secret_keys),
            issuer=Issuer(settings),
        )
        try:
            yield desk
        finally:  # the last to use first
            await hub.stop()
            desk.issuer.close()
            await desk.mail.close()
            await desk.writes.close()
            await desk.reads.close()
            await bus.close()

    async def read(self, build: Callable[..., Any], *arguments: Any) -> list[Any]:
        """The records of what `build(*arguments)` selects, read without a transaction. An enum's names are bytes."""
        prepared, values = prepare(build, arguments)
        return await self.reads.fetch(prepared.statement.text, prepared.statement.arguments(values))
