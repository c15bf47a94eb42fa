"""figures."""

import sqlalchemy as sa
from alembic import op

revision = "b7c41d9e02f6"
down_revision = "c3a94e07d1b8"
branch_labels = None
depends_on = None

# Those of `models.HISTOGRAMS`: of which measure, and how many buckets make up a digit.
HISTOGRAMS = {
    "first_response_groups": ("first_response_seconds", 32),
    "first_response_buckets": ("first_response_seconds", 1),
    "resolution_groups": ("resolution_seconds", 32),
    "resolution_buckets": ("resolution_seconds", 1),
}
KEYS = "split, grain, department_id, start, agent_id, category_id, priority"
# What was drawn bucket by bucket, as numbers.
ROW = "sum(count * ('1e' || 8 * (bucket / {width}))::numeric) FILTER (WHERE measure = '{measure}') AS {name}"
DRAWN = f"""
UPDATE metric_sums AS s SET {", ".join(f"{name} = nullif(h.{name}, 0)" for name in HISTOGRAMS)}
FROM (SELECT {KEYS}, {", ".join(ROW.format(name=n, measure=m, width=w) for n, (m, w) in HISTOGRAMS.items())}
    FROM metric_histograms GROUP BY {KEYS}) AS h
WHERE ({", ".join(f"s.{key}" for key in KEYS.split(", "))}) = ({", ".join(f"h.{key}" for key in KEYS.split(", "))})
"""  # noqa: S608 # names of our own
# Those of a priority alone.
NOBODY = "'00000000-0000-0000-0000-000000000000'::uuid"
NAMES = (
    "submitted", "resolved", "resolution_seconds", "reopened", "opened", "replies", "first_responses",
    "first_response_seconds", "rated_1", "rated_2", "rated_3", "rated_4", "rated_5", "resolved_rated",
    "first_response_met", "first_response_breached", "resolution_met", "resolution_breached", "to_team_lead",
    "to_manager", "to_director", "deflected", *HISTOGRAMS,
)  # fmt: skip
ALONE = f"""
INSERT INTO metric_sums ({KEYS}, {", ".join(NAMES)})
SELECT 6, grain, {NOBODY}, start, {NOBODY}, {NOBODY}, priority, {", ".join(f"nullif(sum({name}), 0)" for name in NAMES)}
FROM metric_sums WHERE split = 4 GROUP BY grain, start, priority
"""  # noqa: S608 # names of our own
# The split that has what is asked for, and least beside it; `part`: of whose values each is asked for.
SPLIT = """
CREATE OR REPLACE FUNCTION deskwire_split(part text, departments uuid[], agents uuid[], categories uuid[],
    priorities integer[])
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    agent CONSTANT boolean := agents IS NOT NULL OR part IS NOT DISTINCT FROM 'agent_id';
    category CONSTANT boolean := categories IS NOT NULL OR part IS NOT DISTINCT FROM 'category_id';
    priority CONSTANT boolean := priorities IS NOT NULL OR part IS NOT DISTINCT FROM 'priority';
    department CONSTANT boolean := departments IS NOT NULL OR part IS NOT DISTINCT FROM 'department_id';
BEGIN
    RETURN CASE
        WHEN agent::integer + category::integer + priority::integer > 1 THEN 5
        WHEN agent THEN 2
        WHEN category THEN 3
        WHEN priority AND department THEN 4
        WHEN priority THEN 6
        WHEN department THEN 1
        ELSE 0
    END;
END
$$
"""
# The departments whose sums are read: those that are asked for, or all, or the one that stands for all.
PLACES = """
CREATE OR REPLACE FUNCTION deskwire_places(which integer, departments uuid[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN which IN (0, 6) THEN ARRAY['00000000-0000-0000-0000-000000000000'::uuid]
        ELSE coalesce(departments, ARRAY(SELECT d.id FROM departments AS d)) END;
END
$$
"""
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
# is left, first of the groups of 32 buckets, then of the buckets in that group.
PERCENTILE = """
CREATE FUNCTION deskwire_percentile(groups numeric, buckets numeric, share double precision, gamma double precision)
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    nines CONSTANT numeric := 99999999;
    halves CONSTANT numeric[] := '{1e128, 1e64, 1e32, 1e16, 1e8}';
    rest integer := ceil(mod(groups, nines) * share);
    place integer := 0;
    half numeric;
    lower numeric;
    below integer;
BEGIN
    IF groups IS NULL OR groups = 0 THEN
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


def upgrade() -> None:
    for function in (SPLIT, PLACES, BLOCKS, PERCENTILE):
        op.execute(function)
    for name in HISTOGRAMS:
        op.add_column("metric_sums", sa.Column(name, sa.Numeric(), nullable=True))
    op.execute(DRAWN)
    op.execute(ALONE)
    op.drop_table("metric_histograms")
    op.execute(
        "DROP FUNCTION deskwire_percentile(integer, uuid[], uuid[], uuid[], integer[], timestamptz, timestamptz, text,"
        " double precision, double precision)"
    )


def downgrade() -> None:
    raise NotImplementedError("What histograms were before is not kept.")
