"""What can happen to a ticket: ids, enums and numbers; people's words go into `texts`."""

import datetime as dt
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from models import (
    EscalationLevel,
    MessageChannel,
    NotificationKind,
    SlaTargetKind,
    TicketChannel,
    TicketLinkKind,
    TicketPriority,
    TicketStatus,
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a ticket. Its class's name is the kind of the event and the type in the API."""

    internal: ClassVar[bool] = False
    wakes: ClassVar[bool] = False  # whether the clock must look at the ticket, since something may fall due sooner
    announced: ClassVar[bool] = False  # whether people are told of it; whom, and of what, stands in domain/announcing
    counted: ClassVar[bool] = False  # whether figures come of it; which, stands in domain/metrics/facts
    texts: ClassVar[tuple[str, ...]] = ()  # fields that hold people's words, kept in rows of their own


@dataclass(frozen=True, slots=True)
class TicketSubmitted(Happening):
    """The ticket came in; always the first event."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("subject",)

    subject: str
    initial_priority: TicketPriority
    initial_category_id: UUID
    initial_requester_id: UUID
    initial_service_id: UUID | None
    initial_tags: list[str]
    initial_policy_id: UUID | None  # of the SLA; no event of its own tells of it
    channel: TicketChannel


@dataclass(frozen=True, slots=True)
class TicketRouted(Happening):
    """The ticket went to a department."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    from_department_id: UUID | None
    to_department_id: UUID
    rule_id: UUID | None
    escalation_id: UUID | None = None  # in force, if it went along to people of this department


@dataclass(frozen=True, slots=True)
class TicketTriaged(Happening):
    """A person found the right category."""

    internal: ClassVar[bool] = True

    category_id: UUID


@dataclass(frozen=True, slots=True)
class TicketAssigned(Happening):
    """The ticket was given to an agent, taken or put back."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    from_assignee_id: UUID | None
    to_assignee_id: UUID | None


@dataclass(frozen=True, slots=True)
class CommentAdded(Happening):
    """A comment was added; one for staff alone is an internal event."""

    counted: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    comment_id: UUID
    by_staff: bool | None = None  # None where it was not told yet, and what its author is now has to do


@dataclass(frozen=True, slots=True)
class CommentEdited(Happening):
    """A comment was edited; of one for staff alone it is an internal event."""

    announced: ClassVar[bool] = True

    comment_id: UUID
    mentioned_ids: list[UUID] = field(default_factory=list)  # whom it calls that it did not before


@dataclass(frozen=True, slots=True)
class CommentDeleted(Happening):
    """A comment was deleted, or a file of it; of one for staff alone it is an internal event."""

    comment_id: UUID
    attachment_id: UUID | None


@dataclass(frozen=True, slots=True)
class StatusChanged(Happening):
    """The ticket moved between open, pending and on hold."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("reason",)

    from_status: TicketStatus
    to_status: TicketStatus
    reason: str | None
    resumes_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class PriorityChanged(Happening):
    """The priority changed."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True

    from_priority: TicketPriority
    to_priority: TicketPriority


@dataclass(frozen=True, slots=True)
class CategoryChanged(Happening):
    """The category changed."""

    counted: ClassVar[bool] = True

    from_category_id: UUID
    to_category_id: UUID


@dataclass(frozen=True, slots=True)
class SubjectChanged(Happening):
    """The subject changed."""

    texts: ClassVar[tuple[str, ...]] = ("from_subject", "to_subject")

    from_subject: str
    to_subject: str


@dataclass(frozen=True, slots=True)
class ServiceChanged(Happening):
    """The service concerned changed."""

    from_service_id: UUID | None
    to_service_id: UUID | None


@dataclass(frozen=True, slots=True)
class RequesterChanged(Happening):
    """The ticket was handed to another customer."""

    counted: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    from_requester_id: UUID
    to_requester_id: UUID


@dataclass(frozen=True, slots=True)
class TagsChanged(Happening):
    """Tags were added or removed."""

    internal: ClassVar[bool] = True

    added_tags: list[str]
    removed_tags: list[str]


@dataclass(frozen=True, slots=True)
class WatchersChanged(Happening):
    """People began or ceased to watch; when it names staff alone it is an internal event."""

    added_watcher_ids: list[UUID]
    removed_watcher_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class SlaPolicyChanged(Happening):
    """Another SLA policy applies."""

    internal: ClassVar[bool] = True
    wakes: ClassVar[bool] = True

    from_policy_id: UUID | None
    to_policy_id: UUID | None


@dataclass(frozen=True, slots=True)
class SlaBreached(Happening):
    """An SLA target was missed."""

    counted: ClassVar[bool] = True
    internal: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    target: SlaTargetKind
    due_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TicketEscalated(Happening):
    """The ticket was escalated."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    escalation_id: UUID
    level: EscalationLevel


@dataclass(frozen=True, slots=True)
class EscalationAcknowledged(Happening):
    """Someone acknowledged the escalation."""

    wakes: ClassVar[bool] = True

    escalation_id: UUID


@dataclass(frozen=True, slots=True)
class EscalationEnded(Happening):
    """The escalation ended."""

    wakes: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("end_reason",)

    escalation_id: UUID
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class TicketResolved(Happening):
    """The desk declared it solved."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    resolution_id: UUID


@dataclass(frozen=True, slots=True)
class ResolutionConfirmed(Happening):
    """The customer confirmed the resolution or rated it."""

    counted: ClassVar[bool] = True
    announced: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("feedback",)

    resolution_id: UUID
    rating: int | None
    feedback: str | None


@dataclass(frozen=True, slots=True)
class TicketReopened(Happening):
    """The ticket was opened again."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("reason",)

    reason: str | None


@dataclass(frozen=True, slots=True)
class TicketClosed(Happening):
    """The ticket was closed."""

    counted: ClassVar[bool] = True
    announced: ClassVar[bool] = True
    texts: ClassVar[tuple[str, ...]] = ("close_reason",)

    expired: bool
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class TicketMerged(Happening):
    """This ticket was merged with another."""

    counted: ClassVar[bool] = True
    wakes: ClassVar[bool] = True
    announced: ClassVar[bool] = True

    other_id: UUID
    took_in: bool
    answered_by_id: UUID | None = None  # whose answer, the first one in public, came along
    follower_ids: list[UUID] = field(default_factory=list)  # who followed the other one until now, and is told here


@dataclass(frozen=True, slots=True)
class TicketLinked(Happening):
    """The ticket was linked to another."""

    internal: ClassVar[bool] = True

    link_kind: TicketLinkKind
    other_id: UUID


@dataclass(frozen=True, slots=True)
class TicketUnlinked(Happening):
    """A link to another ticket was removed."""

    internal: ClassVar[bool] = True

    link_kind: TicketLinkKind
    other_id: UUID


@dataclass(frozen=True, slots=True)
class MessageSent(Happening):
    """A person was sent an email about the ticket."""

    internal: ClassVar[bool] = True

    recipient_id: UUID
    message_channel: MessageChannel
    message_kind: NotificationKind
    message_id: UUID


KINDS: dict[str, type[Happening]] = {
    kind.__name__: kind
    for kind in (
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
        SlaPolicyChanged,
        SlaBreached,
        TicketEscalated,
        EscalationAcknowledged,
        EscalationEnded,
        TicketResolved,
        ResolutionConfirmed,
        TicketReopened,
        TicketClosed,
        TicketMerged,
        TicketLinked,
        TicketUnlinked,
        MessageSent,
    )
}
SAYING = frozenset({CommentAdded.__name__, CommentEdited.__name__})  # kinds of events that tell what a comment says
