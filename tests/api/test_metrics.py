"""Figures: what is counted, for whom, and over which span."""

import asyncio
import datetime as dt
import itertools
from random import Random
from types import SimpleNamespace
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa

from domain import opening
from domain.metrics import counting, facts, rebuilding
from infra import jobs
from infra.pool import Pool
from infra.unit import Unit
from models import Role
from web import report

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
UPDATE = "mutation U($input: UpdateTicketInput!) { updateTicket(input: $input) { __typename } }"
STATUS = "mutation S($input: ChangeTicketStatusInput!) { changeTicketStatus(input: $input) { __typename } }"
CLOSE = "mutation C($input: CloseTicketInput!) { closeTicket(input: $input) { __typename } }"
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


async def test_the_last_rating_counts_and_none_is_no_rating(api, count, agent, customer, admin, ticket):
    await api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Done."})
    for rating, counts in ((None, [0] * 5), (2, [0, 1, 0, 0, 0]), (4, [0, 0, 0, 1, 0])):
        await api(customer, CONFIRM, input={"ticketId": ticket.gid, "rating": rating})
        await count()
        found = (await api(admin, METRICS, filter=today()))["metrics"]["total"]["satisfaction"]
        assert (found["ratingCounts"], found["responseShare"]) == (counts, sum(counts))


async def test_what_waited_for_its_customer_when_it_was_closed_waited_until_then(
    api, agent, admin, ticket, database, settings
):
    steps = (
        ("StatusChanged", 9, STATUS, {"status": "PENDING"}),
        ("TicketClosed", 8, CLOSE, {}),
        ("TicketReopened", 4, REOPEN, {"reason": "Not yet."}),
        ("TicketResolved", 1, RESOLVE, {"summary": "Done."}),
    )
    await database.rows("UPDATE events SET at = at - interval '10 hours'")
    for kind, hours, verb, given in steps:
        await api(agent, verb, input={"ticketId": ticket.gid, **given})
        moved = "UPDATE events SET at = at - CAST(:by AS interval) WHERE kind = :kind RETURNING id"
        assert len(await database.rows(moved, by=dt.timedelta(hours=hours), kind=kind)) == 1
    await rebuilding.rebuild(settings.database_url, lambda *_: None)

    found = (await api(admin, METRICS, filter=today()))["metrics"]["total"]["resolution"]
    assert found["count"] == 1
    assert abs(found["averageSeconds"] - 8 * 3600) < 60  # nine hours, without the one


@pytest.fixture
def total(api, director):
    """How many tickets have come in, and how many of them are left."""

    async def found():
        figures = (await api(director, METRICS, filter=today()))["metrics"]["total"]
        return figures["submittedCount"], figures["backlogCount"]

    return found


async def lines(api, viewer, **more):
    return (await api(viewer, LINES, filter=today(**more)))["metrics"]


@pytest.fixture
async def two_departments(api, count, submit, customer, problem, invoices, agent, billing_agent):
    """A ticket resolved in each of two departments, and one more in the second."""
    first, second, third = [await submit(customer, each) for each in (problem, invoices, invoices)]
    for viewer, ticket in ((agent, first), (billing_agent, second)):
        await api(viewer, ASSIGN, input={"ticketId": ticket["id"], "assigneeId": viewer.gid})
        await api(viewer, RESOLVE, input={"ticketId": ticket["id"], "summary": "Done."})
    await count()
    return SimpleNamespace(first=first, second=second, third=third)


async def test_directors_see_all_of_it_split(api, two_departments, director, support, billing):
    found = await lines(api, director)
    assert {each["department"]["name"]: each["values"] for each in found["byDepartment"]} == {
        support.name: {"submittedCount": 1, "resolvedCount": 1, "backlogCount": 0},
        billing.name: {"submittedCount": 2, "resolvedCount": 1, "backlogCount": 1},
    }
    assert {each["agent"]["name"]: each["values"]["resolvedCount"] for each in found["byAgent"]} == {
        "Ada Agent": 1,
        "Bill Billing": 1,
    }
    assert [each["values"]["submittedCount"] for each in found["byCategory"]] == [2, 1]
    assert [each["priority"] for each in found["byPriority"]] == ["URGENT", "HIGH", "NORMAL", "LOW"]
    assert [each["values"]["submittedCount"] for each in found["byPriority"]] == [0, 0, 3, 0]


