"""percentiles."""

from alembic import op

revision = "6f2c9b07d3e5"
down_revision = "b7e41f0c92d5"
branch_labels = None
depends_on = None

# Counts a half of the digits that are left, and goes on with the half in which the one that is looked for lies.
HALF = """
    IF digits >= 1e{digits} THEN
        lower_half := digits - trunc(digits, -{digits});
        below := mod(lower_half, 99999999);
        IF below < rest THEN
            rest := rest - below;
            place := place + {places};
            digits := div(digits, 1e{digits});
        ELSE
            digits := lower_half;
        END IF;
    END IF;"""
# The last two fit into a short number.
SEARCH = "".join(HALF.format(digits=8 * places, places=places) for places in (16, 8, 4, 2))
SEARCH += """
    pair := digits;
    IF mod(pair, 100000000) < rest THEN
        rest := rest - mod(pair, 100000000);
        place := place + 1;
    END IF;"""
# As before, but each step of the search is written out, with numbers that are known beforehand: two thirds of what it
# took went to the loop, to arrays, and to dividing where what is far off need only be cut off.
PERCENTILE = f"""
CREATE OR REPLACE FUNCTION deskwire_percentile(measured bigint, groups numeric, buckets numeric, share double precision,
    gamma double precision)
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    rest bigint := ceil(measured * share);
    place integer := 0;
    digits numeric := groups;
    lower_half numeric;
    below bigint;
    pair bigint;
BEGIN
    IF measured = 0 OR mod(groups, 99999999) IS DISTINCT FROM measured THEN
        RETURN NULL;
    END IF;{SEARCH}
    -- The buckets of that group.
    place := 32 * place;
    digits := trunc(buckets * ('1e-' || 8 * place)::numeric);
    digits := digits - trunc(digits, -256);{SEARCH}
    RETURN CASE place WHEN 0 THEN 0 ELSE round((2 / (gamma + 1) * gamma ^ (place - 1))::numeric) END;
END
$$
"""


def upgrade() -> None:
    op.execute(PERCENTILE)


def downgrade() -> None:
    """Nothing: it answers what the former one did."""
