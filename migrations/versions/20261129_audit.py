"""audit log and dead letters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7c1e5d20a9f4"
down_revision = "6d1f0a4c93be"
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


# What was given up before waits for a decision too. Its key is that of the job, which was made before.
GIVEN_UP = """
INSERT INTO dead_letters (id, kind, source_id, name, attempt_count, error, first_tried_at, failed_at, status)
SELECT id, 'JOB', id, kind, attempts, 'The log has more.', created_at, settled_at, 'WAITING'
FROM jobs WHERE state = 'DEAD'
"""


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
    op.create_table(
        "dead_letters",
        sa.Column("kind", sa.Enum("JOB", "EMAIL", name="deadletterkind", native_enum=False, length=32), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum("WAITING", "RETRIED", "DISCARDED", name="deadletterstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("settled_by_id", sa.Uuid(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["people.id"], name=op.f("dead_letters_recipient_id_fkey")),
        sa.ForeignKeyConstraint(["settled_by_id"], ["people.id"], name=op.f("dead_letters_settled_by_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("dead_letters_pkey")),
    )
    op.create_index(op.f("dead_letters_status_failed_at_id_idx"), "dead_letters", ["status", "failed_at", "id"])
    op.create_index(op.f("dead_letters_failed_at_id_idx"), "dead_letters", ["failed_at", "id"])
    op.create_index(op.f("dead_letters_name_failed_at_id_idx"), "dead_letters", ["name", "failed_at", "id"])
    op.execute(GIVEN_UP)


def downgrade() -> None:
    op.drop_table("dead_letters")
    op.drop_table("audit_entries")
    op.execute("DROP FUNCTION deskwire_only_grows()")
