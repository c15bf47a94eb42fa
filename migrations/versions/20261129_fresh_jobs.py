"""which jobs may be performed together."""

import sqlalchemy as sa
from alembic import op

revision = "e41f7a90c6d2"
down_revision = "b7c41d9e02f6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    fresh = sa.text("state = 'QUEUED' AND attempts = 0")
    with op.get_context().autocommit_block():
        op.drop_index("jobs_fresh_idx", "jobs", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "jobs_fresh_idx",
            "jobs",
            ["kind", "due_at"],
            postgresql_where=fresh,
            if_not_exists=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("jobs_fresh_idx", "jobs")
