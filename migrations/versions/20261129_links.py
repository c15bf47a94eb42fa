"""links that are swept."""

from alembic import op

revision = "c41d7e02b9a6"
down_revision = "24cbad161cac"
branch_labels = None
depends_on = None

KEY = "messages_link_id_fkey"


def upgrade() -> None:
    op.drop_constraint(KEY, "messages", type_="foreignkey")
    op.create_foreign_key(KEY, "messages", "sign_in_links", ["link_id"], ["id"], ondelete="SET NULL")
    op.create_index("messages_link_id_idx", "messages", ["link_id"])


def downgrade() -> None:
    op.drop_index("messages_link_id_idx", "messages")
    op.drop_constraint(KEY, "messages", type_="foreignkey")
    op.create_foreign_key(KEY, "messages", "sign_in_links", ["link_id"], ["id"])
