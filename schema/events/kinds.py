"""All kinds of events, for the schema to know them."""

from schema.events.changes import StatusChanged, TicketAssigned, TicketRouted, TicketSubmitted
from schema.events.comments import CommentAdded
from schema.events.messages import MessageSent
from schema.events.resolutions import ResolutionConfirmed, TicketClosed, TicketReopened, TicketResolved

KINDS = (
    TicketSubmitted,
    TicketRouted,
    TicketAssigned,
    CommentAdded,
    StatusChanged,
    TicketResolved,
    ResolutionConfirmed,
    TicketReopened,
    TicketClosed,
    MessageSent,
)
