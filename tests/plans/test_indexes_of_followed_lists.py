"""Who follows a list has its tickets found by indexes: what is in it, what may have changed, what became of that."""

import datetime as dt

import pytest
from large_desk import GROWING, RUN, VIEWERS, rows_looked_at

from domain.tickets import following
from infra.unit import now

FOLLOWED = """subscription Followed($filter: TicketFilter) {
  ticketsChanged(filter: $filter) { kind ticket { id subject status requester { name } } } }"""
KEYS = 20  # that something happened to


@pytest.fixture
async def filters(large):
    row = await large.fetchrow(
        "SELECT department_id, requester_id, assignee_id FROM tickets WHERE assignee_id IS NOT NULL "
        "ORDER BY id OFFSET 5000 LIMIT 1"
    )
    return {
        "all": None,
        "open": {"statuses": ["OPEN", "PENDING"]},
        "mine": {"mine": True},
        "unassigned": {"unassigned": True, "statuses": ["OPEN"]},
        "department": {"departmentIds": [f"dep_{row['department_id']}"]},
        "assignee": {"assigneeIds": [f"per_{row['assignee_id']}"]},
        "requester": {"requesterIds": [f"per_{row['requester_id']}"]},
        "breached": {"breached": True},
        "text": {"text": "printer"},
        "tagged": {"tags": ["vip"]},
        "updated": {"updated": {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}},
    }


NAMES = (
    *("all", "open", "mine", "unassigned", "department", "assignee"),
    *("requester", "breached", "text", "tagged", "updated"),
)
# What is in the list at first is found in each department and state; what has words or tags, by all texts of a ticket.
MOST_LOOKED_AT = {"text": 30_000, "tagged": 10_000}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_following_costs_what_is_held_and_what_happens(plans, people, large, filters, viewer, name):
    stream = plans.engine.subscription(FOLLOWED, {"filter": filters[name]}, None, people[viewer])
    looks, moment = stream.plans.looks, now() - dt.timedelta(minutes=1)
    keys = [row["id"] for row in await large.fetch("SELECT id FROM tickets ORDER BY id LIMIT $1", KEYS)]

    for plan, payload, most in (
        (looks.first, None, MOST_LOOKED_AT.get(name, 3_000)),
        (looks.recent, moment, 4 * following.MOST_RECENT),
        (looks.look, ([(key, 3, True) for key in keys], moment), 20 * KEYS),
    ):
        statement, values = plan.form.alone, plan.values(stream.request._replace(payload=payload))
        nodes = await plans.explained(statement.sql, statement.arguments(values), RUN)
        done = [node for node in nodes if node["Actual Loops"]]  # not the ways to what is common of what is rare
        assert not {node["Relation Name"] for node in done if node["Node Type"] == "Seq Scan"} & GROWING
        assert rows_looked_at(done, GROWING) < most
