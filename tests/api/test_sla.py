"""SLA policies and targets: keeping policies, which one a ticket gets, its clocks, and who sees them."""

import asyncio
import datetime as dt
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import select

from domain import sla
from domain.jobs import RecalculateSla, WarnOfSla
from domain.tickets import statuses, timers
from infra.unit import Unit
from models import Role, Ticket, TicketPriority, TicketStatus

SAVE = """mutation ($input: SaveSlaPolicyInput!) { saveSlaPolicy(input: $input) { __typename
  ... on SaveSlaPolicySuccess { slaPolicy { id name description position active pausesOnHold
    departments { name } categories { name } calendar { name }
    targets { priority firstResponseSeconds resolutionSeconds } } }
  ... on InvalidInput { problems { field } } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason } } }"""
CALENDAR = """mutation ($input: SaveBusinessCalendarInput!) { saveBusinessCalendar(input: $input) {
  ... on SaveBusinessCalendarSuccess { businessCalendar { id } } } }"""
LISTED = "{ slaPolicies { totalCount nodes { name position } } }"
NODE = "query ($id: ID!) { node(id: $id) { ... on SlaPolicy { name targets { priority } } } }"
CLOCK = "{ state targetSeconds dueAt remainingSeconds pausedAt completedAt breachedAt }"
READ = f"""query ($id: ID!) {{ ticket(id: $id) {{ status sla {{ policy {{ name }}
  firstResponse {CLOCK} resolution {CLOCK} }}
  events {{ nodes {{ __typename seq actor {{ name }} ... on SlaBreached {{ target dueAt }}
    ... on SlaPolicyChanged {{ fromPolicy {{ name }} toPolicy {{ name }} }} }} }} }} }}"""
NOWHERE = "00000000-0000-7000-8000-000000000000"
HOUR = 3600


def target(priority="NORMAL", first=HOUR, resolution=4 * HOUR):
    return {"priority": priority, "firstResponseSeconds": first, "resolutionSeconds": resolution}


def moment(text):
    return dt.datetime.fromisoformat(text)


@pytest.fixture
def save(api, admin):
    """Saves a policy as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        given = {"name": "Standard", "targets": [target()]} | given
        answer = (await api(viewer, SAVE, input=given))["saveSlaPolicy"]
        return answer.get("slaPolicy") or answer

    return saved


@pytest.fixture
def calendar(api, admin):
    """Saves a calendar that is always open but on these days; gives its id."""

    async def saved(**given):
        days = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
        hours = [{"weekday": day, "opensAt": "00:00", "closesAt": "24:00"} for day in days]
        given = {"name": "Always", "timeZone": "UTC", "hours": hours} | given
        return (await api(admin, CALENDAR, input=given))["saveBusinessCalendar"]["businessCalendar"]["id"]

    return saved


@pytest.fixture
def read(api):
    async def found(viewer, ticket):
        return (await api(viewer, READ, id=ticket["id"]))["ticket"]

    return found


@pytest.fixture
def later(desk):
    """A unit that believes that so many seconds have passed since the ticket came in, and the locked ticket."""

    class Later:
        def __init__(self, ticket, seconds):
            self.ticket, self.seconds = ticket, seconds

        async def __aenter__(self):
            self.opened = desk.writes.begin()
            unit = await self.opened.__aenter__()
            key = UUID(self.ticket["id"].removeprefix("tkt_"))
            row = await unit.lock(lambda id_: select(Ticket).where(Ticket.id == id_), key)
            unit.now = row.created_at + dt.timedelta(seconds=self.seconds)
            return unit, row

        async def __aexit__(self, *error):
            return await self.opened.__aexit__(*error)

    return Later


@pytest.fixture
def sweep(desk, monkeypatch):
    """Has the desk's clock look at the tickets as it will so many seconds after now."""

    async def swept(seconds=0):
        begin = type(desk.writes).begin

        class Ahead:
            writes = None

        class Writes:
            def begin(self):
                opened = begin(desk.writes)

                class Opened:
                    async def __aenter__(self):
                        unit = await opened.__aenter__()
                        unit.now += dt.timedelta(seconds=seconds)
                        return unit

                    async def __aexit__(self, *error):
                        return await opened.__aexit__(*error)

                return Opened()

        Ahead.writes = Writes()
        await timers.sweep(Ahead)

    return swept


@pytest.fixture
def run(work, database):
    """Performs the jobs, those too that wait a while."""

    async def done():
        await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
        return await work.run()

    return done


# --- Policies ---------------------------------------------------------------------------------------------------------


async def test_an_admin_makes_a_policy(save, calendar, support, problem):
    made = await save(
        description="For everyone.",
        departmentIds=[support.gid, support.gid],
        categoryIds=[problem.gid],
        targets=[target("LOW", None), target("URGENT", 60, None)],
        calendarId=await calendar(),
        pausesOnHold=True,
    )

    assert made.pop("id").startswith("slp_")
    assert made == {
        "name": "Standard",
        "description": "For everyone.",
        "position": 0,
        "active": True,
        "pausesOnHold": True,
        "departments": [{"name": support.name}],
        "categories": [{"name": problem.name}],
        "calendar": {"name": "Always"},
        "targets": [target("URGENT", 60, None), target("LOW", None)],
    }


async def test_policies_stand_in_order(save, api, agent, director, customer):
    await save(name="B")
    await save(name="A")
    first = await save(name="C", position=0)

    for viewer in (agent, director):
        nodes = (await api(viewer, LISTED))["slaPolicies"]["nodes"]
        assert [(each["name"], each["position"]) for each in nodes] == [("C", 0), ("B", 1), ("A", 2)]
        assert (await api(viewer, NODE, id=first["id"]))["node"]["name"] == "C"
    assert await api.refused(customer, LISTED) == "NOT_ALLOWED"
    assert await api.refused(None, LISTED) == "UNAUTHENTICATED"
    assert (await api(customer, NODE, id=first["id"]))["node"] is None
    assert (await api(customer, NODE, id=f"slp_{NOWHERE}"))["node"] is None


