"""periods."""

from alembic import op

revision = "e81d4f6a27c3"
down_revision = "91c7f3a05be2"
branch_labels = None
depends_on = None

# A span cut into periods of a calendar. What is longer than an hour begins when the clocks of the zone first show it:
# midnight is skipped by some as they go forward, so that the day begins an hour later, and shown twice by others. Going
# on from such a day by instants, all days after it would begin an hour late.
PERIODS = """
CREATE OR REPLACE FUNCTION deskwire_periods(
    starts timestamptz, ends timestamptz, unit text, zone text, most integer
) RETURNS TABLE (first timestamptz, last timestamptz) LANGUAGE plpgsql STABLE ROWS 50 AS $$
DECLARE
    step CONSTANT interval := ('1 ' || unit)::interval;
    hour CONSTANT interval := '1 hour';
    found timestamptz[];
    many integer;
BEGIN
    IF step = hour THEN
        found := ARRAY(SELECT generate_series(date_trunc(unit, starts, zone), ends + step, step));
    ELSE
        found := ARRAY(
            SELECT CASE WHEN (p - hour) AT TIME ZONE zone >= shown THEN p - hour ELSE p END
            FROM generate_series(
                date_trunc(unit, starts AT TIME ZONE zone), (ends AT TIME ZONE zone) + step, step
            ) AS shown, LATERAL (SELECT shown AT TIME ZONE zone AS p) AS later
        );
    END IF;
    many := (SELECT count(*) FROM unnest(found) AS p WHERE p < ends);
    IF many > most THEN
        RAISE EXCEPTION 'This span has % periods; at most % are possible.', many, most USING ERRCODE = 'DW400';
    END IF;
    RETURN QUERY
        SELECT greatest(p, starts), least(q, ends)
        FROM (SELECT p, lead(p) OVER (ORDER BY p) AS q FROM unnest(found) AS p) AS period
        WHERE p < ends AND q > starts AND p < q;
END
$$
"""


def upgrade() -> None:
    op.execute(PERIODS)


def downgrade() -> None:
    """Nothing: the version before asks for the same."""