async def test_who_may_see_one_department_sees_nothing_of_another(api, two_departments, agent, house, support, billing):
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    total = (await api(lead, METRICS, filter=today()))["metrics"]["total"]
    assert (total["submittedCount"], total["backlogCount"]) == (1, 0)
    assert (
        total == (await api(lead, METRICS, filter=today(departmentIds=[support.gid, billing.gid])))["metrics"]["total"]
    )
    nothing = (await api(lead, METRICS, filter=today(departmentIds=[billing.gid])))["metrics"]["total"]
    unknown = today(departmentIds=[f"dep_{uuid4()}"])
    assert nothing == (await api(lead, METRICS, filter=unknown))["metrics"]["total"]
    assert nothing["submittedCount"] == nothing["backlogCount"] == 0
    for viewer in (lead, agent):
        found = await lines(api, viewer)
        assert [each["department"]["name"] for each in found["byDepartment"]] == [support.name]
        assert [each["agent"]["name"] for each in found["byAgent"]] == ["Ada Agent"]


async def test_agents_see_themselves_and_their_departments_totals(api, count, two_departments, house, support, agent):
    other = await house.person("Otto Colleague", Role.AGENT, support)
    found = await lines(api, other)
    assert found["byAgent"] == []
    assert found["byDepartment"][0]["values"]["resolvedCount"] == 1
    asked = (await api(other, METRICS, filter=today(agentIds=[agent.gid])))["metrics"]["total"]
    assert asked["resolvedCount"] == 0
    for asked_for, resolved in ((agent, 1), (other, 0)):
        asked = (await api(agent, METRICS, filter=today(agentIds=[asked_for.gid])))["metrics"]["total"]
        assert asked["resolvedCount"] == resolved


@pytest.mark.parametrize("who", ["customer", "nobody"])
async def test_customers_measure_nothing(api, who, customer):
    viewer = customer if who == "customer" else None
    answer = await api.answer(viewer, METRICS, filter=today())
    code = "NOT_ALLOWED" if viewer else "UNAUTHENTICATED"
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == ({"metrics": None}, code)


async def test_filters_meet(api, two_departments, director, agent, billing_agent, invoices, problem):
    async def count(**given):
        found = (await api(director, METRICS, filter=today(**given)))["metrics"]["total"]
        return found["submittedCount"], found["resolvedCount"], found["backlogCount"]

    assert await count(categoryIds=[invoices.gid]) == (2, 1, 1)
    assert await count(agentIds=[agent.gid]) == (0, 1, 0)  # what was submitted had no agent yet
    assert await count(agentIds=[agent.gid], categoryIds=[invoices.gid]) == (0, 0, 0)
    assert await count(agentIds=[billing_agent.gid], categoryIds=[invoices.gid], priorities=["NORMAL"]) == (0, 1, 0)
    assert await count(priorities=["NORMAL", "LOW"]) == (3, 2, 1)
    assert await count(priorities=["URGENT"]) == (0, 0, 0)


async def test_what_people_say_on_their_own_ticket_is_no_reply(
    api, count, submit, problem, agent, house, support, director, customer
):
    ticket = await submit(agent, problem)
    other = await house.person("Otto Colleague", Role.AGENT, support)
    for viewer, replies in ((agent, 0), (other, 1)):
        await api(viewer, COMMENT, input={"ticketId": ticket["id"], "body": "Words."})
        await count()
        found = (await api(director, METRICS, filter=today()))["metrics"]["total"]
        assert (found["replyCount"], found["firstResponse"]["count"]) == (replies, replies)

    await api(director, UPDATE, input={"ticketId": ticket["id"], "requesterId": customer.gid})
    await api(agent, COMMENT, input={"ticketId": ticket["id"], "body": "Words."})
    await count()
    found = (await api(director, METRICS, filter=today()))["metrics"]["total"]
    assert (found["replyCount"], found["firstResponse"]["count"]) == (2, 1)


async def test_the_first_answer_counts_for_whose_ticket_it_is_and_the_reply_for_who_wrote_it(
    api, count, ticket, agent, house, support, director
):
    other = await house.person("Otto Colleague", Role.AGENT, support)
    await api(agent, ASSIGN, input={"ticketId": ticket.gid, "assigneeId": agent.gid})
    await api(other, COMMENT, input={"ticketId": ticket.gid, "body": "Words."})
    await count()
    for viewer, expected in ((agent, (1, 0)), (other, (0, 1))):
        found = (await api(director, METRICS, filter=today(agentIds=[viewer.gid])))["metrics"]["total"]
        assert (found["firstResponse"]["count"], found["replyCount"]) == expected


