"""How much waits where, as the API shows it."""

import datetime as dt
from typing import Any

import strawberry
from sqlalchemy import select

import models
from domain.access import Viewer
from planner.fields import attribute, planned
from planner.nodes import stored
from schema.departments import Department


@stored(models.Department, "que", node=False)
@strawberry.type(description="How much waits in a queue, and how long. Counts are of tickets that the viewer can see.")
class Queue:
    id: strawberry.ID = strawberry.field(description="Id of this queue, for client caches; not a Node.")
    open_count: int = attribute("Open tickets.")
    unassigned_count: int = attribute("Open tickets without an assignee.")
    mine_count: int = attribute("Open tickets assigned to the viewer.")
    triage_count: int = attribute("Tickets that wait for a person to find the right category.")
    pending_count: int = attribute("Tickets that wait for their customer.")
    on_hold_count: int = attribute("Tickets on hold.")
    escalated_count: int = attribute("Unresolved tickets that are escalated.")
    at_risk_count: int = attribute("Unresolved tickets with an SLA target due within the hour.")
    breached_count: int = attribute("Unresolved tickets with a missed SLA target.")
    longest_waiting_since: dt.datetime | None = attribute(
        "Since when the customer who waits longest has waited; null when none does."
    )
    available_agent_count: int = attribute("Agents who take new tickets.")

    @planned("The department; null for all that the viewer can see together.")
    def department(queue: Any, viewer: Viewer) -> Department | None:
        return select(models.Department).where(models.Department.id == queue.department_id)