async def test_a_policy_is_put_where_it_is_wanted_among_those_that_were_moved(save, api, agent):
    made = {name: (await save(name=name))["id"] for name in "ABCD"}
    for name, position in (("D", 1), ("A", 2), ("C", 0), ("B", None)):
        await save(slaPolicyId=made[name], name=name, position=position)

    nodes = (await api(agent, LISTED))["slaPolicies"]["nodes"]
    assert [(each["name"], each["position"]) for each in nodes] == [("C", 0), ("D", 1), ("A", 2), ("B", 3)]


async def test_each_policy_is_what_was_last_saved_of_it(save, database):
    first, second = [await save(name=name) for name in ("First", "Second")]
    for seconds in (60, 90):
        saved = await save(slaPolicyId=second["id"], name="Second", targets=[target(first=seconds)])
        assert saved == second | {"targets": [target(first=seconds)]}

    again = await save(slaPolicyId=first["id"], name="First", position=0, description="Other.")

    assert again == first | {"description": "Other."}
    assert len(await database.rows("SELECT id FROM sla_versions")) == 4


async def test_a_version_is_made_when_what_is_asked_changes(save, database, calendar, support):
    made = await save()
    await save(slaPolicyId=made["id"], name="Other", description="x", departmentIds=[support.gid], active=False)
    assert len(await database.rows("SELECT * FROM sla_versions")) == 1

    other = {"targets": [target(first=120)]}
    paused = other | {"pausesOnHold": True}
    by_calendar = paused | {"calendarId": await calendar()}
    for number, given in ((2, other), (3, paused), (3, paused), (4, by_calendar), (4, by_calendar), (5, paused)):
        saved = await save(slaPolicyId=made["id"], **given)
        (newest,) = await database.rows("SELECT max(number) AS number FROM sla_versions")
        assert newest["number"] == number
        assert saved["pausesOnHold"] is ("pausesOnHold" in given)
        assert saved["calendar"] == ({"name": "Always"} if "calendarId" in given else None)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"description": "x" * 501}, ["description"]),
        ({"position": -1}, ["position"]),
        ({"targets": []}, ["targets"]),
        ({"targets": [target(), target()]}, ["targets.1.priority"]),
        ({"targets": [target(first=None, resolution=None)]}, ["targets.0"]),
        ({"targets": [target(first=59)]}, ["targets.0.firstResponseSeconds"]),
        ({"targets": [target(), target("LOW", resolution=31_536_001)]}, ["targets.1.resolutionSeconds"]),
        ({"departmentIds": [f"dep_{NOWHERE}"] * 51}, ["departmentIds"]),
        ({"calendarId": f"dep_{NOWHERE}"}, ["calendarId"]),
    ],
)
async def test_what_is_wrong_is_refused(save, database, given, fields):
    before = await database.counts()

    answer = await save(**given)

    assert answer["__typename"] == "InvalidInput", answer
    assert [problem["field"] for problem in answer["problems"]] == fields
    assert await database.counts() == before


async def test_what_is_at_the_very_limit_is_taken(save, house, problem):
    departments = [await house.department(f"D{number}") for number in range(50)]

    made = await save(
        name="x" * 100,
        description="x" * 500,
        departmentIds=[each.gid for each in departments],
        targets=[target(first=60, resolution=31_536_000)],
        position=0,
    )

    assert len(made["departments"]) == 50
    assert made["targets"] == [target(first=60, resolution=31_536_000)]


async def test_what_it_names_must_be_there_and_its_name_not(save, database, support, problem):
    await save()
    before = await database.counts()

    for field, given in {
        "departmentIds.1": {"departmentIds": [support.gid, f"dep_{NOWHERE}"]},
        "categoryIds.0": {"categoryIds": [f"cat_{NOWHERE}"]},
        "calendarId": {"calendarId": f"cal_{NOWHERE}"},
        "slaPolicyId": {"slaPolicyId": f"slp_{NOWHERE}", "name": "Other"},
    }.items():
        assert await save(**given) == {"__typename": "NotFound", "field": field}
    assert await save() == {"__typename": "Conflict", "reason": "TAKEN"}
    assert await database.counts() == before


SAVE_DEPARTMENT = """mutation ($input: SaveDepartmentInput!) { saveDepartment(input: $input) { __typename } }"""


async def test_a_department_that_is_archived_since_stays_what_the_policy_is_for(save, api, database, house, admin):
    gone = await house.department("Gone")
    policy = await save(departmentIds=[gone.gid])
    answer = await api(admin, SAVE_DEPARTMENT, input={"departmentId": gone.gid, "name": "Gone", "archived": True})
    assert answer["saveDepartment"]["__typename"] == "SaveDepartmentSuccess"

    saved = await save(slaPolicyId=policy["id"], departmentIds=[gone.gid], description="As it is shown.")

    assert saved == policy | {"description": "As it is shown."}
    assert saved["departments"] == [{"name": "Gone"}]  # none would mean any


async def test_only_admins_save(save, api, database, customer, agent, director):
    made = await save()
    before = await database.counts()

    for viewer in (customer, agent, director):
        for given in ({}, {"slaPolicyId": made["id"]}, {"slaPolicyId": f"slp_{NOWHERE}"}):
            assert (await save(viewer, **given))["__typename"] == "NotAllowed"
    assert await api.refused(None, SAVE, input={"name": "x", "targets": [target()]}) == "UNAUTHENTICATED"
    assert await database.counts() == before


# --- A ticket's clocks ------------------------------------------------------------------------------------------------


async def test_a_new_ticket_gets_the_first_policy_that_applies(
    save, submit, read, agent, billing_agent, customer, problem, invoices, billing
):
    await save(name="Off", active=False)
    await save(name="All", targets=[target("HIGH")])
    await save(name="Billing", position=0, departmentIds=[billing.gid], targets=[target(first=60)])

    ticket = await submit(customer, invoices)
    sla = (await read(billing_agent, ticket))["sla"]
    assert sla["policy"] == {"name": "Billing"}
    assert sla["firstResponse"]["state"] == sla["resolution"]["state"] == "RUNNING"
    assert sla["firstResponse"]["targetSeconds"] == 60
    gap = moment(sla["resolution"]["dueAt"]) - moment(sla["firstResponse"]["dueAt"])
    assert gap == dt.timedelta(seconds=4 * HOUR - 60)

    # No target for its priority: the policy applies, and asks for nothing.
    sla = (await read(agent, await submit(customer, problem)))["sla"]
    assert sla == {"policy": {"name": "All"}, "firstResponse": None, "resolution": None}


