"""What is kept of who changed what and who was let in, and which tables that is about."""

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.articles import ArticleCategory
from models.base import Base, Record
from models.calendars import BusinessCalendar
from models.categories import Category
from models.departments import Department
from models.escalations import EscalationRule
from models.letters import DeadLetter
from models.people import Availability, Membership, Person
from models.routing import RoutingRule
from models.services import Service
from models.sessions import ApiToken, ExternalIdentity, Session, SignInLink
from models.sla import SlaPolicy, SlaVersion
from models.templates import MessageTemplate


class AuditEntry(Record):
    """One change of settings or people, or one attempt to come in. It only grows: a trigger refuses all else.

    What is personal stands in `changes` and `ip_address` alone. Those can be blanked where a transaction says that it
    erases somebody (`SET LOCAL deskwire.erasing = 'on'`); for good, and nothing else of it.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "actor_id", "at", "id"),
        Index("audit_entries_subject_idx", "subject_id", "at", "id", postgresql_where=text("subject_id IS NOT NULL")),
        Index(None, "action", "at", "id"),
    )

    at: Mapped[dt.datetime]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    action: Mapped[str]
    subject_table: Mapped[str | None]
    subject_id: Mapped[UUID | None]  # names what may be gone
    summary: Mapped[str]
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    ip_address: Mapped[str | None]

    actor: Mapped[Person | None] = relationship()


class Audited(NamedTuple):
    """How changes of a table's rows are told: what one is called, and what of it is not told."""

    noun: str
    label: str | None = None  # the column that tells one from others; never of a person
    of: tuple[str, type[Record]] | None = None  # it belongs to another row, the entry's subject: which column names it
    secret: frozenset[str] = frozenset()  # that they changed is told, their values are not
    silent: frozenset[str] = frozenset()  # not told of; where nothing else changed, there is no entry
    made: str | None = "Created"  # None: that it comes to be is not told
    changed: str = "Changed"
    deleted: str = "Deleted"


UNTOLD = frozenset({"id", "created_at", "changed_at", "updated_at"})

AUDITED: dict[type[Base], Audited] = {
    ArticleCategory: Audited("the category of articles", "name", silent=frozenset({"path"})),
    BusinessCalendar: Audited("the calendar", "name"),
    Category: Audited("the category", "name"),
    Department: Audited("the department", "name"),
    DeadLetter: Audited("the dead letter", "name", made=None, changed="Settled", silent=frozenset({"settled_by_id"})),
    EscalationRule: Audited("the escalation rule", "name"),
    MessageTemplate: Audited("the message template", "name"),
    RoutingRule: Audited("the routing rule", "name"),
    Service: Audited("the service", "name"),
    SlaPolicy: Audited("the SLA policy", "name"),
    SlaVersion: Audited("the targets of an SLA policy", of=("policy_id", SlaPolicy), silent=frozenset({"number"})),
    Person: Audited("a person", secret=frozenset({"password_hash"}), silent=frozenset({"last_seen_at"})),
    Membership: Audited("a membership", of=("person_id", Person), made="Added", deleted="Removed"),
    Availability: Audited("an availability", of=("person_id", Person), silent=frozenset({"last_assigned_at"})),
    Session: Audited(
        "a session",
        of=("person_id", Person),
        silent=frozenset({"refresh_count", "expires_at"}),
        made="Opened",
        changed="Ended",
    ),
    SignInLink: Audited(
        "a sign-in link", of=("person_id", Person), silent=frozenset({"expires_at"}), made="Sent", changed="Used"
    ),
    ExternalIdentity: Audited("who they are to another issuer of tokens", of=("person_id", Person), made="Linked"),
    ApiToken: Audited(
        "an API token",
        secret=frozenset({"digest", "hint"}),
        silent=frozenset({"last_used_at"}),
        changed="Revoked",
    ),
}