POLICY = "mutation P($input: SaveSlaPolicyInput!) { saveSlaPolicy(input: $input) { __typename } }"


@pytest.mark.parametrize("late", [True, False])
async def test_what_is_answered_too_late_was_not_met_though_nobody_had_looked(
    api, count, submit, problem, customer, agent, admin, database, late
):
    targets = [{"priority": "NORMAL", "firstResponseSeconds": 3_600, "resolutionSeconds": 3_600}]
    await api(admin, POLICY, input={"name": "Usual", "targets": targets})
    ticket = await submit(customer, problem)
    if late:
        await database.rows("UPDATE sla_clocks SET due_at = now() - interval '1 second'")
    await api(agent, COMMENT, input={"ticketId": ticket["id"], "body": "Words."})
    await api(agent, RESOLVE, input={"ticketId": ticket["id"], "summary": "Done."})
    await count()
    found = (await api(admin, METRICS, filter=today()))["metrics"]["total"]["sla"]
    del found["metShare"]
    assert {*found.items()} == {
        ("firstResponseMetCount", int(not late)),
        ("resolutionMetCount", int(not late)),
        ("firstResponseBreachedCount", int(late)),
        ("resolutionBreachedCount", int(late)),
    }


async def test_a_reopened_ticket_is_not_resolved_and_counts_once(api, count, ticket, agent, customer, director):
    async def figures():
        found = (await api(director, METRICS, filter=today()))["metrics"]["total"]
        return found["resolvedCount"], found["reopenedCount"], found["backlogCount"], found["resolution"]["count"]

    await api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Done."})
    await count()
    assert await figures() == (1, 0, 0, 1)
    await api(customer, REOPEN, input={"ticketId": ticket.gid, "reason": "It still burns."})
    await count()
    assert await figures() == (0, 1, 1, 0)
    await api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Done again."})
    await count()
    assert await figures() == (1, 1, 0, 1)


async def test_the_page_of_a_director(api, count, agent, customer, ticket, settings):
    await api(agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Extinguished."})
    await api(customer, CONFIRM, input={"ticketId": ticket.gid, "rating": 4})
    await count()
    page = " ".join((await report.written(settings, 30)).split())
    for tile in ("Submitted<b>1</b>", "Backlog<b>0</b>", "Escalated<b>0</b>", "Satisfied<b>100 %</b>"):
        assert tile in page
    assert "1 of 1 to 5, 4.00 on average; 100 % of what was resolved was rated." in page
    assert '<span>4</span><i style="width:100.0%"></i><span>1</span>' in page
    assert f'<th scope="row">{agent.name}</th>' in page
    assert "Durations are working time." in page
    assert page.count("<svg") == 4


@pytest.mark.parametrize(
    ("value", "was", "points", "change"),
    [
        (110, 100, False, "+10 %"),
        (0, 3, False, "-100 %"),
        (3, 0, False, ""),  # no share of nothing
        (0.75, 0.7, True, "+5 points"),
        (0.1, 0.0, True, "+10 points"),
        (None, 5, False, ""),
        (5, 5, False, ""),
    ],
)
def test_how_much_a_figure_changed(value, was, points, change):
    assert report.change_of(value, was, points=points) == change


SERIES = """query ($filter: MetricsFilter!, $interval: MetricInterval!, $zone: String) { metrics(filter: $filter) {
  series(interval: $interval, timeZone: $zone) { from to values { submittedCount backlogCount } } } }"""


async def test_a_series_in_a_zone_with_summer_time(api, database, two_departments, director, settings):
    moment = dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC)  # clocks go from 2 to 3 in Berlin half an hour later
    await database.rows("UPDATE events SET at = :at", at=moment)
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    span = {"from": "2026-03-28T23:00:00Z", "to": "2026-03-30T22:00:00Z"}
    asked = {"filter": span, "interval": "DAY", "zone": "Europe/Berlin"}
    found = (await api(director, SERIES, **asked))["metrics"]["series"]
    assert [(each["from"], each["to"]) for each in found] == [
        ("2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"),  # 23 hours
        ("2026-03-29T22:00:00.000Z", "2026-03-30T22:00:00.000Z"),
    ]
    assert [each["values"] for each in found] == [
        {"submittedCount": 3, "backlogCount": 1},
        {"submittedCount": 0, "backlogCount": 1},
    ]
    second = asked | {"filter": span | {"from": found[0]["to"]}}
    assert (await api(director, SERIES, **second))["metrics"]["series"] == found[1:]
    hours = (await api(director, SERIES, **asked | {"interval": "HOUR", "zone": "Asia/Kolkata"}))["metrics"]["series"]
    assert len(hours) == 48  # half hours at both ends
    assert hours[1]["from"] == "2026-03-28T23:30:00.000Z"
    assert [each["values"]["submittedCount"] for each in hours[:4]] == [0, 0, 3, 0]


