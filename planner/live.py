"""Subscriptions: which channels tell of a change, and what is read when they do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Select

from planner.fields import Build, declared_field
from planner.pages import Page

Item = TypeVar("Item")


class Channel(NamedTuple):
    """Where a change is told: a name, and a key that is a bind parameter, an array of them, or nothing."""

    name: str
    key: Any = None


class Living(NamedTuple):
    """What a subscription's build says: its channels, and what to read."""

    channels: tuple[Channel, ...]
    select: Any
    pause: float = 0
    common: bool = False


class Feeding(NamedTuple):
    """What the build of a feed says: its channels, the rows in their order, and where to begin."""

    channels: tuple[Channel, ...]
    rows: Select[Any]
    order: tuple[Any, ...]
    after: Any
    seen: Select[Any] | None


class Changing(NamedTuple):
    """What the build of a list's changes says: where they are told, what is held, and what became of it."""

    names: Select[Any]
    held: Page | None
    recent: Callable[[Any], Select[Any]]
    rows: Callable[[Any, Any], Select[Any]]
    pause: float


if TYPE_CHECKING:

    class Live(Generic[Item]):
        """What a subscription's build returns."""
else:

    class Live:
        """What a subscription's build returns; to Strawberry, a source of items."""

        def __class_getitem__(cls, item: Any) -> Any:
            return AsyncIterator[item]


class Told:
    """The annotation of a build's parameter `told`: a bind parameter, the key that a change's message carries.

    It is NULL when the subscription begins.
    """


def live(*channels_and_select: Any, pause: float = 0, common: bool = False) -> Any:
    """What a subscription watches and reads: `live("ticket", id, select)`, or `live(("ticket", id), "desk", select)`.

    A channel is a name alone, or a name and a key, as two arguments or as a pair; the key is a bind parameter, such as
    an argument or the viewer's id, or an array of them, which is a channel for each. With the key <uuid>, "ticket" is
    the channel `ticket:<uuid>`. The last argument is what is read, as a build at a root returns it, but not None.
    `pause`: seconds for which nothing more is read after a state, however often it changes.
    `common`: of a Select of a model whose row the arguments alone decide on, so that the viewer's id only decides
    whether they see it. Then it is read once for all who watch it, where what is selected does not need the id either.
    """
    *given, select = channels_and_select
    return Living(channels(given), select, pause, common)


def feed(
    *watched: Any,
    rows: Select[Any],
    order: Sequence[Any],
    after: Any = None,
    seen: Select[Any] | None = None,
) -> Any:
    """What a feed watches and reads, for `-> Live[Edge[Type]]`: rows in an order that only grows at its end.

    Channels are given as for `live`; `rows` and `order` as for a page in the feed's direction, so that cursors of the
    list and of the feed are the same; `after` is the argument of that name. When `seen` is given and finds
    nothing, the feed ends.
    """
    return Feeding(channels(watched), rows, tuple(order), after, seen)


def changes(
    *,
    names: Select[Any],
    held: Page | None,
    recent: Callable[[Any], Select[Any]],
    rows: Callable[[Any, Any], Select[Any]],
    pause: float = 0,
) -> Any:
    """What a subscription to the changes of a list watches and reads, for `-> Live[Type]` with an item for each change.

    `names`: of the channels, a text each; their messages are keys of what has changed. `held`: some that are in the
    list at first, with a `place`, which is a number; None: it is empty. `recent(moment)`: keys of what may have changed
    since, for when messages may have been lost. `rows(told, began)`: what became of what was told. `told` is a table of
    each `key`, its `place` (NULL: it was not in the list when told of last) and whether it is `known`; `began`: when
    the subscription did. Each row gives the `key`, the `place` that it has in the list now or NULL, whether there is
    something `to_tell`, and what the type's fields read. `pause`: seconds for which nothing more is read after a look.
    """
    return Changing(names, held, recent, rows, pause)


def channels(given: Sequence[Any]) -> tuple[Channel, ...]:
    """The channels as they may be written."""
    found: list[Channel] = []
    for each in given:
        if isinstance(each, str):
            found.append(Channel(each))
        elif isinstance(each, tuple):
            found.append(Channel(*each))
        else:
            found[-1] = Channel(found[-1].name, each)
    return tuple(found)


def subscription(description: str, *, name: str | None = None) -> Callable[[Build], Any]:
    """Declares a subscription: `build(viewer, **arguments) -> Live[Type]`.

    It returns `live(…)`, `feed(…)` or `changes(…)`.
    """

    def declare(build: Build) -> Any:
        return declared_field(build, description, name, live=True)

    return declare
