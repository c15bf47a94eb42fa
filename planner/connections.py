"""A page of a list as SQL: what stands on it, where it stands, whether more follows."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import graphql
import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause, Select, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from planner.arguments import Given, Request
from planner.compiling import Asked, Written, resolved
from planner.cursors import Order, beyond, cursor, looked_up, mark_of, orders, parameter_type, reading
from planner.errors import BadRequest
from planner.pages import USUAL_PAGE, Page
from planner.rows import Held, Row, of_its_rows, whole, within
from planner.selection import Known, Selecting, Selections
from planner.text import Parts, bare, between, chain, first_of, listed, nested, strung


class Bound(NamedTuple):
    """One end of a page: beside the row of a cursor. `forward`: the page is after it."""

    values: Sequence[ColumnElement[Any]]
    key: tuple[str, ...]  # the names of its parameters, by which what is made of it is kept with a page
    forward: bool

    def holds(self, order: Sequence[Order]) -> ColumnElement[bool]:
        """Whether a row is on the page's side of it."""
        return beyond(order, self.values, forward=self.forward)


class Window:
    """The rows of a page: which are fetched, in which order, under which names."""

    def __init__(self, walk: Connecting, page: Page, item: Any, *, peek: bool) -> None:
        """`item`: the type of the list's items. `peek`: one more row is fetched, which tells whether more follow."""
        asked = page.asked
        self.page, self.peek, self.backward = page, peek, asked.last is not None
        if self.backward and asked.first is not None:
            raise BadRequest("Give first or last, not both.")
        self.size = asked.last or asked.first or USUAL_PAGE
        self.order = order_of(page)
        self.mark = page.once(("mark", item.name), lambda: mark_of(item.name, self.order))
        self.told = self.order if page.among is None else self.order[-1:]  # by a cursor
        self.after = self.bound(walk, asked.after, forward=True) if asked.after is not None else None
        self.before = self.bound(walk, asked.before, forward=False) if asked.before is not None else None
        keys = [bound and bound.key for bound in (self.after, self.before)]
        rows, place = page.once(("rows", self.size + peek, self.backward, *keys), self.rows)
        self.row = Row(walk.alias(), rows)
        self.place: Held | None = None
        if peek or self.backward:
            self.place = self.row._also("place", place, sa.Integer())  # noqa: SLF001 - a row hides what builds may not use

    def rows(self) -> tuple[Select[Any], ColumnElement[int]]:
        """The SELECT of what is fetched, and the place of each row in it."""
        bounds = [bound for bound in (self.after, self.before) if bound is not None]
        rows = first_rows(self.page, self.size + self.peek, bounds, backward=self.backward)
        return rows, func.row_number().over(order_by=directions(self.order, backward=self.backward))

    def bound(self, walk: Connecting, given: Given, *, forward: bool) -> Bound:
        """The end of the page that a cursor stands for."""
        values, among = self.values(walk, given), self.page.among
        key = tuple([value.key for value in values])
        return Bound(values if among is None else looked_up(self.order, among, *values), key, forward)

    def values(self, walk: Connecting, given: Given) -> list[Asked]:
        """The parameters that a cursor stands for, one for each value that it tells."""
        values, of = reading(self.mark, self.told), given.read  # and not the cursor of the request that is planned for

        def read(number: int, request: Request) -> Any:
            return values(of(request))[number]

        return [
            walk.binder.bind(parameter_type(each.type), partial(read, number)) for number, each in enumerate(self.told)
        ]

    def cursor(self) -> Parts:
        """The cursor of a row."""
        also = self.row._also  # noqa: SLF001 - as above
        values = [also(f"order{number}", each.expression, each.type) for number, each in enumerate(self.told)]
        return cursor(self.mark, self.told, values)

    def listed(self, item: Parts) -> Parts:
        """The items of the page, in the list's order."""
        # string_agg costs a fifth less than array_agg and array_to_string, which would need no place.
        if self.place is None:
            return listed(of_its_rows(strung(chain(item)), self.row))
        items = strung(chain(item), Written(" ORDER BY ", self.place, " DESC") if self.backward else "")
        if self.peek:
            return listed(Written(items, " FILTER (WHERE ", self.place, f" <= {self.size})"))
        return listed(of_its_rows(items, self.row))

    def others(self) -> Select[Any]:
        """All rows of the list."""
        rows = self.page.rows.order_by(None)
        return rows if whole(rows) else rows.with_only_columns(literal_column("1"), maintain_column_froms=True)

    def count(self) -> Parts:
        """How many rows there are in the list."""
        rows = all_found(self.page) if self.page.ways else self.others()
        return bare(resolved(nested(Written("count(*)"), rows.subquery())))

    def outside(self, bound: Bound, *, start: bool) -> ColumnElement[bool]:
        """Whether there are rows on the other side of a cursor: if any is, then the list's first or last one is."""
        rows = self.page.rows.order_by(None)
        if whole(rows):
            return sa.exists(rows.where(sa.not_(bound.holds(self.order))))
        if self.page.ways:
            rows = nearest(self.page, [], 1, backward=not start)
        columns = [each.expression.label(f"order{number}") for number, each in enumerate(self.order)]
        rows = rows.with_only_columns(*columns, maintain_column_froms=True)
        utmost = rows.order_by(*directions(self.order, backward=not start)).limit(1).subquery()
        its = [each._replace(expression=column) for each, column in zip(self.order, utmost.c, strict=True)]
        return sa.exists(select(literal_column("1")).select_from(utmost).where(sa.not_(bound.holds(its))))

    def more(self, bound: Bound | None, *, cut: bool, start: bool) -> Parts:
        """Whether there are rows beyond one end. `cut`: the page's size ends it there."""
        signs: list[ColumnElement[Any]] = []
        if cut:
            signs.append(Written(f"count(*) > {self.size}"))
        if bound is not None:
            outside = partial(self.outside, bound, start=start)
            signs.append(self.page.once(("outside", start, bound.key), lambda: resolved(Written(outside()))))
        return bare(between(" OR ", signs)) if signs else ["false"]

    def cursor_at(self, *, start: bool) -> Parts:
        """The cursor of the page's first or last row."""
        place = f"least({1 if start != self.backward else 'count(*)'}, {self.size})"
        return [first_of(Written("(array_agg(", chain(self.cursor()), f"))[{place}]"), "'null'")]


