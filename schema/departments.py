"""Departments as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import departments, queues
from domain.access import Viewer
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import Node, stored
from planner.pages import Connection, PageArguments
from schema.calendars import BusinessCalendar
from schema.enums import described
from schema.inputs import optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.queues import Queue

described(
    models.AssignmentMethod,
    "How new tickets find an agent.",
    MANUAL="Agents take tickets themselves.",
    ROUND_ROBIN="To available agents in turn.",
    LEAST_BUSY="To the available agent with the fewest open tickets.",
)


@stored(models.Department, "dep", cards="changed_at")
@strawberry.type(description="A part of the desk that owns tickets, with its agents and its chain of escalation.")
class Department(Node):
    name: str = attribute("Its name.")
    description: str | None = attribute("What it is there for.")
    assignment: models.AssignmentMethod = attribute("How its new tickets find an agent.")
    agent_capacity: int | None = attribute("Most open tickets assigned automatically to one agent; null: no limit.")
    calendar: BusinessCalendar | None = attribute(
        "Working hours by which its SLA targets count; null: around the clock."
    )
    archived_at: dt.datetime | None = attribute("When it was archived; null while in use.")

    @planned("How much waits in it. Staff; null for others.")
    def queue(
        department: models.Department, viewer: Viewer
    ) -> Annotated["Queue", strawberry.lazy("schema.queues")] | None:
        return queues.of(viewer, department.id) if viewer.is_staff else None

    @planned("People who work in it, by role and name. Staff; empty for customers.")
    def members(department: models.Department, viewer: Viewer, page: PageArguments) -> Connection[Person]:
        return page.of(departments.members(viewer, department), order=departments.member_order())


@strawberry.input(description="What saveDepartment needs.")
class SaveDepartmentInput:
    department_id: strawberry.ID | None = optional("The department to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    description: str | None = optional("What it's there for, at most 500 characters.")
    assignment: models.AssignmentMethod = strawberry.field(
        description="How its new tickets find an agent.", default=models.AssignmentMethod.MANUAL
    )
    agent_capacity: int | None = optional(
        "Most open tickets assigned automatically to one agent, 1 to 500; default: no limit."
    )
    calendar_id: strawberry.ID | None = optional("Working hours; default: around the clock.")
    archived: bool = strawberry.field(
        description="Out of use. Its categories and unresolved tickets must have gone first.", default=False
    )


@strawberry.type(description="Saved.")
class SaveDepartmentSuccess:
    department: Payload[Department] = payload("The department.", departments.one)


SaveDepartmentResult = Annotated[
    Union[SaveDepartmentSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveDepartmentResult", description="What saveDepartment answers."),
]
