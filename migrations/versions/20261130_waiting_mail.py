"""mail that waits can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "c5e20f9b71a4"
down_revision = "7d3b9e61c0f8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    waits = sa.text("outcome = 'WAITING'")
    with op.get_context().autocommit_block():
        op.drop_index("inbound_mails_waiting_idx", "inbound_mails", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "inbound_mails_waiting_idx",
            "inbound_mails",
            ["received_at"],
            postgresql_where=waits,
            if_not_exists=True,
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("inbound_mails_waiting_idx", "inbound_mails")
