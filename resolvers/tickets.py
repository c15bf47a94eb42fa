"""Tickets: reading, submitting and watching them."""

from typing import Annotated

import models
from domain import history, tickets
from domain.access import Viewer
from domain.tickets import lists, pages, submitting
from domain.tickets.lists import TicketOrderField
from domain.tickets.submitting import Submission
from infra.unit import Unit
from planner.fields import argument, planned
from planner.live import Live, feed, live, subscription
from planner.nodes import NodeId
from planner.pages import Edge, PageArguments, Pool
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.events import TicketEvent
from schema.inputs import given
from schema.tickets import (
    SubmitTicketInput,
    SubmitTicketResult,
    SubmitTicketSuccess,
    Ticket,
    TicketConnection,
    TicketFilter,
    TicketOrder,
    order_of_history,
)
from schema.times import OrderDirection


@planned(
    "One ticket. Customers: their own and those they watch; "
    "agents: those of their departments and those assigned to or watched by them."
)
def ticket(viewer: Viewer, id: Annotated[NodeId, argument("The ticket's id.")]) -> Ticket | None:
    return tickets.one(viewer, id.of(models.Ticket))


@planned("One ticket by the number that people quote.")
def ticket_by_number(
    viewer: Viewer, number: Annotated[int, argument("The number, without a leading #.")]
) -> Ticket | None:
    return tickets.numbered(viewer, number)


@planned("Tickets that the viewer can see.", name="tickets")
def tickets_(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[TicketFilter | None, argument("What to list; default: all.")] = None,
    order_by: Annotated[
        TicketOrder | None,
        argument("How to order; default: last changed first, or best match first when filter.text is given."),
    ] = None,
) -> TicketConnection | None:
    asked = filter.conditions() if filter else lists.Conditions()
    field = TicketOrderField.RELEVANCE if asked.text_kind else TicketOrderField.UPDATED_AT
    descending = True
    if order_by:
        field, descending = order_by.field, order_by.direction is OrderDirection.DESC
    ranked = Pool(lists.newest(viewer, asked), lists.MOST_RANKED) if field is TicketOrderField.RELEVANCE else None
    return pages.of(viewer, page, asked, field, descending=descending, pool=ranked)


@subscription("A ticket, now and after every change of it or of what hangs on it.")
def ticket_updated(viewer: Viewer, id: Annotated[NodeId, argument("The ticket's id.")]) -> Live[Ticket]:
    ticket_id = id.of(models.Ticket)
    return live(history.CHANNEL, ticket_id, tickets.one(viewer, ticket_id), common=True)


@subscription("A ticket's history, item by item.")
def ticket_events(
    viewer: Viewer,
    ticket_id: Annotated[NodeId, argument("The ticket's id.")],
    after: Annotated[
        str | None, argument("Go on after the event with this cursor; default: begin with the first.")
    ] = None,
) -> Live[Edge[TicketEvent]]:
    key = ticket_id.of(models.Ticket)
    rows, order = history.of_one(viewer, key), order_of_history(viewer)
    return feed(history.CHANNEL, key, rows=rows, order=order, after=after, seen=tickets.one(viewer, key))


@mutation("Opens a ticket, routes it and confirms it by email. Customers for themselves; staff for any customer.")
async def submit_ticket(unit: Unit, context: Context, input: SubmitTicketInput) -> SubmitTicketResult:
    said = Submission(
        subject=input.subject,
        body=input.body,
        category_id=key_of(input.category_id, models.Category, "categoryId"),
        other_topic=given(input.other_topic),
        priority=given(input.priority),
        service_id=optional_key(input.service_id, models.Service, "serviceId"),
        requester_id=optional_key(input.requester_id, models.Person, "requesterId"),
        upload_ids=tuple(keys_of(input.upload_ids, models.Upload, "uploadIds")),
        tags=given(input.tags),
    )
    return SubmitTicketSuccess(ticket=await submitting.submit(unit, context.viewer, said))
