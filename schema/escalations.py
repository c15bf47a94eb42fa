"""Escalations and the rules that make them, as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any, Union

import strawberry

import models
from domain import escalations, tickets
from domain.access import Viewer
from domain.escalations import raising, rules
from planner.fields import Payload, When, attribute, payload, planned
from planner.nodes import Node, stored
from schema.departments import Department
from schema.enums import described
from schema.inputs import KEY, optional, required
from schema.nodes import LOOKUPS
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound

if TYPE_CHECKING:
    from schema.tickets import Ticket

LazyTicket = Annotated["Ticket", strawberry.lazy("schema.tickets")]

described(
    models.EscalationLevel,
    "A level of escalation, lowest first.",
    TEAM_LEAD="The leads of the department.",
    MANAGER="The managers of the department.",
    DIRECTOR="The directors.",
)
described(
    models.EscalationTrigger,
    "What an escalation rule watches.",
    UNASSIGNED="The ticket has no assignee.",
    NOT_ANSWERED="No agent has answered in public yet.",
    CUSTOMER_WAITING="The customer waits for an answer.",
    NOT_RESOLVED="The ticket is not resolved.",
    SLA_BREACHED="An SLA target has been missed.",
    NOT_ACKNOWLEDGED="An escalation to the level below was not acknowledged.",
)


@stored(models.EscalationRule, "esr")
@strawberry.type(
    description="A rule by which tickets are escalated by themselves. A rule acts within 10 seconds of falling due; a "
    "ticket goes up one level at a time, so that the next level falls due after the one before has acted: a rule for "
    "MANAGER waits for TEAM_LEAD where an active rule for that matches. A level without active people is recorded and "
    "passed at once; when none is left, admins are told. Ending an escalation and reopening start afterSeconds anew."
)
class EscalationRule(Node):
    name: str = attribute("Its name.")
    active: bool = attribute("Whether it's applied.")
    trigger: models.EscalationTrigger = attribute("What it watches.")
    after_seconds: int = attribute("How long that must last, in seconds of working time; 0: at once.")
    level: models.EscalationLevel = attribute("The level it raises tickets to.")
    priorities: list[models.TicketPriority] = attribute("Condition: one of these priorities; empty: any.")

    @planned("Condition: one of these departments, at most 50; empty: any.", most=rules.MOST_DEPARTMENTS)
    def departments(rule: models.EscalationRule, viewer: Viewer) -> list[Department]:
        return rules.departments_of(rule)


def _for_staff(viewer: Viewer, escalation: Any, value: Any) -> Any:
    """What those who work on the ticket may know; null for others."""
    works = escalations.works_on_its_ticket(viewer, escalation)
    if isinstance(works, bool):
        return value if works else None
    return When(works, value)


@stored(models.Escalation, "esc")
@strawberry.type(description="The raising of a ticket to a higher level.")
class Escalation(Node):
    ticket: LazyTicket = attribute("The ticket.")
    level: models.EscalationLevel = attribute("The level it was raised to.")
    at: dt.datetime = attribute("When.")
    acknowledged_at: dt.datetime | None = attribute(
        "When someone acknowledged it; null before that. From then on, rules raise it no further."
    )
    acknowledged_by: Person | None = attribute("Who acknowledged it; null before that.")
    ended_at: dt.datetime | None = attribute(
        "When it ended, by hand, by resolution or by the next level; null while in force."
    )

    @planned("Why, in words. Staff; null for others.")
    def reason(escalation: models.Escalation, viewer: Viewer) -> str | None:
        return _for_staff(viewer, escalation, escalation.reason)

    @planned("The rule that raised it; null when a person did. Staff; null for others.")
    def rule(escalation: models.Escalation, viewer: Viewer) -> EscalationRule | None:
        return _for_staff(viewer, escalation, escalations.rule_of(escalation))

    @planned("Who raised it; null when a rule did. Staff; null for others.")
    def escalated_by(escalation: models.Escalation, viewer: Viewer) -> Person | None:
        return _for_staff(viewer, escalation, escalation.escalated_by)

    @planned(
        "The people of that level who were notified, at most 50. Staff; empty for customers.", most=raising.MOST_TOLD
    )
    def escalated_to(escalation: models.Escalation, viewer: Viewer) -> list[Person]:
        return escalations.escalated_to(viewer, escalation)


# --- By hand ----------------------------------------------------------------------------------------------------------


@strawberry.input(description="What escalateTicket needs.")
class EscalateTicketInput:
    ticket_id: strawberry.ID = required("The ticket.")
    level: models.EscalationLevel | None = optional("The level; default: the next one.")
    reason: str = required("Why, 1 to 500 characters.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="Escalated.")
class EscalateTicketSuccess:
    ticket: Payload[LazyTicket] = payload("The ticket.", tickets.one)
    escalation: Payload[Escalation] = payload("The escalation.", LOOKUPS[models.Escalation])


EscalateTicketResult = Annotated[
    Union[EscalateTicketSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("EscalateTicketResult", description="What escalateTicket answers."),
]


@strawberry.input(description="What acknowledgeEscalation needs.")
class AcknowledgeEscalationInput:
    escalation_id: strawberry.ID = required("The escalation.")


@strawberry.type(description="Acknowledged.")
class AcknowledgeEscalationSuccess:
    escalation: Payload[Escalation] = payload("The escalation.", LOOKUPS[models.Escalation])


AcknowledgeEscalationResult = Annotated[
    Union[AcknowledgeEscalationSuccess, NotFound, NotAllowed, Conflict],
    strawberry.union("AcknowledgeEscalationResult", description="What acknowledgeEscalation answers."),
]


@strawberry.input(description="What endEscalation needs.")
class EndEscalationInput:
    escalation_id: strawberry.ID = required("The escalation.")
    reason: str | None = optional("Why, at most 500 characters.")


@strawberry.type(description="Ended.")
class EndEscalationSuccess:
    escalation: Payload[Escalation] = payload("The escalation.", LOOKUPS[models.Escalation])


EndEscalationResult = Annotated[
    Union[EndEscalationSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("EndEscalationResult", description="What endEscalation answers."),
]


# --- Rules ------------------------------------------------------------------------------------------------------------


@strawberry.input(description="What saveEscalationRule needs.")
class SaveEscalationRuleInput:
    escalation_rule_id: strawberry.ID | None = optional("The rule to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    active: bool = strawberry.field(description="Whether it's applied.", default=True)
    trigger: models.EscalationTrigger = required("What it watches.")
    after_seconds: int = required("How long that must last, in seconds of working time, 0 to 31536000.")
    level: models.EscalationLevel = required("The level it raises tickets to.")
    priorities: list[models.TicketPriority] = strawberry.field(
        description="Condition: one of these priorities; empty: any.", default_factory=list
    )
    department_ids: list[strawberry.ID] = strawberry.field(
        description="Condition: one of these departments, at most 50; empty: any.", default_factory=list
    )


@strawberry.type(description="Saved.")
class SaveEscalationRuleSuccess:
    escalation_rule: Payload[EscalationRule] = payload("The rule.", rules.one)


SaveEscalationRuleResult = Annotated[
    Union[SaveEscalationRuleSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveEscalationRuleResult", description="What saveEscalationRule answers."),
]


@strawberry.input(description="What deleteEscalationRule needs.")
class DeleteEscalationRuleInput:
    escalation_rule_id: strawberry.ID = required("The rule.")


@strawberry.type(description="Deleted.")
class DeleteEscalationRuleSuccess:
    deleted_id: strawberry.ID = strawberry.field(description="Id of what was deleted.")


DeleteEscalationRuleResult = Annotated[
    Union[DeleteEscalationRuleSuccess, NotFound, NotAllowed],
    strawberry.union("DeleteEscalationRuleResult", description="What deleteEscalationRule answers."),
]