async def test_without_a_policy_there_is_nothing(submit, read, later, agent, customer, problem, invoices, database):
    ticket = await submit(customer, problem)

    assert (await read(agent, ticket))["sla"] is None
    async with later(ticket, 60) as (unit, row):
        await aligned(unit, row, category_id=invoices.id)
    assert "SlaPolicyChanged" not in str(await read(agent, ticket))
    assert not await database.rows("SELECT * FROM sla_clocks")


async def test_those_who_do_not_work_on_it_see_nothing(save, submit, read, api, customer, problem, house, billing):
    await save()
    ticket = await submit(customer, problem)
    watching = await house.person("Wanda", Role.AGENT, billing)
    await house.database.rows(
        "INSERT INTO watchers (ticket_id, person_id) VALUES (:ticket, :person)",
        ticket=ticket["id"].removeprefix("tkt_"),
        person=watching.id,
    )

    for viewer in (customer, watching):
        assert (await read(viewer, ticket))["sla"] is None


async def test_clocks_rest_while_a_ticket_waits_for_its_customer(save, submit, read, later, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 600) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
        assert row.due_at is None

    clock = (await read(agent, ticket))["sla"]["firstResponse"]
    assert (clock["state"], clock["remainingSeconds"], clock["dueAt"]) == ("PAUSED", 3000, None)
    assert clock["pausedAt"]

    async with later(ticket, 10_000) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.OPEN)
        assert row.due_at == unit.now + dt.timedelta(seconds=3000)
    clock = (await read(agent, ticket))["sla"]["firstResponse"]
    assert (clock["remainingSeconds"], clock["pausedAt"]) == (None, None)


@pytest.mark.parametrize("pauses", [True, False])
async def test_on_hold_they_rest_if_the_policy_says_so(save, submit, read, later, agent, customer, problem, pauses):
    await save(pausesOnHold=pauses)
    ticket = await submit(customer, problem)
    async with later(ticket, 600) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.ON_HOLD)

    assert (await read(agent, ticket))["sla"]["resolution"]["state"] == ("PAUSED" if pauses else "RUNNING")


ANSWER = """mutation ($input: AddCommentInput!) { addComment(input: $input) { ... on AddCommentSuccess {
  ticket { sla { firstResponse { state completedAt breachedAt } resolution { state } } } } } }"""


async def test_the_first_answer_ends_its_clock(save, submit, api, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)

    answer = await api(agent, ANSWER, input={"ticketId": ticket["id"], "body": "We look."})

    sla = answer["addComment"]["ticket"]["sla"]
    assert sla["firstResponse"].pop("completedAt")
    assert sla == {"firstResponse": {"state": "MET", "breachedAt": None}, "resolution": {"state": "RUNNING"}}


async def aligned(unit, row, **changes):
    """The ticket with these changes, and its clocks in line with them."""
    if changes:
        unit.change(row, **changes)
    await sla.follow(unit, row)


async def test_a_late_answer_is_a_miss_even_when_nobody_looked(save, submit, read, later, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 2 * HOUR) as (unit, row):
        await aligned(unit, row, first_responded_at=unit.now)
        await aligned(unit, row)
        assert row.breached_at == row.created_at + dt.timedelta(hours=1)

    found = await read(agent, ticket)
    clock = found["sla"]["firstResponse"]
    assert clock["state"] == "BREACHED"
    assert clock["completedAt"]
    assert clock["breachedAt"] == clock["dueAt"]
    events = [event for event in found["events"]["nodes"] if event["__typename"] == "SlaBreached"]
    assert [(event["target"], event["dueAt"], event["actor"]) for event in events] == [
        ("FIRST_RESPONSE", clock["dueAt"], None)
    ]
    assert "SlaBreached" not in str(await read(customer, ticket))


async def test_what_is_done_at_the_very_end_is_in_time(save, submit, read, later, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, HOUR) as (unit, row):
        await aligned(unit, row, first_responded_at=unit.now)
    async with later(ticket, 4 * HOUR) as (unit, row):
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)
    async with later(ticket, 24 * HOUR) as (unit, row):
        await aligned(unit, row, status=TicketStatus.CLOSED, closed_at=unit.now)
        assert row.breached_at is None
    sla = (await read(agent, ticket))["sla"]
    assert (sla["firstResponse"]["state"], sla["resolution"]["state"]) == ("MET", "MET")


async def test_what_was_done_stays_so_when_nothing_is_asked_any_more(
    save, submit, read, later, agent, customer, problem
):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 60) as (unit, row):
        await aligned(unit, row, first_responded_at=unit.now)
    async with later(ticket, 120) as (unit, row):
        await aligned(unit, row, priority=TicketPriority.LOW, priority_rank=1)
    sla = (await read(agent, ticket))["sla"]
    assert (sla["firstResponse"]["state"], sla["resolution"]["state"]) == ("MET", "CANCELLED")


async def test_what_rests_at_the_very_end_is_missed(save, submit, read, later, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, HOUR) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
        assert row.breached_at == unit.now
    async with later(ticket, 2 * HOUR) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.OPEN)
    clock = (await read(agent, ticket))["sla"]["firstResponse"]
    assert (clock["state"], clock["dueAt"]) == ("BREACHED", clock["breachedAt"])


async def test_an_answer_to_a_resolved_ticket_is_the_first_all_the_same(
    save, submit, read, later, agent, customer, problem
):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 60) as (unit, row):
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)
    assert (await read(agent, ticket))["sla"]["firstResponse"]["state"] == "CANCELLED"
    async with later(ticket, 120) as (unit, row):
        await aligned(unit, row, first_responded_at=unit.now)
    clock = (await read(agent, ticket))["sla"]["firstResponse"]
    assert (clock["state"], clock["completedAt"] is None) == ("MET", False)


