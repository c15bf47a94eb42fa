"""whether there is an article in a language for somebody is soon known."""

from alembic import op

revision = "3f0b6c81d9e4"
down_revision = "b7d04c92e6f1"
branch_labels = None
depends_on = None

TABLE, NAME = "articles", "articles_language_status_audience_idx"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, TABLE, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NAME, TABLE, ["language", "status", "audience"], if_not_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    op.drop_index(NAME, TABLE)
