"""Who is on a ticket's page, as the API shows it."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import presence
from domain.access import Viewer
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import IdOf, stored
from schema.enums import described
from schema.inputs import optional, required
from schema.people import Person
from schema.refusals import NotAllowed, NotFound, RateLimited

described(
    models.PresenceActivity,
    "What someone is doing on a ticket's page.",
    VIEWING="Reading.",
    TYPING="Writing a comment for the customer.",
    TYPING_INTERNALLY="Writing an internal comment.",
)


@stored(models.Presence, None, node=False)
@strawberry.type(description="Someone who is on a ticket's page.")
class PresentPerson:
    person: Person = attribute("Who.")
    activity: models.PresenceActivity = attribute("What they are doing.")
    since: dt.datetime = attribute("Since when they are doing it.")


@stored(models.Ticket, None, node=False)
@strawberry.type(description="Who is on a ticket's page now.")
class TicketPresence:
    @planned("The ticket's id.")
    def ticket_id(ticket: models.Ticket, viewer: Viewer) -> strawberry.ID:
        return IdOf(models.Ticket, ticket.id)

    @planned("Staff who are there, the viewer included, in order of arrival; at most 50.", most=presence.MOST)
    def people(ticket: models.Ticket, viewer: Viewer) -> list[PresentPerson]:
        return presence.people(ticket)


@strawberry.input(description="What setTicketPresence needs.")
class SetTicketPresenceInput:
    ticket_id: strawberry.ID = required("The ticket.")
    activity: models.PresenceActivity | None = optional("What they are doing; null or absent: they have left.")


@strawberry.type(description="Noted.")
class SetTicketPresenceSuccess:
    presence: Payload[TicketPresence] = payload("Who is there.", presence.one)


SetTicketPresenceResult = Annotated[
    Union[SetTicketPresenceSuccess, NotFound, NotAllowed, RateLimited],
    strawberry.union("SetTicketPresenceResult", description="What setTicketPresence answers."),
]
