"""Saved lists of tickets: keeping them."""

import strawberry
from strawberry.utils.str_converters import to_camel_case

import models
from domain import views
from infra.unit import Unit
from planner.nodes import global_id
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.tickets import NAMED
from schema.views import (
    DeleteTicketViewInput,
    DeleteTicketViewResult,
    DeleteTicketViewSuccess,
    SaveTicketViewInput,
    SaveTicketViewResult,
    SaveTicketViewSuccess,
    faults,
    written,
)


@mutation("Saves a list of tickets under a name. Staff; shared ones: leads of the department.")
async def save_ticket_view(unit: Unit, context: Context, input: SaveTicketViewInput) -> SaveTicketViewResult:
    for name, (_, model) in NAMED.items():  # kept as they were written, but what is none is refused
        keys_of(getattr(input.filter, name), model, f"filter.{to_camel_case(name)}")
    order = given(input.order_by)
    form = views.Form(
        name=input.name,
        filter=written(input.filter),
        order=(order.field.name, order.direction.name) if order else None,
        department_id=optional_key(input.department_id, models.Department, "departmentId"),
        position=given(input.position),
        faults=[*faults(input.filter, "filter")],
    )
    view_id = optional_key(input.ticket_view_id, models.TicketView, "ticketViewId")
    return SaveTicketViewSuccess(ticket_view=await views.save(unit, context.viewer, view_id, form))


@mutation("Deletes a saved view. Its owner; leads of the department it is shared with.")
async def delete_ticket_view(unit: Unit, context: Context, input: DeleteTicketViewInput) -> DeleteTicketViewResult:
    view_id = key_of(input.ticket_view_id, models.TicketView, "ticketViewId")
    deleted = await views.delete(unit, context.viewer, view_id)
    return DeleteTicketViewSuccess(deleted_id=strawberry.ID(global_id(models.TicketView, deleted)))
