"""What the database looks like: tables, constraints, indexes, nothing else."""

from models.attachments import Attachment, Upload
from models.base import Base, Record
from models.categories import Category
from models.comments import Comment
from models.departments import AssignmentMethod, Department
from models.events import Event, EventText
from models.jobs import IdempotencyKey, JobRow, JobState
from models.messages import DeliveryStatus, Message, MessageChannel, MessageKind
from models.notifications import Inbox, Notification, NotificationKind
from models.people import Membership, Person, Role
from models.routing import RoutingRule
from models.services import Service
from models.sessions import Attempt, Session, SignInLink
from models.tickets import Ticket, TicketChannel, TicketPriority, TicketStatus, TicketWords, Watcher

__all__ = [
    "AssignmentMethod",
    "Attachment",
    "Attempt",
    "Base",
    "Category",
    "Comment",
    "DeliveryStatus",
    "Department",
    "Event",
    "EventText",
    "IdempotencyKey",
    "Inbox",
    "JobRow",
    "JobState",
    "Membership",
    "Message",
    "MessageChannel",
    "MessageKind",
    "Notification",
    "NotificationKind",
    "Person",
    "Record",
    "Role",
    "RoutingRule",
    "Service",
    "Session",
    "SignInLink",
    "Ticket",
    "TicketChannel",
    "TicketPriority",
    "TicketStatus",
    "TicketWords",
    "Upload",
    "Watcher",
]
