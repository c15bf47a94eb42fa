"""article feedback."""

import sqlalchemy as sa
from alembic import op

revision = "5eebb43a21ca"
down_revision = "6d0c9a1e57b4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "article_feedback",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("helpful", sa.Boolean(), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("badness", sa.SmallInteger(), nullable=False),
        sa.Column(
            "source",
            sa.Enum("ARTICLE", "TICKET_FORM", "TICKET", name="articlefeedbacksource", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("saved_category_id", sa.Uuid(), nullable=True),
        sa.Column("saved_department_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(saved_at IS NULL) = (saved_category_id IS NULL)", name=op.f("article_feedback_saved_check")
        ),
        sa.CheckConstraint(
            "helpful IS NOT NULL OR rating IS NOT NULL OR comment IS NOT NULL",
            name=op.f("article_feedback_something_check"),
        ),
        sa.CheckConstraint("length(comment) BETWEEN 1 AND 2000", name=op.f("article_feedback_comment_length_check")),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("article_feedback_rating_check")),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("article_feedback_article_id_fkey")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("article_feedback_person_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("article_feedback_pkey")),
        sa.UniqueConstraint(
            "article_id",
            "reader_id",
            "version_number",
            name=op.f("article_feedback_article_id_reader_id_version_number_key"),
        ),
    )
    op.create_index(
        op.f("article_feedback_article_id_at_id_idx"), "article_feedback", ["article_id", "at", "id"], unique=False
    )
    op.create_index(op.f("article_feedback_person_id_idx"), "article_feedback", ["person_id"], unique=False)
    op.create_index(
        "article_feedback_saved_idx",
        "article_feedback",
        ["saved_at"],
        unique=False,
        postgresql_where=sa.text("saved_at IS NOT NULL"),
    )
    op.create_table(
        "article_readings",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("article_readings_article_id_fkey")),
        sa.PrimaryKeyConstraint("article_id", "reader_id", name=op.f("article_readings_pkey")),
    )
    op.create_index(op.f("article_readings_at_idx"), "article_readings", ["at"], unique=False)
    op.create_table(
        "article_reviews",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "POOR_RATING", "OFTEN_UNHELPFUL", "REQUESTED", name="articlereviewreason", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Enum("OPEN", "REVISED", "DISMISSED", name="articlereviewstatus", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by_id", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("(status = 'OPEN') = (closed_at IS NULL)", name=op.f("article_reviews_closed_check")),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("article_reviews_article_id_fkey")),
        sa.ForeignKeyConstraint(["assignee_id"], ["people.id"], name=op.f("article_reviews_assignee_id_fkey")),
        sa.ForeignKeyConstraint(["closed_by_id"], ["people.id"], name=op.f("article_reviews_closed_by_id_fkey")),
        sa.ForeignKeyConstraint(["requested_by_id"], ["people.id"], name=op.f("article_reviews_requested_by_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("article_reviews_pkey")),
    )
    op.create_index(
        op.f("article_reviews_article_id_closed_at_idx"), "article_reviews", ["article_id", "closed_at"], unique=False
    )
    op.create_index(
        op.f("article_reviews_assignee_id_status_requested_at_id_idx"),
        "article_reviews",
        ["assignee_id", "status", "requested_at", "id"],
        unique=False,
    )
    op.create_index(
        "article_reviews_open_key",
        "article_reviews",
        ["article_id"],
        unique=True,
        postgresql_where=sa.text("status = 'OPEN'"),
    )
    op.create_index(
        op.f("article_reviews_status_requested_at_id_idx"),
        "article_reviews",
        ["status", "requested_at", "id"],
        unique=False,
    )
    op.create_table(
        "article_standings",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column("views", sa.Integer(), nullable=False),
        sa.Column("helpful", sa.Integer(), nullable=False),
        sa.Column("unhelpful", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("article_standings_article_id_fkey")),
        sa.PrimaryKeyConstraint("article_id", name=op.f("article_standings_pkey")),
    )
    op.create_table(
        "article_views",
        sa.Column("article_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("article_views_article_id_fkey")),
        sa.PrimaryKeyConstraint("article_id", "start", "version_number", name=op.f("article_views_pkey")),
    )
    op.create_index(op.f("article_views_start_article_id_idx"), "article_views", ["start", "article_id"], unique=False)
    op.add_column(
        "articles", sa.Column("publishes_closing", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column("resolutions", sa.Column("article_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("resolutions_article_id_idx"), "resolutions", ["article_id"], unique=False)
    op.create_foreign_key(op.f("resolutions_article_id_fkey"), "resolutions", "articles", ["article_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint(op.f("resolutions_article_id_fkey"), "resolutions", type_="foreignkey")
    op.drop_index(op.f("resolutions_article_id_idx"), table_name="resolutions")
    op.drop_column("resolutions", "article_id")
    op.drop_column("articles", "publishes_closing")
    op.drop_index(op.f("article_views_start_article_id_idx"), table_name="article_views")
    op.drop_table("article_views")
    op.drop_table("article_standings")
    op.drop_index(op.f("article_reviews_status_requested_at_id_idx"), table_name="article_reviews")
    op.drop_index("article_reviews_open_key", table_name="article_reviews", postgresql_where=sa.text("status = 'OPEN'"))
    op.drop_index(op.f("article_reviews_assignee_id_status_requested_at_id_idx"), table_name="article_reviews")
    op.drop_index(op.f("article_reviews_article_id_closed_at_idx"), table_name="article_reviews")
    op.drop_table("article_reviews")
    op.drop_index(op.f("article_readings_at_idx"), table_name="article_readings")
    op.drop_table("article_readings")
    op.drop_index(
        "article_feedback_saved_idx", table_name="article_feedback", postgresql_where=sa.text("saved_at IS NOT NULL")
    )
    op.drop_index(op.f("article_feedback_person_id_idx"), table_name="article_feedback")
    op.drop_index(op.f("article_feedback_article_id_at_id_idx"), table_name="article_feedback")
    op.drop_table("article_feedback")
