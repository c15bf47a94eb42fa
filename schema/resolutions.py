"""How tickets end, as the API shows it: resolutions, confirming, opening again, closing."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import tickets
from domain.access import Viewer
from domain.tickets import ratings
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import stored
from schema.enums import described
from schema.inputs import KEY, optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.tickets import Ticket

LazyTicket = Annotated["Ticket", strawberry.lazy("schema.tickets")]

described(
    models.ResolutionState,
    "What the customer said to a resolution.",
    AWAITING="Nothing so far.",
    CONFIRMED="That it is solved.",
    REJECTED="That it is not, by reopening it or by a comment, which reopens it.",
    EXPIRED="Nothing in time; the ticket closed by itself. A rating is still accepted for 30 days.",
)


@stored(models.Resolution, None, node=False)
@strawberry.type(
    description="How a ticket was resolved, and what the customer said to that. After reopening, that of the last time."
)
class Resolution:
    summary: str | None = attribute("What solved it, Markdown; null when nothing was written.")
    summary_html: str | None = attribute("The summary as HTML.")
    resolved_at: dt.datetime = attribute("When it was resolved.")
    resolved_by: Person | None = attribute("Who resolved it; null when Deskwire did.")
    state: models.ResolutionState = attribute("What the customer said.")
    confirm_by: dt.datetime | None = attribute("Until when the customer can confirm or reopen; null once settled.")
    answered_at: dt.datetime | None = attribute("When the customer answered; null before that.")

    @planned("Satisfaction, 1 (poor) to 5 (very good); null when not rated. The requester, the assignee, and leads.")
    def rating(resolution: models.Resolution, viewer: Viewer) -> int | None:
        return ratings.if_seen(viewer, resolution.ticket_id, resolution.rating)

    @planned("What the customer wrote to the rating; null when nothing. The requester, the assignee, and leads.")
    def feedback(resolution: models.Resolution, viewer: Viewer) -> str | None:
        return ratings.if_seen(viewer, resolution.ticket_id, resolution.feedback)


@strawberry.input(description="What resolveTicket needs.")
class ResolveTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    summary: str | None = optional("What solved it, Markdown, at most 20,000 characters; sent to the customer.")
    article_id: strawberry.ID | None = optional("The article that answers it; counted as used and sent along.")
    if_seq: int | None = optional("Refuse as CHANGED_MEANWHILE when the ticket has gone past this seq.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The ticket is resolved.")
class ResolveTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.one)


ResolveTicketResult = Annotated[
    Union[ResolveTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("ResolveTicketResult", description="What resolveTicket answers."),
]


@strawberry.input(description="What confirmResolution needs.")
class ConfirmResolutionInput:
    ticket_id: strawberry.ID = required("The ticket.")
    rating: int | None = optional("Satisfaction, 1 (poor) to 5 (very good); default: not rated.")
    feedback: str | None = optional("What to add to it, at most 2,000 characters.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Confirmed.")
class ConfirmResolutionSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.one)


ConfirmResolutionResult = Annotated[
    Union[ConfirmResolutionSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("ConfirmResolutionResult", description="What confirmResolution answers."),
]


@strawberry.input(description="What reopenTicket needs.")
class ReopenTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    reason: str = required("Why, at most 2,000 characters; the customer's reason also becomes a comment.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The ticket is open.")
class ReopenTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.one)


ReopenTicketResult = Annotated[
    Union[ReopenTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("ReopenTicketResult", description="What reopenTicket answers."),
]


@strawberry.input(description="What closeTicket needs.")
class CloseTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    reason: str | None = optional("Why, at most 500 characters. For staff only.")


@strawberry.type(description="The ticket is closed.")
class CloseTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.one)


CloseTicketResult = Annotated[
    Union[CloseTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("CloseTicketResult", description="What closeTicket answers."),
]