@pytest.mark.parametrize(
    ("zone", "midnights"),
    [
        # Clocks go from 0 to 1 o'clock: that day begins at 1, and no later one does.
        ("Atlantic/Azores", ["2026-03-28T01", "2026-03-29T01", "2026-03-30T00", "2026-03-31T00"]),
        # Clocks go from 1 to 0 o'clock: midnight comes twice, and the day begins with the first.
        ("America/Havana", ["2026-10-31T04", "2026-11-01T04", "2026-11-02T05", "2026-11-03T05"]),
        # Of the day that was left out there is none.
        ("Pacific/Apia", ["2011-12-28T10", "2011-12-29T10", "2011-12-30T10", "2011-12-31T10"]),
    ],
)
async def test_days_begin_when_clocks_first_show_them(api, director, zone, midnights):
    moments = [f"{each}:00:00.000Z" for each in midnights]
    span = {"from": moments[0], "to": moments[-1]}

    found = (await api(director, SERIES, filter=span, interval="DAY", zone=zone))["metrics"]["series"]

    assert [(each["from"], each["to"]) for each in found] == list(itertools.pairwise(moments))


@pytest.mark.parametrize(
    "span",
    [
        {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:15:00Z"},
        {"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        None,  # from now until now
    ],
)
async def test_a_span_may_be_a_quarter_of_an_hour_or_two_years(api, director, span):
    span = span or {"from": dt.datetime.now(dt.UTC).isoformat()}
    assert (await api(director, METRICS, filter=span))["metrics"]["total"]["submittedCount"] == 0


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "`to` must be after `from`."),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:14:59Z"}, "`to` must be after `from`."),
        ({"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:15:00Z"}, "At most two years can be measured at once."),
    ],
)
async def test_a_span_that_is_none_or_too_long_is_refused(api, director, span, message):
    answer = await api.answer(director, METRICS, filter=span)
    (error,) = answer["errors"]
    assert (error["message"], error["extensions"]["code"], answer["data"]) == (
        message,
        "BAD_REQUEST",
        {"metrics": None},
    )


async def test_a_series_up_to_now_ends_now(api, director):
    text = "query ($f: MetricsFilter!) { metrics(filter: $f) { to series(interval: HOUR) { from to } } }"
    found = (await api(director, text, f=today()))["metrics"]
    assert found["series"][-1]["from"] < found["to"] == found["series"][-1]["to"]


