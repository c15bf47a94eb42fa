"""Whoever goes through whole tables, for somebody who is exported or erased, reads a batch of them at a time."""

import pytest
from large_desk import GROWING

from domain import exporting
from domain.erasing.rules import RULES
from domain.exporting.parts import PARTS
from domain.ranges import FIRST, end


async def batch(large, key, after=FIRST, most=500):
    """The second batch of a table."""
    table, column = key.class_.__tablename__, key.key
    first = await large.fetchval(f"SELECT {column} FROM {table} ORDER BY {column} OFFSET {most} LIMIT 1")
    last = await large.fetchval(f"SELECT {column} FROM {table} ORDER BY {column} OFFSET {2 * most} LIMIT 1")
    return first or after, last or after


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.model.__tablename__} {sorted(rule.columns())}")
async def test_erasing(plans, people, large, rule):
    after, last = await batch(large, rule.key)

    assert not await plans.of_statement(end, rule.key, after, 500) & GROWING
    assert not await plans.of_statement(rule.apply, people["customer"].id, "a@example.com", after, last) & GROWING


@pytest.mark.parametrize("part", [part for part in PARTS if part.key is not None], ids=lambda part: part.name)
async def test_exporting(plans, people, large, part):
    after, last = await batch(large, part.key)

    assert not await plans.of_statement(exporting._end, part, after, 500) & GROWING
    assert not await plans.of_statement(exporting._batch, part, people["customer"].id, after, last) & GROWING
