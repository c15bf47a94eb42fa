"""Whether this process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from infra.desk import Desk
from infra.postgres import Unavailable

ANSWER_SECONDS = 3


async def live(_request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "live"})


def ready(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """PostgreSQL answers. Redis is told of but not needed: without it all works, and what is live waits."""

    async def answer(_request: Request) -> Response:
        database, redis = await asyncio.gather(_database(desk), desk.bus.ready())
        status = {"status": "ready" if database else "unavailable", "database": database, "redis": redis}
        return JSONResponse(status, status_code=200 if database else 503)

    return answer


async def _database(desk: Desk) -> bool:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await desk.reads.fetch("SELECT '1'::varchar", [])
    except (Unavailable, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True
