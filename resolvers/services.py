"""Services: listing them."""

from typing import Annotated

import models
from domain import services
from domain.access import Viewer
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from schema.services import Service


@planned("Services that maintenance can concern, by name. Everyone.", name="services")
def services_(
    viewer: Viewer,
    page: PageArguments,
    include_archived: Annotated[bool, argument("Also those that are archived. Admins; default false.")] = False,
) -> Connection[Service] | None:
    rows = services.visible(viewer, include_archived=include_archived)
    return page.of(rows, order=[models.Service.name, models.Service.id])
