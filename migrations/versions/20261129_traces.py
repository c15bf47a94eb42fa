"""which trace asked for a job."""

import sqlalchemy as sa
from alembic import op

revision = "c3a94e07d1b8"
down_revision = "5eebb43a21ca"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("trace", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "trace")