def directions(order: Sequence[Order], *, backward: bool) -> list[Any]:
    """What to order by, or the other way round."""
    apart = [each for each in order if not each.alike]
    return [each.expression.desc() if each.descending != backward else each.expression.asc() for each in apart]


def order_of(page: Page) -> tuple[Order, ...]:
    """What its rows are ordered by."""
    found: tuple[Order, ...] = page.once("order", lambda: orders(page.order, page.types))
    return found


def first_rows(page: Page, most: int, bounds: Sequence[Bound] = (), *, backward: bool = False) -> Select[Any]:
    """The first `most` rows of a list within its bounds, or the last ones, which then come first."""
    order = order_of(page)
    rows = nearest(page, bounds, most, backward=backward) if page.ways else page.rows
    rows = rows.where(*(bound.holds(order) for bound in bounds))
    return rows.order_by(None).order_by(*directions(order, backward=backward)).limit(most)


def nearest(page: Page, bounds: Sequence[Bound], most: int, *, backward: bool) -> Select[Any]:
    """The rows that a page can be made of: the first `most` within its bounds that any way finds, or the pool."""
    key = key_of(page)
    usual = order_of(page)
    if page.pool is not None:
        usual, bounds, most, backward = orders(page.pool.order, None), [], page.pool.most, False
    found: list[Select[Any]] = []
    for way in page.ways:
        order = usual if way.order is None else orders(way.order, page.types)
        places = [each.expression.label(f"place{number}") for number, each in enumerate(order)]
        rows = way.rows.with_only_columns(key.label("key"), *places, maintain_column_froms=True)
        rows = rows.where(*(bound.holds(order) for bound in bounds))
        rows = rows.order_by(None).order_by(*directions(order, backward=backward)).limit(most)
        # In a FROM of its own, since a UNION would take its order and limit for those of the whole.
        found.append(of_each(rows, way.each) if way.each else every(rows.correlate(None).subquery()))
    together = united(found, page).subquery()
    its = [each._replace(expression=sa.column(f"place{number}")) for number, each in enumerate(usual)]
    first = every(together).distinct().order_by(*directions(its, backward=backward)).limit(most).subquery()
    # As an array, which is made first: with IN, PostgreSQL may walk all rows in the page's order to meet these few.
    keys = func.array(select(sa.column("key")).select_from(first).scalar_subquery(), type_=ARRAY(key.type))
    found_so: Any = resolved(Written(key == sa.any_(keys)))  # once for all columns that are selected of the rows
    beside = [described["expr"] for described in page.rows.column_descriptions[1:]]
    entity = page.rows.column_descriptions[0]["entity"]
    return guarded(select(entity, *beside).where(found_so), page)


