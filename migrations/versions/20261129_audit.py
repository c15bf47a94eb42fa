"""audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7c1e5d20a9f4"
down_revision = "2022ea663d7c"
branch_labels = None
depends_on = None

# The log only grows. What is personal of an entry can be blanked by who says that somebody is erased, and nothing else.
ONLY_GROWS = (
    """
CREATE FUNCTION deskwire_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('deskwire.erasing', true) = 'on' THEN
        IF to_jsonb(NEW) - 'changes' - 'ip_address' = to_jsonb(OLD) - 'changes' - 'ip_address'
            AND (NEW.ip_address IS NULL OR NEW.ip_address = OLD.ip_address)
            AND (NEW.changes = OLD.changes OR NEW.changes = (
                SELECT coalesce(jsonb_agg(change || '{"before": null, "after": null}' ORDER BY place), '[]')
                FROM jsonb_array_elements(OLD.changes) WITH ORDINALITY AS of_entry (change, place)))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit log only grows.' USING ERRCODE = 'restrict_violation';
END
$$
""",
    """
CREATE TRIGGER audit_entries_only_grow BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION deskwire_only_grows()
""",
    """
CREATE TRIGGER audit_entries_stay BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION deskwire_only_grows()
""",
)


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_table", sa.Text(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ip_address", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["people.id"], name=op.f("audit_entries_actor_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entries_pkey")),
    )
    op.create_index(op.f("audit_entries_at_id_idx"), "audit_entries", ["at", "id"])
    op.create_index(op.f("audit_entries_actor_id_at_id_idx"), "audit_entries", ["actor_id", "at", "id"])
    op.create_index(
        "audit_entries_subject_idx",
        "audit_entries",
        ["subject_id", "at", "id"],
        postgresql_where=sa.text("subject_id IS NOT NULL"),
    )
    op.create_index(op.f("audit_entries_action_at_id_idx"), "audit_entries", ["action", "at", "id"])
    for statement in ONLY_GROWS:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION deskwire_only_grows()")