async def test_a_series_is_limited(api, director):
    span = {"from": "2026-01-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}
    answer = await api.answer(director, SERIES, filter=span, interval="HOUR", zone="UTC")
    (error,) = answer["errors"]
    assert error["message"] == "This span has 3624 periods; at most 400 are possible."
    answer = await api.answer(director, SERIES, filter=span, interval="DAY", zone="Middle/Earth")
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_percentiles_are_within_two_percent(api, database, desk, two_departments, director):
    luck = Random(1)
    took = sorted(int(luck.lognormvariate(8, 2)) for _ in range(501))
    rows = [dict(zip(("seconds", "bucket"), (each, facts.bucket(each)), strict=True)) for each in took]
    await database.rows("UPDATE metric_sums SET resolution_groups = NULL, resolution_buckets = NULL, resolved = NULL")
    for row in rows:
        await database.rows(
            "INSERT INTO metric_facts (made_at, start, department_id, agent_id, category_id, priority, measure, amount,"
            " bucket) SELECT now(), date_bin('15 minutes', now(), '2000-01-01Z'), id, id, id, 2, measure, 1, bucket"
            " FROM (SELECT id FROM departments LIMIT 1) AS d, (VALUES ('resolution_seconds', CAST(:bucket AS int)),"
            " ('resolved', NULL)) AS f (measure, bucket)",
            bucket=row["bucket"],
        )
    asked = "query ($f: MetricsFilter!) { metrics(filter: $f) { total { resolution { medianSeconds p90Seconds } } } }"
    await counting.add_up(desk)
    found = (await api(director, asked, f=today()))["metrics"]["total"]["resolution"]
    assert abs(found["medianSeconds"] - took[250]) <= took[250] * 0.02 + 1
    assert abs(found["p90Seconds"] - took[450]) <= took[450] * 0.02 + 1


async def test_a_duration_is_drawn_exactly_below_fifty_seconds_and_within_two_percent_from_there_on(database):
    took = [*range(200), *(int(200 * 1.1**n) for n in range(158))]
    rows = await database.rows(
        "SELECT took, deskwire_percentile(1, CAST('1e' || 8 * (bucket / 32) AS numeric),"
        " CAST('1e' || 8 * bucket AS numeric), 0.5, :gamma) AS drawn"
        " FROM unnest(CAST(:took AS int[]), CAST(:buckets AS int[])) AS each (took, bucket)",
        gamma=facts.GAMMA,
        took=took,
        buckets=[facts.bucket(each) for each in took],
    )
    assert len(rows) == len(took)
    far = [row for row in rows if abs(row["drawn"] - row["took"]) > (row["took"] * 0.02 if row["took"] >= 50 else 0)]
    assert far == []
    assert facts.bucket(10**12) == facts.bucket(25 * 366 * 86_400) == facts.LAST_BUCKET


async def test_of_what_was_not_drawn_there_are_no_percentiles(api, database, two_departments, director, settings):
    asked = "query ($f: MetricsFilter!) { metrics(filter: $f) { total { resolution { count medianSeconds } } } }"

    async def resolution():
        return (await api(director, asked, f=today()))["metrics"]["total"]["resolution"]

    # As sums are that were counted before there were histograms in them.
    await database.rows(
        "UPDATE metric_sums SET resolution_groups = NULL WHERE department_id <> (SELECT max(id::text)::uuid"
        " FROM departments)"
    )
    assert await resolution() == {"count": 2, "medianSeconds": None}
    real = settings.model_copy(update={"embedded": False})
    said = "1 months have no percentiles, counted by an earlier version: run `desk rebuild-metrics`"
    assert ("figures", said) in await opening.missing(real)
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    assert (await resolution())["medianSeconds"] is not None
    assert "figures" not in dict(await opening.missing(real))


async def test_the_span_before_is_as_long(api, database, two_departments, director, settings):
    await database.rows("UPDATE events SET at = at - interval '90 minutes'")
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    asked = (
        "query ($f: MetricsFilter!) { metrics(filter: $f) { total { submittedCount } previous { submittedCount } } }"
    )
    found = (await api(director, asked, f=today()))["metrics"]
    assert found == {"total": {"submittedCount": 0}, "previous": {"submittedCount": 3}}
    lately = {"from": (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=15)).isoformat()}
    found = (await api(director, asked, f=lately))["metrics"]
    assert found == {"total": {"submittedCount": 0}, "previous": {"submittedCount": 0}}


async def test_until_when_everything_is_counted(api, submit, customer, problem, count, director):
    await submit(customer, problem)
    waiting = (await api(director, METRICS, filter=today()))["metrics"]
    assert waiting["total"]["submittedCount"] == 0
    assert waiting["computedAt"] <= waiting["to"]
    await count()
    counted = (await api(director, METRICS, filter=today()))["metrics"]
    assert counted["total"]["submittedCount"] == 1
    assert counted["computedAt"] > waiting["computedAt"]


