"""comments and search."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2f9a76782fd9"
down_revision = "004f49211433"
branch_labels = None
depends_on = None


# What each ticket that is there already is found by.
FILL = """
INSERT INTO ticket_words (source_id, internal, ticket_id, words)
SELECT id, false, id, setweight(to_tsvector('simple', subject), 'A') || setweight(to_tsvector('simple', body), 'B')
FROM tickets
UNION ALL
SELECT id, true, id, setweight(to_tsvector('simple', subject), 'A')
    || setweight(to_tsvector('simple', array_to_string(tags, ', ')), 'B')
FROM tickets WHERE tags <> '{}'
"""


def upgrade() -> None:
    op.create_table(
        "comments",
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("PORTAL", "EMAIL", "AGENT", "API", name="ticketchannel", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(body IS NULL) = (body_html IS NULL)", name=op.f("comments_body_html_check")),
        sa.CheckConstraint("(body IS NULL) = (deleted_at IS NOT NULL)", name=op.f("comments_deleted_check")),
        sa.CheckConstraint("length(body) <= 20000", name=op.f("comments_body_length_check")),
        sa.ForeignKeyConstraint(["author_id"], ["people.id"], name=op.f("comments_author_id_fkey")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("comments_ticket_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("comments_pkey")),
    )
    op.create_index(op.f("comments_ticket_id_id_idx"), "comments", ["ticket_id", "id"], unique=False)
    op.create_table(
        "ticket_words",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("ticket_words_ticket_id_fkey")),
        sa.PrimaryKeyConstraint("source_id", "internal", name=op.f("ticket_words_pkey")),
    )
    op.create_index(op.f("ticket_words_ticket_id_idx"), "ticket_words", ["ticket_id"], unique=False)
    op.execute(FILL)
    op.create_index("ticket_words_words_idx", "ticket_words", ["words"], unique=False, postgresql_using="gin")
    op.add_column("attachments", sa.Column("comment_id", sa.Uuid(), nullable=True))
    op.create_index(
        op.f("attachments_comment_id_id_idx"),
        "attachments",
        ["comment_id", "id"],
        unique=False,
        postgresql_where=sa.text("comment_id IS NOT NULL"),
    )
    op.create_foreign_key(op.f("attachments_comment_id_fkey"), "attachments", "comments", ["comment_id"], ["id"])
    op.add_column("messages", sa.Column("comment_id", sa.Uuid(), nullable=True))
    op.create_index(
        op.f("messages_comment_id_recipient_id_idx"),
        "messages",
        ["comment_id", "recipient_id"],
        unique=False,
        postgresql_where=sa.text("comment_id IS NOT NULL"),
    )
    op.create_foreign_key(op.f("messages_comment_id_fkey"), "messages", "comments", ["comment_id"], ["id"])
    op.drop_index(op.f("tickets_created_at_asc_idx"), table_name="tickets")
    op.drop_index(op.f("tickets_created_at_desc_idx"), table_name="tickets")
    op.drop_index(op.f("tickets_priority_asc_idx"), table_name="tickets")
    op.drop_index(op.f("tickets_priority_desc_idx"), table_name="tickets")
    op.execute("ALTER INDEX tickets_queue_idx RENAME TO tickets_by_updated_idx")
    op.drop_index(op.f("tickets_status_idx"), table_name="tickets")
    op.execute("ALTER INDEX tickets_updated_at_desc_idx RENAME TO tickets_updated_at_idx")
    op.drop_index(op.f("tickets_waiting_asc_idx"), table_name="tickets")
    op.drop_index(op.f("tickets_waiting_desc_idx"), table_name="tickets")
    op.drop_index(op.f("tickets_of_assignee_idx"), table_name="tickets")
    op.create_index(
        "tickets_of_assignee_idx",
        "tickets",
        ["assignee_id", "status", sa.literal_column("updated_at DESC"), "id"],
        unique=False,
    )
    op.create_index(
        op.f("tickets_assignee_id_department_id_idx"), "tickets", ["assignee_id", "department_id"], unique=False
    )
    op.create_index(
        "tickets_by_created_idx",
        "tickets",
        ["department_id", "status", sa.literal_column("created_at DESC"), "id"],
        unique=False,
    )
    op.create_index(
        "tickets_by_priority_asc_idx", "tickets", ["department_id", "status", "priority_rank", "id"], unique=False
    )
    op.create_index(
        "tickets_by_priority_desc_idx",
        "tickets",
        ["department_id", "status", sa.literal_column("priority_rank DESC"), "id"],
        unique=False,
    )
    op.create_index(
        "tickets_by_waiting_asc_idx",
        "tickets",
        ["department_id", "status", sa.literal_column("coalesce(waiting_since, 'infinity'::timestamptz)"), "id"],
        unique=False,
    )
    op.create_index(
        "tickets_by_waiting_desc_idx",
        "tickets",
        [
            "department_id",
            "status",
            sa.literal_column("coalesce(waiting_since, '-infinity'::timestamptz) DESC"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "tickets_tags_idx",
        "tickets",
        ["tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("tags <> '{}'::text[]"),
    )
    op.create_index(
        "tickets_to_triage_idx",
        "tickets",
        ["department_id", sa.literal_column("updated_at DESC"), "id"],
        unique=False,
        postgresql_where=sa.text("triage_pending IS TRUE"),
    )


def downgrade() -> None:
    op.drop_index("tickets_to_triage_idx", table_name="tickets", postgresql_where=sa.text("triage_pending IS TRUE"))
    op.drop_index(
        "tickets_tags_idx",
        table_name="tickets",
        postgresql_using="gin",
        postgresql_where=sa.text("tags <> '{}'::text[]"),
    )
    op.drop_index("tickets_by_waiting_desc_idx", table_name="tickets")
    op.drop_index("tickets_by_waiting_asc_idx", table_name="tickets")
    op.drop_index("tickets_by_priority_desc_idx", table_name="tickets")
    op.drop_index("tickets_by_priority_asc_idx", table_name="tickets")
    op.drop_index("tickets_by_created_idx", table_name="tickets")
    op.drop_index(op.f("tickets_assignee_id_department_id_idx"), table_name="tickets")
    op.drop_index("tickets_of_assignee_idx", table_name="tickets")
    op.create_index(
        op.f("tickets_of_assignee_idx"),
        "tickets",
        ["assignee_id", sa.literal_column("updated_at DESC"), "id"],
        unique=False,
    )
    op.create_index(
        op.f("tickets_waiting_desc_idx"),
        "tickets",
        [sa.literal_column("COALESCE(waiting_since, '-infinity'::timestamp with time zone) DESC"), "id"],
        unique=False,
    )
    op.create_index(
        op.f("tickets_waiting_asc_idx"),
        "tickets",
        [sa.literal_column("COALESCE(waiting_since, 'infinity'::timestamp with time zone)"), "id"],
        unique=False,
    )
    op.execute("ALTER INDEX tickets_updated_at_idx RENAME TO tickets_updated_at_desc_idx")
    op.create_index(
        op.f("tickets_status_idx"), "tickets", ["status", sa.literal_column("updated_at DESC"), "id"], unique=False
    )
    op.execute("ALTER INDEX tickets_by_updated_idx RENAME TO tickets_queue_idx")
    op.create_index(
        op.f("tickets_priority_desc_idx"), "tickets", [sa.literal_column("priority_rank DESC"), "id"], unique=False
    )
    op.create_index(op.f("tickets_priority_asc_idx"), "tickets", ["priority_rank", "id"], unique=False)
    op.create_index(
        op.f("tickets_created_at_desc_idx"), "tickets", [sa.literal_column("created_at DESC"), "id"], unique=False
    )
    op.create_index(op.f("tickets_created_at_asc_idx"), "tickets", ["created_at", "id"], unique=False)
    op.drop_constraint(op.f("messages_comment_id_fkey"), "messages", type_="foreignkey")
    op.drop_index(
        op.f("messages_comment_id_recipient_id_idx"),
        table_name="messages",
        postgresql_where=sa.text("comment_id IS NOT NULL"),
    )
    op.drop_column("messages", "comment_id")
    op.drop_constraint(op.f("attachments_comment_id_fkey"), "attachments", type_="foreignkey")
    op.drop_index(
        op.f("attachments_comment_id_id_idx"),
        table_name="attachments",
        postgresql_where=sa.text("comment_id IS NOT NULL"),
    )
    op.drop_column("attachments", "comment_id")
    op.drop_index("ticket_words_words_idx", table_name="ticket_words", postgresql_using="gin")
    op.drop_index(op.f("ticket_words_ticket_id_idx"), table_name="ticket_words")
    op.drop_table("ticket_words")
    op.drop_index(op.f("comments_ticket_id_id_idx"), table_name="comments")
    op.drop_table("comments")
