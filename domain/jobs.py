"""Every job by its name and arguments. Who performs it stands in the room of workers."""

from dataclasses import dataclass
from uuid import UUID

from infra.unit import Job


@dataclass(frozen=True, slots=True)
class AnnounceTicket(Job):
    """Tell the requester and the department's agents in the app that a ticket came in, each once."""

    ticket_id: UUID


@dataclass(frozen=True, slots=True)
class AnnounceComment(Job):
    """Tell those whom a comment concerns, in the app and by email, each once."""

    comment_id: UUID
    event_id: UUID


@dataclass(frozen=True, slots=True)
class RemindOfResolution(Job):
    """Mail a requester once that a resolved ticket of theirs waits for them to confirm."""

    resolution_id: UUID


@dataclass(frozen=True, slots=True)
class SendMessage(Job, retries=1500, longest_wait=60):
    """Put one email into words and hand it to the mail server; a day without one loses nothing."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class SendSignInLink(Job, retries=5):
    """Mail a sign-in link to this address, if somebody active has it."""

    email: str


@dataclass(frozen=True, slots=True)
class EraseFiles(Job, retries=12):
    """Erase the bytes of files that nothing names any more."""

    keys: list[str]
