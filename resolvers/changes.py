"""Changes of tickets: what is known about them, their state, and who has them."""

from typing import Any

import models
from domain.tickets import changing, handling, many
from infra.unit import Unit
from planner.nodes import global_id
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.changes import (
    AssignTicketInput,
    AssignTicketResult,
    AssignTicketSuccess,
    ChangeTicketStatusInput,
    ChangeTicketStatusResult,
    ChangeTicketStatusSuccess,
    TakeNextTicketInput,
    TakeNextTicketResult,
    TakeNextTicketSuccess,
    TriageTicketInput,
    TriageTicketResult,
    TriageTicketSuccess,
    UpdateTicketInput,
    UpdateTicketResult,
    UpdateTicketsInput,
    UpdateTicketsResult,
    UpdateTicketsSuccess,
    UpdateTicketSuccess,
    refused,
)
from schema.context import Context
from schema.inputs import given, present

# What an input names by an id, and the field's name in the API.
NAMED: dict[str, tuple[type, str]] = {
    "category_id": (models.Category, "categoryId"),
    "department_id": (models.Department, "departmentId"),
    "service_id": (models.Service, "serviceId"),
    "requester_id": (models.Person, "requesterId"),
    "assignee_id": (models.Person, "assigneeId"),
}


def _wanted(input: Any, *names: str) -> dict[str, Any]:
    """What of these fields was given, with keys for ids."""
    return {
        name: value if value is None or name not in NAMED else key_of(value, *NAMED[name])
        for name, value in present(input, *names).items()
    }


@mutation(
    "Changes what is known about a ticket. Another category or department routes it anew. "
    "Staff; requesters: subject, until it is resolved."
)
async def update_ticket(unit: Unit, context: Context, input: UpdateTicketInput) -> UpdateTicketResult:
    wanted = _wanted(
        input, "subject", "priority", "category_id", "department_id", "service_id", "requester_id", "add_tags",
        "remove_tags",
    )  # fmt: skip
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    return UpdateTicketSuccess(
        ticket=await changing.update(unit, context.viewer, ticket_id, wanted, given(input.if_seq))
    )


@mutation(
    "Does the same to many tickets at once, each for itself: what is refused for one does not hold up the others. "
    "Staff."
)
async def update_tickets(unit: Unit, context: Context, input: UpdateTicketsInput) -> UpdateTicketsResult:
    wanted = _wanted(
        input, "priority", "category_id", "department_id", "assignee_id", "status", "add_tags", "remove_tags"
    )
    if status := given(input.status):
        wanted["status"] = status.value
    done = await many.update(unit, context.viewer, keys_of(input.ticket_ids, models.Ticket, "ticketIds"), wanted)
    return UpdateTicketsSuccess(
        updated=list(done.updated),
        refused=[refused(global_id(models.Ticket, ticket_id), refusal) for ticket_id, refusal in done.refused],
    )


@mutation("Finds the right category for a ticket of the category for everything else, and routes it anew. Staff.")
async def triage_ticket(unit: Unit, context: Context, input: TriageTicketInput) -> TriageTicketResult:
    ticket_id = await changing.triage(
        unit,
        context.viewer,
        key_of(input.ticket_id, models.Ticket, "ticketId"),
        key_of(input.category_id, models.Category, "categoryId"),
        department_id=optional_key(input.department_id, models.Department, "departmentId"),
        priority=given(input.priority),
    )
    return TriageTicketSuccess(ticket=ticket_id)


@mutation("Gives a ticket to an agent, takes it or puts it back. Staff.")
async def assign_ticket(unit: Unit, context: Context, input: AssignTicketInput) -> AssignTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    assignee_id = optional_key(input.assignee_id, models.Person, "assigneeId")
    return AssignTicketSuccess(
        ticket=await handling.assign(unit, context.viewer, ticket_id, assignee_id, if_seq=given(input.if_seq))
    )


@mutation(
    "Gives the viewer the ticket that should be worked on next: escalated, then soonest due, then most urgent, then "
    "longest waiting. No two agents get the same. Staff."
)
async def take_next_ticket(unit: Unit, context: Context, input: TakeNextTicketInput) -> TakeNextTicketResult:
    department_id = optional_key(input.department_id, models.Department, "departmentId")
    return TakeNextTicketSuccess(ticket=await handling.take_next(unit, context.viewer, department_id))


@mutation("Moves a ticket between open, pending and on hold. Staff.")
async def change_ticket_status(
    unit: Unit, context: Context, input: ChangeTicketStatusInput
) -> ChangeTicketStatusResult:
    ticket_id = await handling.change_status(
        unit,
        context.viewer,
        key_of(input.ticket_id, models.Ticket, "ticketId"),
        input.status.value,
        reason=given(input.reason),
        resumes_at=given(input.resumes_at),
        if_seq=given(input.if_seq),
    )
    return ChangeTicketStatusSuccess(ticket=ticket_id)
