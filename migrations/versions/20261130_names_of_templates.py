"""templates that not everybody reads take no names from others."""

from alembic import op

revision = "2a64d0e8f1b7"
down_revision = "c5e20f9b71a4"
branch_labels = None
depends_on = None

NAME, BEFORE = "message_templates_department_name_key", "message_templates_name_key"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, "message_templates", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NAME,
            "message_templates",
            ["use", "department_id", "name"],
            unique=True,
            postgresql_nulls_not_distinct=True,
            if_not_exists=True,
            postgresql_concurrently=True,
        )
        op.drop_index(BEFORE, "message_templates", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    op.create_index(BEFORE, "message_templates", ["name"], unique=True)
    op.drop_index(NAME, "message_templates")
