"""One reading for all who watch the same row: its text, and who of them may see it."""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa
from graphql import FieldNode
from sqlalchemy import Select, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from infra.postgres import Reads
from planner.arguments import Request
from planner.compiling import Asked
from planner.plan import Plan, Planner, State
from planner.rows import Held
from planner.selection import selections
from planner.text import chain


class Common:
    """The statement that reads a row once, and says to whom of some viewers it may be shown."""

    def __init__(self, plan: Plan, name: str) -> None:
        """`plan`: is asked for the viewers' ids. `name`: of the viewer's attribute that holds the id."""
        self.plan, self.name = plan, name

    @classmethod
    def of(cls, planner: Planner, root_type: Any, nodes: list[FieldNode], type_: Any, where: str) -> Common | None:
        """Of a subscription whose build is `common`; None where what is selected depends on who the viewer is."""
        walk, binder = planner.walk, planner.binder
        viewer = walk.viewer
        names = [name for name in type(viewer).bindable if getattr(viewer, name) is not None]
        if len(names) != 1:
            return None
        (name,) = names
        own: Asked = getattr(viewer, name)

        def built(key: Any) -> Select[Any]:
            walk.viewer = dataclasses.replace(viewer, **{name: key})
            rows: Select[Any] = walk.built(root_type, nodes[0], None).select
            walk.viewer = viewer
            return rows

        keys = binder.bind(ARRAY(sa.Uuid()), lambda request: request.payload)
        member = func.unnest(keys).table_valued(sa.column("key", sa.Uuid())).render_derived(name="member")
        # By its name: SQLAlchemy would add the table to the innermost SELECT that speaks of its column.
        each = Held("member.key", sa.Uuid(), nullable=False)
        seeing = select(member.c.key).where(built(each).exists()).cte("seeing")
        one = select(seeing.c.key).limit(1).scalar_subquery()
        parts, _ = walk.read(type_, selections(nodes), built(one), where)
        found = func.array(select(seeing.c.key).scalar_subquery(), type_=ARRAY(sa.Uuid()))
        both: Any = select(cast(chain(parts), sa.VARCHAR), found)
        plan = planner.reading(both)
        if binder.asked[own.key][1] in plan.reads or plan.continued:
            return None
        return cls(plan, name)

    def member(self, request: Request) -> Any:
        """The viewer's id."""
        return getattr(request.viewer, self.name)

    async def read(self, reads: Reads, request: Request, members: set[Any]) -> tuple[State | None, set[Any]]:
        """The row, and who of these viewers see it; None when nobody does."""
        values = self.plan.values(request._replace(payload=list(members)))
        ((text, seeing),) = await self.plan.rows(reads, values)
        found = set(seeing)
        return (await self.plan.state(text, reads, request) if text is not None else None), found
