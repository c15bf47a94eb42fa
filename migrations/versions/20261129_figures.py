"""figures."""

import sqlalchemy as sa
from alembic import op

revision = "b7c41d9e02f6"
down_revision = "c3a94e07d1b8"
branch_labels = None
depends_on = None

# The spans of a table of sums that make up one from a quarter of an hour to another: months between the beginnings of
# months that are nearest to its ends, then days, then quarters, which are too many or too few at either end. Or, where
# there is nothing else, the quarters. They are worked out here, not anew wherever a weight is multiplied by.
BLOCKS = """
CREATE OR REPLACE FUNCTION deskwire_blocks(starts timestamptz, ends timestamptz, quarters boolean)
RETURNS TABLE (grain smallint, first timestamptz, last timestamptz, weight integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4 AS $$
    WITH days AS (
        SELECT date_trunc('day', starts + interval '12 hours', 'UTC') AS a,
            date_trunc('day', ends + interval '12 hours', 'UTC') AS b
    ), months AS (
        SELECT date_trunc('month', a + interval '15 days', 'UTC') AS m,
            date_trunc('month', b + interval '15 days', 'UTC') AS n
        FROM days
    ), found (grain, first, last, weight) AS (
        SELECT 0::smallint, starts, ends, 1 WHERE quarters
        UNION ALL
        SELECT grain, least(p, q), greatest(p, q), CASE WHEN p < q THEN 1 ELSE -1 END
        FROM days, months, LATERAL (VALUES
            (2::smallint, m, n),
            (1::smallint, n, b),
            (0::smallint, b, ends),
            (1::smallint, a, m),
            (0::smallint, starts, a)
        ) AS part (grain, p, q) WHERE NOT quarters
    )
    SELECT grain, first, last, weight FROM found WHERE first < last OFFSET 0
$$
"""
# The duration that this share of those measured took at most: the middle of its bucket (DDSketch, section 2.2). Digits
# to the base of 100,000,000 are counts; the sum of a number's digits is what is left when it is divided by the largest
# of them, as long as that is less than it: 99,999,998 durations in a span. Halves of the digits are counted until one
# is left, first of the groups of 32 buckets, then of the buckets in that group. NULL as well when others were measured
# than the histogram has, until all are counted anew by code that draws it.
PERCENTILE = """
CREATE FUNCTION deskwire_percentile(measured bigint, groups numeric, buckets numeric, share double precision,
    gamma double precision)
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    nines CONSTANT numeric := 99999999;
    halves CONSTANT numeric[] := '{1e128, 1e64, 1e32, 1e16, 1e8}';
    rest integer := ceil(measured * share);
    place integer := 0;
    half numeric;
    lower numeric;
    below integer;
BEGIN
    IF measured = 0 OR mod(groups, nines) IS DISTINCT FROM measured THEN
        RETURN NULL;
    END IF;
    FOREACH half IN ARRAY halves LOOP
        place := 2 * place;
        CONTINUE WHEN groups < half;
        lower := groups - div(groups, half) * half;
        below := mod(lower, nines);
        IF below < rest THEN
            rest := rest - below;
            place := place + 1;
            groups := div(groups, half);
        ELSE
            groups := lower;
        END IF;
    END LOOP;
    buckets := div(buckets, ('1e' || 256 * place)::numeric);
    buckets := buckets - div(buckets, 1e256) * 1e256;
    FOREACH half IN ARRAY halves LOOP
        place := 2 * place;
        CONTINUE WHEN buckets < half;
        lower := buckets - div(buckets, half) * half;
        below := mod(lower, nines);
        IF below < rest THEN
            rest := rest - below;
            place := place + 1;
            buckets := div(buckets, half);
        ELSE
            buckets := lower;
        END IF;
    END LOOP;
    RETURN CASE place WHEN 0 THEN 0 ELSE round((2 / (gamma + 1) * gamma ^ (place - 1))::numeric) END;
END
$$
"""


COLUMNS = ("first_response_groups", "first_response_buckets", "resolution_groups", "resolution_buckets")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("metric_sums", sa.Column(name, sa.Numeric(), nullable=True))
    for function in (BLOCKS, PERCENTILE):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP FUNCTION deskwire_percentile(bigint, numeric, numeric, double precision, double precision)")
    for name in COLUMNS:
        op.drop_column("metric_sums", name)