async def test_resolving_ends_it_and_reopening_lets_it_run_on(save, submit, read, later, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, HOUR / 2) as (unit, row):
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)
        assert row.due_at is None
    sla = (await read(agent, ticket))["sla"]
    assert (sla["resolution"]["state"], sla["firstResponse"]["state"]) == ("MET", "CANCELLED")

    async with later(ticket, 24 * HOUR) as (unit, row):
        await statuses.reopen(unit, customer.id, row, None)
        assert row.due_at == unit.now + dt.timedelta(hours=0.5)
        assert row.breached_at is None
    sla = (await read(agent, ticket))["sla"]
    assert (sla["resolution"]["state"], sla["firstResponse"]["state"]) == ("RUNNING", "RUNNING")
    due = moment(sla["resolution"]["dueAt"]) - moment(sla["firstResponse"]["dueAt"])
    assert due == dt.timedelta(hours=3)


async def test_what_had_no_target_when_it_was_done_gets_none_by_another_priority(
    save, submit, read, later, agent, customer, problem
):
    """Nor would figures count it as met, which are of the moment when it was done."""
    await save(targets=[target(), target("HIGH")])
    ticket = await submit(customer, problem)
    async with later(ticket, 60) as (unit, row):
        await aligned(unit, row, priority=TicketPriority.LOW)
    async with later(ticket, 120) as (unit, row):
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now, first_responded_at=unit.now)
    async with later(ticket, 180) as (unit, row):
        await aligned(unit, row, priority=TicketPriority.HIGH)

    sla = (await read(agent, ticket))["sla"]
    assert [(clock["state"], clock["completedAt"]) for clock in (sla["firstResponse"], sla["resolution"])] == [
        ("CANCELLED", None)
    ] * 2
    async with later(ticket, 240) as (unit, row):
        await statuses.reopen(unit, customer.id, row, None)
    sla = (await read(agent, ticket))["sla"]
    assert (sla["firstResponse"]["state"], sla["resolution"]["state"]) == ("CANCELLED", "RUNNING")


@pytest.mark.parametrize("rests", ["resolved", "pending"])
async def test_what_was_missed_was_due_when_it_was_however_often_it_goes_on(
    save, submit, read, later, agent, customer, problem, rests
):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 5 * HOUR) as (unit, row):
        if rests == "resolved":
            await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)
        else:
            await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
    left = (await read(agent, ticket))["sla"]["resolution"]["remainingSeconds"]
    assert left == (0 if rests == "pending" else None)
    async with later(ticket, 24 * HOUR) as (unit, row):
        if rests == "resolved":
            await statuses.reopen(unit, customer.id, row, None)
        else:
            await statuses.move(unit, agent.id, row, TicketStatus.OPEN)
        due_at = row.due_at

    clock = (await read(agent, ticket))["sla"]["resolution"]
    assert (clock["state"], clock["dueAt"]) == ("BREACHED", clock["breachedAt"])
    async with later(ticket, 25 * HOUR) as (unit, row):
        assert row.due_at == due_at < row.created_at + dt.timedelta(hours=4.1)
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)
    clock = (await read(agent, ticket))["sla"]["resolution"]
    assert (clock["state"], clock["dueAt"]) == ("BREACHED", clock["breachedAt"])


async def test_merging_cancels_them(save, submit, read, later, agent, customer, problem):
    await save()
    ticket, other = await submit(customer, problem), await submit(customer, problem)
    async with later(ticket, 60) as (unit, row):
        merged = UUID(other["id"].removeprefix("tkt_"))
        await aligned(unit, row, status=TicketStatus.CLOSED, closed_at=unit.now, merged_into_id=merged)
        assert row.due_at is None

    sla = (await read(agent, ticket))["sla"]
    assert [(c["state"], c["dueAt"]) for c in (sla["firstResponse"], sla["resolution"])] == [("CANCELLED", None)] * 2


MERGE = "mutation ($input: MergeTicketsInput!) { mergeTickets(input: $input) { __typename } }"
ANSWERED = "query ($id: ID!) { ticket(id: $id) { firstRespondedAt comments { nodes { createdAt } } } }"


async def test_what_was_answered_where_it_is_merged_from_is_answered(save, submit, read, api, agent, customer, problem):
    await save()
    into, source = await submit(customer, problem), await submit(customer, problem)
    await api(agent, ANSWER, input={"ticketId": source["id"], "body": "We look."})
    await api(agent, ANSWER, input={"ticketId": source["id"], "body": "We still look."})

    await api(agent, MERGE, input={"intoTicketId": into["id"], "ticketIds": [source["id"]]})

    seen = (await api(customer, ANSWERED, id=into["id"]))["ticket"]
    assert seen["firstRespondedAt"] == seen["comments"]["nodes"][0]["createdAt"]
    clock = (await read(agent, into))["sla"]["firstResponse"]
    assert (clock["state"], clock["completedAt"]) == ("MET", seen["firstRespondedAt"])
    before = (await api(agent, ANSWERED, id=source["id"]))["ticket"]["firstRespondedAt"]
    assert before == seen["firstRespondedAt"]


async def test_what_was_answered_before_does_not_answer_what_came_later(
    save, submit, read, api, agent, customer, problem
):
    await save()
    source = await submit(customer, problem)
    await api(agent, ANSWER, input={"ticketId": source["id"], "body": "We look."})
    into = await submit(customer, problem)

    await api(agent, MERGE, input={"intoTicketId": into["id"], "ticketIds": [source["id"]]})

    assert (await api(customer, ANSWERED, id=into["id"]))["ticket"]["firstRespondedAt"] is None
    assert (await read(agent, into))["sla"]["firstResponse"]["state"] == "RUNNING"


async def test_another_priority_has_other_targets_and_time_that_was_used_stays_used(
    save, submit, read, later, agent, customer, problem
):
    await save(targets=[target(), target("URGENT", 600, None), target("LOW", None, 9 * HOUR)])
    ticket = await submit(customer, problem)

    async def to(priority, seconds):
        async with later(ticket, seconds) as (unit, row):
            await aligned(unit, row, priority=TicketPriority[priority], priority_rank=TicketPriority[priority].value)
        sla = (await read(agent, ticket))["sla"]
        return [sla["firstResponse"], sla["resolution"]]

    first, resolution = await to("LOW", 300)
    assert (first["state"], resolution["state"], resolution["targetSeconds"]) == ("CANCELLED", "RUNNING", 9 * HOUR)
    first, resolution = await to("NORMAL", 400)
    assert (first["state"], resolution["state"]) == ("RUNNING", "RUNNING")
    created = moment(resolution["dueAt"]) - dt.timedelta(hours=4)
    assert moment(first["dueAt"]) == created + dt.timedelta(seconds=100 + HOUR)  # 300 were used at 400
    first, resolution = await to("URGENT", 4 * HOUR - 1)
    assert (first["state"], resolution["state"]) == ("BREACHED", "CANCELLED")
    # It had been due before, and that is when it was missed.
    assert moment(first["breachedAt"]) == created + dt.timedelta(seconds=100 + HOUR)
    first, _ = await to("NORMAL", 4 * HOUR)
    assert first["state"] == "BREACHED"


