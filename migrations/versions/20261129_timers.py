"""timers of old tickets."""

from alembic import op

revision = "5b1e0c7f94a2"
down_revision = "a6624abcf009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # From before there was a timer: the clock looks at each of them once, and then it has its own.
    op.execute(
        "UPDATE tickets SET timer_at = now() WHERE timer_at IS NULL AND status IN ('OPEN', 'PENDING', 'ON_HOLD')"
    )


def downgrade() -> None:
    pass  # the clock does nothing where nothing is due
