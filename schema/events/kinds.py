"""All kinds of events, for the schema to know them."""

from schema.events.changes import (
    CategoryChanged,
    PriorityChanged,
    RequesterChanged,
    ServiceChanged,
    StatusChanged,
    SubjectChanged,
    TagsChanged,
    TicketAssigned,
    TicketRouted,
    TicketSubmitted,
    TicketTriaged,
    WatchersChanged,
)
from schema.events.comments import CommentAdded, CommentDeleted, CommentEdited
from schema.events.escalations import EscalationAcknowledged, EscalationEnded, TicketEscalated
from schema.events.links import TicketLinked, TicketMerged, TicketUnlinked
from schema.events.messages import MessageSent
from schema.events.resolutions import ResolutionConfirmed, TicketClosed, TicketReopened, TicketResolved
from schema.events.sla import SlaBreached, SlaPolicyChanged

KINDS = (
    TicketSubmitted,
    TicketRouted,
    TicketTriaged,
    TicketAssigned,
    CommentAdded,
    CommentEdited,
    CommentDeleted,
    StatusChanged,
    TicketEscalated,
    EscalationAcknowledged,
    EscalationEnded,
    PriorityChanged,
    CategoryChanged,
    SubjectChanged,
    ServiceChanged,
    RequesterChanged,
    TagsChanged,
    WatchersChanged,
    TicketReopened,
    TicketMerged,
    TicketLinked,
    TicketUnlinked,
    TicketResolved,
    ResolutionConfirmed,
    TicketClosed,
    MessageSent,
    SlaPolicyChanged,
    SlaBreached,
)
