"""People as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Union

import strawberry

import models
from domain import availability, people, services
from domain.access import Viewer
from domain.tickets import pages
from infra.desk import Desk
from infra.files import download_url
from planner.fields import Computed, Payload, When, argument, attribute, computed, input_field, payload, planned
from planner.nodes import Node, NodeIds, stored
from planner.pages import Connection, PageArguments
from planner.scalars import URL
from schema.enums import described
from schema.inputs import KEY, given, optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound
from schema.services import Service
from schema.times import OrderDirection

if TYPE_CHECKING:
    from schema.departments import Department
    from schema.tickets import TicketConnection, TicketFilter

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


described(
    models.AvailabilityStatus,
    "Whether new tickets are assigned to an agent.",
    AVAILABLE="Takes new tickets.",
    BUSY="At work, takes no new tickets automatically.",
    AWAY="Not at work.",
)
described(
    people.PersonOrderField,
    "What people can be ordered by.",
    NAME="Name.",
    CREATED_AT="When they were added.",
    LAST_SEEN_AT="When they were last seen.",
)


def _picture(desk: Desk, key: str | None, content_type: str, size_bytes: int) -> str | None:
    if key is None:
        return None
    return download_url(
        desk.settings, desk.signer, key=key, filename="avatar", content_type=content_type, size_bytes=size_bytes
    )


LazyFilter = Annotated["TicketFilter", strawberry.lazy("schema.tickets")]
LazyTickets = Annotated["TicketConnection", strawberry.lazy("schema.tickets")]


@strawberry.type(description="Whether an agent takes new tickets.")
class Availability:
    status: models.AvailabilityStatus = attribute("The state.")
    until: dt.datetime | None = attribute("When it ends by itself; null: when it's changed.")
    capacity: int | None = attribute(
        "Most open tickets assigned automatically to this agent; null: the department's number."
    )
    assigned_count: int = attribute("Tickets now assigned to this agent that are open or on hold.")


def for_self_and_staff(viewer: Viewer, person: models.Person, value: object) -> object:
    """What the person themselves and staff may know; null for others."""
    return value if viewer.is_staff else When(person.id == viewer.id, value)


@stored(models.Person, "per", cards="changed_at")
@strawberry.type(description="Someone known to the desk, customer or staff.")
class Person(Node):
    name: str = attribute("Full name.")
    role: models.Role = attribute("What they are here.")
    created_at: dt.datetime = attribute("When they were added.")

    @computed("Picture; null without one.")
    def avatar_url(person: models.Person, viewer: Viewer) -> URL | None:
        return Computed(_picture, person.avatar_key, person.avatar_type, person.avatar_bytes)

    @planned("Email address. The person, and staff; null for others.")
    def email(person: models.Person, viewer: Viewer) -> str | None:
        return for_self_and_staff(viewer, person, person.email)

    @planned("Departments they work in, at most 20; empty for customers.")
    def departments(
        person: models.Person, viewer: Viewer
    ) -> list[Annotated["Department", strawberry.lazy("schema.departments")]]:
        return people.departments_of(person)

    @planned("Whether an agent takes new tickets; null for customers. Staff.")
    def availability(person: models.Person, viewer: Viewer) -> Availability | None:
        return availability.of(viewer, person)

    @planned("Tickets that they requested and the viewer can see, last changed first.")
    def requested_tickets(
        person: models.Person,
        viewer: Viewer,
        page: PageArguments,
        filter: Annotated[LazyFilter | None, argument("What to list; default: all.")] = None,
    ) -> LazyTickets:
        return pages.of_person(viewer, page, filter.conditions() if filter else None, "requester_id", person.id)

    @planned("Tickets assigned to them that the viewer can see, last changed first.")
    def assigned_tickets(
        person: models.Person,
        viewer: Viewer,
        page: PageArguments,
        filter: Annotated[LazyFilter | None, argument("What to list; default: all.")] = None,
    ) -> LazyTickets:
        return pages.of_person(viewer, page, filter.conditions() if filter else None, "assignee_id", person.id)

    @planned("Services that they are subscribed to, by name. The person, and staff; empty for others.")
    def subscribed_services(person: models.Person, viewer: Viewer, page: PageArguments) -> Connection[Service]:
        return page.of(services.of_person(viewer, person), order=[models.Service.name, models.Service.id])

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


@strawberry.input(description="Which people to list. All conditions given must hold.")
class PersonFilter:
    text: str | None = input_field(
        "Words or their beginnings in name or email address; at most 200 characters.",
        most=200,
        plain=people.says_something,
    )
    roles: list[models.Role] | None = input_field("With one of these roles; at most 6.", most=6)
    department_ids: NodeIds | None = input_field("Working in one of these departments; at most 50.", most=50)
    availability: list[models.AvailabilityStatus] | None = input_field("With one of these availabilities.", most=3)
    active: bool | None = input_field("Only those who are active, or only those who aren't; default: active.")

    def conditions(self) -> people.Conditions:
        """The conditions that are given."""
        text: Any = given(self.text)
        departments, active = given(self.department_ids), given(self.active)
        return people.Conditions(
            text=text.value if text and text.kind else None,
            roles=given(self.roles),
            department_ids=None if departments is None else departments.of(models.Department),
            availability=given(self.availability),
            active=True if active is None else active,
        )


@strawberry.input(description="How to order people.")
class PersonOrder:
    field: people.PersonOrderField = required("By what.")
    direction: OrderDirection = required("Which way.")


@strawberry.input(description="What setAvailability needs.")
class SetAvailabilityInput:
    person_id: strawberry.ID | None = optional("The agent; default: the viewer.")
    status: models.AvailabilityStatus = required("The state.")
    until: dt.datetime | None = optional("When it ends by itself, back to AVAILABLE; default: not by itself.")
    capacity: int | None = optional(
        "Most open tickets assigned automatically, 1 to 500; null: the department's number."
    )


@strawberry.type(description="The availability is set.")
class SetAvailabilitySuccess:
    person: Payload[Person] = payload("The agent.", people.one)


SetAvailabilityResult = Annotated[
    Union[SetAvailabilitySuccess, InvalidInput, NotFound, NotAllowed],
    strawberry.union("SetAvailabilityResult", description="What setAvailability answers."),
]


@strawberry.input(description="What createPerson needs.")
class CreatePersonInput:
    name: str = required("Full name, 1 to 200 characters.")
    email: str = required("Email address, unknown so far.")
    role: models.Role = strawberry.field(description="What they are here.", default=models.Role.CUSTOMER)
    department_ids: list[strawberry.ID] | None = optional("Departments to work in, at most 20; not for customers.")
    locale: str | None = optional("Language, BCP 47; default: the desk's.")
    invite: bool = strawberry.field(description="Send a sign-in link.", default=True)
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The person is added.")
class CreatePersonSuccess:
    person: Payload[Person] = payload("The person.", people.one)


CreatePersonResult = Annotated[
    Union[CreatePersonSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("CreatePersonResult", description="What createPerson answers."),
]


@strawberry.input(description="What updatePerson needs.")
class UpdatePersonInput:
    person_id: strawberry.ID = required("The person.")
    name: str | None = optional("Full name, 1 to 200 characters.")
    email: str | None = optional("Email address, unknown so far.")
    role: models.Role | None = optional(
        "What they are here. Their open sockets end and start anew with the new rights."
    )
    department_ids: list[strawberry.ID] | None = optional("Departments to work in, all of them; at most 20.")
    locale: str | None = optional("Language, BCP 47; null: the desk's.")
    active: bool | None = optional("False shuts them out at once and unassigns their tickets.")


@strawberry.type(description="The person is changed.")
class UpdatePersonSuccess:
    person: Payload[Person] = payload("The person.", people.one)


UpdatePersonResult = Annotated[
    Union[UpdatePersonSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("UpdatePersonResult", description="What updatePerson answers."),
]
