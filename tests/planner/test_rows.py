"""What of a SELECT a statement may leave out without having other rows."""

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from models import Person
from planner.rows import AGGREGATES, whole

COUNTED = select(func.count()).select_from(Person).scalar_subquery()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (select(Person), False),
        (select(func.lower(Person.name)), False),
        (select(Person, COUNTED.label("people")), False),
        (select(func.coalesce(COUNTED, 0).label("people")), False),
        (select(func.row_number().over(order_by=Person.id)), False),
        (select(func.sum(Person.avatar_bytes).over(order_by=Person.id)), False),
        (select(func.count()).select_from(Person), True),
        (select(func.count().filter(Person.active)), True),
        (select(sa.cast(func.avg(Person.avatar_bytes), sa.Float)), True),
        (select((func.coalesce(func.max(Person.avatar_bytes), 0) + 1).label("next")), True),
        (select(func.every(Person.active)), True),
        (select(func.percentile_cont(0.5).within_group(Person.avatar_bytes)), True),
        (select(func.rank().over(order_by=Person.id)), False),
        (select(Person.role).distinct(), True),
        (select(Person).ext(distinct_on(Person.role)), True),
        (select(Person.role).group_by(Person.role), True),
    ],
)
def test_what_sums_up_or_groups_decides_which_rows_there_are(rows, expected):
    assert whole(rows) == expected


async def test_all_aggregates_are_known(server_url):
    connection = await asyncpg.connect(server_url)
    found = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE prokind = 'a' AND pronamespace = 'pg_catalog'::regnamespace"
    )
    await connection.close()
    assert {name for (name,) in found} == AGGREGATES
