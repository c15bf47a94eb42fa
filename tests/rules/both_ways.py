"""The two ways to an answer, over one scene: one statement, and graphql-core with a statement per root field."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import graphql
import orjson
from random_operations import Asked
from random_scene import Scene
from random_values import Cursor, Known

from domain import refusals
from domain.access import Viewer
from infra.desk import Desk
from infra.postgres import Reads
from infra.signing import Signer
from planner.engine import Answer, Engine
from planner.limits import Most
from resolvers.root import schema as api
from schema.context import Context

SCHEMA: graphql.GraphQLSchema = api._schema
QUERY: Any = SCHEMA.query_type
ORDERS: list[dict[str, str] | None] = [None]
ORDERS += [
    {"field": field, "direction": direction}
    for field in ("CREATED_AT", "UPDATED_AT", "PRIORITY", "WAITING_SINCE")
    for direction in ("ASC", "DESC")
]
PAGE = "first: 100) { edges { cursor } }"
DOORS = {  # to every list: the field's coordinate, and a document in whose place its page is asked for
    "Query.departments": "{ departments(%s }",
    "Query.categories": "{ categories(%s }",
    "Query.services": "{ services(%s }",
    "Query.maintenanceNotices": "{ maintenanceNotices(%s }",
    "Query.routingRules": "{ routingRules(%s }",
    "Query.auditEntries": "{ auditEntries(%s }",
    "Query.deadLetters": "{ deadLetters(%s }",
    "Viewer.notifications": "{ viewer { notifications(%s } }",
    "Ticket.events": "{ tickets(first: 20) { nodes { events(%s } } }",
    "Ticket.comments": "{ tickets(first: 20) { nodes { comments(%s } } }",
    "Ticket.attachments": "{ tickets(first: 20) { nodes { attachments(%s } } }",
    "Ticket.watchers": "{ tickets(first: 20) { nodes { watchers(%s } } }",
    "Department.members": "{ departments(first: 5) { nodes { members(%s } } }",
}
WORDLESS = {"Boolean", "DateTime", "Float", "ID", "Int"}
ARCHIVED = {"Query.departments", "Query.categories", "Query.services"}
REACH = '{ maintenanceReach(serviceIds: ["svc_00000000-0000-7000-8000-000000000000"], audience: STAFF) { emailCount } }'
PROBES = {  # other roots, of which some are refused to some
    "Query.node": '{ node(id: "tkt_00000000-0000-7000-8000-000000000000") { id } }',
    "Query.maintenanceReach": REACH,
    "Query.maintenanceNotice": '{ maintenanceNotice(id: "mnt_00000000-0000-7000-8000-000000000000") { id } }',
    "Query.nodes": "{ nodes(ids: []) { id } }",
    "Query.ticket": '{ ticket(id: "tkt_00000000-0000-7000-8000-000000000000") { id } }',
    "Query.ticketByNumber": "{ ticketByNumber(number: 0) { id } }",
}


class Timeless(Signer):
    """Signs nothing, so that a link is the same at any time, and shows what it leads to."""

    def sign(self, purpose: str, claims: Mapping[str, Any], seconds: int) -> str:
        """The claims."""
        return f"{purpose}-{seconds}-{orjson.dumps(claims).decode()}"


class CountingReads(Reads):
    """Reads that count their statements."""

    def __init__(self, url: str) -> None:
        """As ever."""
        super().__init__(url)
        self.statements = 0

    async def fetch(self, sql: str, arguments: list[Any]) -> list[Any]:
        """As ever."""
        # People and departments that are not known yet, and which of them have changed, are asked for beside.
        self.statements += not (sql.startswith("SELECT CAST(c.id AS TEXT)") or "clock_timestamp()" in sql)
        return await super().fetch(sql, arguments)


class Seen:
    """What was asked in all, and what of it was found."""

    def __init__(self) -> None:
        """It begins empty."""
        self.counts: Counter[str] = Counter()
        self.fields: set[str] = set()
        self.words: set[str] = set()

    def note(self, asked: Asked, body: dict[str, Any], words: set[str]) -> None:
        """An answer, and the words of the scene in it."""
        found = set(self.fields_in(asked, "Query", body.get("data") or {}))
        self.fields |= found
        self.words |= words
        self.counts["answers"] += 1
        self.counts["with rows"] += any(not field.startswith(("Query.", "Desk.", "__")) for field in found)
        self.counts.update({error["extensions"]["code"] for error in body.get("errors", [])})

    def missing(self) -> set[str]:
        """The fields of the root, and the types of objects that they lead to, of which nothing was found yet."""
        return reachable() - {name for field in self.fields for name in (field, field.partition(".")[0])}

    def fields_in(self, asked: Asked, type_: str, value: Any) -> Iterator[str]:
        """The fields that have values, as far as the types of objects are known."""
        if isinstance(value, list):
            for item in value:
                yield from self.fields_in(asked, type_, item)
        elif isinstance(value, dict):
            type_ = value.get("__typename", type_)
            for key, item in value.items():
                name = asked.keys.get((type_, key))
                if name is not None and item is not None and item != []:
                    yield f"{type_}.{name}"
                    parent: Any = SCHEMA.get_type(type_)
                    field: Any = SCHEMA.get_field(parent, name)
                    named = graphql.get_named_type(field.type)
                    yield from self.fields_in(asked, named.name if graphql.is_object_type(named) else "", item)


class BothWays:
    """Asks both ways and compares."""

    def __init__(self, desk: Desk, scene: Scene) -> None:
        """`scene`: stands in the desk's database."""
        self.scene, self.seen = scene, Seen()
        self.desk = dataclasses.replace(desk, signer=Timeless("a key"))
        self.reads = CountingReads(desk.settings.database_url)
        self.reported: list[BaseException] = []
        self.usual = self.engine()  # has made plans for everyone who asked before
        self.known: dict[str, Known] = {}  # by the viewer's name
        self.generous = self.engine()
        self.generous.most = Most(cost=10**9, pieces=10**6)

    async def close(self) -> None:
        """Look at nothing any more."""
        for engine in (self.usual, self.generous):
            await engine.cards.close()
        await self.reads.close()

    def engine(self) -> Engine:
        """One that has made no plan yet."""

        def report(error: BaseException) -> str:
            self.reported.append(error)
            return "id"

        return Engine(api, self.reads, refusals=refusals.Refusal, report=report, given=self.desk)

    async def one_statement(self, asked: Asked, viewer: Viewer, variables: dict[str, Any]) -> Answer:
        """The answer as everyone gets it."""
        context = Context(self.desk, self.usual, viewer)
        return await self.usual.query(asked.text, variables, asked.name, viewer, context)

    async def reference(self, asked: Asked, viewer: Viewer, variables: dict[str, Any]) -> Answer:
        """The answer by graphql-core, of an engine that has made no plan yet."""
        fresh = self.engine()
        fresh.texts = self.usual.texts
        operation = fresh.document(asked.text).operation(asked.name)
        planned, operation.planned = operation.planned, False
        try:
            return await fresh.query(asked.text, variables, asked.name, viewer, Context(self.desk, fresh, viewer))
        finally:
            operation.planned = planned
            await fresh.cards.close()

    async def compare(self, asked: Asked, asking: list[tuple[str, dict[str, Any]]], *, together: bool = False) -> None:
        """Both answer these viewers the same, and nothing that they may not read.

        `asking`: their names, each with variables. `together`: whether all ask at once, and thrice, so that some wait
        and are answered by one statement.
        """
        expected = [await self.checked(asked, name, variables) for name, variables in asking]
        if together:
            viewers = [(self.scene.viewers[name], variables) for name, variables in asking] * 3
            self.reads.statements = 0
            found = await asyncio.gather(*(self.one_statement(asked, *each) for each in viewers))
            assert [in_order(answer.body) for answer in found] == expected * 3, (asking, asked.text)
            if not any("errors" in dict(body) for body in expected) and self.is_planned(asked):
                assert self.reads.statements <= len(found), (asking, asked.text)  # else one was asked again, alone

    def is_planned(self, asked: Asked) -> bool:
        """Whether it can be one statement."""
        viewed = ("TicketView", "tickets")  # whose filter is known once the view was read
        goes_on = any((type_, name) == viewed for (type_, _), name in asked.keys.items())
        return not goes_on and self.usual.document(asked.text).operation(asked.name).planned

    async def checked(self, asked: Asked, name: str, variables: dict[str, Any]) -> Any:
        """The answer to one of them."""
        viewer, self.reported[:] = self.scene.viewers[name], []
        try:
            reference = in_order((await self.reference(asked, viewer, variables)).body)
            self.reads.statements = 0
            answer = await self.one_statement(asked, viewer, variables)
            assert in_order(answer.body) == reference, answer.body
            body = orjson.loads(answer.body)
            assert not self.reported, self.reported
            if "errors" not in body and self.is_planned(asked):
                assert self.reads.statements == 1, self.reads.statements
            words = self.scene.secrets_in(answer.body.decode())
            assert words <= self.scene.allowed[name], (words - self.scene.allowed[name], body)
        except BaseException as error:
            error.add_note(f"{name}: {viewer}\n{asked.text}\n{orjson.dumps(variables).decode()}")
            raise
        self.seen.note(asked, body, words)
        return reference

    async def learn(self, name: str) -> None:
        """Has this viewer ask for every list, to know its cursors and what is refused."""
        found: dict[str, list[Cursor]] = {}
        refused: set[str] = set()

        async def ask(text: str, coordinate: str, order: dict[str, str] | None = None) -> None:
            answer = await self.one_statement(Asked(text, None, [], {}), self.scene.viewers[name], {})
            body = orjson.loads(answer.body)
            if "errors" in body:
                refused.add(coordinate)
            cursors = (Cursor(text, order) for text in dict.fromkeys(cursors_in(body["data"])))
            found.setdefault(coordinate.removesuffix(".includeArchived"), []).extend(cursors)

        for order in ORDERS:
            said = f"orderBy: {{field: {order['field']}, direction: {order['direction']}}}, " if order else ""
            await ask(f"{{ tickets({said}{PAGE} }}", "Query.tickets", order)
        for coordinate, document in DOORS.items():
            await ask(document % PAGE, coordinate)
            if coordinate in ARCHIVED:
                await ask(document % f"includeArchived: true, {PAGE}", f"{coordinate}.includeArchived")
        for coordinate, document in PROBES.items():
            await ask(document, coordinate)
        self.known[name] = Known(found, refused)


