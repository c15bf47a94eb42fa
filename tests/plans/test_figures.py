"""A director's page of a year is read from a few thousand sums, however many there are."""

import datetime as dt
from collections import Counter
from random import Random

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
BLOCKS = """SELECT s.starts, s.ends, b.* FROM unnest($1::timestamptz[], $2::timestamptz[]) AS s (starts, ends),
    LATERAL deskwire_blocks(s.starts, s.ends, $3) AS b"""
QUARTER, DAY, MONTH = dt.timedelta(minutes=15), dt.timedelta(days=1), dt.timedelta(days=30)
GRAINS = (QUARTER, DAY, MONTH)


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
    # In the middle of a month and of a day, from where the most days and quarters are read.
    start = (dt.datetime.now(dt.UTC) - dt.timedelta(days=365)).replace(day=15, hour=11)
    asked = {"filter": {"from": start.isoformat()}, "interval": "WEEK"}
    assert "metric_sums" not in await plans.of_query(people["director"], PAGE, **asked)
    assert await plans.looked_at(people["director"], PAGE, growing={"metric_sums"}, **asked) < 8_000 < summed / 10


@pytest.mark.parametrize("quarters", [False, True])
async def test_a_span_is_made_of_few_sums(large, quarters):
    luck, first = Random(1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    starts = [first + luck.randrange(40_000) * QUARTER for _ in range(500)]
    ends = [start + QUARTER * int(luck.lognormvariate(6, 2.5) + 1) for start in starts]
    edges, rows = {span: Counter() for span in zip(starts, ends, strict=True)}, Counter()
    for starts_at, ends_at, grain, begins, until, weight in await large.fetch(BLOCKS, starts, ends, quarters):
        edges[starts_at, ends_at].update({begins: weight})
        edges[starts_at, ends_at].subtract({until: weight})
        rows[starts_at, ends_at] += (until - begins) / GRAINS[grain]
    for (start, end), found in edges.items():
        # It begins once and ends once: whatever is added elsewhere is taken off there.
        assert {at: weight for at, weight in found.items() if weight} == {start: 1, end: -1}
        most = (end - start) / QUARTER
        assert rows[start, end] <= (
            most if quarters else min(most, (end - start) / DAY + 97, (end - start) / MONTH + 128)
        )
