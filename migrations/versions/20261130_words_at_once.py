"""words at once."""

from alembic import op

revision = "a1d97c34be60"
down_revision = "3e8b52c0d9a4"
branch_labels = None
depends_on = None

# What is new of them waits in no list that each search would have to read.
INDEXES = ("article_words_heading_idx", "article_words_words_idx", "article_terms_word_trgm_idx")


def upgrade() -> None:
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} SET (fastupdate = off)")
        op.execute(f"SELECT gin_clean_pending_list('{index}')")


def downgrade() -> None:
    for index in INDEXES:
        op.execute(f"ALTER INDEX {index} RESET (fastupdate)")
