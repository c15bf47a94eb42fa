"""SLA policies, and the SLA targets of a ticket, as the API shows them."""

import datetime as dt
from typing import Annotated, Any, Union

import orjson
import sqlalchemy as sa
import strawberry

import models
from domain import categories, departments, sla
from domain.access import Viewer
from domain.sla import SlaState, policies
from planner.fields import Computed, Payload, attribute, computed, payload, planned
from planner.nodes import Node, stored
from schema.calendars import BusinessCalendar
from schema.categories import Category
from schema.departments import Department
from schema.enums import described
from schema.inputs import given, optional, required
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

described(
    SlaState,
    "The state of an SLA target.",
    RUNNING="Counting.",
    PAUSED="Resting, while the ticket is pending or on hold.",
    MET="Done in time.",
    BREACHED="Missed, whether done since or not.",
    CANCELLED="No longer counts, such as after a merge.",
)
described(
    models.SlaTargetKind,
    "What an SLA target is for.",
    FIRST_RESPONSE="The first public answer.",
    RESOLUTION="The resolution.",
)


@strawberry.type(description="The targets for one priority.")
class SlaTarget:
    priority: models.TicketPriority = attribute("The priority.")
    first_response_seconds: int | None = attribute(
        "Time to the first public answer, in seconds of working time; null: no target."
    )
    resolution_seconds: int | None = attribute("Time to the resolution, in seconds of working time; null: no target.")


def _targets(_given: Any, targets: str) -> list[policies.Target]:
    return policies.targets_in(orjson.loads(targets))


@stored(models.SlaPolicy, "slp")
@strawberry.type(
    description="A set of SLA targets. The first active policy whose conditions all hold applies to a ticket."
)
class SlaPolicy(Node):
    name: str = attribute("Its name.")
    description: str | None = attribute("What it is for.")
    position: int = attribute("Place among the policies, from 0.")
    active: bool = attribute("Whether it's applied to new tickets.")

    @planned("Condition: one of these departments, at most 50; empty: any.", most=policies.MOST_CONDITIONS)
    def departments(policy: models.SlaPolicy, viewer: Viewer) -> list[Department]:
        return departments.named(policy.department_ids)

    @planned("Condition: one of these categories, at most 50; empty: any.", most=policies.MOST_CONDITIONS)
    def categories(policy: models.SlaPolicy, viewer: Viewer) -> list[Category]:
        return categories.named(policy.category_ids)

    @computed("Targets, at most one for each priority.", most=len(models.TicketPriority))
    def targets(policy: models.SlaPolicy, viewer: Viewer) -> list[SlaTarget]:
        return Computed(_targets, sa.cast(policies.present(policy, models.SlaVersion.targets), sa.Text()))

    @planned("Working hours by which they count; null: those of the ticket's department.")
    def calendar(policy: models.SlaPolicy, viewer: Viewer) -> BusinessCalendar | None:
        return policies.calendar_of(policy)

    @planned("Whether clocks rest while a ticket is on hold.")
    def pauses_on_hold(policy: models.SlaPolicy, viewer: Viewer) -> bool:
        return policies.present(policy, models.SlaVersion.pauses_on_hold)


@stored(models.SlaClock, None, node=False)
@strawberry.type(description="One SLA target, counted in working time of the policy's calendar.")
class SlaClock:
    target_seconds: int = attribute("The time allowed, in seconds.")
    due_at: dt.datetime | None = attribute(
        "When it is or was due, working hours taken into account; null while paused or when it no longer counts."
    )
    paused_at: dt.datetime | None = attribute("Since when it rests; null when it doesn't.")
    completed_at: dt.datetime | None = attribute("When it was done, in time or late; null before that.")

    @planned("Its state.")
    def state(clock: models.SlaClock, viewer: Viewer) -> SlaState:
        return sla.state_of(clock)

    @planned("Working time left while paused, in seconds; null otherwise, count down to dueAt instead.")
    def remaining_seconds(clock: models.SlaClock, viewer: Viewer) -> int | None:
        return sla.remaining_of(clock)

    @planned("When it was missed; null if it wasn't.")
    def breached_at(clock: models.SlaClock, viewer: Viewer) -> dt.datetime | None:
        return sla.breached_at_of(clock)


@stored(models.Ticket, None, node=False)
@strawberry.type(description="The SLA targets of a ticket.")
class TicketSla:
    @planned("The policy that applies.")
    def policy(ticket: models.Ticket, viewer: Viewer) -> SlaPolicy:
        return sla.policy_of(ticket)

    @planned("For the first public answer; null: no target.")
    def first_response(ticket: models.Ticket, viewer: Viewer) -> SlaClock | None:
        return sla.clock_of(ticket, models.SlaTargetKind.FIRST_RESPONSE)

    @planned("For the resolution; reopening lets it run on. Null: no target.")
    def resolution(ticket: models.Ticket, viewer: Viewer) -> SlaClock | None:
        return sla.clock_of(ticket, models.SlaTargetKind.RESOLUTION)


@strawberry.input(description="The targets for one priority; at least one of them.")
class SlaTargetInput:
    priority: models.TicketPriority = required("The priority.")
    first_response_seconds: int | None = optional(
        "Time to the first public answer, in seconds of working time, 60 to 31536000; default: no target."
    )
    resolution_seconds: int | None = optional(
        "Time to the resolution, in seconds of working time, 60 to 31536000; default: no target."
    )

    def target(self) -> policies.Target:
        """The target that it says."""
        return policies.Target(self.priority, given(self.first_response_seconds), given(self.resolution_seconds))


@strawberry.input(description="What saveSlaPolicy needs.")
class SaveSlaPolicyInput:
    sla_policy_id: strawberry.ID | None = optional("The policy to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    description: str | None = optional("What it is for, at most 500 characters.")
    position: int | None = optional("Place among the policies, from 0; default: the end.")
    active: bool = strawberry.field(description="Whether it's applied to new tickets.", default=True)
    department_ids: list[strawberry.ID] = strawberry.field(
        description="Condition: one of these departments, at most 50; empty: any.", default_factory=list
    )
    category_ids: list[strawberry.ID] = strawberry.field(
        description="Condition: one of these categories, at most 50; empty: any.", default_factory=list
    )
    targets: list[SlaTargetInput] = required("Targets, one for each priority, 1 to 4.")
    calendar_id: strawberry.ID | None = optional("Working hours; default: those of the ticket's department.")
    pauses_on_hold: bool = strawberry.field(description="Whether clocks rest while a ticket is on hold.", default=False)
    recalculate: bool = strawberry.field(
        description="Apply it to unresolved tickets under it too; done by a job.", default=False
    )


@strawberry.type(description="Saved.")
class SaveSlaPolicySuccess:
    sla_policy: Payload[SlaPolicy] = payload("The policy.", policies.one)


SaveSlaPolicyResult = Annotated[
    Union[SaveSlaPolicySuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveSlaPolicyResult", description="What saveSlaPolicy answers."),
]
