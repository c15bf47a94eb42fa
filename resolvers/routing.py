"""Routing rules: listing and keeping them."""

import strawberry

import models
from domain import routing
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import planned
from planner.nodes import global_id
from planner.pages import Connection, PageArguments
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.context import Context
from schema.inputs import given
from schema.routing import (
    DeleteRoutingRuleInput,
    DeleteRoutingRuleResult,
    DeleteRoutingRuleSuccess,
    RoutingRule,
    SaveRoutingRuleInput,
    SaveRoutingRuleResult,
    SaveRoutingRuleSuccess,
)


@planned("Rules that send new tickets where they belong, in the order in which they are tried. Admins.")
def routing_rules(viewer: Viewer, page: PageArguments) -> Connection[RoutingRule] | None:
    return page.of(routing.visible(viewer), order=[models.RoutingRule.position, models.RoutingRule.id])


@mutation("Makes or replaces a routing rule. Admins.")
async def save_routing_rule(unit: Unit, context: Context, input: SaveRoutingRuleInput) -> SaveRoutingRuleResult:
    form = routing.Form(
        name=input.name,
        position=given(input.position),
        active=input.active,
        category_ids=keys_of(input.category_ids, models.Category, "categoryIds"),
        priorities=input.priorities,
        service_ids=keys_of(input.service_ids, models.Service, "serviceIds"),
        words=input.words,
        email_domains=input.email_domains,
        department_id=optional_key(input.department_id, models.Department, "departmentId"),
        assignee_id=optional_key(input.assignee_id, models.Person, "assigneeId"),
        priority=given(input.priority),
        add_tags=input.add_tags,
    )
    rule_id = optional_key(input.routing_rule_id, models.RoutingRule, "routingRuleId")
    return SaveRoutingRuleSuccess(routing_rule=await routing.save(unit, context.viewer, rule_id, form))


@mutation("Deletes a routing rule. Admins.")
async def delete_routing_rule(unit: Unit, context: Context, input: DeleteRoutingRuleInput) -> DeleteRoutingRuleResult:
    rule_id = key_of(input.routing_rule_id, models.RoutingRule, "routingRuleId")
    deleted = await routing.delete(unit, context.viewer, rule_id)
    return DeleteRoutingRuleSuccess(deleted_id=strawberry.ID(global_id(models.RoutingRule, deleted)))
