"""Lists in pages: how a build says what is in a list, and how its page looks in the API."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import strawberry
from sqlalchemy import CTE, ColumnElement, Select

LARGEST_PAGE, USUAL_PAGE = 100, 20
MOST_MADE = 8  # of a page, which may itself be kept
SIZES, CURSORS = frozenset({"first", "last"}), frozenset({"after", "before"})

# The arguments that a page adds to its field: GraphQL name, Python type, description.
PAGING: dict[str, tuple[Any, str]] = {
    "first": (int | None, "How many from the start: 1 to 100, default 20."),
    "after": (str | None, "After this cursor."),
    "last": (int | None, "How many from the end: 1 to 100."),
    "before": (str | None, "Before this cursor."),
}

Item = TypeVar("Item")


class Way(Protocol):
    """One way to find rows of a page, as a build describes it: some of them, in an order that an index has.

    `order`: this way's own, of as many expressions as the page's and with the same values for its rows; None: the
    page's. `each`: columns and a SELECT of as many, for whose every row the way is gone once; None: once in all.
    """

    @property
    def rows(self) -> Select[Any]: ...
    @property
    def order(self) -> Sequence[Any] | None: ...
    @property
    def each(self) -> tuple[Sequence[Any], Select[Any]] | None: ...


class Alike(NamedTuple):
    """What an order may begin with: an expression that is the same for all rows of the list. A cursor of when that was
    another one is refused, since all places were others then.
    """

    expression: ColumnElement[Any]


class Pool(NamedTuple):
    """The first rows in another order than the page's, `most` of them, which alone are ordered anew."""

    order: Sequence[Any]
    most: int


class PageArguments(NamedTuple):
    """Which part of a list is asked for. Sizes are plain, cursors are bind parameters."""

    first: int | None
    after: Any
    last: int | None
    before: Any

    def of(
        self,
        rows: Select[Any],
        *,
        order: Sequence[Any],
        types: Sequence[Any] | None = None,
        ways: Sequence[Way] = (),
        shared: Sequence[CTE] = (),
        guard: ColumnElement[bool] | None = None,
        pool: Pool | None = None,
        among: Select[Any] | None = None,
    ) -> Page:
        """The page of these rows.

        `order` must be total and over what is never NULL: columns of the model or expressions over them, `.desc()`
        or not. Give `types` (SQLAlchemy's, one for each) where an expression does not know its own. It may begin with
        what is `Alike` for all rows.

        `ways`: how the rows are found, not which they are: each of them is found by at least one, and by no way twice.
        The page is made of the first that each way finds, so that it costs the same however many rows there are; what
        they all find is what is counted. `shared`: what several ways speak of, made once. `guard`: what must hold for
        there to be any, whatever the row; asked once. `pool`: the pages are of these alone, which the ways find in
        their order; for an order that no index has. `among`: rows of which a cursor names one, by its key, with which
        `order` ends; where that stands is looked up, for an order whose values would tell of rows that are not listed.
        Labelled columns of `rows` are there for planned fields of an edge.
        """
        listed = None if types is None else tuple(types)
        return Page(rows, tuple(order), listed, self, tuple(ways), tuple(shared), guard, pool, among, {})


NO_PART = PageArguments(None, None, None, None)


class Page(NamedTuple):
    """A part of a list, as a build returns it."""

    rows: Select[Any]
    order: tuple[Any, ...]
    types: tuple[Any, ...] | None
    asked: PageArguments
    ways: tuple[Way, ...]
    shared: tuple[CTE, ...]
    guard: ColumnElement[bool] | None
    pool: Pool | None
    among: Select[Any] | None
    made: dict[Hashable, Any]  # of it for plans, by what else it depends on than the page

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` makes, the first time that it's asked for."""
        if key not in self.made:
            if len(self.made) >= MOST_MADE:
                self.made.clear()
            self.made[key] = make()
        return self.made[key]


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows.")
    has_previous_page: bool = strawberry.field(description="Whether something comes before.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first item; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last item; null on an empty page.")


@strawberry.type(description="One item of a list.")
class Edge(Generic[Item]):
    cursor: str = strawberry.field(description="Its place in the list, for after and before.")
    node: Item = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Item]):
    edges: list[Edge[Item]] = strawberry.field(description="The items of this page, each with its cursor.")
    nodes: list[Item] = strawberry.field(description="The items alone.")
    page_info: PageInfo = strawberry.field(description="Whether there is more, and where to go on.")
    total_count: int = strawberry.field(description="How many on all pages together; counted only when asked for.")
