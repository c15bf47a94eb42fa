"""How an operation is run, once or again and again, whatever carries its answers to the client."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import orjson

from infra.hub import Hub
from infra.logs import report
from infra.postgres import Unavailable
from planner.documents import Operation
from planner.engine import APOLOGY, Answer, Engine
from planner.errors import Refused
from planner.streams import LARGEST_CATCH, Stream
from schema.context import Context
from web import counters
from web.cohorts import Cohorts, Outlet, pause
from web.operations import Asked
from web.shares import TooMany, Turn

SEND_SECONDS = 15.0  # a client that takes nothing for so long is gone

Read = TypeVar("Read")


class Gone(Exception):
    """The client takes no more, so whatever runs for it ends."""


def found(engine: Engine, asked: Asked) -> Operation | Answer:
    """The operation that is asked for; or the answer why there is none."""
    operation = engine.operation(asked.text, asked.name, asked.sha256)
    if isinstance(operation, Answer):
        counters.REFUSED.inc()
    return operation


async def begun(engine: Engine, turn: Turn, asked: Asked, operation: Operation, context: Context) -> Answer | Stream:
    """The answer to an operation; or how it goes on being answered, if it's a subscription."""
    if operation.kind == "subscription":
        return engine.subscribe(operation, asked.variables, context.viewer)
    with counters.Timed(operation.kind):
        answer = await engine.answer(operation, asked.variables, context.viewer, context)
    turn.size = len(answer.body)
    return answer


async def live(cohorts: Cohorts, hub: Hub, stream: Stream, outlet: Outlet) -> None:
    """Send each state, each item of a feed, or each change of a list: subscribed, then read, then waiting, so no gap.

    Ends when there is nothing to see any more. Nothing piles up behind a slow client: of states the newest alone is
    kept for it, and of all else the next is read once the last was taken. What `outlet` raises ends it.
    """
    with counters.SUBSCRIPTIONS.track_inprogress():
        if stream.looks:
            await _changes(hub, stream, outlet)
        elif stream.feed:
            await _items(hub, stream, outlet)
        else:
            async with cohorts.joined(stream, outlet) as member:
                await member.run()


async def _items(hub: Hub, stream: Stream, outlet: Outlet) -> None:
    """Each item once and in order, since the next ones are those after the last that was told, whoever woke us."""
    place, begun = stream.after, False
    async with hub.watching(stream.channels) as changed:
        while True:
            changed.clear()
            while True:
                items = await _read(partial(stream.read_after, place), begun=begun)
                if items is None:
                    return
                begun = True
                for item in items:
                    await outlet.send(outlet.frame(item.body))
                    place = item.cursor
                if len(items) < LARGEST_CATCH:
                    break
            await changed.wait()


async def _changes(hub: Hub, stream: Stream, outlet: Outlet) -> None:
    """Each change of a list. The channels that tell of them follow from the viewer's rights as of the last look."""
    told = await stream.began()
    while True:
        watched = told.names
        async with hub.watching(watched) as changed:
            while True:
                for body in await _read(partial(stream.changed, told, changed.taken()), begun=True):
                    await outlet.send(outlet.frame(body))
                if told.names != watched:
                    break
                if stream.pause:
                    await asyncio.sleep(stream.pause)
                await changed.wait()


async def _read(read: Callable[[], Awaitable[Read]], *, begun: bool) -> Read:
    """What there is to see now. A stream that has begun outlives a database that is away."""
    failures = 0
    while True:
        try:
            return await read()
        except Unavailable:
            if not begun:
                raise
        await asyncio.sleep(pause(failures))
        failures += 1


def errors_of(error: Exception) -> list[dict[str, Any]]:
    """What a client is told of an operation's failure: a refusal in its own words, else an apology and an id."""
    if isinstance(error, Refused | Unavailable | TooMany):
        return [{"message": str(error), "extensions": {"code": error.code}}]
    return [{"message": APOLOGY, "extensions": {"code": "INTERNAL", "id": report(error)}}]


def errors_in(answer: Answer) -> list[dict[str, Any]]:
    """What a client is told of an operation that was not executed: errors alone."""
    errors: list[dict[str, Any]] = orjson.loads(answer.body)["errors"]
    return errors
