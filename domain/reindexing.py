"""Finding tickets and articles by what they say as this version reads it, while the desk goes on.

What an earlier version wrote is found as that one read it, until it is written anew.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from domain.articles import index
from domain.ranges import FIRST
from domain.tickets import search
from infra.desk import Desk
from infra.progress import Told
from infra.settings import Settings
from models import Article, Ticket

BATCH = 100  # tickets, or articles, that nobody else changes for a moment


def _some(model: Any, after: Any, most: Any) -> Select[Any]:
    return select(model).where(model.id > after).order_by(model.id).limit(most)


def _all(model: Any) -> Select[*tuple[Any, ...]]:
    return select(func.count()).select_from(model)


async def reindex(settings: Settings, told: Told) -> int:
    """Write the words of all tickets and articles anew; gives how many. `told`: so many of so many are done."""
    async with Desk.open(settings) as desk:
        async with desk.writes.begin() as unit:
            total: int = sum([(await unit.run(_all, model))[0][0] for model in (Ticket, Article)])
        done = 0
        for model in (Ticket, Article):
            after: UUID | None = FIRST
            while after is not None:
                count, after = await _next(desk, model, after)
                done += count
                told(done, max(done, total))
    return done


async def _next(desk: Desk, model: Any, after: UUID) -> tuple[int, UUID | None]:
    """Those after this one: how many, and the last of them; None when none is left."""
    async with desk.writes.begin() as unit:
        # Locked, and their texts read by a later statement: so they are not those of before another change of them.
        rows = await unit.lock_all(_some, model, after, BATCH)
        if model is Ticket:
            await search.keep(unit, [row.id for row in rows])
        else:
            for row in rows:
                await index.keep(unit, row)
    return len(rows), rows[-1].id if len(rows) == BATCH else None
