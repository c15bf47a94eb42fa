"""Subscriptions to the changes of a list: what each subscriber was told of, and what became of that since."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from graphql import FieldNode
from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres import Reads
from planner.arguments import Request
from planner.compiling import Asked
from planner.connections import first_rows, key_of
from planner.live import Changing
from planner.plan import Plan, Planner
from planner.rows import Row, source
from planner.selection import selections
from planner.text import chain

MOST_HELD = 2_000  # keys that one subscription remembers, the longest untouched are forgotten
OVERLAP = dt.timedelta(seconds=60)  # what was written so long before a look may have been committed after it


class Told:
    """What one subscriber knows: the place of each key that was in the list, None for one that wasn't.

    `names`: of the channels that tell of changes, as of the last look.
    """

    def __init__(self, began: dt.datetime, names: list[str], places: list[tuple[UUID, int]]) -> None:
        """`places`: of what is in the list at first."""
        self.began = self.looked = began
        self.names = names
        self.places: OrderedDict[UUID, int | None] = OrderedDict(places)

    def learn(self, key: UUID, place: int | None) -> None:
        """It has this place now."""
        self.places[key] = place
        self.places.move_to_end(key)
        while len(self.places) > MOST_HELD:
            self.places.popitem(last=False)


class Looks:
    """The statements of such a subscription."""

    def __init__(self, planner: Planner, said: Changing, type_: Any, nodes: list[FieldNode]) -> None:
        """`type_`: of an item."""
        bind = planner.binder.bind
        names = func.array(said.names.order_by(sa.text("1")).scalar_subquery(), type_=ARRAY(sa.Text()))
        self.first = planner.reading(select(func.now(), names, *self._held(planner, said)))
        moment = bind(sa.DateTime(timezone=True), lambda request: request.payload)
        found = said.recent(moment).subquery("recent")
        self.recent = planner.reading(select(func.now(), func.array(select(*found.c).scalar_subquery())))
        self.look = planner.reading(self._look(planner, said, type_, nodes, names))

    @property
    def weight(self) -> int:
        """About how much memory this takes, in bytes."""
        return sum(plan.weight for plan in (self.first, self.recent, self.look))

    async def began(self, reads: Reads, request: Request) -> Told:
        """What a subscriber knows at first."""
        ((moment, names, keys, places),) = await self._rows(reads, self.first, request)
        return Told(moment, names, list(zip(keys or (), places or (), strict=True)))

    async def looked(self, reads: Reads, request: Request, told: Told, keys: list[UUID] | None) -> list[bytes]:
        """What is to be told of these keys; None: of all that may have changed. `told` is taken to know it then."""
        if keys is None:
            ((moment, recent),) = await self._rows(reads, self.recent, request, told.looked - OVERLAP)
            told.looked, keys = moment, [*{*told.places, *(recent or ())}]
        known = [(key, told.places.get(key), key in told.places) for key in keys]
        ((told.names, found, places, texts),) = await self._rows(reads, self.look, request, (known, told.began))
        bodies = []
        for key, place, text in zip(found or (), places or (), texts or (), strict=True):
            if key in told.places or place is not None or text is not None:
                told.learn(key, place)
            if text is not None:
                bodies.append(await self.look.complete(text.encode(), reads, request))
        return bodies

    async def _rows(self, reads: Reads, plan: Plan, request: Request, payload: Any = None) -> Any:
        return await plan.rows(reads, plan.values(request._replace(payload=payload)))

    def _held(self, planner: Planner, said: Changing) -> Sequence[Any]:
        """The keys and the places of what is in the list at first, as the rest of a SELECT."""
        if said.held is None:
            return [sa.null(), sa.null()]
        row = Row(planner.walk.alias(), first_rows(said.held, said.held.asked.first or MOST_HELD))
        columns = getattr(row, key_of(said.held).key), row.place
        held = select(*map(func.array_agg, columns)).select_from(source(row)).subquery()
        return [*held.c]

    def _look(self, planner: Planner, said: Changing, type_: Any, nodes: list[FieldNode], names: Any) -> Any:
        bind = planner.binder.bind
        types: tuple[Any, ...] = (sa.Uuid(), sa.Integer(), sa.Boolean())
        columns = [
            bind(ARRAY(kind), lambda request, n=n: [row[n] for row in request.payload[0]])  # type: ignore[misc] # mypy can't tell a lambda's default
            for n, kind in enumerate(types)
        ]
        began: Asked = bind(sa.DateTime(timezone=True), lambda request: request.payload[1])
        told = func.unnest(*columns).table_valued(
            sa.column("key", sa.Uuid()), sa.column("place", sa.Integer()), sa.column("known", sa.Boolean())
        )
        row = Row(planner.walk.alias(), said.rows(told.render_derived(name="told"), began))
        key, place, to_tell = row.key, row.place, row.to_tell
        item = sa.case((to_tell, chain(planner.walk.object(type_, selections(nodes), row))))
        looked = select(*map(func.array_agg, (key, place, cast(item, sa.Text)))).select_from(source(row))
        return select(names, *looked.subquery("looked").c)
