"""views that not everybody sees take no names from others."""

from alembic import op

revision = "91c7f3a05be2"
down_revision = "2a64d0e8f1b7"
branch_labels = None
depends_on = None

NAME, BEFORE = "ticket_views_department_name_key", "ticket_views_name_key"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(NAME, "ticket_views", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NAME,
            "ticket_views",
            ["owner_id", "department_id", "name"],
            unique=True,
            postgresql_nulls_not_distinct=True,
            if_not_exists=True,
            postgresql_concurrently=True,
        )
        op.drop_index(BEFORE, "ticket_views", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    op.create_index(BEFORE, "ticket_views", ["owner_id", "name"], unique=True)
    op.drop_index(NAME, "ticket_views")