async def test_a_higher_priority_that_is_missed_at_once_is_missed_now(save, submit, later, customer, problem):
    await save(targets=[target(), target("URGENT", 600, None)])
    ticket = await submit(customer, problem)

    async with later(ticket, 1200) as (unit, row):
        await aligned(unit, row, priority=TicketPriority.URGENT, priority_rank=4)
        assert row.breached_at == (missed_at := unit.now)
    async with later(ticket, 1300) as (unit, row):  # what was missed stays so, but is due later again
        await aligned(unit, row, priority=TicketPriority.NORMAL, priority_rank=2)
        assert (row.breached_at, row.due_at) == (missed_at, row.created_at + dt.timedelta(hours=1))


async def test_what_less_time_is_allowed_for_than_was_used_is_missed_now(
    save, submit, read, later, agent, customer, problem
):
    await save(targets=[target(), target("URGENT", 600, None)])
    ticket = await submit(customer, problem)
    async with later(ticket, 1200) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
    async with later(ticket, 2400) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.OPEN)
    async with later(ticket, 2460) as (unit, row):
        await aligned(unit, row, priority=TicketPriority.URGENT, priority_rank=4)
        assert row.breached_at == unit.now

    before = (await read(agent, ticket))["sla"]
    clock = before["firstResponse"]
    assert (clock["state"], clock["dueAt"]) == ("BREACHED", clock["breachedAt"])
    async with later(ticket, 2500) as (unit, row):
        await aligned(unit, row)
    assert (await read(agent, ticket))["sla"] == before


async def test_another_category_keeps_the_policy_while_its_conditions_hold(
    save, submit, read, later, house, support, agent, director, customer, problem, invoices, billing
):
    await save(name="Problems", categoryIds=[problem.gid])
    ticket = await submit(customer, problem)
    await save(name="All", position=0, targets=[target(first=HOUR, resolution=8 * HOUR)])
    await save(name="Nothing", targets=[target("LOW")], departmentIds=[billing.gid])

    async with later(ticket, 60) as (unit, row):
        await aligned(unit, row, department_id=billing.id)
    assert (await read(director, ticket))["sla"]["policy"] == {"name": "Problems"}

    async with later(ticket, 1800) as (unit, row):
        await aligned(unit, row, category_id=invoices.id)
    found = await read(director, ticket)
    assert found["sla"]["policy"] == {"name": "All"}
    due = [moment(found["sla"][name]["dueAt"]) for name in ("firstResponse", "resolution")]
    assert due[1] - due[0] == dt.timedelta(hours=7)
    (event,) = [event for event in found["events"]["nodes"] if event["__typename"] == "SlaPolicyChanged"]
    assert event["fromPolicy"] == {"name": "Problems"}
    assert event["toPolicy"] == {"name": "All"}


async def test_where_no_policy_applies_any_more_nothing_counts(
    save, submit, read, later, director, customer, problem, billing, support, database
):
    await save(departmentIds=[support.gid])
    ticket = await submit(customer, problem)
    async with later(ticket, 1800) as (unit, row):
        await aligned(unit, row, department_id=billing.id)
        assert row.due_at is None
    assert (await read(director, ticket))["sla"] is None

    async with later(ticket, 3600) as (unit, row):
        await aligned(unit, row, department_id=support.id)
        assert row.due_at == row.created_at + dt.timedelta(seconds=1800 + HOUR)
    found = await read(director, ticket)
    assert found["sla"]["firstResponse"]["state"] == "RUNNING"
    assert [event["__typename"] for event in found["events"]["nodes"]].count("SlaPolicyChanged") == 2


async def test_a_policy_that_comes_later_is_not_for_tickets_that_were_there(
    save, submit, read, later, agent, customer, problem
):
    ticket = await submit(customer, problem)
    await save()
    async with later(ticket, 60) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)

    assert (await read(agent, ticket))["sla"] is None


async def test_a_policy_that_is_for_others_since_applies_until_the_ticket_moves(
    save, submit, read, later, agent, customer, problem, billing
):
    policy = await save()
    ticket = await submit(customer, problem)
    await save(slaPolicyId=policy["id"], departmentIds=[billing.gid])
    async with later(ticket, 60) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
    sla = (await read(agent, ticket))["sla"]
    assert (sla["policy"], sla["resolution"]["state"]) == ({"name": "Standard"}, "PAUSED")


async def test_a_ticket_keeps_the_version_that_it_got(save, submit, read, run, later, agent, customer, problem):
    made = await save()
    ticket = await submit(customer, problem)
    await save(slaPolicyId=made["id"], name="Strict", targets=[target(first=60)])
    await run()
    async with later(ticket, 30) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)

    sla = (await read(agent, ticket))["sla"]
    assert sla["policy"] == {"name": "Strict"}
    assert sla["firstResponse"]["targetSeconds"] == HOUR
    fresh = (await read(agent, await submit(customer, problem)))["sla"]
    assert fresh["firstResponse"]["targetSeconds"] == 60


