"""What the database looks like: tables, constraints, indexes, nothing else."""

from models.article_feedback import (
    ArticleFeedback,
    ArticleFeedbackSource,
    ArticleReading,
    ArticleReview,
    ArticleReviewReason,
    ArticleReviewStatus,
    ArticleStanding,
    ArticleViews,
)
from models.articles import (
    Article,
    ArticleAudience,
    ArticleCategory,
    ArticleLanguage,
    ArticleSlug,
    ArticleStatus,
    ArticleTerm,
    ArticleVersion,
    ArticleWords,
)
from models.attachments import Attachment, Upload
from models.audit import AuditEntry
from models.base import Base, Record
from models.calendars import BusinessCalendar
from models.categories import Category
from models.comments import Comment
from models.departments import AssignmentMethod, Department
from models.escalations import Escalation, EscalationRule, EscalationTrigger
from models.events import Event, EventText
from models.inbound import InboundMail, InboundOutcome
from models.jobs import IdempotencyKey, JobRow, JobState
from models.letters import DeadLetter, DeadLetterKind, DeadLetterStatus
from models.maintenance import (
    HappeningKind,
    MaintenanceAudience,
    MaintenanceHappening,
    MaintenanceNotice,
    MaintenanceRecipient,
    MaintenanceService,
    MaintenanceSeverity,
    MaintenanceStatus,
)
from models.messages import DeliveryStatus, Message, MessageKind
from models.metrics import HISTOGRAMS, MEASURES, Fact, MeasuredTicket, Sums
from models.notifications import Inbox, MessageChannel, Notification, NotificationKind, NotificationPreference
from models.people import Availability, AvailabilityStatus, Membership, Person, Role
from models.resolutions import Resolution, ResolutionState
from models.routing import RoutingRule
from models.services import Service, ServiceSubscription
from models.sessions import ApiToken, ApiTokenScope, Attempt, ExternalIdentity, Session, SignInLink
from models.sla import SlaClock, SlaPolicy, SlaTargetKind, SlaVersion
from models.templates import MessageTemplate, MessageTemplateUse
from models.tickets import (
    UNRESOLVED,
    EscalationLevel,
    Presence,
    PresenceActivity,
    Ticket,
    TicketChannel,
    TicketLink,
    TicketLinkKind,
    TicketPriority,
    TicketStatus,
    TicketWords,
    Watcher,
)
from models.views import TicketView

__all__ = [
    "HISTOGRAMS",
    "MEASURES",
    "UNRESOLVED",
    "ApiToken",
    "ApiTokenScope",
    "Article",
    "ArticleAudience",
    "ArticleCategory",
    "ArticleFeedback",
    "ArticleFeedbackSource",
    "ArticleLanguage",
    "ArticleReading",
    "ArticleReview",
    "ArticleReviewReason",
    "ArticleReviewStatus",
    "ArticleSlug",
    "ArticleStanding",
    "ArticleStatus",
    "ArticleTerm",
    "ArticleVersion",
    "ArticleViews",
    "ArticleWords",
    "AssignmentMethod",
    "Attachment",
    "Attempt",
    "AuditEntry",
    "Availability",
    "AvailabilityStatus",
    "Base",
    "BusinessCalendar",
    "Category",
    "Comment",
    "DeadLetter",
    "DeadLetterKind",
    "DeadLetterStatus",
    "DeliveryStatus",
    "Department",
    "Escalation",
    "EscalationLevel",
    "EscalationRule",
    "EscalationTrigger",
    "Event",
    "EventText",
    "ExternalIdentity",
    "Fact",
    "HappeningKind",
    "IdempotencyKey",
    "InboundMail",
    "InboundOutcome",
    "Inbox",
    "JobRow",
    "JobState",
    "MaintenanceAudience",
    "MaintenanceHappening",
    "MaintenanceNotice",
    "MaintenanceRecipient",
    "MaintenanceService",
    "MaintenanceSeverity",
    "MaintenanceStatus",
    "MeasuredTicket",
    "Membership",
    "Message",
    "MessageChannel",
    "MessageKind",
    "MessageTemplate",
    "MessageTemplateUse",
    "Notification",
    "NotificationKind",
    "NotificationPreference",
    "Person",
    "Presence",
    "PresenceActivity",
    "Record",
    "Resolution",
    "ResolutionState",
    "Role",
    "RoutingRule",
    "Service",
    "ServiceSubscription",
    "Session",
    "SignInLink",
    "SlaClock",
    "SlaPolicy",
    "SlaTargetKind",
    "SlaVersion",
    "Sums",
    "Ticket",
    "TicketChannel",
    "TicketLink",
    "TicketLinkKind",
    "TicketPriority",
    "TicketStatus",
    "TicketView",
    "TicketWords",
    "Upload",
    "Watcher",
]
