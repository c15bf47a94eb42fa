"""Plans: a statement that answers every request of one shape, alone or many at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, NamedTuple

import graphql
import orjson
import sqlalchemy as sa
from graphql import FieldNode
from sqlalchemy import cast, select
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres import Reads, Said
from planner.arguments import Binder, Check, Read, Request
from planner.cards import MARK, Cards, Luck, Shape
from planner.compiling import Asked, Statement, compiled, for_many
from planner.continued import PLACE, Continued
from planner.errors import BadRequest
from planner.line import Form, Line
from planner.nodes import NodeId
from planner.selection import Selections, Setting, selections
from planner.text import Parts, chain
from planner.walk import Walk, stored_as

MARKER = re.compile(rb"\x01(\d+):([^\x01]*)\x01")


class State(NamedTuple):
    """What there is to see."""

    body: bytes
    mark: bytes  # what was read of it: functions may write the same otherwise each time, such as a signed link
    lasting: bool  # whether no function has written any of it


class Plan:
    """A statement, and for reads by key a second one that answers many requests, with the line of those who wait."""

    def __init__(
        self,
        statement: Statement,
        together: Statement | None,
        reads: Sequence[Read],
        checks: Sequence[Check],
        computed: Sequence[Callable[..., Any]],
        cards: Cards | None = None,
        shown: Sequence[Shape] = (),
        continued: Sequence[Continued] = (),
    ) -> None:
        """`reads`: gives the statement's values. `together`: takes a list of each value, one row for each request.

        `shown`: shapes of the cards that it shows, which last as long as this.
        """
        self.plain = Form(statement, together)
        self.giving: Form | None = None
        self.reads, self.checks, self.computed = tuple(reads), tuple(checks), tuple(computed)
        self.continued = tuple(continued)
        self.cards, self.luck = cards if MARK in statement.sql else None, Luck()
        self.shown = tuple(shown)
        self.line = None if together is None else Line()

    @property
    def weight(self) -> int:
        """About how much memory this takes, in bytes."""
        forms = 1 if self.cards is None else 2
        shown = sum(len(shape.text) for shape in self.shown)
        held = self.continued[0].weight if self.continued else 0  # the same for all
        return shown + held + forms * sum(len(statement.sql) for statement in self.plain if statement)

    @property
    def form(self) -> Form:
        """What to ask now: with the cards where they were often missing lately."""
        if self.cards is None or not self.luck.poor:
            return self.plain
        if self.giving is None:
            alone, together = self.plain
            self.giving = Form(self.cards.giving(alone), together and self.cards.giving(together))
        return self.giving

    def values(self, request: Request) -> list[Any]:
        """What is asked. Raises BadRequest when a value breaks its limits."""
        for check in self.checks:
            check.run(request)
        return [read(request) for read in self.reads]

    async def answer(self, reads: Reads, request: Request, *, batch: bool) -> bytes | None:
        """The statement's one value, complete. Raises BadRequest, Unavailable, and what PostgreSQL raises."""
        text = await self.text(reads, request, batch=batch)
        return None if text is None else (await self.state(text, reads, request)).body

    def text(self, reads: Reads, request: Request, *, batch: bool) -> Awaitable[bytes | None]:
        """The same, still to be completed."""
        values = self.values(request)
        if batch and self.line is not None:
            return self.line.answer(self, reads, values)
        return self.answer_alone(reads, values)

    async def complete(self, text: bytes, reads: Reads, request: Request) -> bytes:
        """The text with cards, computed leaves and what is read by plans of its own in their places."""
        return (await self.state(text, reads, request)).body

    async def state(self, text: bytes, reads: Reads, request: Request) -> State:
        """As `complete`, with what tells whether anything has changed."""
        if self.cards is not None:
            text = await self.cards.filled(text, self.luck)
        whole = self.filled(text) if self.computed else text
        if self.continued:
            whole = text = await self.went_on(whole, reads, request)
        return State(whole, text, lasting=not self.computed)

    async def went_on(self, text: bytes, reads: Reads, request: Request) -> bytes:
        """The text with what later plans answer in their places; one after the other, as one request asks."""
        pieces = text.split(PLACE.encode())
        for at in range(1, len(pieces), 2):
            number, _, given = pieces[at].partition(b":")
            continued = self.continued[int(number)]
            own = continued.request(request, [orjson.loads(value) for value in given.split(b"\x02")])

            def make(continued: Continued = continued, own: Request = own) -> Plan:
                setting = continued.setting._replace(variables=continued.marked(own), viewer=own.viewer)
                return Planner(setting).field(continued.parent_type, continued.nodes)

            plan: Plan = continued.setting.keep((continued, continued.shape(own)), make)
            pieces[at] = await plan.answer(reads, own, batch=False) or b"null"
        return b"".join(pieces)

    async def rows(self, reads: Reads, values: list[Any]) -> list[Any]:
        """The rows of the statement for one request, whose texts are still to be completed."""
        statement = self.form.alone
        try:
            return await reads.fetch(statement.sql, statement.arguments(values))
        except Said as refusal:
            raise BadRequest(str(refusal)) from None

    async def answer_alone(self, reads: Reads, values: list[Any]) -> bytes | None:
        """The value for one request."""
        text: bytes | None = (await self.rows(reads, values))[0][0]
        return text

    def filled(self, text: bytes) -> bytes:
        """The text with computed leaves in their places."""

        def leaf(found: re.Match[bytes]) -> bytes:
            arguments = [orjson.loads(argument) for argument in found[2].split(b"\x02")] if found[2] else []
            return orjson.dumps(self.computed[int(found[1])](*arguments))

        return MARKER.sub(leaf, text)