async def test_time_is_counted_by_the_departments_calendar(
    save, submit, calendar, api, admin, database, read, later, agent, customer, problem, support, billing, director
):
    closed = await calendar(name="Closed", hours=[])
    await database.rows(
        "UPDATE departments SET calendar_id = :calendar WHERE id = :id",
        calendar=closed.removeprefix("cal_"),
        id=support.id,
    )
    await save()
    ticket = await submit(customer, problem)
    clock = (await read(agent, ticket))["sla"]["firstResponse"]
    assert (clock["state"], clock["dueAt"]) == ("RUNNING", None)

    # What was used by one calendar stays used by the next one.
    async with later(ticket, 7 * HOUR) as (unit, row):
        await aligned(unit, row, department_id=billing.id)
        assert row.due_at == unit.now + dt.timedelta(hours=1)
    async with later(ticket, 7.5 * HOUR) as (unit, row):
        await aligned(unit, row, department_id=support.id)
        assert row.due_at is None
    async with later(ticket, 20 * HOUR) as (unit, row):
        await aligned(unit, row, department_id=billing.id)
        assert row.due_at == unit.now + dt.timedelta(hours=0.5)


async def test_the_policys_own_calendar_goes_first(
    save, submit, calendar, read, api, admin, agent, customer, problem, support
):
    always = await calendar()
    await api(admin, SAVE_DEPARTMENT, input={"departmentId": support.gid, "name": "S", "calendarId": always})
    await save(calendarId=await calendar(name="Closed", hours=[]))
    ticket = await submit(customer, problem)

    assert (await read(agent, ticket))["sla"]["resolution"]["dueAt"] is None


@pytest.mark.parametrize("priority", ["NORMAL", "LOW"])
async def test_it_is_the_same_however_often_it_follows(
    save, submit, later, database, agent, customer, problem, priority
):
    await save()
    ticket = await submit(customer, problem)
    async with later(ticket, 2 * HOUR) as (unit, row):
        unit.change(row, priority=TicketPriority[priority], priority_rank=TicketPriority[priority].value)
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
    before = await database.rows("SELECT * FROM sla_clocks, tickets ORDER BY target")

    for seconds in (2 * HOUR, 3 * HOUR):
        async with later(ticket, seconds) as (unit, row):
            await aligned(unit, row)
            await aligned(unit, row)
    assert await database.rows("SELECT * FROM sla_clocks, tickets ORDER BY target") == before


# --- Looking ----------------------------------------------------------------------------------------------------------


async def test_a_miss_is_recorded_once_at_its_instant(save, submit, sweep, read, api, agent, customer, problem):
    await save()
    ticket = await submit(customer, problem)
    await sweep(HOUR - 5)
    assert (await read(agent, ticket))["sla"]["firstResponse"]["breachedAt"] is None

    for _ in range(2):
        await sweep(HOUR + 5)

    found = await read(agent, ticket)
    clock = found["sla"]["firstResponse"]
    assert (clock["state"], clock["breachedAt"]) == ("BREACHED", clock["dueAt"])
    assert found["sla"]["resolution"]["state"] == "RUNNING"
    assert [event["__typename"] for event in found["events"]["nodes"]].count("SlaBreached") == 1


async def test_the_clock_looks_when_something_is_due(save, submit, sweep, database, customer, problem):
    await save()
    await submit(customer, problem)
    await sweep()

    async def next_look():
        (row,) = await database.rows("SELECT timer_at - created_at AS wait FROM tickets")
        return row["wait"] and row["wait"].total_seconds()

    # Its first target is due within the hour at once, so next is the miss.
    assert await next_look() == HOUR
    for _ in range(2):
        await sweep(HOUR + 1)
    assert await next_look() == 3 * HOUR
    await sweep(3 * HOUR + 1)
    assert await next_look() == 4 * HOUR
    for _ in range(2):
        await sweep(4 * HOUR + 1)
    assert await next_look() is None


NEWS = "{ viewer { notifications { nodes { kind } } } }"


@pytest.fixture
def warned(api):
    async def count(viewer):
        nodes = (await api(viewer, NEWS))["viewer"]["notifications"]["nodes"]
        return [node["kind"] for node in nodes].count("SLA_AT_RISK")

    return count


async def test_leads_are_warned_of_a_ticket_that_nobody_has(
    save, submit, sweep, work, run, warned, lead, agent, director, customer, problem
):
    await save(targets=[target(first=2 * HOUR)])
    await submit(customer, problem)
    await sweep()
    assert not await work.asked(WarnOfSla)

    for _ in range(2):
        await sweep(HOUR + 5)
        await run()

    assert [await warned(viewer) for viewer in (lead, agent, director, customer)] == [1, 0, 0, 0]


