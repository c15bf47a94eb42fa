"""Changes of tickets as the API shows them: what each needs and answers."""

import datetime as dt
from typing import Annotated, Any, Union

import strawberry

import models
from domain import tickets
from domain.refusals import ConflictReason
from planner.fields import Payload, payload
from planner.nodes import parse_id
from schema import refusals as shown
from schema.inputs import KEY, optional, required
from schema.refusals import Conflict, InputProblem, InvalidInput, NotAllowed, NotFound, Refusal
from schema.states import UnresolvedStatus
from schema.tickets import Ticket

IF_SEQ = "Refuse as CHANGED_MEANWHILE when the ticket has gone past this seq."


@strawberry.input(description="What updateTicket needs.")
class UpdateTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    if_seq: int | None = optional(IF_SEQ)
    subject: str | None = optional("Subject, 1 to 200 characters.")
    priority: models.TicketPriority | None = optional("Priority.")
    category_id: strawberry.ID | None = optional("Category.")
    department_id: strawberry.ID | None = optional("Department. The assignee stays only if they work in it.")
    service_id: strawberry.ID | None = optional("Service concerned; null: none.")
    requester_id: strawberry.ID | None = optional("The customer.")
    add_tags: list[str] | None = optional("Tags to add; with those there at most 20.")
    remove_tags: list[str] | None = optional("Tags to remove.")


@strawberry.type(description="The ticket is changed.")
class UpdateTicketSuccess:
    ticket: Payload[Ticket] = payload("The ticket.", tickets.changed)


UpdateTicketResult = Annotated[
    Union[UpdateTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("UpdateTicketResult", description="What updateTicket answers."),
]


@strawberry.input(description="What changeTicketStatus needs.")
class ChangeTicketStatusInput:
    ticket_id: strawberry.ID = required("The ticket.")
    status: UnresolvedStatus = required(
        "The status. The others are reached by resolveTicket and closeTicket, and left by reopenTicket."
    )
    reason: str | None = optional("Why, at most 500 characters. For staff only.")
    resumes_at: dt.datetime | None = optional("When a ticket on hold opens again by itself; default: not by itself.")
    if_seq: int | None = optional(IF_SEQ)


@strawberry.type(description="The status is changed.")
class ChangeTicketStatusSuccess:
    ticket: Payload[Ticket] = payload("The ticket.", tickets.changed)


ChangeTicketStatusResult = Annotated[
    Union[ChangeTicketStatusSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("ChangeTicketStatusResult", description="What changeTicketStatus answers."),
]


@strawberry.input(description="What assignTicket needs.")
class AssignTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    assignee_id: strawberry.ID | None = optional(
        "The agent, who must work in the ticket's department; null or absent puts it back."
    )
    if_seq: int | None = optional(IF_SEQ)


@strawberry.type(description="The ticket is assigned.")
class AssignTicketSuccess:
    ticket: Payload[Ticket] = payload("The ticket.", tickets.changed)


AssignTicketResult = Annotated[
    Union[AssignTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("AssignTicketResult", description="What assignTicket answers."),
]


@strawberry.input(description="What triageTicket needs.")
class TriageTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    category_id: strawberry.ID = required("The category; that for everything else means that it belongs there.")
    department_id: strawberry.ID | None = optional("Department; default: by the category and the rules.")
    priority: models.TicketPriority | None = optional("Priority; default: as it is.")


@strawberry.type(description="The ticket has its category.")
class TriageTicketSuccess:
    ticket: Payload[Ticket] = payload("The ticket.", tickets.changed)


TriageTicketResult = Annotated[
    Union[TriageTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("TriageTicketResult", description="What triageTicket answers."),
]


@strawberry.input(description="What updateTickets needs.")
class UpdateTicketsInput:
    ticket_ids: list[strawberry.ID] = required("The tickets, 1 to 100.")
    status: UnresolvedStatus | None = optional("Status.")
    priority: models.TicketPriority | None = optional("Priority.")
    category_id: strawberry.ID | None = optional("Category.")
    department_id: strawberry.ID | None = optional("Department.")
    assignee_id: strawberry.ID | None = optional("Agent; null puts them back.")
    add_tags: list[str] | None = optional("Tags to add.")
    remove_tags: list[str] | None = optional("Tags to remove.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Why one of many tickets was not changed.")
class TicketRefusal:
    ticket_id: strawberry.ID = strawberry.field(description="The ticket's id as given.")
    refusal: Refusal = strawberry.field(description="Why.")

    def kept(self) -> dict[str, Any]:
        """What is remembered of it under an idempotency key."""
        refusal = self.refusal
        kept: dict[str, Any] = {"ticket": self.ticket_id, "type": type(refusal).__name__, "message": refusal.message}
        if isinstance(refusal, InvalidInput):
            kept |= {"field": refusal.field, "problems": [[each.field, each.message] for each in refusal.problems]}
        elif isinstance(refusal, NotFound):
            kept["field"] = refusal.field
        elif isinstance(refusal, Conflict):
            kept["reason"] = refusal.reason.name
        return kept

    @classmethod
    def recalled(cls, kept: dict[str, Any]) -> "TicketRefusal":
        """The refusal that was remembered."""
        message = kept["message"]
        match kept["type"]:
            case "InvalidInput":
                problems = [InputProblem(field=field, message=text) for field, text in kept["problems"]]
                refusal: Refusal = InvalidInput(message=message, field=kept["field"], problems=problems)
            case "NotFound":
                refusal = NotFound(message=message, field=kept["field"])
            case "Conflict":
                current: Any = (models.Ticket, parse_id(kept["ticket"], models.Ticket))
                reason = ConflictReason[kept["reason"]]
                refusal = Conflict(message=message, reason=reason, current=current, missed_events=[])
            case _:
                refusal = NotAllowed(message=message)
        return cls(ticket_id=strawberry.ID(kept["ticket"]), refusal=refusal)


REFUSED = frozenset({"InvalidInput", "NotFound", "NotAllowed", "Conflict"})


def refused(ticket_id: str, refusal: Any) -> TicketRefusal:
    """Why this ticket was not changed. Raises the refusal when the API has no type for it."""
    found = shown.shown(refusal, REFUSED)
    if found is None:
        raise refusal
    return TicketRefusal(ticket_id=strawberry.ID(ticket_id), refusal=found)


@strawberry.type(description="Each ticket was tried.")
class UpdateTicketsSuccess:
    updated: list[Payload[Ticket]] = payload("The tickets that were changed.", tickets.changed, most=100)
    refused: list[TicketRefusal] = strawberry.field(description="The tickets that were not, and why.")


UpdateTicketsResult = Annotated[
    Union[UpdateTicketsSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("UpdateTicketsResult", description="What updateTickets answers."),
]


@strawberry.input(description="What takeNextTicket needs.")
class TakeNextTicketInput:
    department_id: strawberry.ID | None = optional("Only from this department; default: any of the viewer's.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The choice is made.")
class TakeNextTicketSuccess:
    ticket: Payload[Ticket] | None = payload("The ticket, now the viewer's; null when none waits.", tickets.one)


TakeNextTicketResult = Annotated[
    Union[TakeNextTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("TakeNextTicketResult", description="What takeNextTicket answers."),
]
