"""metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a6624abcf009"
down_revision = "2022ea663d7c"
branch_labels = None
depends_on = None


# Refuses what is asked, in words for the client.
REFUSED = """
CREATE FUNCTION deskwire_refused(wrong boolean, message text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF wrong THEN
        RAISE EXCEPTION '%', message USING ERRCODE = 'DW400';
    END IF;
    RETURN false;
END
$$
"""
# The spans of a table of sums that make up one from a quarter of an hour to another: months between the beginnings of
# months that are nearest to its ends, then days, then quarters, which are too many or too few at either end. Or, where
# there is nothing else, the quarters.
BLOCKS = """
CREATE FUNCTION deskwire_blocks(starts timestamptz, ends timestamptz, quarters boolean)
RETURNS TABLE (grain smallint, first timestamptz, last timestamptz, weight integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4 AS $$
    WITH days AS (
        SELECT date_trunc('day', starts + interval '12 hours', 'UTC') AS a,
            date_trunc('day', ends + interval '12 hours', 'UTC') AS b
    ), months AS (
        SELECT date_trunc('month', a + interval '15 days', 'UTC') AS m,
            date_trunc('month', b + interval '15 days', 'UTC') AS n
        FROM days
    ), found AS (
        SELECT 0::smallint AS grain, starts AS first, ends AS last, 1 AS weight WHERE quarters
        UNION ALL
        SELECT part.* FROM days, months, LATERAL (VALUES
            (2::smallint, m, n, 1),
            (1::smallint, least(n, b), greatest(n, b), CASE WHEN b > n THEN 1 ELSE -1 END),
            (1::smallint, least(m, a), greatest(m, a), CASE WHEN a > m THEN -1 ELSE 1 END),
            (0::smallint, least(b, ends), greatest(b, ends), CASE WHEN ends > b THEN 1 ELSE -1 END),
            (0::smallint, least(a, starts), greatest(a, starts), CASE WHEN starts > a THEN -1 ELSE 1 END)
        ) AS part WHERE NOT quarters
    )
    SELECT grain, first, last, weight FROM found WHERE first < last
$$
"""
# A span cut into periods of a calendar, as the clocks of a zone show it.
PERIODS = """
CREATE FUNCTION deskwire_periods(starts timestamptz, ends timestamptz, unit text, zone text, most integer)
RETURNS TABLE (first timestamptz, last timestamptz) LANGUAGE plpgsql STABLE ROWS 50 AS $$
DECLARE
    step interval := ('1 ' || unit)::interval;
    found timestamptz[];
BEGIN
    found := ARRAY(SELECT p FROM generate_series(date_trunc(unit, starts, zone), ends, step, zone) AS p WHERE p < ends);
    IF cardinality(found) > most THEN
        RAISE EXCEPTION 'This span has % periods; at most % are possible.', cardinality(found), most
            USING ERRCODE = 'DW400';
    END IF;
    RETURN QUERY SELECT greatest(p, starts), least(date_add(p, step, zone), ends) FROM unnest(found) AS p;
END
$$
"""
# The split that has what is asked for, and least beside it; `part`: of whose values each is asked for.
SPLIT = """
CREATE FUNCTION deskwire_split(part text, departments uuid[], agents uuid[], categories uuid[], priorities integer[])
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    agent CONSTANT boolean := agents IS NOT NULL OR part IS NOT DISTINCT FROM 'agent_id';
    category CONSTANT boolean := categories IS NOT NULL OR part IS NOT DISTINCT FROM 'category_id';
    priority CONSTANT boolean := priorities IS NOT NULL OR part IS NOT DISTINCT FROM 'priority';
BEGIN
    RETURN CASE
        WHEN agent::integer + category::integer + priority::integer > 1 THEN 5
        WHEN agent THEN 2
        WHEN category THEN 3
        WHEN priority THEN 4
        WHEN departments IS NOT NULL OR part IS NOT DISTINCT FROM 'department_id' THEN 1
        ELSE 0
    END;
END
$$
"""
# The departments whose sums are read: those that are asked for, or all, or the one that stands for all.
PLACES = """
CREATE FUNCTION deskwire_places(which integer, departments uuid[]) RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE which WHEN 0 THEN ARRAY['00000000-0000-0000-0000-000000000000'::uuid]
        ELSE coalesce(departments, ARRAY(SELECT d.id FROM departments AS d)) END;
END
$$
"""
# The duration that this share of those measured took at most: the middle of its bucket (DDSketch, section 2.2).
PERCENTILE = """
CREATE FUNCTION deskwire_percentile(which integer, places uuid[], agents uuid[], categories uuid[],
    priorities integer[], starts timestamptz, ends timestamptz, wanted text,
    share double precision, gamma double precision)
RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    IF agents IS NULL THEN
        agents := CASE which WHEN 5 THEN ARRAY(SELECT id FROM people WHERE role <> 'CUSTOMER') || nobody
            ELSE ARRAY[nobody] END;
    END IF;
    IF categories IS NULL THEN
        categories := CASE which WHEN 5 THEN ARRAY(SELECT id FROM categories) ELSE ARRAY[nobody] END;
    END IF;
    IF priorities IS NULL THEN
        priorities := CASE which WHEN 5 THEN ARRAY[1, 2, 3, 4] ELSE ARRAY[0] END;
    END IF;
    RETURN (
        WITH each AS (
            SELECT h.bucket, sum(h.count * b.weight) AS count
            FROM unnest(places) AS d (id), deskwire_blocks(starts, ends, which = 5) AS b, LATERAL (
                SELECT m.bucket, m.count FROM metric_histograms AS m
                WHERE m.split = which AND m.grain = b.grain AND m.measure = wanted AND m.department_id = d.id
                    AND m.agent_id = ANY (agents) AND m.category_id = ANY (categories) AND m.priority = ANY (priorities)
                    AND m.start >= b.first AND m.start < b.last OFFSET 0
            ) AS h
            GROUP BY h.bucket HAVING sum(h.count * b.weight) > 0
        ), ranked AS (
            SELECT bucket, sum(each.count) OVER (ORDER BY bucket) AS reached, sum(each.count) OVER () AS whole FROM each
        )
        SELECT CASE WHEN bucket = 0 THEN 0 ELSE round((2 / (gamma + 1) * gamma ^ (bucket - 1))::numeric) END
        FROM ranked WHERE reached >= ceil(whole * share) ORDER BY bucket LIMIT 1
    );
END
$$
"""


def upgrade() -> None:
    for function in (REFUSED, BLOCKS, PERIODS, SPLIT):
        op.execute(function)
    # ### commands auto generated by Alembic - please adjust! ###
    op.create_table(
        "metric_facts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("metric_facts_pkey")),
    )
    op.create_index(op.f("metric_facts_made_at_idx"), "metric_facts", ["made_at"], unique=False)
    op.create_table(
        "metric_histograms",
        sa.Column("split", sa.SmallInteger(), nullable=False),
        sa.Column("grain", sa.SmallInteger(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "split",
            "grain",
            "measure",
            "department_id",
            "agent_id",
            "category_id",
            "priority",
            "start",
            "bucket",
            name=op.f("metric_histograms_pkey"),
        ),
    )
    op.create_table(
        "metric_sums",
        sa.Column("split", sa.SmallInteger(), nullable=False),
        sa.Column("grain", sa.SmallInteger(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=True),
        sa.Column("resolved", sa.BigInteger(), nullable=True),
        sa.Column("resolution_seconds", sa.BigInteger(), nullable=True),
        sa.Column("reopened", sa.BigInteger(), nullable=True),
        sa.Column("opened", sa.BigInteger(), nullable=True),
        sa.Column("replies", sa.BigInteger(), nullable=True),
        sa.Column("first_responses", sa.BigInteger(), nullable=True),
        sa.Column("first_response_seconds", sa.BigInteger(), nullable=True),
        sa.Column("rated_1", sa.BigInteger(), nullable=True),
        sa.Column("rated_2", sa.BigInteger(), nullable=True),
        sa.Column("rated_3", sa.BigInteger(), nullable=True),
        sa.Column("rated_4", sa.BigInteger(), nullable=True),
        sa.Column("rated_5", sa.BigInteger(), nullable=True),
        sa.Column("resolved_rated", sa.BigInteger(), nullable=True),
        sa.Column("first_response_met", sa.BigInteger(), nullable=True),
        sa.Column("first_response_breached", sa.BigInteger(), nullable=True),
        sa.Column("resolution_met", sa.BigInteger(), nullable=True),
        sa.Column("resolution_breached", sa.BigInteger(), nullable=True),
        sa.Column("to_team_lead", sa.BigInteger(), nullable=True),
        sa.Column("to_manager", sa.BigInteger(), nullable=True),
        sa.Column("to_director", sa.BigInteger(), nullable=True),
        sa.Column("deflected", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "split",
            "grain",
            "department_id",
            "start",
            "agent_id",
            "category_id",
            "priority",
            name=op.f("metric_sums_pkey"),
        ),
    )
    op.create_table(
        "measured_tickets",
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("measured_tickets_ticket_id_fkey")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("measured_tickets_pkey")),
    )
    # ### end Alembic commands ###
    for function in (PLACES, PERCENTILE):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP FUNCTION deskwire_places(integer, uuid[])")
    op.execute("DROP FUNCTION deskwire_split(text, uuid[], uuid[], uuid[], integer[])")
    op.execute(
        "DROP FUNCTION deskwire_percentile(integer, uuid[], uuid[], uuid[], integer[], timestamptz, timestamptz, text,"
        " double precision, double precision)"
    )
    op.execute("DROP FUNCTION deskwire_periods(timestamptz, timestamptz, text, text, integer)")
    op.execute("DROP FUNCTION deskwire_blocks(timestamptz, timestamptz, boolean)")
    op.execute("DROP FUNCTION deskwire_refused(boolean, text)")
    # ### commands auto generated by Alembic - please adjust! ###
    op.drop_table("measured_tickets")
    op.drop_table("metric_sums")
    op.drop_table("metric_histograms")
    op.drop_index(op.f("metric_facts_made_at_idx"), table_name="metric_facts")
    op.drop_table("metric_facts")
    # ### end Alembic commands ###
