"""Figures: what is counted, for whom, and over which span."""

import datetime as dt

import pytest

from domain.metrics import counting
from infra.unit import Unit
from models import Role

VALUES = """submittedCount resolvedCount reopenedCount backlogCount replyCount
  firstResponse { count medianSeconds p90Seconds averageSeconds } resolution { count medianSeconds averageSeconds }
  satisfaction { ratingCount averageRating satisfiedShare ratingCounts responseShare }
  sla { firstResponseMetCount firstResponseBreachedCount resolutionMetCount resolutionBreachedCount metShare }
  escalations { count teamLeadCount managerCount directorCount }"""
METRICS = (
    f"""query ($filter: MetricsFilter!) {{ metrics(filter: $filter) {{ from to computedAt total {{ {VALUES} }} }} }}"""
)
LINES = """query ($filter: MetricsFilter!) { metrics(filter: $filter) {
  byDepartment { department { name } values { submittedCount resolvedCount backlogCount } }
  byAgent { agent { name } values { resolvedCount replyCount } }
  byCategory { category { name } values { submittedCount } }
  byPriority { priority values { submittedCount resolution { medianSeconds } } } } }"""
COMMENT = "mutation C($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
RESOLVE = "mutation R($input: ResolveTicketInput!) { resolveTicket(input: $input) { __typename } }"
CONFIRM = "mutation C($input: ConfirmResolutionInput!) { confirmResolution(input: $input) { __typename } }"
REOPEN = "mutation R($input: ReopenTicketInput!) { reopenTicket(input: $input) { __typename } }"
ASSIGN = "mutation A($input: AssignTicketInput!) { assignTicket(input: $input) { __typename } }"
ESCALATE = "mutation E($input: EscalateTicketInput!) { escalateTicket(input: $input) { __typename } }"


def today(**more):
    return {"from": (dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)).isoformat(), **more}


@pytest.fixture
def count(work, desk):
    """Has everything counted that has happened."""

    async def counted():
        await work.run()
        await counting.add_up(desk)

    return counted


async def test_what_becomes_of_a_ticket(api, count, agent, customer, admin, ticket):
    await api(agent, ASSIGN, input={"ticketId": ticket.gid, "assigneeId": agent.gid})
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "On it."})
    await api(agent, ESCALATE, input={"ticketId": ticket.gid, "reason": "It burns.", "level": "MANAGER"})
    await api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Extinguished."})
    await api(customer, CONFIRM, input={"ticketId": ticket.gid, "rating": 5})
    await count()

    found = (await api(admin, METRICS, filter=today()))["metrics"]["total"]
    assert found["submittedCount"] == found["resolvedCount"] == found["replyCount"] == 1
    assert (found["backlogCount"], found["reopenedCount"]) == (0, 0)
    for took in (found["firstResponse"], found["resolution"]):  # a busy machine may take seconds
        assert took.pop("count") == 1
        assert len(set(took.values())) == 1
        assert 0 <= took["medianSeconds"] < 60
    assert found["satisfaction"] == {
        "ratingCount": 1,
        "averageRating": 5,
        "satisfiedShare": 1,
        "ratingCounts": [0, 0, 0, 0, 1],
        "responseShare": 1,
    }
    # No manager is there, so the level was passed at once.
    assert found["escalations"] == {"count": 2, "teamLeadCount": 0, "managerCount": 1, "directorCount": 1}


MERGE = "mutation M($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
BACKLOG = """query ($filter: MetricsFilter!) { metrics(filter: $filter) {
  total { backlogCount } byPriority { priority values { backlogCount } } } }"""


async def test_what_was_merged_into_another_is_not_left_to_do(
    api, count, agent, customer, admin, ticket, submit, problem
):
    other = await submit(customer, problem)
    answer = await api(agent, MERGE, input={"intoTicketId": ticket.gid, "ticketIds": [other["id"]]})
    assert answer["mergeTickets"] == {"__typename": "MergeTicketsSuccess"}
    await count()

    assert (await api(admin, BACKLOG, filter=today()))["metrics"]["total"] == {"backlogCount": 1}


async def test_a_priority_that_is_not_asked_for_has_nothing(api, count, admin, ticket):
    await count()

    found = (await api(admin, BACKLOG, filter=today(priorities=["URGENT"])))["metrics"]["byPriority"]
    assert [each["priority"] for each in found] == ["URGENT", "HIGH", "NORMAL", "LOW"]
    assert [each["values"]["backlogCount"] for each in found] == [0, 0, 0, 0]


async def test_a_resolution_counts_for_the_agent_whose_ticket_it_was(api, count, house, support, agent, admin, ticket):
    lead = await house.person("Lena Lead", Role.TEAM_LEAD, support)
    await api(agent, ASSIGN, input={"ticketId": ticket.gid, "assigneeId": agent.gid})
    await api(lead, RESOLVE, input={"ticketId": ticket.gid, "summary": "Done."})
    await count()

    found = (await api(admin, LINES, filter=today()))["metrics"]["byAgent"]
    assert [(each["agent"]["name"], each["values"]["resolvedCount"]) for each in found] == [(agent.name, 1)]


async def test_nothing_is_told_when_nothing_was_added(count, desk, monkeypatch):
    told = []
    monkeypatch.setattr(Unit, "publish", lambda _, *names, **__: told.append(names))
    await counting.add_up(desk)

    assert told == []
