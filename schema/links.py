"""Who follows a ticket and which tickets belong together, as the API shows it."""

from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import tickets
from planner.fields import Payload, attribute, payload
from planner.nodes import stored
from schema.enums import described
from schema.inputs import KEY, optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.tickets import Ticket

LazyTicket = Annotated["Ticket", strawberry.lazy("schema.tickets")]

described(
    models.TicketLinkKind,
    "What one ticket is to another.",
    RELATED="About the same matter.",
    BLOCKED_BY="What this one waits for.",
    BLOCKS="What waits for this one.",
)


@stored(models.TicketLink, None, node=False)
@strawberry.type(description="A link between two tickets, seen from one of them.")
class TicketLink:
    kind: models.TicketLinkKind = attribute("What the other is to this one.")
    ticket: LazyTicket = attribute("The other ticket.", column="other")


@strawberry.input(description="What linkTickets needs.")
class LinkTicketsInput:
    ticket_id: strawberry.ID = required("The first ticket.")
    other_ticket_id: strawberry.ID = required("The second ticket.")
    kind: models.TicketLinkKind = strawberry.field(
        description="What the second is to the first.", default=models.TicketLinkKind.RELATED
    )


@strawberry.type(description="Linked.")
class LinkTicketsSuccess:
    ticket: Payload[LazyTicket] = payload("The first ticket.", tickets.one)


LinkTicketsResult = Annotated[
    Union[LinkTicketsSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("LinkTicketsResult", description="What linkTickets answers."),
]


@strawberry.input(description="What unlinkTickets needs.")
class UnlinkTicketsInput:
    ticket_id: strawberry.ID = required("The first ticket.")
    other_ticket_id: strawberry.ID = required("The second ticket.")


@strawberry.type(description="Not linked any more.")
class UnlinkTicketsSuccess:
    ticket: Payload[LazyTicket] = payload("The first ticket.", tickets.one)


UnlinkTicketsResult = Annotated[
    Union[UnlinkTicketsSuccess, NotFound, NotAllowed],
    strawberry.union("UnlinkTicketsResult", description="What unlinkTickets answers."),
]


@strawberry.input(description="What mergeTickets needs.")
class MergeTicketsInput:
    into_ticket_id: strawberry.ID = required("The ticket that remains.")
    ticket_ids: list[strawberry.ID] = required("The tickets that go into it, 1 to 20.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Merged.")
class MergeTicketsSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket that remains.", tickets.one)


MergeTicketsResult = Annotated[
    Union[MergeTicketsSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("MergeTicketsResult", description="What mergeTickets answers."),
]


@strawberry.input(description="What watchTicket needs.")
class WatchTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    person_id: strawberry.ID | None = optional("Who; default: the viewer.")


@strawberry.type(description="Watching.")
class WatchTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.changed)


WatchTicketResult = Annotated[
    Union[WatchTicketSuccess, NotFound, NotAllowed],
    strawberry.union("WatchTicketResult", description="What watchTicket answers."),
]


@strawberry.input(description="What unwatchTicket needs.")
class UnwatchTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    person_id: strawberry.ID | None = optional("Who; default: the viewer.")


@strawberry.type(description="Not watching any more.")
class UnwatchTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.changed)


UnwatchTicketResult = Annotated[
    Union[UnwatchTicketSuccess, NotFound, NotAllowed],
    strawberry.union("UnwatchTicketResult", description="What unwatchTicket answers."),
]
