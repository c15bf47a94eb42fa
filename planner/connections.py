"""A page of a list as SQL: what stands on it, where it stands, whether more follows."""

from __future__ import annotations

from functools import partial
from typing import Any

import graphql
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from planner.arguments import Given, Request
from planner.cursors import beyond, cursor, mark_of, orders, parameter_type, reading
from planner.errors import BadRequest
from planner.pages import USUAL_PAGE, Page
from planner.rows import Held, Row, source, whole
from planner.selection import Selecting, Selections
from planner.text import Parts, bare, chain, quoted


class Window:
    """The rows of a page: which are fetched, in which order, under which names."""

    def __init__(self, walk: Connecting, page: Page, item: Any, *, peek: bool) -> None:
        """`item`: the type of the list's items. `peek`: one more row is fetched, which tells whether more follow."""
        asked = page.asked
        self.rows, self.peek, self.backward = page.rows, peek, asked.last is not None
        if self.backward and asked.first is not None:
            raise BadRequest("Give first or last, not both.")
        self.size = asked.last or asked.first or USUAL_PAGE
        self.order = orders(page.order, page.types)
        self.mark = mark_of(item.name, self.order)
        self.after = self.beyond(walk, asked.after, forward=True)
        self.before = self.beyond(walk, asked.before, forward=False)
        directed = [
            each.expression.desc() if each.descending != self.backward else each.expression.asc() for each in self.order
        ]
        rows = page.rows.where(*(condition for condition in (self.after, self.before) if condition is not None))
        rows = rows.order_by(None).order_by(*directed).limit(self.size + peek)
        self.row = Row(walk.alias(), rows)
        place = func.row_number().over(order_by=directed)
        self.place: Held | None = None
        if peek or self.backward:
            self.place = self.row._also("place", place, sa.Integer())  # noqa: SLF001 - a row hides what builds may not use

    def beyond(self, walk: Connecting, given: Given | None, *, forward: bool) -> ColumnElement[bool] | None:
        """The condition that a cursor sets."""
        if given is None:
            return None
        values = reading(self.mark, self.order)

        def read(number: int, request: Request) -> Any:
            return values(given.read(request))[number]

        parameters = [
            walk.binder.bind(parameter_type(each.type), partial(read, number)) for number, each in enumerate(self.order)
        ]
        return beyond(self.order, parameters, forward=forward)

    def cursor(self) -> Parts:
        """The cursor of a row."""
        also = self.row._also  # noqa: SLF001 - as above
        values = [also(f"order{number}", each.expression, each.type) for number, each in enumerate(self.order)]
        return cursor(self.mark, self.order, values)

    def listed(self, item: Parts) -> Parts:
        """The items of the page, in the list's order."""
        # string_agg costs a fifth less than array_agg and array_to_string, which would need no place.
        comma: Any = quoted(",")
        if self.backward and self.place is not None:
            comma = aggregate_order_by(comma, self.place.desc())
        items: Any = func.string_agg(chain(item), comma)
        if self.peek and self.place is not None:
            items = items.filter(self.place <= literal_column(str(self.size)))
        return ["[", func.coalesce(items, quoted("")), "]"]

    def others(self, condition: ColumnElement[bool] | None) -> Select[Any]:
        """Rows of the whole list, not of the page alone."""
        rows = self.rows.order_by(None)
        rows = rows if condition is None else rows.where(condition)
        return rows if whole(rows) else rows.with_only_columns(literal_column("1"), maintain_column_froms=True)

    def more(self, outside: ColumnElement[bool] | None, *, cut: bool) -> Parts:
        """Whether there are rows beyond one end. `cut`: the page's size ends it there."""
        signs: list[ColumnElement[bool]] = []
        if cut:
            signs.append(func.count() > literal_column(str(self.size)))
        if outside is not None:
            signs.append(sa.exists(self.others(sa.not_(outside))))
        return bare(sa.or_(*signs)) if signs else ["false"]

    def cursor_at(self, *, start: bool) -> Parts:
        """The cursor of the page's first or last row."""
        place = f"least({1 if start != self.backward else 'count(*)'}, {self.size})"
        cursors: Any = func.array_agg(chain(self.cursor()), type_=ARRAY(sa.Text))
        return [func.coalesce(cursors[literal_column(place, sa.Integer())], quoted("null"))]


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
            known = {
                "cursor": lambda _: window.cursor(),
                "node": lambda selected_: self.one_of(node, selected_, row),
            }
            return window.listed(self.object(edge_type, selected, row, known))

        info = {
            "hasNextPage": lambda _: window.more(window.before, cut=not window.backward),
            "hasPreviousPage": lambda _: window.more(window.after, cut=window.backward),
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
                "totalCount": lambda _: counted(window.others(None)),
            },
        )
        if wanted <= {"totalCount", "__typename"}:
            return parts
        return [select(chain(parts)).select_from(source(row)).scalar_subquery()]


def counted(rows: Select[Any]) -> Parts:
    """How many rows there are."""
    return bare(select(func.count()).select_from(rows.subquery()).scalar_subquery())
