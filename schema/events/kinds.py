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
from schema.events.links import TicketLinked, TicketMerged, TicketUnlinked
from schema.events.messages import MessageSent
from schema.events.resolutions import TicketReopened

KINDS = (
    TicketSubmitted,
    TicketRouted,
    TicketTriaged,
    TicketAssigned,
    CommentAdded,
    CommentEdited,
    CommentDeleted,
    StatusChanged,
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
    MessageSent,
)
