"""Whether this process lives, and whether it can serve."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra import checks, migrations
from infra.desk import Desk
from infra.postgres import NO_ANSWER
from infra.settings import Settings
from web.leaving import Leaving

ANSWER_SECONDS = 3
FRESH_SECONDS = 30.0  # anybody may ask, and what is outside must not be asked as often
MOMENT_SECONDS = 0.2  # a probe is not kept waiting for what does not decide


async def live(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "live"})


class Known:
    """Whether something outside is well, looked at in the background when somebody asks and it was long ago."""

    def __init__(self, look: Callable[[], Awaitable[bool | None]]) -> None:
        """`look`: raises nothing."""
        self._look = look
        self._looking: asyncio.Task[None] | None = None
        self._until = 0.0
        self._well: bool | None = None

    async def well(self) -> bool | None:
        """What was found last, waiting a moment at most for what is being found; None while nothing was."""
        if self._looking is None and time.monotonic() >= self._until:
            self._looking = asyncio.create_task(self._found())
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=MOMENT_SECONDS)
        return self._well

    async def _found(self) -> None:
        try:
            self._well = await self._look()
        finally:
            self._until = time.monotonic() + FRESH_SECONDS
            self._looking = None


class Outside:
    """What is outside, and decides nothing."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: where it is."""

        async def mail() -> bool | None:
            return (await checks.mail(settings)).good if settings.smtp_url else None

        async def files() -> bool | None:
            return (await checks.files(settings)).good

        self.mail, self.files = Known(mail), Known(files)


def ready(desk: Desk, leaving: Leaving, outside: Outside) -> Callable[[Request], Awaitable[Response]]:
    """PostgreSQL answers, and is migrated, and this process is to go on. Of Redis, mail and files is told.

    Without these all that is read and written is answered, what is live waits for its sweep, mail waits in its table,
    and files say that they are away.
    """

    async def answer(_request: Request) -> Response:
        migrated, redis, sends, keeps = await asyncio.gather(
            _migrated(desk), desk.bus.ready(), outside.mail.well(), outside.files.well()
        )
        status = {
            "status": "leaving" if leaving.begun else "ready" if migrated else "unavailable",
            "database": migrated is not None,
            "migrated": migrated,
            "redis": redis,
            "mail": sends,
            "files": keeps,
        }
        return JSONResponse(status, status_code=200 if status["status"] == "ready" else 503)

    return answer


async def _migrated(desk: Desk) -> bool | None:
    """Whether the database has the tables that this version needs; None when it does not say."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await migrations.is_migrated(desk.reads)
    except NO_ANSWER:
        return None
