"""People as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import people
from domain.access import Viewer
from planner.fields import Payload, When, attribute, payload, planned
from planner.nodes import Node, stored
from schema.enums import described
from schema.inputs import optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.departments import Department

described(
    models.Role,
    "What someone is at the desk. Each role from AGENT on includes the one before.",
    CUSTOMER="Asks for help.",
    AGENT="Helps, in their departments.",
    TEAM_LEAD="First level of escalation in their departments.",
    MANAGER="Second level of escalation in their departments; announces maintenance.",
    DIRECTOR="Last level of escalation; sees all departments.",
    ADMIN="Administers the desk.",
)


def for_self_and_staff(viewer: Viewer, person: models.Person, value: object) -> object:
    """What the person themselves and staff may know; null for others."""
    return value if viewer.is_staff else When(person.id == viewer.id, value)


@stored(models.Person, "per", cards="changed_at")
@strawberry.type(description="Someone known to the desk, customer or staff.")
class Person(Node):
    name: str = attribute("Full name.")
    role: models.Role = attribute("What they are here.")
    created_at: dt.datetime = attribute("When they were added.")

    @planned("Email address. The person, and staff; null for others.")
    def email(person: models.Person, viewer: Viewer) -> str | None:
        return for_self_and_staff(viewer, person, person.email)

    @planned("Departments they work in, at most 20; empty for customers.")
    def departments(
        person: models.Person, viewer: Viewer
    ) -> list[Annotated["Department", strawberry.lazy("schema.departments")]]:
        return people.departments_of(person)

    @planned("Language for emails and pages, BCP 47, such as en or pt-BR. The person, and staff.")
    def locale(person: models.Person, viewer: Viewer) -> str | None:
        return for_self_and_staff(viewer, person, person.locale)

    @planned("IANA time zone, such as Europe/Lisbon. The person, and staff.")
    def time_zone(person: models.Person, viewer: Viewer) -> str | None:
        return for_self_and_staff(viewer, person, person.time_zone)

    @planned("False when they have been shut out. Staff; null for others.")
    def active(person: models.Person, viewer: Viewer) -> bool | None:
        return person.active if viewer.is_staff else None

    @planned("When they were last seen. Staff; null for others, or if never.")
    def last_seen_at(person: models.Person, viewer: Viewer) -> dt.datetime | None:
        return person.last_seen_at if viewer.is_staff else None


@strawberry.input(description="What createPerson needs.")
class CreatePersonInput:
    name: str = required("Full name, 1 to 200 characters.")
    email: str = required("Email address, unknown so far.")
    role: models.Role = strawberry.field(description="What they are here.", default=models.Role.CUSTOMER)
    department_ids: list[strawberry.ID] | None = optional("Departments to work in, at most 20; not for customers.")
    locale: str | None = optional("Language, BCP 47; default: the desk's.")
    invite: bool = strawberry.field(description="Send a sign-in link.", default=True)
    idempotency_key: str | None = optional(
        "New for each intent, 1 to 64 characters; the same key is done once and answered alike for 24 hours."
    )


@strawberry.type(description="The person is added.")
class CreatePersonSuccess:
    person: Payload[Person] = payload("The person.", people.one)


CreatePersonResult = Annotated[
    Union[CreatePersonSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("CreatePersonResult", description="What createPerson answers."),
]
