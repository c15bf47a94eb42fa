"""Figures, as the API shows them."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
import strawberry
from sqlalchemy import select

import models
from domain import zones
from domain.access import Viewer
from domain.metrics import figures
from domain.metrics.figures import By, Interval
from planner.fields import When, argument, attribute, input_field, planned
from planner.nodes import NodeIds, stored
from schema.categories import Category
from schema.departments import Department
from schema.enums import described
from schema.inputs import given
from schema.people import Person

MOST_KEYS, MOST_LINES, PRIORITIES = 50, 100, len(models.TicketPriority)

described(
    Interval,
    "Length of a period.",
    called="MetricInterval",
    HOUR="An hour.",
    DAY="A day.",
    WEEK="A week, from Monday.",
    MONTH="A calendar month.",
)


@strawberry.input(description="Which tickets, and when.")
class MetricsFilter:
    from_: dt.datetime = input_field(
        "From this moment on, rounded down to a quarter of an hour, as is `to`; at most 2 years before the end.",
        name="from",
    )
    to: dt.datetime | None = input_field("Up to this moment, itself not included; default: now.")
    department_ids: NodeIds | None = input_field(
        "Of these departments, at most 50; default: all that the viewer may measure.", most=MOST_KEYS
    )
    agent_ids: NodeIds | None = input_field("Of these agents, at most 50; default: all.", most=MOST_KEYS)
    category_ids: NodeIds | None = input_field("Of these categories, at most 50; default: all.", most=MOST_KEYS)
    priorities: list[models.TicketPriority] | None = input_field("Of these priorities; default: all.")

    def asked(self) -> figures.Asked:
        """What is given."""

        def keys(ids: Any, model: type) -> Any:
            found = given(ids)
            return None if found is None else found.of(model)

        return figures.Asked(
            start=self.from_,
            end=given(self.to),
            department_ids=keys(self.department_ids, models.Department),
            agent_ids=keys(self.agent_ids, models.Person),
            category_ids=keys(self.category_ids, models.Category),
            priorities=given(self.priorities),
        )


# --- Figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took: how many there were, all together, and their histogram."""

    count: Any
    seconds: Any
    groups: Any
    buckets: Any


@strawberry.type(description="How long something took.")
class DurationStats:
    count: int = attribute("How many were measured.")

    @planned("Half took at most so long, in seconds; null when there are none.")
    def median_seconds(took: Any, viewer: Viewer) -> int | None:
        return figures.percentile(took.count, took.groups, took.buckets, 0.5)

    @planned("Nine of ten took at most so long, in seconds; null when there are none.")
    def p90_seconds(took: Any, viewer: Viewer) -> int | None:
        return figures.percentile(took.count, took.groups, took.buckets, 0.9)

    @planned("Mean, in seconds; null when there are none.")
    def average_seconds(took: Any, viewer: Viewer) -> int | None:
        return figures.mean(took.seconds, took.count)


@stored(models.Sums, None, node=False)
@strawberry.type(description="How satisfied customers are.")
class SatisfactionStats:
    @planned("How many rated.")
    def rating_count(row: Any, viewer: Viewer) -> int:
        return figures.ratings(row)

    @planned("Mean of the ratings, 1 to 5; null when there are none.")
    def average_rating(row: Any, viewer: Viewer) -> float | None:
        return figures.average_rating(row)

    @planned("Share of ratings of 4 and 5 (CSAT); null when there are none.")
    def satisfied_share(row: Any, viewer: Viewer) -> float | None:
        return figures.share(row.rated_4 + row.rated_5, figures.ratings(row))

    @planned("How many gave 1, 2, 3, 4 and 5: always five numbers, in this order.")
    def rating_counts(row: Any, viewer: Viewer) -> list[int]:
        return figures.rating_counts(row)

    @planned("Share of resolved tickets that were rated; null when none was resolved.")
    def response_share(row: Any, viewer: Viewer) -> float | None:
        return figures.share(row.resolved_rated, row.resolved)


@stored(models.Sums, None, node=False)
@strawberry.type(description="How SLA targets were met.")
class SlaStats:
    first_response_met_count: int = attribute("First answers in time.", column="first_response_met")
    first_response_breached_count: int = attribute("First answers too late.", column="first_response_breached")
    resolution_met_count: int = attribute("Resolutions in time.", column="resolution_met")
    resolution_breached_count: int = attribute("Resolutions too late.", column="resolution_breached")

    @planned("Share of all four that were in time; null when there are none.")
    def met_share(row: Any, viewer: Viewer) -> float | None:
        met = row.first_response_met + row.resolution_met
        return figures.share(met, met + row.first_response_breached + row.resolution_breached)


@stored(models.Sums, None, node=False)
@strawberry.type(description="How often tickets were escalated.")
class EscalationStats:
    @planned("In all.")
    def count(row: Any, viewer: Viewer) -> int:
        return row.to_team_lead + row.to_manager + row.to_director

    team_lead_count: int = attribute("To team leads.", column="to_team_lead")
    manager_count: int = attribute("To managers.", column="to_manager")
    director_count: int = attribute("To directors.", column="to_director")


