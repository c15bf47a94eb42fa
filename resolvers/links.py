"""Who follows a ticket, and which tickets belong together."""

import models
from domain.tickets import linking, watching
from infra.unit import Unit
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.links import (
    LinkTicketsInput,
    LinkTicketsResult,
    LinkTicketsSuccess,
    MergeTicketsInput,
    MergeTicketsResult,
    MergeTicketsSuccess,
    UnlinkTicketsInput,
    UnlinkTicketsResult,
    UnlinkTicketsSuccess,
    UnwatchTicketInput,
    UnwatchTicketResult,
    UnwatchTicketSuccess,
    WatchTicketInput,
    WatchTicketResult,
    WatchTicketSuccess,
)


@mutation("Links two tickets. Staff.")
async def link_tickets(unit: Unit, context: Context, input: LinkTicketsInput) -> LinkTicketsResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    other_id = key_of(input.other_ticket_id, models.Ticket, "otherTicketId")
    return LinkTicketsSuccess(ticket=await linking.link(unit, context.viewer, ticket_id, other_id, input.kind))


@mutation("Removes the link between two tickets. Staff.")
async def unlink_tickets(unit: Unit, context: Context, input: UnlinkTicketsInput) -> UnlinkTicketsResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    other_id = key_of(input.other_ticket_id, models.Ticket, "otherTicketId")
    return UnlinkTicketsSuccess(ticket=await linking.unlink(unit, context.viewer, ticket_id, other_id))


@mutation(
    "Takes tickets of the same customer into one: comments, files and watchers move there, the others are closed. "
    "Can't be undone. Staff."
)
async def merge_tickets(unit: Unit, context: Context, input: MergeTicketsInput) -> MergeTicketsResult:
    into_id = key_of(input.into_ticket_id, models.Ticket, "intoTicketId")
    ids = keys_of(input.ticket_ids, models.Ticket, "ticketIds")
    return MergeTicketsSuccess(ticket=await linking.merge(unit, context.viewer, into_id, ids))


@mutation("Adds a watcher, who is notified of every change. Oneself; staff for others.")
async def watch_ticket(unit: Unit, context: Context, input: WatchTicketInput) -> WatchTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    person_id = optional_key(input.person_id, models.Person, "personId")
    return WatchTicketSuccess(ticket=await watching.watch(unit, context.viewer, ticket_id, person_id))


@mutation("Removes a watcher. Oneself; staff for others.")
async def unwatch_ticket(unit: Unit, context: Context, input: UnwatchTicketInput) -> UnwatchTicketResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    person_id = optional_key(input.person_id, models.Person, "personId")
    return UnwatchTicketSuccess(ticket=await watching.unwatch(unit, context.viewer, ticket_id, person_id))
