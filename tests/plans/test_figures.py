"""A director's page of a year is read from a few thousand sums, however many there are."""

import datetime as dt

import pytest

from domain.metrics.sums import PARTS, Split
from web.report import FIGURES

PAGE = FIGURES.replace("desk { name }", "")  # which is no figure
# Two years of months and days, and the quarters of two months, by every part of a key, but not by all of them.
SEED = """
CREATE TEMPORARY TABLE parts AS
SELECT d.id AS department_id, m.person_id AS agent_id, (SELECT c.id FROM categories AS c WHERE c.department_id = d.id
    ORDER BY c.id LIMIT 1) AS category_id, rank AS priority
FROM departments AS d JOIN memberships AS m ON m.department_id = d.id, generate_series(1, 4) AS rank;
CREATE TEMPORARY TABLE spans AS
SELECT 2 AS grain, date_trunc('month', now()) - n * interval '1 month' AS start FROM generate_series(0, 24) AS n
UNION ALL SELECT 1, date_trunc('day', now()) - n * interval '1 day' FROM generate_series(0, 730) AS n
UNION ALL SELECT 0, date_trunc('hour', now()) - n * interval '15 minutes' FROM generate_series(0, 6000, 5) AS n;
"""
SUMS = """
INSERT INTO metric_sums (split, grain, department_id, start, agent_id, category_id, priority, submitted, opened)
SELECT {split}, grain, {department_id}, start, {agent_id}, {category_id}, {priority}, count(*), 1
FROM parts, spans WHERE category_id IS NOT NULL GROUP BY 2, 3, 4, 5, 6, 7;
"""
NOTHING = dict.fromkeys(("department_id", "agent_id", "category_id"), "'00000000-0000-0000-0000-000000000000'::uuid")
NOTHING["priority"] = "0"


@pytest.fixture
async def summed(large):
    """That there are sums."""
    await large.execute("BEGIN; SET LOCAL statement_timeout = 0")
    await large.execute(SEED)
    for split, parts in PARTS.items():
        if split is not Split.EVERYTHING:
            await large.execute(SUMS.format(split=int(split), **NOTHING | dict(zip(parts, parts, strict=True))))
    await large.execute("ANALYZE metric_sums")
    yield await large.fetchval("SELECT count(*) FROM metric_sums")
    await large.execute("ROLLBACK")


async def test_a_year_with_all_splits(plans, people, summed):
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=365)
    asked = {"filter": {"from": start.isoformat()}, "interval": "WEEK"}
    assert "metric_sums" not in await plans.of_query(people["director"], PAGE, **asked)
    assert await plans.looked_at(people["director"], PAGE, growing={"metric_sums"}, **asked) < 15_000 < summed / 10
