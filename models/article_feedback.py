"""What readers think of articles, how often they open them, and the reviews that follow from it."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.articles import Article
from models.base import Base, Choice, Record
from models.people import Person


class ArticleReviewReason(Choice):
    """Why an article is to be reviewed."""

    POOR_RATING = enum.auto()
    OFTEN_UNHELPFUL = enum.auto()
    REQUESTED = enum.auto()


class ArticleReviewStatus(Choice):
    """The state of a review."""

    OPEN = enum.auto()
    REVISED = enum.auto()
    DISMISSED = enum.auto()


class ArticleReview(Record):
    """A request to review an article. At most one is open for an article."""

    __tablename__ = "article_reviews"
    __table_args__ = (
        CheckConstraint("(status = 'OPEN') = (closed_at IS NULL)", name="closed"),
        Index("article_reviews_open_key", "article_id", unique=True, postgresql_where=text("status = 'OPEN'")),
        Index(None, "article_id", "closed_at"),
        Index(None, "status", "requested_at", "id"),
        Index(None, "assignee_id", "status", "requested_at", "id"),
    )

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"))
    reason: Mapped[ArticleReviewReason]
    note: Mapped[str | None]
    status: Mapped[ArticleReviewStatus]
    since: Mapped[dt.datetime]  # poor feedback from then on until it is closed belongs to it
    requested_at: Mapped[dt.datetime]
    requested_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    closed_at: Mapped[dt.datetime | None]
    closed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    outcome: Mapped[str | None]

    article: Mapped[Article] = relationship()
    requested_by: Mapped[Person | None] = relationship(foreign_keys=requested_by_id)
    assignee: Mapped[Person | None] = relationship(foreign_keys=assignee_id)
    closed_by: Mapped[Person | None] = relationship(foreign_keys=closed_by_id)


class ArticleFeedbackSource(Choice):
    """Where feedback was given."""

    ARTICLE = enum.auto()
    TICKET_FORM = enum.auto()
    TICKET = enum.auto()


class ArticleFeedback(Record):
    """What one reader thinks of one version of an article.

    `badness`: the rating turned round, 5 to 1; at least 4 for what did not help; 0 where neither was said.
    """

    __tablename__ = "article_feedback"
    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        CheckConstraint("length(comment) BETWEEN 1 AND 2000", name="comment_length"),
        CheckConstraint("helpful IS NOT NULL OR rating IS NOT NULL OR comment IS NOT NULL", name="something"),
        CheckConstraint("(saved_at IS NULL) = (saved_category_id IS NULL)", name="saved"),
        UniqueConstraint("article_id", "reader_id", "version_number"),
        Index(None, "article_id", "at", "id"),
        Index(None, "person_id"),
        Index("article_feedback_saved_idx", "saved_at", postgresql_where=text("saved_at IS NOT NULL")),
    )

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"))
    version_number: Mapped[int]
    reader_id: Mapped[UUID]  # the person's, a visitor's, or of whoever came by a link about a ticket that one's
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    helpful: Mapped[bool | None]
    rating: Mapped[int | None] = mapped_column(SmallInteger)
    comment: Mapped[str | None]
    badness: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[ArticleFeedbackSource]
    at: Mapped[dt.datetime]
    # When it saved a ticket, and of which category and department that would have been; zeros: nobody can say.
    saved_at: Mapped[dt.datetime | None]
    saved_category_id: Mapped[UUID | None]
    saved_department_id: Mapped[UUID | None]

    article: Mapped[Article] = relationship()
    person: Mapped[Person | None] = relationship()


class ArticleReading(Base):
    """When a reader's opening of an article was last counted. Forgotten after a while."""

    __tablename__ = "article_readings"
    __table_args__ = (Index(None, "at"),)

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    reader_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime]


class ArticleViews(Base):
    """How often a version of an article was opened in a quarter of an hour."""

    __tablename__ = "article_views"
    __table_args__ = (Index(None, "start", "article_id"),)

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    start: Mapped[dt.datetime] = mapped_column(primary_key=True)
    version_number: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]


class ArticleStanding(Base):
    """What lists of articles are ordered by: of the last 30 days, in whole hours. Without a row: nothing."""

    __tablename__ = "article_standings"

    article_id: Mapped[UUID] = mapped_column(ForeignKey("articles.id"), primary_key=True)
    views: Mapped[int]
    helpful: Mapped[int]
    unhelpful: Mapped[int]