def reachable() -> set[str]:
    """The fields of the root, and the types of objects that they lead to."""
    found: set[str] = set()

    def visit(type_: Any) -> None:
        if graphql.is_abstract_type(type_):
            for each in SCHEMA.get_possible_types(type_):
                visit(each)
        elif graphql.is_object_type(type_) and type_.name not in found:
            found.add(type_.name)
            for field in type_.fields.values():
                visit(graphql.get_named_type(field.type))

    visit(QUERY)
    return found | {f"Query.{name}" for name in QUERY.fields}


def is_part(type_: Any) -> bool:
    """Whether an object can't be looked up by itself."""
    return graphql.is_object_type(type_) and not type_.interfaces and not type_.name.endswith("Connection")


def says_words(type_: Any) -> bool:
    """Whether text may stand in such a part, or in one of its own."""
    named = [graphql.get_named_type(field.type) for field in type_.fields.values()]
    return any(
        each.name not in WORDLESS if graphql.is_scalar_type(each) else is_part(each) and says_words(each)
        for each in named
    )


def is_many(type_: Any) -> bool:
    """Whether it's a list."""
    return graphql.is_list_type(graphql.get_nullable_type(type_))


def everything(type_: Any, depth: int, prefix: str = "", known: Collection[str] = (), *, away: bool = False) -> str:
    """A selection of all fields of a type, and of those that its objects lead to in so many steps.

    `prefix`: of the names in the answer, where fields of several types stand side by side. `known`: fields whose
    objects are named only, since they are read elsewhere. `away`: whether it is a step away from what is asked for.
    """
    if graphql.is_abstract_type(type_):
        kinds = " ".join(
            f"... on {each.name} {everything(each, depth, f'{each.name}_', away=away)}"
            for each in SCHEMA.get_possible_types(type_)
        )
        return f"{{ __typename {kinds} }}"
    parts = ["__typename"]
    for name, field in type_.fields.items():
        named = graphql.get_named_type(field.type)
        said = f"{prefix}{name}: {name}" if prefix else name
        if graphql.is_leaf_type(named):
            parts.append(said)
        elif name in known:
            parts.append(f"{said} {{ __typename ... on Node {{ id }} }}")
        elif away and is_part(named) and not says_words(named):
            parts += [f"{said} {{ id }}"] if "id" in named.fields else []  # its figures are read where they belong
        elif name in {"nodes", "edges", "node"} or is_part(named):
            parts.append(f"{said} {everything(named, depth, away=away)}")  # it is a part of this, and no step away
        elif depth or type_.name == "Category" or (is_many(field.type) and not field.args):
            page = "(first: 100)" if named.name.endswith("Connection") and "first" in field.args else ""
            parts.append(f"{said}{page} {everything(named, max(0, depth - 1), away=True)}")
    return f"{{ {' '.join(parts)} }}"


def in_order(body: bytes) -> Any:
    """What JSON text says, the order of its keys included; errors of fields that run at once have none."""
    said = json.loads(body, object_pairs_hook=list)
    return [(key, sorted(value, key=str) if key == "errors" else value) for key, value in said]


def cursors_in(value: Any) -> Iterator[str]:
    """The cursors of the edges in some data."""
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else []:
        yield from cursors_in(item)
    if isinstance(value, dict) and "cursor" in value:
        yield value["cursor"]
