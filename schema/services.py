"""Services as the API shows them."""

import datetime as dt

import strawberry

import models
from planner.fields import attribute
from planner.nodes import Node, stored


@stored(models.Service, "svc")
@strawberry.type(description="Something that customers use and that maintenance can concern.")
class Service(Node):
    name: str = attribute("Its name.")
    description: str | None = attribute("What it is.")
    archived_at: dt.datetime | None = attribute("When it was archived; null while in use.")
