"""The engine: answers operations with bytes, by one statement where it can, by graphql-core otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import graphql
import orjson
import strawberry
from graphql import GraphQLError, GraphQLResolveInfo
from sqlalchemy.orm import configure_mappers

from infra import tracing
from infra.postgres import Reads, Unavailable
from planner.arguments import Request
from planner.cards import Cards
from planner.costs import Price, price
from planner.documents import Bounded, Document, Operation, Text
from planner.errors import BadRequest, InvalidDocument, Refused, TooCostly, entry, unraised
from planner.execution import prepare
from planner.fields import Declared
from planner.kept import Kept
from planner.limits import TOO_DEEP, Most
from planner.mutations import Done, Mutation, Performing
from planner.plan import Plan, Planner, viewer_key
from planner.selection import Setting
from planner.streams import Stream, StreamPlans
from planner.texts import LONGEST_KEPT, Texts

MOST_PLANS, HEAVIEST_PLANS = 1000, 64_000_000  # in all, and in bytes, about
MOST_PRICES, HEAVIEST_PRICES = 1000, 4_000_000
APOLOGY = "Something went wrong on our side."


class Answer(NamedTuple):
    """A response. `executed`: whether it is the answer to an operation, and not to a request that can't be one.

    `code`: of a request that was not executed, as in its error's extensions.
    """

    body: bytes
    executed: bool
    code: str | None = None


class Engine:
    """Answers the operations of a schema."""

    def __init__(
        self,
        schema: strawberry.Schema,
        reads: Reads,
        *,
        refusals: type[Exception],
        report: Callable[[BaseException], str],
        batch: bool = True,
        given: Any = None,
        introspection: bool = True,
        most: Most = Most(),  # noqa: B008 - it can't be changed
    ) -> None:
        """`refusals`: exceptions of this class have a `code`, and their text is for the client. `report`: logs another
        exception and gives the id under which it is found. `batch`: whether reads by key that wait for each other are
        asked together. `given`: what computed leaves are given before their columns. `introspection`: whether the
        schema may be asked. `most`: what one operation may ask for.
        """
        self.schema: graphql.GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry's way to graphql-core
        self.reads, self.report, self.batch, self.given = reads, report, batch, given
        self.cards = Cards(reads)
        self.refusals: tuple[type[Exception], ...] = (Refused, Unavailable, refusals)
        self.most, self.texts = most, Texts(self.schema, most, introspection=introspection)
        self.plans: Bounded[Hashable, Any] = Bounded(MOST_PLANS, HEAVIEST_PLANS)
        self.plan_misses = 0  # plans that had to be made
        self.kept = Kept()
        self.prices: Bounded[Hashable, Price] = Bounded(MOST_PRICES, HEAVIEST_PRICES)
        self.mutations: dict[str, Mutation] = {}  # of the schema, by name, as they come to be needed
        prepare(self.schema)
        configure_mappers()  # which else the first request would wait for

    # --- Requests -----------------------------------------------------------------------------------------------------

    def persisted(self, sha256: str, text: str | None) -> str:
        """The text of an operation that a client names by its hash, in lower-case hexadecimal digits.

        One that is valid is remembered when it's given. Raises PersistedQueryNotFound when none is given or remembered,
        BadRequest when the text isn't that of the hash.
        """
        return self.texts.by_hash(sha256, text)

    def knows(self, text: str | None, sha256: str | None = None) -> bool:
        """Whether `operation` need not read the text, since it was read before."""
        return self.texts.knows(text, sha256)

    def operation(self, text: str | None, operation_name: str | None, sha256: str | None = None) -> Operation | Answer:
        """An operation by its document's text or the hash of that, or by both; or the answer why it can't be had."""
        try:
            if sha256 is not None:
                text = self.persisted(sha256, text)
            return self.document(text or "").operation(operation_name)
        except InvalidDocument as refusal:
            return self.not_executed(refusal)
        except Refused as refusal:
            return self.refused(refusal)

    async def query(
        self, text: str, variables: Mapping[str, Any] | None, operation_name: str | None, viewer: Any, context: Any
    ) -> Answer:
        """The response to a query or mutation, by its document's text."""
        found = self.operation(text, operation_name)
        return found if isinstance(found, Answer) else await self.answer(found, variables, viewer, context)

    async def answer(
        self, operation: Operation, variables: Mapping[str, Any] | None, viewer: Any, context: Any
    ) -> Answer:
        """The response to a query or mutation.

        `context`: is given to Python resolvers; its `viewer` is the viewer, its `planner` this engine.
        """
        try:
            values = operation.variables.coerce(variables or {})
        except InvalidDocument as refusal:
            return self.not_executed(refusal)
        if operation.kind == "subscription":
            return self.refused(BadRequest("A subscription needs a socket or an event stream."))
        if operation.kind == "mutation":
            return await self.mutate(operation, values, variables, context)
        return await self.read(operation, values, variables, viewer, context)

    async def read(
        self,
        operation: Operation,
        values: Mapping[str, Any],
        variables: Mapping[str, Any] | None,
        viewer: Any,
        context: Any,
    ) -> Answer:
        """The response to a query. `values`: of the variables, coerced."""
        failure: Exception | None = None
        if operation.planned:
            try:
                plan = self.plan_of_query(operation, values, viewer)
                body = await plan.answer(self.reads, Request(values, viewer), batch=self.batch)
            except (Unavailable, TooCostly) as error:
                return self.refused(error)
            except Exception as error:  # noqa: BLE001 - each root is tried by itself below, and what fails is reported
                failure = error
            else:
                return Answer(body or b"", executed=True)
        try:
            cost = self.price(operation, values).cost
        except TooCostly as error:
            return self.refused(error)
        return await self.execute(operation, variables, context, failure, cost)

    async def mutate(
        self, operation: Operation, values: Mapping[str, Any], variables: Mapping[str, Any] | None, context: Any
    ) -> Answer:
        """The response to a mutation. `values`: of the variables, coerced."""
        shape = operation.shape(values)
        try:
            performing = self.plan(("mutation", operation.key, shape), lambda: Performing(self, operation, values))
        except TooCostly as error:
            return self.refused(error)
        done, failure = Done(), None
        if performing.hindrance is None:
            try:
                return Answer(await performing.answer(shape, values, context, done), executed=True)
            except Exception as error:  # noqa: BLE001 - what was done stays done; the rest is tried again below
                failure = error
        return await self.execute(operation, variables, context, failure, performing.cost, done)

    async def execute(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        context: Any,
        failure: Exception | None,
        cost: int,
        done: Done | None = None,
    ) -> Answer:
        """The response by graphql-core. `failure`: of what was tried before. `done`: mutations that were performed."""
        found = graphql.execute(
            self.schema,
            operation.document.node,
            root_value=done,
            context_value=context,
            variable_values=dict(variables or {}),
            operation_name=operation.name,
            hide_suggestions=not self.texts.introspection,
        )
        result = await found if inspect.isawaitable(found) else found
        if failure is not None and not result.errors:
            self.report(failure)  # it can't be repeated, and may be again
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [self.formatted(error) for error in result.errors]
        answer["extensions"] = self.extensions(cost)
        return Answer(orjson.dumps(answer), executed=True)

    def subscription(
        self,
        text: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        viewer: Any,
    ) -> Stream | Answer:
        """A subscription by its document's text."""
        found = self.operation(text, operation_name)
        return found if isinstance(found, Answer) else self.subscribe(found, variables, viewer)

    def subscribe(self, operation: Operation, variables: Mapping[str, Any] | None, viewer: Any) -> Stream | Answer:
        """A subscription's channels and how to read it; or the answer why it can't be had."""
        try:
            values = operation.variables.coerce(variables or {})
        except InvalidDocument as refusal:
            return self.not_executed(refusal)
        if operation.kind != "subscription":
            return self.refused(BadRequest("This is not a subscription."))
        nodes = list(operation.root_fields())  # one field, in as many pieces as the document says it

        def make() -> StreamPlans:
            self.price(operation, values)
            return StreamPlans(partial(self.planner, operation, values, viewer), operation.root_type, nodes)

        try:
            plans: StreamPlans = self.plan(("live", operation.key, viewer_key(viewer), operation.shape(values)), make)
            return Stream(plans, self.reads, Request(values, viewer), batch=self.batch)
        except TooCostly as error:
            return self.refused(error)
        except Exception as error:  # noqa: BLE001 - it is reported, or said to the client
            key = (nodes[0].alias or nodes[0].name).value
            formatted = self.formatted(graphql.located_error(error, nodes, [key]))
            body = orjson.dumps({"errors": [formatted]})
            return Answer(body, executed=False, code=formatted["extensions"]["code"])

    # --- Plans --------------------------------------------------------------------------------------------------------

    def document(self, text: str) -> Document:
        """The document of a text. Raises InvalidDocument."""
        return self.texts.document(text)

    def plan(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The plan under a key. A refusal is kept as well: a build says the same to all that the key stands for."""
        found = self.plans.get(key)
        if found is None:
            self.plan_misses += 1
            try:
                with tracing.span("plan"):
                    found = make()
            except self.refusals as refusal:
                found = unraised(refusal)
            except RecursionError:
                found = TooCostly(TOO_DEEP)
            size = len(repr(key))
            if size <= LONGEST_KEPT:
                self.plans.put(key, found, size + getattr(found, "weight", 0))
        if isinstance(found, Exception):
            raise unraised(found)
        return found

    def price(self, operation: Operation, values: Mapping[str, Any]) -> Price:
        """What an operation costs. Raises TooCostly when that's more than it may."""
        key = operation.key, operation.shape(values)
        found = self.prices.get(key)
        if found is None:
            found = price(operation, operation.mark(values))
            size = len(repr(key))
            if size <= LONGEST_KEPT:
                self.prices.put(key, found, size)
        found.check(self.most)
        return found

    def planner(self, operation: Operation, values: Mapping[str, Any], viewer: Any, *, tagged: bool = False) -> Planner:
        """Begins a walk over an operation."""
        about = self.schema, operation.document.fragments, operation.mark(values), viewer
        return Planner(Setting(*about, tagged, self.given, self.cards, self.plan, self.kept))

    def plan_of_query(self, operation: Operation, values: Mapping[str, Any], viewer: Any) -> Plan:
        """The plan of a whole query. Raises TooCostly when it costs more than it may, and what its builds raise."""

        def make() -> Plan:
            extensions = orjson.dumps(self.extensions(self.price(operation, values).cost)).decode()
            planner = self.planner(operation, values, viewer)
            return planner.operation(operation.root_type, operation.node.selection_set, extensions)

        plan: Plan = self.plan((operation.key, viewer_key(viewer), operation.shape(values)), make)
        return plan

    # --- Inside graphql-core ------------------------------------------------------------------------------------------

    async def root_field(self, info: GraphQLResolveInfo[Any]) -> Any:
        """The value of a planned root field."""
        viewer, operation, values = info.context.viewer, self.operation_of(info), info.variable_values.coerced
        plan: Plan = self.plan(
            ("root", operation.key, info.path.key, viewer_key(viewer), operation.shape(values)),
            lambda: self.planner(operation, values, viewer, tagged=True).field(info.parent_type, info.field_nodes),
        )
        return await self.value(plan, Request(values, viewer))

    async def payload(self, info: GraphQLResolveInfo[Any], declared: Declared, field: Any, held: Any) -> Any:
        """The value of a field of a mutation's answer. `held`: a key, a model and a key, or a list of keys."""
        viewer, operation, values = info.context.viewer, self.operation_of(info), info.variable_values.coerced
        where = tuple(step for step in info.path.as_list() if isinstance(step, str))
        model, key = held if isinstance(held, tuple) else (None, held)
        place = (where, info.parent_type.name, model, isinstance(key, list))

        def make() -> Plan:
            planner = self.planner(operation, values, viewer, tagged=True)
            what = f"{info.parent_type.name}.{info.field_name}"
            return planner.payload(field.type, info.field_nodes, declared.build, model, what)

        plan: Plan = self.plan(("payload", operation.key, place, viewer_key(viewer), operation.shape(values)), make)
        return await self.value(plan, Request(values, viewer, key))

    async def value(self, plan: Plan, request: Request) -> Any:
        """What a plan for one field answers."""
        text = await plan.answer(self.reads, request, batch=self.batch)
        return orjson.loads(text or b"null")

    def operation_of(self, info: GraphQLResolveInfo[Any]) -> Operation:
        """The operation that is executed."""
        node = info.operation
        source = node.loc.source if node.loc else None
        if not isinstance(source, Text):
            raise TypeError("A planned field needs a document of this engine's")
        return source.document.operation(node.name.value if node.name else None)

    # --- Errors -------------------------------------------------------------------------------------------------------

    def extensions(self, cost: int) -> dict[str, Any]:
        """What an answer tells beside its data."""
        return {"cost": {"operation": cost, "most": self.most.cost}}

    def not_executed(self, refusal: InvalidDocument) -> Answer:
        """The answer to a request that can't be executed."""
        return Answer(orjson.dumps({"errors": refusal.entries}), executed=False, code=refusal.code)

    def refused(self, error: Unavailable | Refused) -> Answer:
        """The answer when the database is away, or the request asks for what it may not."""
        body = orjson.dumps({"errors": [{"message": str(error), "extensions": {"code": error.code}}]})
        return Answer(body, executed=False, code=error.code)

    def formatted(self, error: GraphQLError) -> dict[str, Any]:
        """An error as clients see it: a refusal's own words, a fault of theirs, or an apology and an id."""
        original = error.original_error
        while isinstance(original, GraphQLError) and original.original_error is not None:
            original = original.original_error
        if isinstance(original, self.refusals):
            code = original.code  # type: ignore[attr-defined] # all of them have one
            return entry(error, str(original), {"code": code})
        if original is None or isinstance(original, GraphQLError):
            return entry(error, error.message, {"code": BadRequest.code})
        return entry(error, APOLOGY, {"code": Refused.code, "id": self.report(original)})
