"""maintenance that began early may end before it was to begin."""

from alembic import op

revision = "b7d04c92e6f1"
down_revision = "e81d4f6a27c3"
branch_labels = None
depends_on = None

TABLE, NAME = "maintenance_notices", "maintenance_notices_window_check"


def upgrade() -> None:
    op.drop_constraint(op.f(NAME), TABLE)
    # Not looked at: all rows that there are fulfil it, as they did what is asked no more.
    op.create_check_constraint(op.f(NAME), TABLE, "least(starts_at, started_at) < ends_at", postgresql_not_valid=True)


def downgrade() -> None:
    op.drop_constraint(op.f(NAME), TABLE)
    op.create_check_constraint(op.f(NAME), TABLE, "starts_at < ends_at", postgresql_not_valid=True)