@stored(models.Sums, None, node=False)
@strawberry.type(description="What is measured of some tickets in a span of time.")
class MetricValues:
    submitted_count: int = attribute("Tickets submitted.", column="submitted")
    resolved_count: int = attribute("Tickets resolved; each counts once, at its last resolution.", column="resolved")
    reopened_count: int = attribute("Resolutions that the customer rejected.", column="reopened")
    backlog_count: int = attribute("Tickets neither resolved nor closed at the end of the span.", column="backlog")
    reply_count: int = attribute("Public comments by agents.", column="replies")

    @planned("From submission to the first public answer, in working time, of tickets first answered in the span.")
    def first_response(row: Any, viewer: Viewer) -> DurationStats:
        drawn = row.first_response_groups, row.first_response_buckets
        return Durations(row.first_responses, row.first_response_seconds, *drawn)

    @planned(
        "From submission to the last resolution, in working time without that spent pending, "
        "of tickets resolved in the span."
    )
    def resolution(row: Any, viewer: Viewer) -> DurationStats:
        return Durations(row.resolved, row.resolution_seconds, row.resolution_groups, row.resolution_buckets)

    @planned("Ratings given in the span.")
    def satisfaction(row: Any, viewer: Viewer) -> SatisfactionStats:
        return When(sa.true(), row)

    @planned("SLA targets met or missed in the span.")
    def sla(row: Any, viewer: Viewer) -> SlaStats:
        return When(sa.true(), row)

    @planned("Escalations in the span.")
    def escalations(row: Any, viewer: Viewer) -> EscalationStats:
        return When(sa.true(), row)

    @planned(
        "Readers who found their answer in an article instead of submitting a ticket; "
        "null when split by agent or priority."
    )
    def deflection_count(row: Any, viewer: Viewer) -> int | None:
        return row.saved


@stored(models.Sums, None, node=False)
@strawberry.type(description="What was measured in one period.")
class MetricPoint:
    from_: dt.datetime = attribute("Beginning of the period.", name="from", column="from_at")
    to: dt.datetime = attribute("End of the period, itself not included.", column="to_at")

    @planned("The numbers.")
    def values(row: Any, viewer: Viewer) -> MetricValues:
        return When(sa.true(), row)


@stored(models.Sums, None, node=False)
@strawberry.type(description="What was measured of one department.")
class DepartmentMetrics:
    @planned("The department.")
    def department(row: Any, viewer: Viewer) -> Department:
        return select(models.Department).where(models.Department.id == row.key)

    @planned("The numbers.")
    def values(row: Any, viewer: Viewer) -> MetricValues:
        return When(sa.true(), row)


@stored(models.Sums, None, node=False)
@strawberry.type(description="What was measured of one agent.")
class AgentMetrics:
    @planned("The agent.")
    def agent(row: Any, viewer: Viewer) -> Person:
        return select(models.Person).where(models.Person.id == row.key)

    @planned("The numbers.")
    def values(row: Any, viewer: Viewer) -> MetricValues:
        return When(sa.true(), row)


@stored(models.Sums, None, node=False)
@strawberry.type(description="What was measured of one category.")
class CategoryMetrics:
    @planned("The category.")
    def category(row: Any, viewer: Viewer) -> Category:
        return select(models.Category).where(models.Category.id == row.key)

    @planned("The numbers.")
    def values(row: Any, viewer: Viewer) -> MetricValues:
        return When(sa.true(), row)


@stored(models.Sums, None, node=False)
@strawberry.type(description="What was measured of one priority.")
class PriorityMetrics:
    @planned("The priority.")
    def priority(row: Any, viewer: Viewer) -> models.TicketPriority:
        return figures.priority_of(row.key)

    @planned("The numbers.")
    def values(row: Any, viewer: Viewer) -> MetricValues:
        return When(sa.true(), row)


Lines = Annotated[int, argument("How many: 1 to 100.", least=1, most=MOST_LINES, plain=True)]


@stored(models.Sums, None, node=False)
@strawberry.type(
    description="How the desk did in a span of time. "
    "A ticket counts for the department and agent it belonged to at the moment that is counted."
)
class Metrics:
    from_: dt.datetime = attribute("Beginning of the span.", name="from", column="from_at")
    to: dt.datetime = attribute("End of the span, itself not included.", column="to_at")

    @planned("Up to when everything is counted in.")
    def computed_at(scope: Any, viewer: Viewer) -> dt.datetime:
        return figures.computed_at(viewer)

    @planned("The whole span.")
    def total(scope: Any, viewer: Viewer) -> MetricValues:
        return figures.total(scope)

    @planned("The span of the same length before it, for comparison; null if it can't be computed.")
    def previous(scope: Any, viewer: Viewer) -> MetricValues | None:
        return figures.before(scope)

    @planned(
        "The span cut into periods, oldest first; at most 400, else the operation is refused.",
        most=figures.MOST_PERIODS,
    )
    def series(
        scope: Any,
        viewer: Viewer,
        interval: Annotated[Interval, argument("Length of a period.")],
        time_zone: Annotated[
            str | None,
            argument("IANA time zone in which days begin; default: the viewer's.", check=zones.fault),
        ] = None,
    ) -> list[MetricPoint] | None:
        return figures.series(viewer, scope, interval, time_zone)

    @planned("By department, most resolved first.", most=MOST_LINES)
    def by_department(scope: Any, viewer: Viewer, first: Lines = 20) -> list[DepartmentMetrics]:
        return figures.split(viewer, scope, By.DEPARTMENT, first)

    @planned("By agent, most resolved first. Agents: only themselves.", most=MOST_LINES)
    def by_agent(scope: Any, viewer: Viewer, first: Lines = 20) -> list[AgentMetrics]:
        return figures.split(viewer, scope, By.AGENT, first)

    @planned("By category, most submitted first.", most=MOST_LINES)
    def by_category(scope: Any, viewer: Viewer, first: Lines = 20) -> list[CategoryMetrics]:
        return figures.split(viewer, scope, By.CATEGORY, first)

    @planned("By priority, most urgent first; always four.", most=PRIORITIES)
    def by_priority(
        scope: Any,
        viewer: Viewer,
        first: Annotated[int, argument("How many: 1 to 4.", least=1, most=PRIORITIES, plain=True)] = PRIORITIES,
    ) -> list[PriorityMetrics]:
        return figures.split(viewer, scope, By.PRIORITY, first)