async def test_how_far_others_are_counted_is_not_told(
    api, submit, customer, invoices, desk, database, director, house, support
):
    lead = await house.person("Leo Lead", Role.TEAM_LEAD, support)
    await database.rows("DELETE FROM jobs WHERE kind = 'Count'")
    ticket = await submit(customer, invoices)
    (asked,) = await database.rows("SELECT min(created_at) AS at FROM jobs WHERE kind = 'Count'")

    async def computed_at(viewer):
        found = (await api(viewer, METRICS, filter=today()))["metrics"]
        return dt.datetime.fromisoformat(found["computedAt"])

    assert await computed_at(director) <= asked["at"] < await computed_at(lead)
    await database.rows("DELETE FROM jobs WHERE kind = 'Count'")
    async with desk.writes.begin() as unit:  # counted, and not added up
        await counting.count(unit, [UUID(ticket["id"].removeprefix("tkt_"))])
    (made,) = await database.rows("SELECT min(made_at) AS at FROM metric_facts")
    assert await computed_at(director) <= made["at"] < await computed_at(lead)


async def test_what_happens_while_all_is_counted_anew_waits_for_that(
    api, submit, customer, problem, work, desk, database, director, settings, monkeypatch
):
    told = []
    monkeypatch.setattr(jobs, "report", lambda error, **_: told.append(error))
    rebuilding_ = await asyncpg.connect(settings.database_url)
    await rebuilding_.execute("SELECT pg_advisory_lock($1)", counting.ANEW)
    await submit(customer, problem)
    (asked,) = await database.rows("SELECT created_at FROM jobs WHERE kind = 'Count'")
    for _ in range(2):
        await jobs.perform_together(desk, "Count")
        (waits,) = await database.rows(
            "SELECT state, attempts, due_at > now() + interval '5 seconds' AS later, created_at FROM jobs"
            " WHERE kind = 'Count'"
        )
        # Without having waited for a lock, and as of when it was asked for.
        assert waits == {"state": "QUEUED", "attempts": 0, "later": True, "created_at": asked["created_at"]}
        assert told == []
        await database.rows("UPDATE jobs SET due_at = now() WHERE kind = 'Count'")
    figures = (await api(director, METRICS, filter=today()))["metrics"]
    assert figures["total"]["submittedCount"] == 0
    assert dt.datetime.fromisoformat(figures["computedAt"]) <= asked["created_at"]
    await rebuilding_.close()
    await work.run()
    assert (await api(director, METRICS, filter=today()))["metrics"]["total"]["submittedCount"] == 1


async def test_what_happens_within_a_recount_is_counted_once_and_after_it(
    submit, customer, problem, count, total, desk, settings, monkeypatch
):
    await submit(customer, problem)
    here, on, original = asyncio.Event(), asyncio.Event(), rebuilding._counted

    async def halts(*arguments):
        here.set()
        await asyncio.wait_for(on.wait(), 10)
        return await original(*arguments)

    monkeypatch.setattr(rebuilding, "_counted", halts)
    recount = asyncio.create_task(rebuilding.rebuild(settings.database_url, lambda *_: None))
    await asyncio.wait_for(here.wait(), 10)
    await submit(customer, problem)
    assert await counting.begins_anew(desk)
    await counting.add_up(desk)
    assert await total() == (0, 0)

    on.set()
    assert await recount == 1
    assert not await counting.begins_anew(desk)
    assert await total() == (1, 1)
    await count()
    assert await total() == (2, 2)


async def test_a_recount_waits_for_what_is_being_counted(ticket, total, work, desk, settings):
    async with desk.writes.begin() as unit:
        await counting.count(unit, [ticket.uuid])
        await unit.flush()
        recount = asyncio.create_task(rebuilding.rebuild(settings.database_url, lambda *_: None))
        await asyncio.sleep(0.3)
        assert not recount.done()
    assert await recount == 1
    await work.run()
    await counting.add_up(desk)
    assert await total() == (1, 1)


MERGE = "mutation M($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
BACKLOG = """query ($filter: MetricsFilter!) { metrics(filter: $filter) {
  total { backlogCount } byPriority { priority values { backlogCount } } } }"""


@pytest.mark.usefixtures("database")
async def test_a_recount_takes_as_long_as_it_takes(settings, monkeypatch):
    monkeypatch.setattr("infra.pulse.DOUBT_SECONDS", 0.05)
    monkeypatch.setitem(Pool.__init__.__kwdefaults__, "longest", 0.2)  # a desk of a million needs minutes for a step
    monkeypatch.setattr(rebuilding, "_summed", lambda: sa.select(sa.func.pg_sleep(1)))
    assert await rebuilding.rebuild(settings.database_url, lambda *_: None) == 0


