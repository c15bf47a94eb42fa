"""Figures: what is counted, for whom, and over which span."""

import datetime as dt

import pytest

from domain.metrics import counting

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
    assert found["firstResponse"] == {"count": 1, "medianSeconds": 0, "p90Seconds": 0, "averageSeconds": 0}
    assert found["resolution"] == {"count": 1, "medianSeconds": 0, "averageSeconds": 0}
    assert found["satisfaction"] == {
        "ratingCount": 1,
        "averageRating": 5,
        "satisfiedShare": 1,
        "ratingCounts": [0, 0, 0, 0, 1],
        "responseShare": 1,
    }
    # No manager is there, so the level was passed at once.
    assert found["escalations"] == {"count": 2, "teamLeadCount": 0, "managerCount": 1, "directorCount": 1}
