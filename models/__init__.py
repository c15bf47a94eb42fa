"""What the database looks like: tables, constraints, indexes, nothing else."""

from models.attachments import Attachment, Upload
from models.base import Base, Record
from models.calendars import BusinessCalendar
from models.categories import Category
from models.comments import Comment
from models.departments import AssignmentMethod, Department
from models.escalations import Escalation, EscalationRule, EscalationTrigger
from models.events import Event, EventText
from models.inbound import InboundMail, InboundOutcome
from models.jobs import IdempotencyKey, JobRow, JobState
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
from models.notifications import Inbox, MessageChannel, Notification, NotificationKind, NotificationPreference
from models.people import Availability, AvailabilityStatus, Membership, Person, Role
from models.resolutions import Resolution, ResolutionState
from models.routing import RoutingRule
from models.services import Service, ServiceSubscription
from models.sessions import Attempt, Session, SignInLink
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
    "UNRESOLVED",
    "AssignmentMethod",
    "Attachment",
    "Attempt",
    "Availability",
    "AvailabilityStatus",
    "Base",
    "BusinessCalendar",
    "Category",
    "Comment",
    "DeliveryStatus",
    "Department",
    "Escalation",
    "EscalationLevel",
    "EscalationRule",
    "EscalationTrigger",
    "Event",
    "EventText",
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