class Planner:
    """One walk and what comes of it."""

    def __init__(self, setting: Setting) -> None:
        """`setting`: with the viewer of a request, whose ids become parameters."""
        self.binder = Binder()
        self.walk = Walk(setting._replace(viewer=bind_viewer(self.binder, setting.viewer)), self.binder)

    def operation(self, root_type: Any, selection_set: Any, extensions: str) -> Plan:
        """The plan of a whole query: its value is the response. `extensions`: JSON that the response ends with."""
        # As a part of the statement it costs nothing: the text ends with a literal anyway.
        end = f',"extensions":{extensions}}}'
        parts: Parts = ['{"data":', *self.walk.object(root_type, [selection_set], None), end]
        names = {nodes[0].name.value for nodes in self.walk.collect(root_type, [selection_set]).values()}
        types = [root_type.fields[name].type for name in names - {"__typename"}]
        return self.plan(parts, by_key=all(is_one(type_) for type_ in types))

    def field(self, parent_type: Any, nodes: list[FieldNode]) -> Plan:
        """The plan of one root field: its value is the field's."""
        type_ = parent_type.fields[nodes[0].name.value].type
        return self.plan(self.walk.field(parent_type, nodes, None), by_key=is_one(type_))

    def payload(self, type_: Any, nodes: list[FieldNode], build: Any, model: type | None, where: str) -> Plan:
        """The plan of a field of a mutation's answer, whose object holds a key, or keys where the field is a list.

        `model`: what the key is of, for builds that are given a NodeId.
        """
        nullable = graphql.get_nullable_type(type_)  # for graphql-core says itself what is missing
        parts = self.held(nullable, selections(nodes), build, model, where, lambda request: request.payload)
        return self.plan(parts, by_key=is_one(type_))

    def held(self, type_: Any, inner: Selections, build: Any, model: type | None, where: str, read: Read) -> Parts:
        """The text of such a field's value. `read`: gives the key or keys of a request."""
        walk, bind = self.walk, self.binder.bind
        nullable = graphql.get_nullable_type(type_)
        if graphql.is_list_type(nullable):
            found = walk.keyed(nullable.of_type, inner, lambda key: build(walk.viewer, key), 0)
            return walk.in_order(nullable.of_type, [bind(ARRAY(sa.Uuid()), read)], [found])
        key = bind(sa.Uuid(), read)
        value = build(walk.viewer, key if model is None else NodeId(model, key))
        return walk.complete(type_, inner, value, where)

    def plan(self, parts: Parts, *, by_key: bool) -> Plan:
        """The plan of a text. `by_key`: whether it's worth answering many requests together."""
        return self.reading(select(cast(chain(parts), sa.VARCHAR)), by_key=by_key)

    def reading(self, rows: Any, *, by_key: bool = False) -> Plan:
        """The plan of a statement whose values hold such texts. `by_key`: as for `plan`."""
        asked = self.binder.asked
        statement, needed = compiled(rows, asked)
        together = None
        if by_key and needed and not any(isinstance(asked[name][0], ARRAY) for name in needed):
            together = for_many(statement, [asked[name][0] for name in needed])
        reads = [asked[name][1] for name in needed]
        walk = self.walk
        return Plan(
            *(statement, together, reads, self.binder.checks, walk.computed),
            cards=walk.setting.cards,
            shown=walk.shown,
            continued=walk.continued,
        )


def bind_viewer(binder: Binder, viewer: Any) -> Any:
    """The viewer as builds see it: with parameters for its ids."""

    def bound(name: str) -> Asked:
        return binder.bind(sa.Uuid(), lambda request: getattr(request.viewer, name))

    names = [name for name in type(viewer).bindable if getattr(viewer, name) is not None]
    return dataclasses.replace(viewer, **{name: bound(name) for name in names})


def viewer_key(viewer: Any) -> tuple[Hashable, ...]:
    """What of a viewer is plain, and so in a plan's key."""
    bindable = type(viewer).bindable
    plain, ids = PLAIN.get(type(viewer)) or PLAIN.setdefault(
        type(viewer),
        (tuple(field.name for field in dataclasses.fields(viewer) if field.name not in bindable), tuple(bindable)),
    )
    return (*[getattr(viewer, name) for name in plain], *[getattr(viewer, name) is None for name in ids])


PLAIN: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {}  # a viewer's plain attributes, and its ids, by class


def is_one(type_: Any) -> bool:
    """Whether a field gives one object that is stored."""
    type_ = graphql.get_nullable_type(type_)
    return graphql.is_abstract_type(type_) or (graphql.is_object_type(type_) and stored_as(type_) is not None)
