"""All kinds of events, for the schema to know them."""

from schema.events.changes import StatusChanged, TicketAssigned, TicketRouted, TicketSubmitted
from schema.events.comments import CommentAdded
from schema.events.escalations import EscalationAcknowledged, EscalationEnded, TicketEscalated
from schema.events.messages import MessageSent
from schema.events.resolutions import TicketReopened
from schema.events.sla import SlaBreached, SlaPolicyChanged

KINDS = (
    TicketSubmitted,
    TicketRouted,
    TicketAssigned,
    CommentAdded,
    StatusChanged,
    TicketEscalated,
    EscalationAcknowledged,
    EscalationEnded,
    TicketReopened,
    MessageSent,
    SlaPolicyChanged,
    SlaBreached,
)
