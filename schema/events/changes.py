"""Events of what a ticket is and who has it."""

import datetime as dt

import sqlalchemy as sa
import strawberry

import models
from domain import history, routing
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.categories import Category
from schema.departments import Department
from schema.events import TicketEvent, named, said
from schema.people import Person
from schema.routing import RoutingRule
from schema.services import Service


@stored(models.Event, "evt", kind="TicketSubmitted")
@strawberry.type(description="The ticket came in; always the first event.")
class TicketSubmitted(TicketEvent):
    @planned("Subject at that time.")
    def subject(event: models.Event, viewer: Viewer) -> str:
        return history.text_of(event, "subject")

    @planned("Priority at that time.")
    def initial_priority(event: models.Event, viewer: Viewer) -> models.TicketPriority:
        return said(event, "initial_priority")

    @planned("Category at that time.")
    def initial_category(event: models.Event, viewer: Viewer) -> Category:
        return named(event, "initial_category_id", models.Category)

    @planned("The customer at that time.")
    def initial_requester(event: models.Event, viewer: Viewer) -> Person:
        return named(event, "initial_requester_id", models.Person)

    @planned("Service at that time; null when none was named.")
    def initial_service(event: models.Event, viewer: Viewer) -> Service | None:
        return named(event, "initial_service_id", models.Service)

    @planned("Tags at that time. Staff; empty for customers.")
    def initial_tags(event: models.Event, viewer: Viewer) -> list[str]:
        return history.tags_of(viewer, event)

    @planned("How it came in.")
    def channel(event: models.Event, viewer: Viewer) -> models.TicketChannel:
        return said(event, "channel")


@stored(models.Event, "evt", kind="TicketRouted")
@strawberry.type(description="The ticket went to a department.")
class TicketRouted(TicketEvent):
    @planned("Where it was; null at first.")
    def from_department(event: models.Event, viewer: Viewer) -> Department | None:
        return named(event, "from_department_id", models.Department)

    @planned("Where it went.")
    def to_department(event: models.Event, viewer: Viewer) -> Department:
        return named(event, "to_department_id", models.Department)

    @planned("The rule that decided; null when the category or a person did.")
    def rule(event: models.Event, viewer: Viewer) -> RoutingRule | None:
        rule = history.id_in(event, "rule_id")
        return routing.seen(viewer).where(models.RoutingRule.id == rule)


@stored(models.Event, "evt", kind="TicketAssigned")
@strawberry.type(description="The ticket was given to an agent, taken or put back.")
class TicketAssigned(TicketEvent):
    @planned("The agent before; null when none.")
    def from_assignee(event: models.Event, viewer: Viewer) -> Person | None:
        return named(event, "from_assignee_id", models.Person)

    @planned("The agent after; null when put back.")
    def to_assignee(event: models.Event, viewer: Viewer) -> Person | None:
        return named(event, "to_assignee_id", models.Person)


@stored(models.Event, "evt", kind="StatusChanged")
@strawberry.type(description="The ticket moved between open, pending and on hold.")
class StatusChanged(TicketEvent):
    @planned("Before.")
    def from_status(event: models.Event, viewer: Viewer) -> models.TicketStatus:
        return said(event, "from_status")

    @planned("After.")
    def to_status(event: models.Event, viewer: Viewer) -> models.TicketStatus:
        return said(event, "to_status")

    @planned("Why, in words; null when nothing was said. Staff.")
    def reason(event: models.Event, viewer: Viewer) -> str | None:
        return history.reason_of(viewer, event)

    @planned("When it opens again by itself; null when it won't.")
    def resumes_at(event: models.Event, viewer: Viewer) -> dt.datetime | None:
        return sa.cast(said(event, "resumes_at"), sa.DateTime(timezone=True))


@stored(models.Event, "evt", kind="TicketTriaged")
@strawberry.type(description="A person found the right category.")
class TicketTriaged(TicketEvent):
    @planned("The category found.")
    def category(event: models.Event, viewer: Viewer) -> Category:
        return named(event, "category_id", models.Category)


@stored(models.Event, "evt", kind="PriorityChanged")
@strawberry.type(description="The priority changed.")
class PriorityChanged(TicketEvent):
    @planned("Before.")
    def from_priority(event: models.Event, viewer: Viewer) -> models.TicketPriority:
        return said(event, "from_priority")

    @planned("After.")
    def to_priority(event: models.Event, viewer: Viewer) -> models.TicketPriority:
        return said(event, "to_priority")


@stored(models.Event, "evt", kind="CategoryChanged")
@strawberry.type(description="The category changed.")
class CategoryChanged(TicketEvent):
    @planned("Before.")
    def from_category(event: models.Event, viewer: Viewer) -> Category:
        return named(event, "from_category_id", models.Category)

    @planned("After.")
    def to_category(event: models.Event, viewer: Viewer) -> Category:
        return named(event, "to_category_id", models.Category)


@stored(models.Event, "evt", kind="SubjectChanged")
@strawberry.type(description="The subject changed.")
class SubjectChanged(TicketEvent):
    @planned("Before.")
    def from_subject(event: models.Event, viewer: Viewer) -> str:
        return history.text_of(event, "from_subject")

    @planned("After.")
    def to_subject(event: models.Event, viewer: Viewer) -> str:
        return history.text_of(event, "to_subject")


@stored(models.Event, "evt", kind="ServiceChanged")
@strawberry.type(description="The service concerned changed.")
class ServiceChanged(TicketEvent):
    @planned("Before; null when none.")
    def from_service(event: models.Event, viewer: Viewer) -> Service | None:
        return named(event, "from_service_id", models.Service)

    @planned("After; null when none.")
    def to_service(event: models.Event, viewer: Viewer) -> Service | None:
        return named(event, "to_service_id", models.Service)


@stored(models.Event, "evt", kind="RequesterChanged")
@strawberry.type(description="The ticket was handed to another customer.")
class RequesterChanged(TicketEvent):
    @planned("Before.")
    def from_requester(event: models.Event, viewer: Viewer) -> Person:
        return named(event, "from_requester_id", models.Person)

    @planned("After.")
    def to_requester(event: models.Event, viewer: Viewer) -> Person:
        return named(event, "to_requester_id", models.Person)


@stored(models.Event, "evt", kind="TagsChanged")
@strawberry.type(description="Tags were added or removed.")
class TagsChanged(TicketEvent):
    @planned("Added.")
    def added_tags(event: models.Event, viewer: Viewer) -> list[str]:
        return history.words_in(event, "added_tags")

    @planned("Removed.")
    def removed_tags(event: models.Event, viewer: Viewer) -> list[str]:
        return history.words_in(event, "removed_tags")


@stored(models.Event, "evt", kind="WatchersChanged")
@strawberry.type(description="People began or ceased to watch.")
class WatchersChanged(TicketEvent):
    @planned("Those who began, at most 50.", most=history.MOST_NAMED)
    def added_watchers(event: models.Event, viewer: Viewer) -> list[Person]:
        return history.people_in(viewer, event, "added_watcher_ids")

    @planned("Those who ceased, at most 50.", most=history.MOST_NAMED)
    def removed_watchers(event: models.Event, viewer: Viewer) -> list[Person]:
        return history.people_in(viewer, event, "removed_watcher_ids")
