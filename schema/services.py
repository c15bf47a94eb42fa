"""Services as the API shows them."""

import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import maintenance, services
from domain.access import Viewer
from models import Role
from planner.fields import Payload, argument, attribute, payload, planned
from planner.nodes import Node, stored
from planner.pages import Connection, PageArguments
from schema.enums import described
from schema.inputs import optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.maintenance import MaintenanceFilter, MaintenanceNotice
    from schema.people import Person


class ServiceStatus(enum.Enum):
    """How a service is."""

    OPERATIONAL = enum.auto()
    MAINTENANCE_SOON = enum.auto()
    UNDER_MAINTENANCE = enum.auto()


described(
    ServiceStatus,
    "How a service is.",
    OPERATIONAL="As it should be.",
    MAINTENANCE_SOON="Maintenance is announced to begin within 24 hours.",
    UNDER_MAINTENANCE="Maintenance is going on.",
)


@stored(models.Service, "svc")
@strawberry.type(description="Something that customers use and that maintenance can concern.")
class Service(Node):
    name: str = attribute("Its name.")
    description: str | None = attribute("What it is.")
    archived_at: dt.datetime | None = attribute("When it was archived; null while in use.")

    @planned("How it is, by its maintenance.")
    def status(service: models.Service, viewer: Viewer) -> ServiceStatus:
        return maintenance.status_of(viewer, service)

    @planned("Notices that concern it and the viewer can see, by start, next first.")
    def maintenance_notices(
        service: models.Service,
        viewer: Viewer,
        page: PageArguments,
        filter: Annotated[
            Annotated["MaintenanceFilter", strawberry.lazy("schema.maintenance")] | None,
            argument("What to list; default: scheduled and in progress."),
        ] = None,
    ) -> Connection[Annotated["MaintenanceNotice", strawberry.lazy("schema.maintenance")]]:
        asked = filter.conditions() if filter else maintenance.Conditions()
        return page.of(maintenance.of_service(viewer, service, asked), order=maintenance.order())

    @planned("Whether the viewer is subscribed to it; false when not signed in.")
    def viewer_is_subscribed(service: models.Service, viewer: Viewer) -> bool:
        return services.is_subscribed(viewer, service)

    @planned("People who are subscribed to it. Managers; null for others.")
    def subscribers(
        service: models.Service, viewer: Viewer, page: PageArguments
    ) -> Connection[Annotated["Person", strawberry.lazy("schema.people")]] | None:
        if not viewer.has(Role.MANAGER):
            return None
        return page.of(services.subscribers(service), order=[models.Person.name, models.Person.id])


@strawberry.input(description="What saveService needs.")
class SaveServiceInput:
    service_id: strawberry.ID | None = optional("The service to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    description: str | None = optional("What it is, at most 500 characters.")
    archived: bool = strawberry.field(description="Out of use.", default=False)


@strawberry.type(description="Saved.")
class SaveServiceSuccess:
    service: Payload[Service] = payload("The service.", services.one)


SaveServiceResult = Annotated[
    Union[SaveServiceSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveServiceResult", description="What saveService answers."),
]


@strawberry.input(description="What subscribeToService needs.")
class SubscribeToServiceInput:
    service_id: strawberry.ID = required("The service.")
    person_ids: list[strawberry.ID] | None = optional("Who, at most 1,000; default: the viewer.")


@strawberry.type(description="Subscribed.")
class SubscribeToServiceSuccess:
    service: Payload[Service] = payload("The service.", services.one)


SubscribeToServiceResult = Annotated[
    Union[SubscribeToServiceSuccess, InvalidInput, NotFound, NotAllowed],
    strawberry.union("SubscribeToServiceResult", description="What subscribeToService answers."),
]


@strawberry.input(description="What unsubscribeFromService needs.")
class UnsubscribeFromServiceInput:
    service_id: strawberry.ID = required("The service.")
    person_ids: list[strawberry.ID] | None = optional("Who, at most 1,000; default: the viewer.")


@strawberry.type(description="Not subscribed any more.")
class UnsubscribeFromServiceSuccess:
    service: Payload[Service] = payload("The service.", services.one)


UnsubscribeFromServiceResult = Annotated[
    Union[UnsubscribeFromServiceSuccess, InvalidInput, NotFound, NotAllowed],
    strawberry.union("UnsubscribeFromServiceResult", description="What unsubscribeFromService answers."),
]
