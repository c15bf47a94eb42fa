"""Texts that a desk words for itself."""

import datetime as dt
import enum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Choice, Record
from models.departments import Department
from models.notifications import NotificationKind


class MessageTemplateUse(Choice):
    """Where a template is used."""

    REPLY = enum.auto()
    EMAIL = enum.auto()
    IN_APP = enum.auto()


class MessageTemplate(Record):
    """The text of a reply that agents can use, or of a message that Deskwire sends, with {{placeholders}}."""

    __tablename__ = "message_templates"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("length(body) BETWEEN 1 AND 20000", name="body_length"),
        CheckConstraint("(use = 'REPLY') = (kind IS NULL)", name="kind"),
        # Where the same people read them all: whoever finds a name taken sees by which.
        Index(
            "message_templates_department_name_key",
            "use",
            "department_id",
            "name",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index(
            "message_templates_kind_key",
            "kind",
            "use",
            "locale",
            unique=True,
            postgresql_where=text("kind IS NOT NULL"),
        ),
    )

    name: Mapped[str]
    use: Mapped[MessageTemplateUse]
    kind: Mapped[NotificationKind | None]
    locale: Mapped[str]
    subject: Mapped[str | None]
    body: Mapped[str]
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"))
    updated_at: Mapped[dt.datetime]

    department: Mapped[Department | None] = relationship()