async def test_what_was_merged_into_another_is_not_left_to_do(
    api, count, agent, customer, admin, ticket, submit, problem
):
    other = await submit(customer, problem)
    answer = await api(agent, MERGE, input={"intoTicketId": ticket.gid, "ticketIds": [other["id"]]})
    assert answer["mergeTickets"] == {"__typename": "MergeTicketsSuccess"}
    await count()

    assert (await api(admin, BACKLOG, filter=today()))["metrics"]["total"] == {"backlogCount": 1}


async def test_an_answer_that_came_along_is_one_to_both(
    api, count, agent, customer, admin, ticket, submit, problem, settings
):
    other = await submit(customer, problem)
    await api(agent, COMMENT, input={"ticketId": other["id"], "body": "We look."})
    await count()  # before it is known that it is the other's, too
    await api(agent, MERGE, input={"intoTicketId": ticket.gid, "ticketIds": [other["id"]]})
    await count()

    async def figures(**given):
        return (await api(admin, METRICS, filter=today(**given)))["metrics"]["total"]["firstResponse"]

    assert (await figures())["count"] == 2
    assert (await figures(agentIds=[agent.gid]))["count"] == 2  # whose answer it was
    before = await figures()
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    assert await figures() == before


PERSON = "mutation P($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"


@pytest.mark.parametrize("counted_before", [True, False])
async def test_what_people_said_counts_as_what_they_were_then(
    api, count, agent, customer, stranger, admin, ticket, support, settings, counted_before
):
    watch = "mutation W($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    await api(agent, watch, input={"ticketId": ticket.gid, "personId": stranger.gid})
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "We look."})
    await api(stranger, COMMENT, input={"ticketId": ticket.gid, "body": "So do I."})
    if counted_before:
        await count()
    await api(admin, PERSON, input={"personId": agent.gid, "role": "CUSTOMER", "departmentIds": []})
    await api(admin, PERSON, input={"personId": stranger.gid, "role": "AGENT", "departmentIds": [support.gid]})
    await count()

    async def figures():
        found = (await api(admin, METRICS, filter=today()))["metrics"]["total"]
        return found["replyCount"], found["firstResponse"]["count"]

    assert await figures() == (1, 1)
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    assert await figures() == (1, 1)


async def test_who_spoke_when_it_was_not_recorded_yet_counts_as_what_they_are(
    api, count, agent, customer, stranger, admin, ticket, database, settings
):
    watch = "mutation W($input: WatchTicketInput!) { watchTicket(input: $input) { __typename } }"
    await api(agent, watch, input={"ticketId": ticket.gid, "personId": stranger.gid})
    for viewer in (customer, stranger, agent):
        await api(viewer, COMMENT, input={"ticketId": ticket.gid, "body": "Words."})
    await database.rows("UPDATE events SET data = data - 'by_staff'")
    await count()

    assert (await api(admin, METRICS, filter=today()))["metrics"]["total"]["replyCount"] == 1
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    assert (await api(admin, METRICS, filter=today()))["metrics"]["total"]["replyCount"] == 1


async def test_a_priority_that_is_not_asked_for_has_nothing(api, count, admin, ticket):
    await count()

    found = (await api(admin, BACKLOG, filter=today(priorities=["URGENT"])))["metrics"]["byPriority"]
    assert [each["priority"] for each in found] == ["URGENT", "HIGH", "NORMAL", "LOW"]
    assert [each["values"]["backlogCount"] for each in found] == [0, 0, 0, 0]


LEFT = """query ($filter: MetricsFilter!) { metrics(filter: $filter) {
  total { submittedCount backlogCount }
  byDepartment { department { name } values { submittedCount backlogCount } }
  byAgent { agent { name } values { submittedCount backlogCount } }
  byCategory { category { name } values { submittedCount backlogCount } }
  byPriority { priority values { submittedCount backlogCount } } } }"""


SOLVED = "query ($filter: MetricsFilter!) { metrics(filter: $filter) { total { resolvedCount backlogCount } } }"


