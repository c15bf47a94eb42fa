"""mail that waits can be opened as what it was sent to."""

import sqlalchemy as sa
from alembic import op

revision = "7d3b9e61c0f8"
down_revision = "a1d97c34be60"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbound_mails", sa.Column("recipient", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("inbound_mails", "recipient")
