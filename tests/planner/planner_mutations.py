"""Mutations for the planner's tests: what they return is all that a mutation may, and some that it may not."""

# ruff: noqa: ARG004 - as in planner_api

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import graphql
import planner_api as api
import planner_records as models
import strawberry
from strawberry.tools import create_type

from planner.fields import CONFIG, Payload, payload, planned
from planner.mutations import PERFORM
from planner.nodes import parse_id

CALLS: list[Any] = []  # what mutations were given, in their order


@strawberry.type(description="A part.")
class Part:
    name: str | None = strawberry.field(description="Its name.")
    status: models.Status = strawberry.field(description="Its status.")


@strawberry.type(description="A whole.")
class Whole:
    parts: list[Part] = strawberry.field(description="Parts.")
    at: dt.datetime | None = strawberry.field(description="When.")
    spare: Part | None = strawberry.field(description="Perhaps one more.")
    ticket: Payload[api.Ticket] = payload("The ticket.", api.one)


@strawberry.type(description="Done.")
class Changed:
    whole: Whole = strawberry.field(description="All of it.")
    ticket: Payload[api.Ticket] | None = payload("The ticket.", api.one)
    comments: list[Payload[api.Comment] | None] = payload("Comments.", api.comment)
    count: int = strawberry.field(description="How many.")


ChangeResult = Annotated[Changed | api.Conflict, strawberry.union("ChangeResult", description="What change answers.")]


@strawberry.input(description="What to do.")
class ChangeInput:
    how: str = strawberry.field(description="In which way.")
    ticket: strawberry.ID | None = strawberry.field(description="The ticket.", default=strawberry.UNSET)
    comments: list[strawberry.ID] | None = strawberry.field(description="Comments.", default=strawberry.UNSET)
    status: models.Status = strawberry.field(description="A status.", default=models.Status.OPEN)
    parts: list[PartInput] | None = strawberry.field(description="Parts.", default=None)
    name: str | None = strawberry.field(description="A name.")


@strawberry.input(description="A part.")
class PartInput:
    name: str | None = strawberry.field(description="Its name.", name="called")
    sizes: list[int | None] = strawberry.field(description="Its sizes.", default_factory=list)


@strawberry.input(one_of=True, description="One of two.")
class Choice:
    name: strawberry.Maybe[str] = strawberry.field(description="A name.")
    number: strawberry.Maybe[int] = strawberry.field(description="A number.")


async def change(context: Any, input: ChangeInput, name: Any = strawberry.UNSET, which: Any = None) -> Any:
    CALLS.append((input, name, which))
    key = parse_id(input.ticket, models.Ticket) if input.ticket else None
    parts = [Part(name=input.name, status=input.status), Part(name='"', status=models.Status.SOLVED)]
    whole: Any = Whole(parts=parts, at=models.NOW if input.name else None, spare=parts[0] if key else None, ticket=key)  # type: ignore[arg-type] # on purpose
    keys = [parse_id(each, models.Comment) for each in input.comments or []]
    changed: Any = Changed(whole=whole, ticket=key, comments=keys, count=len(keys))  # type: ignore[arg-type] # as an answer holds keys
    match input.how:
        case "a gap":
            changed.count = None
        case "nothing there":
            changed.ticket = UUID(int=1)
        case "nothing there where something must be":
            whole.ticket = UUID(int=1)
        case "another viewer":
            context.viewer = api.Viewer(None, None)
        case "conflict":
            current: Any = (models.Ticket, key) if key else None
            return api.Conflict(message=f"“No”\n\x01 {name}", current=current)
        case "conflict about a comment":
            current = (models.Comment, keys[0])
            return api.Conflict(message="No.", current=current)
    if input.how in FAULTS:
        raise FAULTS[input.how]
    return {"none": None, "another type": parts[0]}.get(input.how, changed)


FAULTS = {
    "forbidden": api.Forbidden("Not you."),
    "error": RuntimeError("A secret."),
    "graphql": graphql.GraphQLError("For all to see."),
}


def declared(name: str, returns: Any, **extra: Any) -> Any:
    async def resolve(
        info: strawberry.Info, input: ChangeInput, name: str | None = strawberry.UNSET, which: Choice | None = None
    ) -> Any:
        return await change(info.context, input, name, which)

    resolve.__name__ = name  # which create_type tells fields apart by
    resolve.__annotations__["return"] = returns
    return strawberry.mutation(resolver=resolve, name=name, description="Does it.", metadata=extra)


@strawberry.type(description="What only graphql-core can write.")
class Odd:
    @strawberry.field(description="Python's.")
    def shout(self) -> str:
        return "!"


@strawberry.type(description="As above.")
class OddList:
    wholes: list[Whole] = strawberry.field(description="Each with a key.")


@strawberry.type(description="As above.")
class OddPlan:
    @planned("Planned, of no row.")
    def name(odd: Any, viewer: api.Viewer) -> str:
        return "odd"


@strawberry.type(description="As above.")
class OddKind:
    node: api.Node | None = strawberry.field(description="Of any type.")


HINDERED = {
    "plain": (ChangeResult | None, {}),
    "many": (list[ChangeResult], {PERFORM: change}),
    "scalar": (str | None, {PERFORM: change}),
    "oddShout": (Odd | None, {PERFORM: change}),
    "oddWholes": (OddList | None, {PERFORM: change}),
    "oddName": (OddPlan | None, {PERFORM: change}),
    "oddNode": (OddKind | None, {PERFORM: change}),
}
MUTATIONS = [
    declared("change", ChangeResult | None, **{PERFORM: change}),
    declared("changeSurely", ChangeResult, **{PERFORM: change}),
    declared("changeRefusal", api.Refusal | None, **{PERFORM: change}),
    declared("changeOnly", Changed | None, **{PERFORM: change}),
    *(declared(name, returns, **extra) for name, (returns, extra) in HINDERED.items()),
]
SCHEMA = strawberry.Schema(
    create_type("Query", [*api.QUERIES], description="Reads."),
    create_type("Mutation", MUTATIONS, description="Writes."),
    types=[api.TicketSubmitted, api.CommentAdded, api.StatusChanged],
    config=CONFIG,
)
