"""How a mutation runs: its unit of work, its idempotency key, its refusals. Every mutation goes through here."""

import dataclasses
import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import strawberry
from strawberry.utils.str_converters import to_camel_case

from domain import access, audit, idempotency, refusals, visitors
from domain.access import Viewer
from infra.auditing import acting
from infra.ids import new_id
from infra.postgres import Overtaken
from infra.unit import Unit
from planner.errors import BadRequest
from planner.fields import DECLARED
from planner.mutations import PERFORM
from planner.nodes import parse_id
from schema import refusals as shown
from schema.context import Context
from schema.inputs import given

TRIES = 3  # of a unit that met another one in its way
# Which fields of the input that is being read hold no id, and why: told with all else that is wrong with the form.
_no_ids: ContextVar[dict[str, str]] = ContextVar("no_ids")


def mutation(description: str, *, everyone: bool = False) -> Callable[[Callable[..., Awaitable[Any]]], Any]:
    """Declare a mutation, for whoever is signed in unless it's for `everyone`. `perform(unit, context, input)` runs in
    a unit that is committed when it returns; `perform(context, input)`, for what signs in, opens its own. Both answer
    with the Success; what they raise of `domain.refusals` becomes a type of the result, and nothing has changed.
    """

    def declare(perform: Callable[..., Awaitable[Any]]) -> Any:
        signature = inspect.signature(perform)
        in_unit = next(iter(signature.parameters)) == "unit"
        returns = signature.return_annotation
        possible = {member.__name__: member for member in typing.get_args(typing.get_args(returns)[0])}
        names = frozenset(possible)
        action = to_camel_case(perform.__name__)

        async def answer(context: Context, input: Any) -> Any:
            with acting(action, context.viewer.person_id, context.network):
                return await answered(context, input)

        async def answered(context: Context, input: Any) -> Any:
            try:
                access.require_writing(context.viewer, everyone=everyone)
                if not in_unit:
                    return await perform(context, input)
                return await _in_unit(perform, context, input, possible)
            except refusals.Unauthenticated:
                raise
            except refusals.Refusal as refusal:
                if isinstance(refusal, refusals.WrongCredentials):
                    await audit.refused(context.desk, refusal)
                found = shown.shown(refusal, names)
                if found is None:
                    raise
                return found

        async def resolver(info: strawberry.Info, input: Any) -> Any:
            return await answer(info.context, input)

        kind = signature.parameters["input"].annotation
        given_input: Any = typing.Annotated[kind, strawberry.argument(description="The input.")]
        resolver.__name__, resolver.__module__ = perform.__name__, perform.__module__
        # Null where it fails, so that what was done before it in the same request keeps its answer.
        resolver.__annotations__ = {"info": strawberry.Info, "input": given_input, "return": returns | None}
        return strawberry.mutation(resolver=resolver, description=description, metadata={PERFORM: answer})

    return declare


async def _in_unit(
    perform: Callable[..., Awaitable[Any]], context: Context, input: Any, possible: dict[str, Any]
) -> Any:
    for attempt in range(1, TRIES + 1):
        try:
            async with context.desk.writes.begin(late=attempt == 1) as unit:
                return await _once(unit, perform, context, input, possible)
        except Overtaken:
            if attempt == TRIES:
                raise
        except refusals.Refusal:
            if attempt > 1 or given(getattr(input, "idempotency_key", None)) is None:
                raise  # otherwise a twin may have done meanwhile what was refused
    raise AssertionError


async def _once(
    unit: Unit, perform: Callable[..., Awaitable[Any]], context: Context, input: Any, possible: dict[str, Any]
) -> Any:
    key = given(getattr(input, "idempotency_key", None))
    if key is None:
        return await _performed(unit, perform, context, input)
    if context.viewer.id is None:
        raise refusals.Unauthenticated
    owner_id, digest = context.viewer.id, idempotency.digest_of(input)
    if context.arrived:
        owner_id = visitors.owner_of(context.network, key, digest)
    row, answer = await idempotency.claim(unit, owner_id, perform.__name__, key, digest)
    if answer is not None:
        if context.arrived:
            context.viewer = Viewer(None, UUID(answer["visitor"]))
        return await _again(unit, context, answer, possible)
    success = await _performed(unit, perform, context, input)
    fields = {f.name: _kept(getattr(success, f.name)) for f in dataclasses.fields(success)}
    told = {"type": type(success).__name__, "fields": fields}
    if context.arrived:  # from now on they may say who they are
        told["visitor"] = str(context.viewer.id)
        idempotency.share(unit, row, context.viewer.id, told)
    idempotency.remember(unit, row, told)
    return success


async def _performed(unit: Unit, perform: Callable[..., Awaitable[Any]], context: Context, input: Any) -> Any:
    """The Success. Raises what `perform` does, and InvalidInput, with all problems together, when something is no id.

    Until it is known what else is wrong, a key that nothing has stands for it, so all that comes of that is undone.
    """
    no_ids: dict[str, str] = {}
    token = _no_ids.set(no_ids)
    others: Sequence[tuple[str, str]] = ()
    try:
        success = await perform(unit, context, input)
    except (refusals.InvalidInput, refusals.NotFound, refusals.Conflict) as refusal:
        if not no_ids:
            raise
        if isinstance(refusal, refusals.InvalidInput):
            others = [problem for problem in refusal.problems if problem[0] not in no_ids]
    finally:
        _no_ids.reset(token)
    if no_ids:
        raise refusals.InvalidInput(*no_ids.items(), *others)
    return success


def _kept(value: Any) -> Any:
    """What a field of an answer holds, to be remembered: a key, nothing, or a list of keys or of what keeps itself."""
    if isinstance(value, list):
        return [_kept(item) for item in value]
    return value.kept() if hasattr(value, "kept") else None if value is None else str(value)


async def _again(unit: Unit, context: Context, answer: dict[str, Any], possible: dict[str, Any]) -> Any:
    """What was answered before, read again as the viewer: what can't be seen any more is NotFound."""
    kind = possible[answer["type"]]
    values: dict[str, Any] = {}
    for field in kind.__strawberry_definition__.fields:
        name, declared = field.python_name, field.metadata.get(DECLARED)
        kept = answer["fields"][name]
        if declared is None:
            values[name] = [field.type.of_type.recalled(item) for item in kept]
        elif isinstance(kept, list):  # what can't be seen any more is left out
            values[name] = [UUID(item) for item in kept]
        else:
            values[name] = None if kept is None else UUID(kept)
            if kept is not None and not await unit.run(declared.build, context.viewer, values[name]):
                raise refusals.NotFound(name, name)
    return kind(**values)


def key_of(text: str | None, model: type, field: str) -> UUID:
    """The key in a global id. What is not an id of this model is refused once all else was looked at."""
    if text:
        try:
            return parse_id(text, model)
        except BadRequest as error:
            _no_ids.get()[field] = str(error)
    else:  # nothing was chosen: for people to read, not for programmers
        _no_ids.get()[field] = "This can't be empty."
    return new_id()


def optional_key(text: str | None, model: type, field: str) -> UUID | None:
    """The key in an optional global id."""
    found = given(text)
    return None if found is None else key_of(found, model, field)


def keys_of(texts: list[Any] | None, model: type, field: str) -> list[UUID]:
    """The keys in a list of global ids; none when it was left out."""
    return [key_of(text, model, f"{field}.{number}") for number, text in enumerate(given(texts) or [])]
