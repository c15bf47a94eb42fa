"""letters that go to an address of their own."""

import sqlalchemy as sa
from alembic import op

revision = "b7e41f0c92d5"
down_revision = "4d0a6c1f97be"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("address", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "address")
