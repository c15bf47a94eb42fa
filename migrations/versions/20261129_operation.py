"""what an operator asks."""

import sqlalchemy as sa
from alembic import op

revision = "6d0c9a1e57b4"
down_revision = "c41d7e02b9a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_dead_idx", "jobs", ["settled_at"], unique=False, postgresql_where=sa.text("state = 'DEAD'"))


def downgrade() -> None:
    op.drop_index("jobs_dead_idx", table_name="jobs")
