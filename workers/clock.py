"""When the clock does something. It only pokes: what is due stands in PostgreSQL, so twice or late does no harm."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from domain import attachments, attempts, idempotency, sessions
from infra import jobs
from infra.desk import Desk


class Tick(NamedTuple):
    """Something to be done every so many minutes."""

    every_minutes: int
    do: Callable[[Desk], Awaitable[object]]


async def _sweep_attempts(desk: Desk) -> None:
    await attempts.sweep(desk.writes)


async def _sweep_keys(desk: Desk) -> None:
    await idempotency.sweep(desk.writes)


TICKS = (
    Tick(10, attachments.sweep),
    Tick(60, _sweep_attempts),
    Tick(60, _sweep_keys),
    Tick(60, sessions.sweep),
    Tick(60, jobs.sweep),
)
