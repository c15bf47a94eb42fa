"""Services: listing and keeping them, and subscribing to them."""

from typing import Annotated
from uuid import UUID

import strawberry

import models
from domain import services
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.services import (
    SaveServiceInput,
    SaveServiceResult,
    SaveServiceSuccess,
    Service,
    SubscribeToServiceInput,
    SubscribeToServiceResult,
    SubscribeToServiceSuccess,
    UnsubscribeFromServiceInput,
    UnsubscribeFromServiceResult,
    UnsubscribeFromServiceSuccess,
)


@planned("Services that maintenance can concern, by name. Everyone.", name="services")
def services_(
    viewer: Viewer,
    page: PageArguments,
    include_archived: Annotated[bool, argument("Also those that are archived. Admins; default false.")] = False,
) -> Connection[Service] | None:
    rows = services.visible(viewer, include_archived=include_archived)
    return page.of(rows, order=[models.Service.name, models.Service.id])


@mutation("Makes or replaces a service. Admins.")
async def save_service(unit: Unit, context: Context, input: SaveServiceInput) -> SaveServiceResult:
    form = services.Form(input.name, given(input.description), input.archived)
    service_id = optional_key(input.service_id, models.Service, "serviceId")
    return SaveServiceSuccess(service=await services.save(unit, context.viewer, service_id, form))


@mutation("Subscribes people to notices about a service. Oneself; managers for others.")
async def subscribe_to_service(
    unit: Unit, context: Context, input: SubscribeToServiceInput
) -> SubscribeToServiceResult:
    service_id = key_of(input.service_id, models.Service, "serviceId")
    return SubscribeToServiceSuccess(
        service=await services.subscribe(unit, context.viewer, service_id, _people(input.person_ids))
    )


@mutation("Ends people's subscription to notices about a service. Oneself; managers for others.")
async def unsubscribe_from_service(
    unit: Unit, context: Context, input: UnsubscribeFromServiceInput
) -> UnsubscribeFromServiceResult:
    service_id = key_of(input.service_id, models.Service, "serviceId")
    return UnsubscribeFromServiceSuccess(
        service=await services.unsubscribe(unit, context.viewer, service_id, _people(input.person_ids))
    )


def _people(texts: list[strawberry.ID] | None) -> list[UUID] | None:
    return None if given(texts) is None else keys_of(texts, models.Person, "personIds")
