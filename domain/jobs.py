"""Every job by its name and arguments. Who performs it stands in the room of workers."""

from dataclasses import dataclass
from uuid import UUID

from infra.unit import Job


@dataclass(frozen=True, slots=True)
class Announce(Job, together=100):
    """Tell those whom events of tickets concern, in the app and by email, each once."""

    event_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class Count(Job, together=100, retries=200, longest_wait=30):
    """Count what has happened to these tickets since they were counted last, and add up what is counted."""

    ticket_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class TellReview(Job, retries=200, longest_wait=30):
    """Tell whoever is to review an article."""

    review_id: UUID


@dataclass(frozen=True, slots=True)
class RemindOfResolution(Job):
    """Mail a requester once that a resolved ticket of theirs waits for them to confirm."""

    resolution_id: UUID


@dataclass(frozen=True, slots=True)
class SendMessage(Job, together=40, retries=1500, longest_wait=60):
    """Put one email into words and hand it to the mail server; a day without one loses nothing."""

    message_id: UUID


@dataclass(frozen=True, slots=True)
class SendSignInLink(Job, retries=5):
    """Mail a sign-in link to this address, if somebody active has it."""

    email: str


@dataclass(frozen=True, slots=True)
class SignUp(Job, retries=5):
    """Make whoever has this address a customer, unless they are known; and mail them a sign-in link."""

    name: str
    email: str
    locale: str | None


@dataclass(frozen=True, slots=True)
class Unassign(Job):
    """Put back the tickets of somebody who works here no more, who follows none either: a batch of those with keys
    above `after`, then more.
    """

    person_id: UUID
    actor_id: UUID | None  # None: whoever operates the desk
    after: UUID


@dataclass(frozen=True, slots=True)
class RaiseDeserted(Job):
    """Raise anew what was escalated to nobody but somebody who is not there any more: a batch of tickets above `after`,
    then more.
    """

    person_id: UUID
    after: UUID


@dataclass(frozen=True, slots=True)
class LeaveArchived(Job):
    """Send on what came into a department while it was archived: a batch of tickets above `after`, then more."""

    department_id: UUID
    after: UUID


@dataclass(frozen=True, slots=True)
class EraseFiles(Job, retries=12):
    """Erase the bytes of files that nothing names any more."""

    keys: list[str]


@dataclass(frozen=True, slots=True)
class WarnOfSla(Job, together=500):
    """Tell whoever works on the ticket, or else its department's leads, that this SLA target is due within the hour."""

    ticket_id: UUID
    target: str


@dataclass(frozen=True, slots=True)
class RecalculateSla(Job, delay=2.0):
    """Count anew for unresolved tickets that a policy, a calendar, or a department's choice of one concerns.

    It does a batch, and asks for the next one: the tickets after this version and ticket. It waits for units that were
    under way when the change was made, and may have counted by what was before.
    """

    policy_id: UUID | None
    calendar_id: UUID | None
    department_id: UUID | None
    after_version_id: UUID | None = None
    after_ticket_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LookAgain(Job, retries=100, longest_wait=60):
    """Have the clock look at the unresolved tickets with keys above `after`, of these departments and priorities.

    A batch of them; the rest is a job of its own. Empty: any.
    """

    after: UUID
    department_ids: list[str]
    priorities: list[str]


@dataclass(frozen=True, slots=True)
class PublishArticle(Job, retries=100, longest_wait=60):
    """Publish the draft of an article if its moment has come."""

    article_id: UUID


@dataclass(frozen=True, slots=True)
class TellMaintenance(Job, retries=100, longest_wait=60):
    """Tell a batch of people what happened to a notice: those with keys above `after`; the rest is a job of its own."""

    happening_id: UUID
    after: UUID | None


@dataclass(frozen=True, slots=True)
class TellOperator(Job, retries=200, longest_wait=300):
    """Mail whoever operates the desk that something broke: its kind, its place, and ids of what was being done."""

    error_id: str
    fault: str
    place: str
    about: dict[str, str]
    at: str


@dataclass(frozen=True, slots=True)
class SendMaintenance(Job, retries=1500, longest_wait=60):
    """Send some of the emails about this, and ask for the next: however many there are, it is one job at a time."""

    happening_id: UUID
