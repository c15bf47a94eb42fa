"""Who is on a ticket's page: saying so, and watching it."""

from typing import Annotated

import models
from domain import history, presence
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument
from planner.live import Live, live, subscription
from planner.nodes import NodeId
from resolvers.writing import key_of, mutation
from schema.context import Context
from schema.inputs import given
from schema.presence import (
    SetTicketPresenceInput,
    SetTicketPresenceResult,
    SetTicketPresenceSuccess,
    TicketPresence,
)


@mutation("Says that the viewer is on a ticket's page; forgotten after 30 seconds unless said again. Staff.")
async def set_ticket_presence(unit: Unit, context: Context, input: SetTicketPresenceInput) -> SetTicketPresenceResult:
    ticket_id = key_of(input.ticket_id, models.Ticket, "ticketId")
    return SetTicketPresenceSuccess(
        presence=await presence.save(unit, context.viewer, ticket_id, given(input.activity))
    )


@subscription("Who is looking at or writing on a ticket, now and after every change. Staff.")
def ticket_presence_updated(
    viewer: Viewer, ticket_id: Annotated[NodeId, argument("The ticket's id.")]
) -> Live[TicketPresence]:
    key = ticket_id.of(models.Ticket)
    # The ticket's own changes tell when it is somebody else's to work on.
    return live((presence.CHANNEL, key), (history.CHANNEL, key), presence.one(viewer, key))
