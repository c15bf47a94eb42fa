"""Subscriptions as plans: what is read at every change, and the channels that tell of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple
from uuid import UUID

import graphql
import orjson
import sqlalchemy as sa
from graphql import FieldNode
from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres import Reads
from planner.arguments import Read, Request
from planner.changes import Looks, Told
from planner.compiling import Asked
from planner.connections import directions
from planner.cursors import beyond, cursor, mark_of, orders, parameter_type, reading
from planner.live import Changing, Channel, Feeding, Living
from planner.plan import Plan, Planner, State
from planner.rows import Row, source
from planner.selection import selections
from planner.sharing import Common
from planner.text import chain

LARGEST_CATCH = 100  # items of a feed that one statement reads


class Item(NamedTuple):
    """One item of a feed: its cursor, and the response that tells of it."""

    cursor: str
    body: bytes


class Stream:
    """A subscription: where changes are told, and how they are read as the viewer."""

    def __init__(self, plans: StreamPlans, reads: Reads, request: Request, *, batch: bool) -> None:
        """Raises BadRequest when what was asked can't be."""
        self.plans, self.reads, self.request, self.batch = plans, reads, request, batch
        self.feed, self.looks, self.pause = plans.feeding, plans.looks is not None, plans.pause
        self.channels = plans.channels(request)
        self.after = plans.first_cursor(request)
        plans.now.values(request)
        self.member = None if plans.common is None else plans.common.member(request)

    @property
    def shared(self) -> Hashable:
        """Equal for subscriptions that `read_for` may answer together. Not for feeds."""
        plan = self.plans.now if self.plans.common is None else self.plans.common.plan
        values = repr(plan.values(self.request._replace(payload=[])))
        # What follows on them may depend on who asks though they don't.
        viewer = self.request.viewer if plan.continued else None
        return id(self.plans), tuple(self.channels), values, viewer

    async def read_for(self, members: set[Any]) -> tuple[State | None, set[Any] | None]:
        """As `read`, for all these of a shared reading; and who of them see it, None when that's the same for all."""
        seeing: set[Any] | None = None
        if self.plans.common is None:
            request = self.request._replace(payload=None)
            text = await self.plans.now.text(self.reads, request, batch=self.batch)
            state = None if text is None else await self.plans.now.state(text, self.reads, request)
        else:
            state, seeing = await self.plans.common.read(self.reads, self.request, members)
        return None if state is None else state._replace(body=self.plans.body(state.body)), seeing

    async def read(self, told: Any = None) -> bytes | None:
        """The response as of now; None when there is nothing that the viewer may see.

        `told`: the key that the change's message carries, for builds that ask for it.
        """
        value = await self.plans.now.answer(self.reads, self.request._replace(payload=told), batch=self.batch)
        return None if value is None else self.plans.body(value)

    async def read_after(self, place: str | None) -> list[Item] | None:
        """Items of a feed after a cursor, or from the first on; at most 100. None when the feed has ended."""
        plan = self.plans.now if place is None else self.plans.later
        values = plan.values(self.request._replace(payload=place))
        rows = await plan.rows(self.reads, values)
        seen, cursors, texts = rows[0]
        if not seen:
            return None
        filled = [await plan.complete(text.encode(), self.reads, self.request) for text in texts or ()]
        return [
            Item(orjson.loads(each), self.plans.body(text)) for each, text in zip(cursors or (), filled, strict=True)
        ]

    async def began(self) -> Told:
        """What a subscriber to the changes of a list knows at first."""
        return await self.plans.looking.began(self.reads, self.request)

    async def changed(self, told: Told, messages: list[str] | None) -> list[bytes]:
        """The responses that tell what became of what messages named; None: of all that may have changed.

        The subscriber is then taken to know it.
        """
        keys = None if messages is None else [UUID(each) for each in messages]
        found = await self.plans.looking.looked(self.reads, self.request, told, keys)
        return [self.plans.body(each) for each in found]


