"""Routing rules as the API shows them."""

from typing import Annotated, Union

import strawberry

import models
from domain import categories, routing, services
from domain.access import Viewer
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import Node, stored
from schema.categories import Category
from schema.departments import Department
from schema.inputs import optional, required
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound
from schema.services import Service


@stored(models.RoutingRule, "rul")
@strawberry.type(
    description="A rule that sends new tickets where they belong. "
    "The first active rule whose conditions all hold decides."
)
class RoutingRule(Node):
    name: str = attribute("Its name.")
    position: int = attribute("Place among the rules, from 0.")
    active: bool = attribute("Whether it's applied.")
    words: list[str] = attribute("Condition: one of these words in subject, body or topic, at most 50; empty: any.")
    email_domains: list[str] = attribute(
        "Condition: one of these domains in the customer's email address, at most 50; empty: any."
    )
    department: Department | None = attribute("Effect: the department; null: as the category says.")
    assignee: Person | None = attribute("Effect: the agent; null: as the department assigns.")
    priority: models.TicketPriority | None = attribute("Effect: the priority; null: as it is.")
    add_tags: list[str] = attribute("Effect: tags to add, at most 20.")
    priorities: list[models.TicketPriority] = attribute("Condition: one of these priorities; empty: any.")

    @planned("Condition: one of these categories, at most 50; empty: any.")
    def categories(rule: models.RoutingRule, viewer: Viewer) -> list[Category]:
        return categories.named(rule.category_ids)

    @planned("Condition: one of these services, at most 50; empty: any.")
    def services(rule: models.RoutingRule, viewer: Viewer) -> list[Service]:
        return services.named(rule.service_ids)


@strawberry.input(description="What saveRoutingRule needs.")
class SaveRoutingRuleInput:
    routing_rule_id: strawberry.ID | None = optional("The rule to replace; default: a new one.")
    name: str = required("Name, 1 to 100 characters, not taken yet.")
    position: int | None = optional("Place among the rules, from 0; default: the end.")
    active: bool = strawberry.field(description="Whether it's applied.", default=True)
    category_ids: list[strawberry.ID] = strawberry.field(
        description="Condition: one of these categories, at most 50; empty: any.", default_factory=list
    )
    priorities: list[models.TicketPriority] = strawberry.field(
        description="Condition: one of these priorities; empty: any.", default_factory=list
    )
    service_ids: list[strawberry.ID] = strawberry.field(
        description="Condition: one of these services, at most 50; empty: any.", default_factory=list
    )
    words: list[str] = strawberry.field(
        description="Condition: one of these words, at most 50; empty: any.", default_factory=list
    )
    email_domains: list[str] = strawberry.field(
        description="Condition: one of these email domains, at most 50; empty: any.", default_factory=list
    )
    department_id: strawberry.ID | None = optional("Effect: the department; default: as the category says.")
    assignee_id: strawberry.ID | None = optional("Effect: the agent; default: as the department assigns.")
    priority: models.TicketPriority | None = optional("Effect: the priority; default: as it is.")
    add_tags: list[str] = strawberry.field(description="Effect: tags to add, at most 20.", default_factory=list)


@strawberry.type(description="Saved.")
class SaveRoutingRuleSuccess:
    routing_rule: Payload[RoutingRule] = payload("The rule.", routing.one)


SaveRoutingRuleResult = Annotated[
    Union[SaveRoutingRuleSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("SaveRoutingRuleResult", description="What saveRoutingRule answers."),
]


@strawberry.input(description="What deleteRoutingRule needs.")
class DeleteRoutingRuleInput:
    routing_rule_id: strawberry.ID = required("The rule.")


@strawberry.type(description="Deleted.")
class DeleteRoutingRuleSuccess:
    deleted_id: strawberry.ID = strawberry.field(description="Id of what was deleted.")


DeleteRoutingRuleResult = Annotated[
    Union[DeleteRoutingRuleSuccess, NotFound, NotAllowed],
    strawberry.union("DeleteRoutingRuleResult", description="What deleteRoutingRule answers."),
]
