"""blocks."""

from alembic import op

revision = "3e8b52c0d9a4"
down_revision = "6f2c9b07d3e5"
branch_labels = None
depends_on = None

# The spans of a table of sums that make up one from a quarter of an hour to another: months between the beginnings of
# months that are nearest to its ends, then days, then quarters, which are too many or too few at either end; but longer
# ones only where what is missing at the ends, or too much, is less than the span itself: a day in the middle of a month
# is one day, not those up to it but for those before it. Or, where there is nothing else, the quarters. They are worked
# out here, not anew wherever a weight is multiplied by.
BLOCKS = """
CREATE OR REPLACE FUNCTION deskwire_blocks(starts timestamptz, ends timestamptz, quarters boolean)
RETURNS TABLE (grain smallint, first timestamptz, last timestamptz, weight integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4 AS $$
    WITH days AS (
        SELECT CASE WHEN pays THEN a ELSE starts END AS a, CASE WHEN pays THEN b ELSE starts END AS b
        FROM (SELECT date_trunc('day', starts + interval '12 hours', 'UTC') AS a,
            date_trunc('day', ends + interval '12 hours', 'UTC') AS b) AS near,
        LATERAL (SELECT NOT quarters AND greatest(a, starts) - least(a, starts) + (greatest(b, ends) - least(b, ends))
            < ends - starts AS pays) AS pays
    ), months AS (
        SELECT CASE WHEN pays THEN m ELSE a END AS m, CASE WHEN pays THEN n ELSE a END AS n
        FROM (SELECT a, b, date_trunc('month', a + interval '15 days', 'UTC') AS m,
            date_trunc('month', b + interval '15 days', 'UTC') AS n FROM days) AS near,
        LATERAL (SELECT greatest(a, m) - least(a, m) + (greatest(b, n) - least(b, n)) < b - a AS pays) AS pays
    ), found (grain, first, last, weight) AS (
        SELECT grain, least(p, q), greatest(p, q), CASE WHEN p < q THEN 1 ELSE -1 END
        FROM days, months, LATERAL (VALUES
            (2::smallint, m, n),
            (1::smallint, n, b),
            (0::smallint, b, ends),
            (1::smallint, a, m),
            (0::smallint, starts, a)
        ) AS part (grain, p, q)
    )
    SELECT grain, first, last, weight FROM found WHERE first < last OFFSET 0
$$
"""


def upgrade() -> None:
    op.execute(BLOCKS)


def downgrade() -> None:
    """Nothing: what it gives comes to the same."""
