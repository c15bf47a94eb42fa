"""identity."""

import sqlalchemy as sa
from alembic import op

revision = "6d1f0a4c93be"
down_revision = "2022ea663d7c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_identities",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("external_identities_person_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("external_identities_pkey")),
        sa.UniqueConstraint("issuer", "subject", name="external_identities_subject_key"),
        sa.UniqueConstraint("person_id", "issuer", name="external_identities_person_key"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column(
            "scope", sa.Enum("READ", "WRITE", name="apitokenscope", native_enum=False, length=32), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("api_tokens_name_length_check")),
        sa.ForeignKeyConstraint(["owner_id"], ["people.id"], name=op.f("api_tokens_owner_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("api_tokens_pkey")),
        sa.UniqueConstraint("digest", name=op.f("api_tokens_digest_key")),
    )
    op.create_index("api_tokens_owner_id_id_idx", "api_tokens", ["owner_id", "id"])
    op.create_index("api_tokens_expires_at_idx", "api_tokens", ["expires_at"])
    op.add_column("sessions", sa.Column("by_link", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("people", sa.Column("avatar_key", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("avatar_type", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("avatar_bytes", sa.Integer(), nullable=True))


def downgrade() -> None:
    for column in ("avatar_bytes", "avatar_type", "avatar_key"):
        op.drop_column("people", column)
    op.drop_column("sessions", "by_link")
    op.drop_table("api_tokens")
    op.drop_table("external_identities")