async def test_what_is_left_from_before_the_span_has_lines_of_its_own(
    api, database, two_departments, director, support, billing, billing_agent, settings
):
    await api(billing_agent, ASSIGN, input={"ticketId": two_departments.third["id"], "assigneeId": billing_agent.gid})
    await database.rows("UPDATE events SET at = at - interval '40 days'")
    await rebuilding.rebuild(settings.database_url, lambda *_: None)

    found = (await api(director, LEFT, filter=today()))["metrics"]
    left = {"submittedCount": 0, "backlogCount": 1}
    assert found["total"] == left
    # Nothing happened in the other department, and nothing is left there.
    assert found["byDepartment"] == [{"department": {"name": billing.name}, "values": left}]
    assert found["byAgent"] == [{"agent": {"name": "Bill Billing"}, "values": left}]
    assert [each["values"] for each in found["byCategory"]] == [left]
    assert [each["values"]["backlogCount"] for each in found["byPriority"]] == [0, 0, 1, 0]
    # Of a span that begins with what is left, and of one that ends before it.
    begun = (dt.datetime.now(dt.UTC) - dt.timedelta(days=41)).isoformat()
    assert (await api(director, LEFT, filter={"from": begun}))["metrics"]["total"] == left | {"submittedCount": 3}
    earlier = {"from": "2026-01-01T00:00:00Z", "to": begun}
    assert (await api(director, LEFT, filter=earlier))["metrics"]["byDepartment"] == []


@pytest.mark.parametrize("seldom", [True, False])
async def test_what_is_left_counts_where_it_lies_now_and_is_solved_there(
    api, count, admin, billing, billing_agent, customer, stranger, invoices, ticket, seldom
):
    changes = (
        (UPDATE, {"priority": "URGENT"}),
        (UPDATE, {"categoryId": invoices.gid}),
        (UPDATE, {"departmentId": billing.gid}),
        (UPDATE, {"requesterId": stranger.gid}),
        (ASSIGN, {"assigneeId": billing_agent.gid}),
    )
    for verb, change in changes:
        if not seldom:
            await count()
        await api(admin, verb, input={"ticketId": ticket.gid, **change})
    await count()

    found = (await api(admin, LEFT, filter=today()))["metrics"]
    # What comes to nothing has no line, but that the ticket came is told of where it came in.
    left = {
        name: [each for each in lines if each["values"]["backlogCount"]]
        for name, lines in found.items()
        if name != "total"
    }
    assert [(name, each.get("priority") or each[name[2:].lower()]["name"]) for name, [each] in left.items()] == [
        ("byDepartment", billing.name),
        ("byAgent", billing_agent.name),
        ("byCategory", "Invoices"),
        ("byPriority", "URGENT"),
    ]
    await api(billing_agent, RESOLVE, input={"ticketId": ticket.gid, "summary": "Paid."})
    await count()
    found = (await api(admin, SOLVED, filter=today(categoryIds=[invoices.gid], priorities=["URGENT"])))["metrics"]
    assert found["total"] == {"resolvedCount": 1, "backlogCount": 0}


@pytest.mark.parametrize("assigned", [True, False])
async def test_a_resolution_counts_for_the_agent_whose_ticket_it_was_or_else_for_who_wrote_it(
    api, count, house, support, agent, admin, ticket, assigned
):
    lead = await house.person("Lena Lead", Role.TEAM_LEAD, support)
    if assigned:
        await api(agent, ASSIGN, input={"ticketId": ticket.gid, "assigneeId": agent.gid})
    await api(lead, RESOLVE, input={"ticketId": ticket.gid, "summary": "Done."})
    await count()

    found = (await api(admin, LINES, filter=today()))["metrics"]["byAgent"]
    whose = agent if assigned else lead
    assert [(each["agent"]["name"], each["values"]["resolvedCount"]) for each in found] == [(whose.name, 1)]


async def test_what_is_answered_after_a_merge_is_answered_by_who_writes(
    api, count, submit, customer, problem, agent, lead, admin
):
    into, gone = await submit(customer, problem), await submit(customer, problem)
    await api(lead, MERGE, input={"intoTicketId": into["id"], "ticketIds": [gone["id"]]})
    await api(agent, COMMENT, input={"ticketId": into["id"], "body": "We look."})
    await count()

    found = (await api(admin, METRICS, filter=today(agentIds=[agent.gid])))["metrics"]["total"]
    assert (found["firstResponse"]["count"], found["replyCount"]) == (1, 1)


async def test_nothing_is_told_when_nothing_was_added(count, desk, monkeypatch):
    told = []
    monkeypatch.setattr(Unit, "publish", lambda _, *names, **__: told.append(names))
    await counting.add_up(desk)

    assert told == []