class StreamPlans:
    """The plans of a subscription's shape."""

    def __init__(self, make: Callable[[], Planner], root_type: Any, nodes: list[FieldNode]) -> None:
        """`make`: begins a walk. Raises what the build raises."""
        key = (nodes[0].alias or nodes[0].name).value
        self.prefix, self.suffix = f'{{"data":{{"{key}":'.encode(), b"}}"
        self.type = graphql.get_nullable_type(root_type.fields[nodes[0].name.value].type)
        self.where = f"{root_type.name}.{nodes[0].name.value}"
        planner = make()
        said = planner.walk.built(root_type, nodes[0], None)
        self.feeding = isinstance(said, Feeding)
        self.pause = said.pause if isinstance(said, Living | Changing) else 0
        self.looks: Looks | None = None
        self.common: Common | None = None
        if isinstance(said, Changing):
            self.looks = Looks(planner, said, self.type, nodes)
            self.now = self.later = self.looks.first
        elif isinstance(said, Feeding):
            self.now = self.feed(planner, said, nodes, started=False)
            again = make()
            self.later = self.feed(again, again.walk.built(root_type, nodes[0], None), nodes, started=True)
        elif isinstance(said, Living):
            parts, _ = planner.walk.read(self.type, selections(nodes), said.select, self.where)
            self.now = self.later = planner.plan(parts, by_key=not graphql.is_list_type(self.type))
            if said.common:
                self.common = Common.of(make(), root_type, nodes, self.type, self.where)
        else:
            raise TypeError(f"{self.where} returned {said!r}, neither live(…), feed(…) nor changes(…)")
        asked = planner.binder.asked
        watched = () if isinstance(said, Changing) else said.channels
        self.watched = [(channel.name, key_of(channel, asked)) for channel in watched]
        after = said.after if isinstance(said, Feeding) else None
        self.after: Read | None = asked[after.key][1] if isinstance(after, Asked) else None

    @property
    def weight(self) -> int:
        """About how much memory this takes, in bytes."""
        return self.now.weight + self.later.weight + (self.looks.weight if self.looks else 0)

    @property
    def looking(self) -> Looks:
        """Of a subscription to the changes of a list."""
        if self.looks is None:
            raise TypeError(f"{self.where} does not tell changes of a list")
        return self.looks

    def body(self, value: bytes) -> bytes:
        """The response with a value of the field."""
        return self.prefix + value + self.suffix

    def channels(self, request: Request) -> list[str]:
        """The channels of a request, each once."""
        found: dict[str, None] = {}
        for name, read in self.watched:
            if read is None:
                found[name] = None
                continue
            keys = read(request)
            for key in keys if isinstance(keys, list) else [keys]:
                if key is not None:
                    found[f"{name}:{key}"] = None
        return list(found)

    def first_cursor(self, request: Request) -> str | None:
        """The cursor that a feed is asked to go on after. Raises BadRequest when it isn't one."""
        if self.after is None:
            return None
        place: str = self.after(request)
        self.later.values(request._replace(payload=place))
        return place

    def feed(self, planner: Planner, said: Feeding, nodes: list[FieldNode], *, started: bool) -> Plan:
        """The plan of a feed's next items. Its one row: whether it goes on, the cursors, the items."""
        walk, binder = planner.walk, planner.binder
        named: dict[str, Any] = {name: graphql.get_named_type(field.type) for name, field in self.type.fields.items()}
        order = orders(said.order, None)
        mark = mark_of(named["node"].name, order)
        rows = said.rows
        if started:
            values = reading(mark, order)
            parameters = [
                binder.bind(parameter_type(each.type), lambda request, n=n: values(request.payload)[n])  # type: ignore[misc] # mypy can't tell a lambda's default
                for n, each in enumerate(order)
            ]
            rows = rows.where(beyond(order, parameters, forward=True))
        row = Row(walk.alias(), rows.order_by(None).order_by(*directions(order, backward=False)).limit(LARGEST_CATCH))
        also = row._also  # noqa: SLF001 - a row hides what builds may not use
        place = cursor(mark, order, [also(f"order{n}", each.expression, each.type) for n, each in enumerate(order)])
        known = {
            "cursor": lambda _: place,
            "node": lambda inner: walk.one_of(named["node"], inner, row),
        }
        item = walk.object(self.type, selections(nodes), row, known)
        found = select(*(func.array_agg(cast(chain(parts), sa.Text), type_=ARRAY(sa.Text)) for parts in (place, item)))
        columns = found.select_from(source(row)).subquery("found")
        seen: Any = sa.true() if said.seen is None else sa.exists(said.seen)
        return planner.reading(select(seen, *columns.c))


def key_of(channel: Channel, asked: dict[str, Any]) -> Read | None:
    """How a channel's key is read from a request; None for a channel without one."""
    read: Read | None = None if channel.key is None else asked[channel.key.key][1]
    return read
