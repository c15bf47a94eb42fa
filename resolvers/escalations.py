"""Escalations: raising tickets, settling that, and keeping the rules that do it by themselves."""

import strawberry

import models
from domain.access import Viewer
from domain.escalations import rules
from domain.tickets import escalating
from domain.tickets.escalating import Wish
from infra.unit import Unit
from planner.fields import planned
from planner.nodes import global_id
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.escalations import (
    AcknowledgeEscalationInput,
    AcknowledgeEscalationResult,
    AcknowledgeEscalationSuccess,
    DeleteEscalationRuleInput,
    DeleteEscalationRuleResult,
    DeleteEscalationRuleSuccess,
    EndEscalationInput,
    EndEscalationResult,
    EndEscalationSuccess,
    EscalateTicketInput,
    EscalateTicketResult,
    EscalateTicketSuccess,
    EscalationRule,
    SaveEscalationRuleInput,
    SaveEscalationRuleResult,
    SaveEscalationRuleSuccess,
)
from schema.inputs import given


@planned("Rules by which tickets are escalated, by level and time. Leads.")
def escalation_rules(viewer: Viewer, page: PageArguments) -> Connection[EscalationRule] | None:
    return page.of(rules.visible(viewer), order=rules.order())


@mutation(
    "Raises a ticket to a higher level by hand; the people of that level, the assignee, the requester and the watchers "
    "are notified. Staff."
)
async def escalate_ticket(unit: Unit, context: Context, input: EscalateTicketInput) -> EscalateTicketResult:
    wish = Wish(key_of(input.ticket_id, models.Ticket, "ticketId"), given(input.level), input.reason)
    escalation = await escalating.escalate(unit, context.viewer, wish)
    return EscalateTicketSuccess(ticket=escalation.ticket_id, escalation=escalation.id)


@mutation(
    "Acknowledges the escalation in force, so that rules raise it no further. The people it was escalated to, and "
    "everyone above them."
)
async def acknowledge_escalation(
    unit: Unit, context: Context, input: AcknowledgeEscalationInput
) -> AcknowledgeEscalationResult:
    key = key_of(input.escalation_id, models.Escalation, "escalationId")
    return AcknowledgeEscalationSuccess(escalation=await escalating.acknowledge(unit, context.viewer, key))


@mutation(
    "Ends the escalation in force; rules start counting anew. The people it was escalated to, and everyone above them."
)
async def end_escalation(unit: Unit, context: Context, input: EndEscalationInput) -> EndEscalationResult:
    key = key_of(input.escalation_id, models.Escalation, "escalationId")
    ended = await escalating.end(unit, context.viewer, key, reason=given(input.reason))
    return EndEscalationSuccess(escalation=ended)


@mutation("Makes or replaces an escalation rule. Admins.")
async def save_escalation_rule(
    unit: Unit, context: Context, input: SaveEscalationRuleInput
) -> SaveEscalationRuleResult:
    form = rules.Form(
        name=input.name,
        active=input.active,
        trigger=input.trigger,
        after_seconds=input.after_seconds,
        level=input.level,
        priorities=input.priorities,
        department_ids=keys_of(input.department_ids, models.Department, "departmentIds"),
    )
    rule_id = optional_key(input.escalation_rule_id, models.EscalationRule, "escalationRuleId")
    return SaveEscalationRuleSuccess(escalation_rule=await rules.save(unit, context.viewer, rule_id, form))


@mutation("Deletes an escalation rule; escalations that it made stay. Admins.")
async def delete_escalation_rule(
    unit: Unit, context: Context, input: DeleteEscalationRuleInput
) -> DeleteEscalationRuleResult:
    rule_id = key_of(input.escalation_rule_id, models.EscalationRule, "escalationRuleId")
    deleted = await rules.delete(unit, context.viewer, rule_id)
    return DeleteEscalationRuleSuccess(deleted_id=strawberry.ID(global_id(models.EscalationRule, deleted)))
