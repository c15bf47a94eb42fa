"""Random operations of the real API: one statement answers what graphql-core answers, and nobody reads too much."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import graphql
import orjson
import pytest
import sqlalchemy as sa
from both_ways import ORDERS, QUERY, SCHEMA, BothWays, everything
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from random_lists import SimpleSearch, listed, window
from random_operations import Asked, Writer
from random_scene import Reader, Scene
from sqlalchemy.ext.asyncio import AsyncEngine

import models
from infra.desk import Desk
from planner.nodes import MOST_IDS
from planner.plan import viewer_key
from schema.context import Context

# As many documents, each asked by two. RANDOM_OPERATIONS=20000 asks as many others, anew at each run, and
# RANDOM_SCENE=2 stands among other rows.
DOCUMENTS, ANEW = int(os.environ.get("RANDOM_OPERATIONS", "400")) // 2, "RANDOM_OPERATIONS" in os.environ
SEED = int(os.environ.get("RANDOM_SCENE", "1"))
# Documents between two looks at what was not reached yet, and batches more while some root or type was not.
BATCH, MOST_MORE = 25, 40
RUNS = settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
async def both_ways(desk: Desk, engine: AsyncEngine, emptied: Callable[[], Awaitable[str]]) -> AsyncIterator[BothWays]:
    """Both ways to an answer, over random rows."""
    scene, tables = Scene(SEED), models.Base.metadata.sorted_tables
    by_table = {model.__table__: (model, rows) for model, rows in scene.rows.items()}

    await emptied()
    async with engine.begin() as connection:
        for model, rows in (by_table[table] for table in tables if table in by_table):
            await connection.execute(sa.insert(model), [vars(row) for row in rows])
    found = BothWays(desk, scene)
    for name in scene.viewers:
        await found.learn(name)
    yield found
    await found.close()
    await emptied()


async def test_both_ways_answer_the_same_and_nobody_reads_too_much(both_ways: BothWays) -> None:
    loop, viewers = asyncio.get_running_loop(), both_ways.scene.viewers
    names = [*viewers, "admin", "admin", "director", "director", "agent", "customer"]  # who sees much asks more
    reached = frozenset[str]()

    def each(luck: Random) -> None:
        first = luck.choice(names)
        asked = Writer(luck, SCHEMA, both_ways.scene, both_ways.known[first], reached).asked()
        alike = [name for name in names if viewer_key(viewers[name]) == viewer_key(viewers[first])]  # in plans
        second, together = luck.choice(alike if luck.randrange(2) else names), luck.randrange(3) == 2
        others = asked.variables[luck.randrange(2)]

        asking = [(first, asked.variables[0]), (second, others)]
        asyncio.run_coroutine_threadsafe(both_ways.compare(asked, asking, together=together), loop).result()

    seen = both_ways.seen
    for number in range(DOCUMENTS // BATCH + MOST_MORE):
        if more := number >= DOCUMENTS // BATCH:
            names = ["admin", "director"]  # they find what is left soonest
        if seen.missing() or not more:
            batch, reached = given(st.randoms(use_true_random=False))(each), frozenset(seen.fields)
            await asyncio.to_thread(RUNS(batch if ANEW else seed(number)(batch)))
    sys.stdout.write(f"{dict(seen.counts)}; found {len(seen.fields)} fields, {len(seen.words)} words\n")  # pytest -rP
    assert not seen.missing()
    assert seen.counts["with rows"] > seen.counts["answers"] * 0.4


# How far beyond what a root leads to itself: whoever is signed in finds the rest by ids, one step on. Others find
# departments through categories, and what hangs on those.
DEPTHS = {"viewer": 1, "queue": 1}
DEPTHS_OF_NOBODY = {"tickets": 0, "categories": 2}


@pytest.mark.parametrize("name", Scene(SEED).viewers)
async def test_everyone_reads_all_that_they_may_and_nothing_else(both_ways: BothWays, name: str) -> None:
    scene, viewer, read = both_ways.scene, both_ways.scene.viewers[name], set[str]()
    engine, both_ways.reported[:] = both_ways.generous, []

    async def ask(text: str, ids: list[str]) -> Any:
        context = Context(both_ways.desk, engine, viewer)
        answer = await engine.query(text, {"ids": ids} if ids else {}, None, viewer, context)
        assert b'"BAD_REQUEST"' not in answer.body, answer.body
        read.update(scene.secrets_in(answer.body.decode()))
        return orjson.loads(answer.body)["data"]

    for root in (
        "viewer",
        "tickets",
        "departments",
        "categories",
        "services",
        "maintenanceNotices",
        "routingRules",
        "escalationRules",
        "messageTemplates",
        "queue",
        "people",
        "articles",
        "articleCategories",
        "articleReviews",
    ):
        field = QUERY.fields[root]
        depth = DEPTHS_OF_NOBODY.get(root, 1) if viewer.role is None else DEPTHS.get(root, 0)
        page = "(first: 100)" if "first" in field.args else ""
        await ask(f"{{ {root}{page} {everything(graphql.get_named_type(field.type), depth)} }}", [])
    # One step on stands what others may not see.
    step = 0 if viewer.has(models.Role.DIRECTOR) else 1
    every, there = list(scene.kinds), set[str]()
    for start in range(0, len(every) if step else 0, MOST_IDS):
        found = await ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", every[start : start + MOST_IDS])
        there |= {scene.kinds[node["id"]] for node in (found or {}).get("nodes", []) if node}
    known: set[str] = set()  # interfaces, of which one type was asked for all that its fields lead to
    for kind in SCHEMA.get_implementations(graphql.assert_interface_type(SCHEMA.type_map["Node"])).objects:
        ids = [gid for gid, each in scene.kinds.items() if each == kind.name]
        alike = [each for each in kind.interfaces if each.name in known]
        known |= {each.name for each in kind.interfaces} - {"Node"}
        on = step if kind.name in there else 0  # what is not there for them leads nowhere
        on += bool(on) and kind.name == "CommentAdded"  # whose comment a merge may have taken out of sight
        selected = everything(kind, on, known={name for each in alike for name in each.fields})
        for start in range(0, len(ids), MOST_IDS):
            text = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {kind.name} {selected} }} }}"
            await ask(text, ids[start : start + MOST_IDS])
    assert not both_ways.reported
    assert read - scene.allowed[name] == set()
    assert scene.allowed[name] - read == set()


LIST = """query ($filter: TicketFilter, $order: TicketOrder, $first: Int, $after: String, $last: Int, $before: String) {
  tickets(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
    totalCount edges { cursor node { number } } pageInfo { hasNextPage hasPreviousPage } } }"""


async def test_lists_of_tickets_hold_what_they_should(both_ways: BothWays) -> None:
    loop, scene = asyncio.get_running_loop(), both_ways.scene
    names = [name for name in scene.viewers if name != "nobody"]
    asked_for = SCHEMA.type_map["TicketFilter"]

    async def ask(name: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = await both_ways.one_statement(Asked(LIST, None, [], {}), scene.viewers[name], variables)
        body: dict[str, Any] = orjson.loads(answer.body)
        return body

    async def check(luck: Random, name: str, condition: dict[str, Any], order: dict[str, str] | None) -> None:
        body = await ask(name, {"filter": condition, "order": order, "first": 100})
        if "errors" in body:
            return  # an id of another type
        found = body["data"]["tickets"]
        edges, expected = found["edges"], listed(Reader(scene, scene.viewers[name]), condition, order)
        numbers, said = [edge["node"]["number"] for edge in edges], (name, condition, order)
        best_first = order is None and (condition.get("text") or "").strip()
        assert sorted(numbers) == sorted(ticket.number for ticket in expected), said
        assert best_first or numbers == [ticket.number for ticket in expected], said
        assert found["totalCount"] == len(expected), said
        part = window(luck, len(edges))
        after, before = (None if place is None else edges[place]["cursor"] for place in part[:2])
        size = {"first" if part.size > 0 else "last": abs(part.size)}
        pages = {"filter": condition, "order": order, "after": after, "before": before, **size}
        found = (await ask(name, pages))["data"]["tickets"]
        page, more_after, more_before = part.of(edges)
        info = {"hasNextPage": more_after, "hasPreviousPage": more_before}
        assert found == {"totalCount": len(expected), "edges": page, "pageInfo": info}, (*said, part)

    def each(luck: Random) -> None:
        name = luck.choice(names)
        values = SimpleSearch(luck, SCHEMA, scene, both_ways.known[name])
        condition, order = values.input(asked_for), luck.choice([None, *ORDERS])
        condition |= {"text": values.search()} if luck.randrange(3) == 2 else {}
        asyncio.run_coroutine_threadsafe(check(luck, name, condition, order), loop).result()

    lists = given(st.randoms(use_true_random=False))(each)
    await asyncio.to_thread(settings(RUNS, max_examples=DOCUMENTS // 2)(lists if ANEW else seed(0)(lists)))
