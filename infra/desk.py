"""What a process has at hand: settings, connections, files, keys."""

from dataclasses import dataclass
from typing import Self

from infra.files import Files
from infra.hub import Hub
from infra.postgres import Reads
from infra.redis import Bus
from infra.settings import Settings
from infra.signing import Signer
from infra.unit import Writes


@dataclass(frozen=True, slots=True)
class Desk:
    """The pipes of one process, opened at its start and closed at its end."""

    settings: Settings
    reads: Reads
    writes: Writes
    bus: Bus
    hub: Hub
    files: Files
    signer: Signer

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open what can be opened now; PostgreSQL and Redis are connected to when they are needed."""
        bus = Bus(settings.redis_url)
        return cls(
            settings=settings,
            reads=Reads(settings.database_url, size=settings.read_pool_size),
            writes=await Writes.open(settings.database_url, bus.tell, size=settings.write_pool_size),
            bus=bus,
            hub=Hub(settings.redis_url),
            files=Files(settings),
            signer=Signer(settings.secret_key),
        )

    async def close(self) -> None:
        """Close everything, the last to use first."""
        await self.hub.stop()
        await self.writes.close()
        await self.reads.close()
        await self.bus.close()
