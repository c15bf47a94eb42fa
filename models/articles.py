"""The knowledge base: its categories, articles with what was published of them, and the words by which one is found."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Base, Choice, Record
from models.people import Person


class ArticleCategory(Record):
    """A category of articles. `path` is the place of each above it and its own, so that it sorts as in a tree."""

    __tablename__ = "article_categories"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index(None, "parent_id"),
        Index(None, "path", "id"),
    )

    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("article_categories.id"))
    ticket_category_ids: Mapped[list[UUID]]
    position: Mapped[int]
    path: Mapped[str]
    archived_at: Mapped[dt.datetime | None]

    parent: Mapped["ArticleCategory | None"] = relationship(remote_side="ArticleCategory.id")


class ArticleStatus(Choice):
    """The state of an article."""

    DRAFT = enum.auto()
    PUBLISHED = enum.auto()
    ARCHIVED = enum.auto()


class ArticleAudience(Choice):
    """Who may read an article."""

    PUBLIC = enum.auto()
    CUSTOMERS = enum.auto()
    STAFF = enum.auto()


class Article(Record):
    """An article as its readers see it: the text of the published version, or of the draft before the first."""

    __tablename__ = "articles"
    __table_args__ = (
        CheckConstraint("length(title) BETWEEN 1 AND 200", name="title_length"),
        Index(None, "category_id", "position", "id"),
        Index(None, "status", "updated_at", "id"),
        Index(None, "language", "status", "audience"),  # whether there is any for somebody
        Index("articles_tags_idx", "tags", postgresql_using="gin"),
    )

    slug: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    summary: Mapped[str]
    body: Mapped[str]
    body_html: Mapped[str]
    category_id: Mapped[UUID] = mapped_column(ForeignKey("article_categories.id"))
    position: Mapped[int]  # in its category; some may be missing
    tags: Mapped[list[str]]
    status: Mapped[ArticleStatus]
    audience: Mapped[ArticleAudience]
    locale: Mapped[str]
    language: Mapped[str]  # PostgreSQL's configuration of full-text search for the locale
    author_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    from_ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))
    number: Mapped[int]  # of the published version; 0 before the first
    published_at: Mapped[dt.datetime | None]
    updated_at: Mapped[dt.datetime]
    publishes_at: Mapped[dt.datetime | None]
    publishes_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    publishes_note: Mapped[str | None]
    publishes_closing: Mapped[bool] = mapped_column(server_default=text("true"))  # the open review, as revised

    category: Mapped[ArticleCategory] = relationship()
    author: Mapped[Person] = relationship(foreign_keys=author_id)


class ArticleVersion(Record):
    """What was published of an article, and, without a moment of publication, the draft of what is to be."""

    __tablename__ = "article_versions"
    __table_args__ = (
        UniqueConstraint("article_id", "number"),
        Index("article_versions_draft_key", "article_id", unique=True, postgresql_where=text("published_at IS NULL")),
    )

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"))
    number: Mapped[int]
    title: Mapped[str]
    summary: Mapped[str]
    body: Mapped[str]
    body_html: Mapped[str]
    edited_by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    edited_at: Mapped[dt.datetime]
    published_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    published_at: Mapped[dt.datetime | None]
    note: Mapped[str | None]

    edited_by: Mapped[Person] = relationship(foreign_keys=edited_by_id)
    published_by: Mapped[Person | None] = relationship(foreign_keys=published_by_id)


class ArticleSlug(Base):
    """That this slug leads to this article, now or from former times."""

    __tablename__ = "article_slugs"

    slug: Mapped[str] = mapped_column(primary_key=True)
    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), index=True)


# A search reads all that waits to be put into an index, which takes longer than to search it; articles seldom change.
AT_ONCE = {"fastupdate": "off"}


class ArticleWords(Base):
    """What an article is found by: the words of title, tags and summary, and all words.

    Each holds the words as they are written and their forms in the article's language. They stand apart since words are
    long, and an article is mostly read by its key.
    """

    __tablename__ = "article_words"
    __table_args__ = (
        Index("article_words_heading_idx", "heading", postgresql_using="gin", postgresql_with=AT_ONCE),
        Index("article_words_words_idx", "words", postgresql_using="gin", postgresql_with=AT_ONCE),
    )

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    audience: Mapped[ArticleAudience]  # who finds it: staff alone unless it is published
    heading: Mapped[str] = mapped_column(TSVECTOR)
    words: Mapped[str] = mapped_column(TSVECTOR)


class ArticleLanguage(Base):
    """That an article is or was in a language: in those of what they may read, whoever searches is understood."""

    __tablename__ = "article_languages"

    language: Mapped[str] = mapped_column(primary_key=True)


class ArticleTerm(Base):
    """In how many articles for an audience a word is: for telling what is rare, and what was misspelt.

    For each audience on its own, so that nobody's search depends on words that they can't read.
    """

    __tablename__ = "article_terms"
    __table_args__ = (
        Index(
            "article_terms_word_trgm_idx",
            "word",
            postgresql_using="gin",
            postgresql_with=AT_ONCE,
            postgresql_ops={"word": "gin_trgm_ops"},
            postgresql_where=text("articles > 0"),
        ),
    )

    word: Mapped[str] = mapped_column(primary_key=True)
    audience: Mapped[ArticleAudience] = mapped_column(primary_key=True)
    articles: Mapped[int]
