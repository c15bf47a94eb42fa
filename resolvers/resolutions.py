"""Resolutions: declaring tickets solved, confirming that, opening them again, closing them."""

import models
from domain import resolutions
from domain.resolutions import Answer
from infra.unit import Unit
from resolvers.writing import key_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.resolutions import (
    CloseTicketInput,
    CloseTicketResult,
    CloseTicketSuccess,
    ConfirmResolutionInput,
    ConfirmResolutionResult,
    ConfirmResolutionSuccess,
    ReopenTicketInput,
    ReopenTicketResult,
    ReopenTicketSuccess,
    ResolveTicketInput,
    ResolveTicketResult,
    ResolveTicketSuccess,
)


@mutation("Resolves a ticket and asks the customer to confirm. Staff.")
async def resolve_ticket(unit: Unit, context: Context, input: ResolveTicketInput) -> ResolveTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    said = resolutions.Solution(
        ticket_id,
        summary=given(input.summary),
        article_id=optional_key(input.article_id, models.Article, "articleId"),
        if_seq=given(input.if_seq),
    )
    await resolutions.resolve(unit, context.viewer, context.desk.settings, said)
    return ResolveTicketSuccess(ticket=ticket_id)


@mutation(
    "Confirms that a resolved ticket is solved, closes it and rates the help. The agent is notified. Until 30 days "
    "after closing it can be called again, and replaces rating and feedback; each resolution has its own. "
    "The requester."
)
async def confirm_resolution(unit: Unit, context: Context, input: ConfirmResolutionInput) -> ConfirmResolutionResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    await resolutions.confirm(unit, context.viewer, Answer(ticket_id, given(input.rating), given(input.feedback)))
    return ConfirmResolutionSuccess(ticket=ticket_id)


@mutation("Opens a ticket that is not solved after all. The requester until it is closed; staff within 30 days after.")
async def reopen_ticket(unit: Unit, context: Context, input: ReopenTicketInput) -> ReopenTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    await resolutions.reopen(unit, context.viewer, ticket_id, reason=input.reason)
    return ReopenTicketSuccess(ticket=ticket_id)


@mutation("Closes a ticket for good without waiting for the customer. Staff; requesters: their own, to withdraw it.")
async def close_ticket(unit: Unit, context: Context, input: CloseTicketInput) -> CloseTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    await resolutions.close(unit, context.viewer, ticket_id, reason=given(input.reason))
    return CloseTicketSuccess(ticket=ticket_id)
