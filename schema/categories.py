"""Categories of tickets as the API shows them."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import categories
from domain.access import Viewer
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import Node, stored
from schema.departments import Department
from schema.enums import described
from schema.inputs import optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

described(
    models.TicketPriority,
    "How urgent a ticket is.",
    LOW="Can wait.",
    NORMAL="As usual.",
    HIGH="Hinders work.",
    URGENT="Stops work.",
)


@stored(models.Category, "cat")
@strawberry.type(description="A kind of matter, which decides where a ticket goes.")
class Category(Node):
    name: str = attribute("Its name.")
    description: str | None = attribute("What belongs under it, for the customer.")
    department: Department = attribute("Where its tickets go unless a rule says otherwise.")
    default_priority: models.TicketPriority = attribute("Priority of its tickets unless they or a rule say otherwise.")
    is_other: bool = attribute("True for the one category for everything else, whose tickets need triage.")

    @planned("Place in the form, from 0.")
    def position(category: models.Category, viewer: Viewer) -> int:
        return categories.place(viewer, category)

    archived_at: dt.datetime | None = attribute("When it was archived; null while in use.")


@strawberry.input(description="What saveCategory needs.")
class SaveCategoryInput:
    category_id: strawberry.ID | None = optional("The category to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    description: str | None = optional("What belongs under it, at most 500 characters.")
    department_id: strawberry.ID = required("Where its tickets go unless a rule says otherwise.")
    default_priority: models.TicketPriority = strawberry.field(
        description="Priority of its tickets unless they or a rule say otherwise.", default=models.TicketPriority.NORMAL
    )
    position: int | None = optional(
        "Place in the form, from 0; default: the end. The one for everything else is always last."
    )
    archived: bool = strawberry.field(description="Out of use; not for the one for everything else.", default=False)


@strawberry.type(description="Saved.")
class SaveCategorySuccess:
    category: Payload[Category] = payload("The category.", categories.one)


SaveCategoryResult = Annotated[
    Union[SaveCategorySuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveCategoryResult", description="What saveCategory answers."),
]
