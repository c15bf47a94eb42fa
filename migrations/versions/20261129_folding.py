"""folding."""

from alembic import op

revision = "4d0a6c1f97be"
down_revision = "e41f7a90c6d2"
branch_labels = None
depends_on = None

# As before, with one loop: it counts halves of the groups' digits until one is left, then of the buckets in that group.
PERCENTILE = """
CREATE OR REPLACE FUNCTION deskwire_percentile(measured bigint, groups numeric, buckets numeric, share double precision,
    gamma double precision)
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    nines CONSTANT numeric := 99999999;
    halves CONSTANT numeric[] := '{1e128, 1e64, 1e32, 1e16, 1e8}';
    rest integer := ceil(measured * share);
    place integer := 0;
    digits numeric := groups;
    half numeric;
    lower numeric;
    below integer;
BEGIN
    IF measured = 0 OR mod(groups, nines) IS DISTINCT FROM measured THEN
        RETURN NULL;
    END IF;
    FOR level IN 1..2 LOOP
        FOREACH half IN ARRAY halves LOOP
            place := 2 * place;
            CONTINUE WHEN digits < half;
            lower := digits - div(digits, half) * half;
            below := mod(lower, nines);
            IF below < rest THEN
                rest := rest - below;
                place := place + 1;
                digits := div(digits, half);
            ELSE
                digits := lower;
            END IF;
        END LOOP;
        CONTINUE WHEN level = 2;
        digits := div(buckets, ('1e' || 256 * place)::numeric);
        digits := digits - div(digits, 1e256) * 1e256;
    END LOOP;
    RETURN CASE place WHEN 0 THEN 0 ELSE round((2 / (gamma + 1) * gamma ^ (place - 1))::numeric) END;
END
$$
"""
# A sum that costs nothing where there is but one, as of the histograms of most keys and spans; `sum` unfolds each.
TOTAL = """
CREATE AGGREGATE deskwire_total(numeric) (
    SFUNC = numeric_add, STYPE = numeric, COMBINEFUNC = numeric_add, PARALLEL = SAFE
)
"""


def upgrade() -> None:
    for function in (PERCENTILE, TOTAL):
        op.execute(function)


def downgrade() -> None:
    op.execute("DROP AGGREGATE deskwire_total(numeric)")
