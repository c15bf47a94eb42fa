"""Values that tickets share with what hangs on them, described."""

import enum

import models
from domain.tickets.actions import TicketAction
from schema.enums import described

described(
    models.TicketStatus,
    "The state of a ticket.",
    OPEN="Waiting for the desk.",
    PENDING="Waiting for the customer; a comment of theirs opens it. SLA clocks rest.",
    ON_HOLD="Waiting for something else. SLA clocks rest if the policy says so.",
    RESOLVED="The desk has answered; the customer can confirm or reopen it.",
    CLOSED="Finished. No more comments; the customer can submit another ticket.",
)
described(
    models.TicketChannel,
    "How a ticket or comment came in.",
    PORTAL="By the customer in a front end.",
    EMAIL="By email.",
    AGENT="By an agent in the customer's name.",
    API="By a program.",
)
described(
    models.MessageChannel,
    "A way of reaching people.",
    EMAIL="By email.",
    IN_APP="A notification in the front ends.",
)
described(
    models.DeliveryStatus,
    "What became of a message.",
    QUEUED="Waits to be sent.",
    SENT="Handed over to the mail server.",
    FAILED="Given up after all retries.",
    SKIPPED="Not sent, since the person does not want it.",
)


class UnresolvedStatus(enum.Enum):
    """States among which a ticket is moved by hand."""

    OPEN = models.TicketStatus.OPEN
    PENDING = models.TicketStatus.PENDING
    ON_HOLD = models.TicketStatus.ON_HOLD


described(
    UnresolvedStatus,
    "States among which a ticket is moved by hand until it is resolved.",
    OPEN="Waiting for the desk.",
    PENDING="Waiting for the customer.",
    ON_HOLD="Waiting for something else.",
)
described(
    TicketAction,
    "What can be done with a ticket.",
    COMMENT="Write a comment that the customer can read.",
    COMMENT_INTERNALLY="Write a comment for staff only.",
    UPDATE="Change subject, priority, category, department, service or tags.",
    TRIAGE="Find its right category.",
    ASSIGN="Give it to an agent, take it or put it back.",
    CHANGE_STATUS="Move it between open, pending and on hold.",
    RESOLVE="Declare it solved.",
    CONFIRM="Confirm the resolution and rate it.",
    REOPEN="Open it again.",
    CLOSE="Close it for good.",
    ESCALATE="Escalate it.",
    SETTLE_ESCALATION="Acknowledge or end its escalation.",
    LINK="Merge it with another, or link it.",
    MANAGE_WATCHERS="Add or remove watchers other than oneself.",
)