def guarded(rows: Select[Any], page: Page) -> Select[Any]:
    """The rows, as far as there are any at all."""
    return rows if page.guard is None else rows.where(page.guard)


def key_of(page: Page) -> Any:
    """What tells its rows apart."""
    (key,) = sa.inspect(page.rows.column_descriptions[0]["entity"]).mapper.primary_key
    return key


def of_each(rows: Select[Any], each: tuple[Sequence[Any], Select[Any]]) -> Select[Any]:
    """The rows of each of these values of some columns."""
    columns, values = each
    several = values.subquery()
    part = rows.where(*map(operator.eq, columns, several.c)).correlate(several).lateral("part")
    return select(literal_column("part.*")).select_from(several.join(part, sa.true()))


def every(rows: FromClause) -> Select[Any]:
    """All that these give, without a word on each column: SQLAlchemy would make them anew."""
    return select(literal_column("*")).select_from(rows)


def united(found: list[Select[Any]], page: Page) -> Any:
    """What several ways find, one after the other."""
    if page.shared:
        return sa.union_all(*found).add_cte(*page.shared, nest_here=True)
    return sa.union_all(*found) if len(found) > 1 else found[0]


class Connecting(Selecting):
    """The part of a walk that reads pages."""

    def one_of(self, type_: Any, inner: Selections, row: Any) -> Parts:
        """An object of a type, or of the one of an abstract type that the row is of."""
        raise NotImplementedError

    def connection(self, returns: Any, inner: Selections, page: Page) -> Parts:
        """The text of a connection."""
        named = {name: graphql.get_named_type(field.type) for name, field in returns.fields.items()}
        wanted = {nodes[0].name.value for nodes in self.collect(returns, inner).values()}
        node, edge_type = named["nodes"], named["edges"]
        window = Window(self, page, node, peek="pageInfo" in wanted)
        row = window.row

        def edges(selected: Selections) -> Parts:
            known: Known = {
                "cursor": lambda _: window.cursor(),
                "node": lambda selected_: self.one_of(node, selected_, row),
            }
            return window.listed(self.object(edge_type, selected, row, known))

        info = {
            "hasNextPage": lambda _: window.more(window.before, cut=not window.backward, start=False),
            "hasPreviousPage": lambda _: window.more(window.after, cut=window.backward, start=True),
            "startCursor": lambda _: window.cursor_at(start=True),
            "endCursor": lambda _: window.cursor_at(start=False),
        }
        parts = self.object(
            returns,
            inner,
            None,
            {
                "edges": edges,
                "nodes": lambda selected: window.listed(self.one_of(node, selected, row)),
                "pageInfo": lambda selected: self.object(named["pageInfo"], selected, None, info),
                "totalCount": lambda _: page.once("count", window.count),
            },
        )
        if wanted <= {"totalCount", "__typename"}:
            return parts
        # HAVING makes it one row for the whole page, even where nothing is collected from its rows.
        return [Written("(SELECT ", chain(parts), " FROM ", within(row), " HAVING true)")]


def all_found(page: Page) -> Select[Any]:
    """Each row that any of the ways finds, once: it costs what it counts, and not what is beside that."""
    key = key_of(page)
    found: list[Select[Any]] = []
    for way in page.ways:
        rows = way.rows.with_only_columns(key, maintain_column_froms=True).order_by(None)
        found.append(rows if way.each is None else of_each(rows, way.each))
    if len(found) == 1 and not page.shared:
        return guarded(found[0], page)
    together = united(found, page).subquery()
    return guarded(every(together).distinct(), page)