async def test_of_two_targets_that_are_soon_due_at_once_they_are_warned_once(
    save, submit, sweep, run, warned, lead, customer, problem
):
    await save(targets=[target(first=HOUR // 2, resolution=HOUR)])
    await submit(customer, problem)

    for _ in range(2):
        await sweep(5)
        await run()

    assert await warned(lead) == 1


async def test_the_mail_says_which_target_is_due_and_not_one_that_was_missed(
    save, submit, sweep, run, read, agent, lead, customer, problem, mailbox
):
    await save(targets=[target(first=HOUR, resolution=3 * HOUR)])
    ticket = await submit(customer, problem)
    due = moment((await read(agent, ticket))["sla"]["resolution"]["dueAt"])

    for seconds in (5, HOUR + 5, 2 * HOUR + 5):  # soon due, missed, and the other soon due
        await sweep(seconds)
        await run()

    first, missed, second = [letter.get_body(("plain",)).get_content() for letter in mailbox.to(lead.email)]
    assert "The first answer is due on " in first
    assert "The target for the first answer was missed" in missed
    assert f"The solution is due on {due:%B} {due.day}, {due.year}, {due:%I}".replace(", 0", ", ") in second
    assert f":{due:%M}" in second


async def test_where_there_is_no_lead_all_who_work_there_are_warned(
    save, submit, sweep, run, warned, agent, billing_agent, director, customer, problem
):
    await save(targets=[target(first=2 * HOUR)])
    await submit(customer, problem)

    await sweep(HOUR + 5)
    await run()

    assert [await warned(viewer) for viewer in (agent, billing_agent, director, customer)] == [1, 0, 0, 0]


async def test_of_many_that_are_soon_due_they_are_warned_in_one_email(
    save, submit, sweep, run, warned, lead, customer, problem, copies, monkeypatch, mailbox, database
):
    await save(targets=[target(first=2 * HOUR)])
    ticket = await submit(customer, problem)
    await run()
    row = SimpleNamespace(uuid=UUID(ticket["id"][4:]))
    await copies(row, 11)
    columns = "target, target_seconds, used_seconds, running_since, due_at, calendar_id"
    await database.rows(
        f"INSERT INTO sla_clocks (ticket_id, {columns}) SELECT t.id, {columns} FROM sla_clocks, "
        "(SELECT id FROM tickets WHERE id <> :id) AS t WHERE ticket_id = :id",
        id=row.uuid,
    )
    monkeypatch.setattr(timers, "BATCH", 5)
    mailbox.letters.clear()

    await sweep(HOUR + 5)
    await database.rows("UPDATE jobs SET due_at = now() WHERE state = 'QUEUED'")
    await run()

    assert await warned(lead) == 12
    (letter,) = mailbox.to(lead.email)
    assert letter["Subject"] == "News of 12 tickets"


async def test_the_assignee_is_warned_and_again_of_another_instant(
    save, submit, sweep, later, run, warned, lead, agent, customer, problem
):
    await save(targets=[target(first=2 * HOUR, resolution=None)])
    ticket = await submit(customer, problem)
    async with later(ticket, 0) as (unit, row):
        unit.change(row, assignee_id=agent.id)
    await sweep(HOUR + 5)
    await run()
    assert [await warned(viewer) for viewer in (lead, agent)] == [0, 1]

    async with later(ticket, HOUR + 10) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.PENDING)
    async with later(ticket, 5 * HOUR) as (unit, row):
        await statuses.move(unit, agent.id, row, TicketStatus.OPEN)
    await sweep(5 * HOUR + 60)
    await run()
    # It was within the hour before, so nobody is told again.
    assert await warned(agent) == 1


@pytest.mark.parametrize("became", ["active = false", "role = 'CUSTOMER'"])
async def test_who_works_here_no_more_is_not_warned_but_the_leads_are(
    save, submit, sweep, later, run, warned, lead, agent, customer, problem, database, became
):
    """Their tickets are put back a moment later."""
    await save(targets=[target(first=2 * HOUR, resolution=None)])
    ticket = await submit(customer, problem)
    async with later(ticket, 0) as (unit, row):
        unit.change(row, assignee_id=agent.id)
    await sweep(HOUR + 5)
    await database.rows(f"UPDATE people SET {became} WHERE id = :id", id=agent.id)

    await run()

    assert await warned(lead) == 1
    told = await database.rows("SELECT person_id FROM notifications WHERE kind = 'SLA_AT_RISK'")
    assert told == [{"person_id": lead.id}]


async def test_nobody_is_warned_of_what_was_done_meanwhile(
    save, submit, sweep, run, warned, api, lead, agent, customer, problem
):
    await save(targets=[target(first=2 * HOUR, resolution=None)])
    ticket = await submit(customer, problem)
    await sweep(HOUR + 5)
    await api(agent, ANSWER, input={"ticketId": ticket["id"], "body": "We look."})

    await run()

    assert await warned(lead) == 0


async def test_many_are_looked_at_together(save, submit, sweep, desk, customer, problem, database, monkeypatch):
    await save()
    for number in range(3):
        await submit(customer, problem, subject=f"Ticket {number}")
    reads = []
    original = Unit.read_all

    async def counted(self, build, *arguments):
        reads.append(build.__name__)
        return await original(self, build, *arguments)

    monkeypatch.setattr(Unit, "read_all", counted)
    await sweep(HOUR + 5)

    assert reads == ["_due", "clocks_of", "active"]
    assert len(await database.rows("SELECT * FROM events WHERE kind = 'SlaBreached'")) == 3


# --- Counting anew ----------------------------------------------------------------------------------------------------


async def test_a_policy_is_applied_anew(save, submit, read, run, later, agent, customer, problem):
    made = await save()
    ticket, done = await submit(customer, problem), await submit(customer, problem)
    async with later(done, 60) as (unit, row):
        await aligned(unit, row, status=TicketStatus.RESOLVED, resolved_at=unit.now)

    await save(slaPolicyId=made["id"], targets=[target(first=7200, resolution=None)], recalculate=True)
    await run()

    sla = (await read(agent, ticket))["sla"]
    assert (sla["firstResponse"]["targetSeconds"], sla["firstResponse"]["state"]) == (7200, "RUNNING")
    assert sla["resolution"]["state"] == "CANCELLED"
    async with later(done, 120) as (unit, row):
        await statuses.reopen(unit, customer.id, row, None)
    resolution = (await read(agent, done))["sla"]["resolution"]
    assert (resolution["targetSeconds"], resolution["state"]) == (4 * HOUR, "RUNNING")


async def test_a_policy_is_applied_anew_by_another_calendar(
    save, submit, read, run, calendar, agent, customer, problem
):
    made = await save(calendarId=await calendar())
    ticket = await submit(customer, problem)
    before = (await read(agent, ticket))["sla"]["resolution"]["dueAt"]

    await save(slaPolicyId=made["id"], calendarId=await calendar(name="Closed", hours=[]), recalculate=True)
    await run()
    assert (await read(agent, ticket))["sla"]["resolution"]["dueAt"] is None

    await save(slaPolicyId=made["id"], recalculate=True)
    await run()
    assert (await read(agent, ticket))["sla"]["resolution"]["dueAt"] > before  # by as long as it was closed


async def test_what_is_applied_anew_is_one_policy_to_its_own_tickets(
    save, submit, read, run, agent, billing_agent, customer, problem, invoices, support, billing
):
    strict = {"departmentIds": [support.gid], "name": "Support"}
    made = await save(**strict)
    theirs = await save(departmentIds=[billing.gid], name="Billing")
    for seconds in (120, 180, 240):
        await save(
            slaPolicyId=theirs["id"], departmentIds=[billing.gid], name="Billing", targets=[target(first=seconds)]
        )
    ticket, other = await submit(customer, problem), await submit(customer, invoices)

    await save(**strict, slaPolicyId=made["id"], targets=[target(first=7200)], recalculate=True)
    await run()

    assert (await read(agent, ticket))["sla"]["firstResponse"]["targetSeconds"] == 7200
    sla = (await read(billing_agent, other))["sla"]
    assert (sla["policy"], sla["firstResponse"]["targetSeconds"]) == ({"name": "Billing"}, 240)


async def test_it_goes_in_batches_that_can_be_done_again(
    save, submit, work, run, database, monkeypatch, customer, problem, desk
):
    monkeypatch.setattr("domain.sla.recalculating.BATCH", 2)
    made = await save()
    for number in range(5):
        await submit(customer, problem, subject=f"Ticket {number}")
    await run()
    await save(slaPolicyId=made["id"], targets=[target(first=7200)], recalculate=True)
    (first,) = await work.asked(RecalculateSla)

    done = await run()

    assert done["RecalculateSla"] >= 3
    rows = "SELECT * FROM sla_clocks ORDER BY ticket_id, target"
    clocks = await database.rows(rows)
    assert [clock["target_seconds"] for clock in clocks if clock["target"] == "FIRST_RESPONSE"] == [7200] * 5
    async with desk.writes.begin() as unit:
        unit.enqueue(first)
    assert (await run())["RecalculateSla"] == 1  # which finds nothing to be done
    assert await database.rows(rows) == clocks


@pytest.mark.parametrize("whose", ["policy", "department"])
async def test_another_calendar_moves_what_is_due(
    save, submit, read, run, calendar, api, admin, agent, customer, problem, support, whose, monkeypatch
):
    monkeypatch.setattr("domain.sla.recalculating.BATCH", 2)
    found = await calendar()
    if whose == "department":
        await api(admin, SAVE_DEPARTMENT, input={"departmentId": support.gid, "name": "S", "calendarId": found})
    await save(calendarId=found if whose == "policy" else None)
    *_, ticket = [await submit(customer, problem, subject=f"Ticket {number}") for number in range(5)]
    await run()
    before = (await read(agent, ticket))["sla"]["resolution"]["dueAt"]
    created = moment(before) - dt.timedelta(hours=4)

    off = [{"date": str(created.date() + dt.timedelta(days=n)), "name": "Off"} for n in range(2)]
    await calendar(businessCalendarId=found, holidays=off)
    assert (await run())["RecalculateSla"] == 3

    due = moment((await read(agent, ticket))["sla"]["resolution"]["dueAt"])
    assert due == dt.datetime.combine(created.date() + dt.timedelta(days=2), dt.time(4), dt.UTC)
    await calendar(businessCalendarId=found, hours=[])
    await run()
    assert (await read(agent, ticket))["sla"]["resolution"]["dueAt"] is None


async def test_a_departments_other_calendar_moves_what_is_due(
    save, submit, read, run, calendar, api, admin, agent, billing_agent, customer, problem, invoices, support
):
    await save()
    ticket, other = await submit(customer, problem), await submit(customer, invoices)
    closed = await calendar(hours=[])

    await api(admin, SAVE_DEPARTMENT, input={"departmentId": support.gid, "name": "S", "calendarId": closed})
    await run()

    assert (await read(agent, ticket))["sla"]["resolution"]["dueAt"] is None
    assert (await read(billing_agent, other))["sla"]["resolution"]["dueAt"]


# --- At the same time -------------------------------------------------------------------------------------------------


async def test_two_sweeps_at_once_record_a_miss_once(save, submit, sweep, database, customer, problem):
    await save()
    for number in range(6):
        await submit(customer, problem, subject=f"Ticket {number}")

    await asyncio.gather(*(sweep(HOUR + 5) for _ in range(4)))
    await sweep(HOUR + 6)

    rows = await database.rows("SELECT ticket_id, count(*) FROM events WHERE kind = 'SlaBreached' GROUP BY ticket_id")
    assert [row["count"] for row in rows] == [1] * 6


async def test_a_ticket_may_move_twice_in_one_unit(save, submit, later, calendar, database, customer, problem, house):
    await save()
    places = []
    for name in ("Day", "Night"):
        made = await house.department(name)
        found = UUID((await calendar(name=name)).removeprefix("cal_"))
        await database.rows("UPDATE departments SET calendar_id = :calendar WHERE id = :id", calendar=found, id=made.id)
        places.append(made.id)
    ticket = await submit(customer, problem)

    async with later(ticket, 600) as (unit, row):
        for place in places:
            await aligned(unit, row, department_id=place)
        assert row.due_at == row.created_at + dt.timedelta(hours=1)


async def test_a_sweep_and_an_answer_agree(save, submit, sweep, api, read, agent, customer, problem):
    await save(targets=[target(first=60)])
    ticket = await submit(customer, problem)

    await asyncio.gather(
        sweep(65), *(api(agent, ANSWER, input={"ticketId": ticket["id"], "body": "We look."}) for _ in range(3))
    )

    found = await read(agent, ticket)
    missed = [event["__typename"] for event in found["events"]["nodes"]].count("SlaBreached")
    assert found["sla"]["firstResponse"]["completedAt"]
    assert missed == (found["sla"]["firstResponse"]["state"] == "BREACHED")


async def test_a_policy_of_one_name_is_made_once(save, database):
    made = await asyncio.gather(*(save(name="Same") for _ in range(4)))

    assert sorted(each.get("reason", "") for each in made) == ["", "TAKEN", "TAKEN", "TAKEN"]
    assert len(await database.rows("SELECT * FROM sla_versions")) == 1


async def test_who_puts_a_policy_in_order_waits_for_whoever_does(save, halted, database):
    first = await halted(save(name="First"), "pg_advisory_xact_lock")
    second = asyncio.create_task(save(name="Second"))
    await asyncio.sleep(0.1)
    assert not second.done()

    assert [made["position"] for made in (await first(), await second)] == [0, 1]


async def test_policies_saved_at_once_stand_in_one_order(save, database):
    first = await save(name="First")
    again = [save(slaPolicyId=first["id"], targets=[target(first=60 + number)]) for number in range(3)]
    await asyncio.gather(*again, *(save(name=f"P{number}", position=0) for number in range(4)))

    rows = await database.rows("SELECT position FROM sla_policies ORDER BY position")
    assert len({row["position"] for row in rows}) == len(rows) == 5
    versions = await database.rows(
        "SELECT number FROM sla_versions JOIN sla_policies p ON p.id = policy_id WHERE p.id = :id ORDER BY number",
        id=UUID(first["id"].removeprefix("slp_")),
    )
    assert [row["number"] for row in versions] == list(range(1, len(versions) + 1))
