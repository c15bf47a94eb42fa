"""Rules raise tickets by the clock: each level once and in its turn, whoever sweeps, whenever, and whatever breaks."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

import models
from domain import drafting, escalations, history
from domain.escalations import looking, raising
from domain.happenings import TicketAssigned
from domain.jobs import RecalculateSla
from domain.tickets import statuses, timers
from infra.postgres import Unavailable
from models import EscalationLevel, EscalationTrigger, Role, TicketPriority, TicketStatus

LEAD, MANAGER, DIRECTOR = EscalationLevel
LEVELS = [level.name for level in EscalationLevel]
EVENTS = """query ($id: ID!) { ticket(id: $id) { events(first: 100) { nodes { __typename actor { name }
  ... on TicketEscalated { escalation { level } } } } } }"""
BY_LEVEL = """SELECT level, count(*) AS count, count(*) FILTER (WHERE ended_at IS NULL) AS in_force FROM escalations
  GROUP BY level ORDER BY level"""


def hours(count):
    return dt.timedelta(hours=count)


HOUR = hours(1)


@pytest.fixture
def rule(desk, database):
    """Makes a rule."""

    async def made(level=LEAD, after=HOUR, trigger="NOT_RESOLVED", **given):
        values = {"name": f"{trigger} {level.name}", "active": True, "priorities": [], "department_ids": []} | given
        async with desk.writes.begin() as unit:
            row = unit.insert(
                models.EscalationRule,
                trigger=EscalationTrigger[trigger],
                after_seconds=int(after.total_seconds()),
                level=level,
                changed_at=unit.now,
                **values,
            )
        return row.id

    return made


@pytest.fixture
async def people(house, support):
    """Somebody of each level."""
    return {
        LEAD: await house.person("Leo Lead", Role.TEAM_LEAD, support),
        MANAGER: await house.person("Mia Manager", Role.MANAGER, support),
        DIRECTOR: await house.person("Dora Director", Role.DIRECTOR),
    }


@pytest.fixture
def sweep(desk, database):
    """Has so many workers look at what is due, at the same time, so many times."""

    async def swept(workers=1, times=1):
        for _ in range(times):
            await asyncio.gather(*(timers.sweep(desk) for _ in range(workers)))

    return swept


@pytest.fixture
def age(database):
    """Makes that what has happened so far happened so many hours before."""
    moments = {
        "tickets": ("created_at", "waiting_since", "first_responded_at", "breached_at", "escalates_since", "timer_at"),
        "events": ("at",),
        "escalations": ("at", "ended_at", "acknowledged_at"),
    }

    async def passed(count):
        for table, names in moments.items():
            values = ", ".join(f"{name} = {name} - CAST(:by AS interval)" for name in names)
            await database.rows(f"UPDATE {table} SET {values}", by=hours(count))

    return passed


@pytest.fixture
def change(desk, ticket):
    """Does something with the ticket, in a unit."""

    async def done(do):
        async with desk.writes.begin() as unit:
            row = await unit.lock(lambda key: sa.select(models.Ticket).where(models.Ticket.id == key), ticket.uuid)
            await do(unit, row)

    return done


@pytest.fixture
def level(database, ticket):
    """The level of the escalation in force."""

    async def found():
        rows = await database.rows(
            "SELECT level, escalation_rank FROM tickets LEFT JOIN escalations ON ticket_id = tickets.id "
            "AND ended_at IS NULL WHERE tickets.id = :id",
            id=ticket.uuid,
        )
        (row,) = rows
        assert row["escalation_rank"] == (EscalationLevel[row["level"]].value if row["level"] else 0)
        return row["level"]

    return found


async def test_a_rule_acts_when_it_falls_due_and_not_before(rule, sweep, age, level, database, people, ticket):
    made = await rule(after=hours(2))

    await sweep()
    (row,) = await database.rows("SELECT created_at, timer_at FROM tickets")
    assert await level() is None
    assert row["timer_at"] == row["created_at"] + hours(2)

    await age(2)
    await sweep()
    assert await level() == "TEAM_LEAD"
    (row,) = await database.rows("SELECT * FROM escalations")
    assert (row["rule_id"], row["escalated_by_id"], row["reason"]) == (made, None, "NOT_RESOLVED TEAM_LEAD")
    assert row["escalated_to_ids"] == [people[LEAD].id]
    await sweep(times=2)
    (row,) = await database.rows("SELECT timer_at FROM tickets")
    assert row["timer_at"] is None


async def test_levels_follow_each_other_and_end_each_other(api, rule, sweep, age, level, database, people, ticket):
    for each, after in zip(EscalationLevel, (1, 2, 3), strict=True):
        await rule(each, hours(after))

    for expected in LEVELS:
        await age(1)
        await sweep(times=2)
        assert await level() == expected

    rows = await database.rows("SELECT escalated_to_ids FROM escalations ORDER BY id")
    assert [row["escalated_to_ids"] for row in rows] == [[person.id] for person in people.values()]
    seen = (await api(people[LEAD], EVENTS, id=ticket.gid))["ticket"]
    told = [event for event in seen["events"]["nodes"] if "Escalat" in event["__typename"]]
    assert [event["__typename"] for event in told] == [
        "TicketEscalated", "EscalationEnded", "TicketEscalated", "EscalationEnded", "TicketEscalated",
    ]  # fmt: skip
    assert [event["escalation"]["level"] for event in told[::2]] == LEVELS
    assert all(event["actor"] is None for event in told)


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_each_level_is_raised_once_after_a_day_without_workers(
    rule, sweep, age, database, people, ticket, copies, monkeypatch, workers
):
    for each, after in zip(EscalationLevel, (1, 2, 3), strict=True):
        await rule(each, hours(after))
    await copies(ticket, 39)
    monkeypatch.setattr(timers, "BATCH", 7)
    await age(26)

    await sweep(workers, times=4)

    once = {"count": 40, "in_force": 0}
    assert await database.rows(BY_LEVEL) == [
        {"level": "DIRECTOR", "count": 40, "in_force": 40},
        {"level": "MANAGER", **once},
        {"level": "TEAM_LEAD", **once},
    ]
    order = "SELECT array_agg(level ORDER BY id) AS levels FROM escalations GROUP BY ticket_id"
    assert all(row["levels"] == LEVELS for row in await database.rows(order))
    gaps = """SELECT ticket_id FROM events GROUP BY ticket_id
        HAVING count(*) <> max(seq) OR count(*) FILTER (WHERE kind = 'TicketEscalated') <> 3"""
    assert await database.rows(gaps) == []
    assert (await database.rows("SELECT count(*) FROM tickets WHERE timer_at IS NOT NULL"))[0]["count"] == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_after_a_day_without_workers_everybody_gets_one_email(
    rule, sweep, age, database, people, ticket, copies, monkeypatch, workers, work, mailbox
):
    await work.run()
    for each, after in zip(EscalationLevel, (1, 2, 3), strict=True):
        await rule(each, hours(after))
    await copies(ticket, 39)
    monkeypatch.setattr(timers, "BATCH", 7)
    monkeypatch.setattr(drafting, "MOST_TOLD", 30)
    await age(26)
    mailbox.letters.clear()

    await sweep(workers)
    waits = await database.rows(
        "SELECT DISTINCT due_at > created_at + interval '4 s' AS far FROM jobs WHERE kind = 'Announce' AND attempts = 0"
    )
    assert waits == [{"far": True}]  # for the rest of the crowd
    await sweep(workers, times=3)
    await database.rows("UPDATE jobs SET due_at = now()")
    await work.run()

    (letter,) = mailbox.to(people[DIRECTOR].email)
    text = letter.get_body(("plain",)).get_content()
    assert letter["Subject"] == "News of 40 tickets"
    assert text.count("has escalated it to the director.") == 30
    assert "And 10 more, in" in text
    assert mailbox.to(people[LEAD].email) == mailbox.to(people[MANAGER].email) == []  # theirs have ended
    news = "SELECT person_id, count(*) FROM notifications WHERE kind = 'TICKET_ESCALATED' GROUP BY 1"
    told = {row["person_id"]: row["count"] for row in await database.rows(news)}
    assert [told[person.id] for person in people.values()] == [40, 40, 40]


@pytest.mark.parametrize("workers", [1, 2, 5])
async def test_a_worker_that_dies_in_the_middle_raises_nothing_twice_and_loses_nothing(
    desk, rule, age, database, people, ticket, copies, monkeypatch, workers
):
    await rule(LEAD)
    await rule(MANAGER, hours(2))
    await copies(ticket, 19)
    monkeypatch.setattr(timers, "BATCH", 7)
    await age(26)
    raise_all, calls = raising.to_higher_levels, []

    def killing():
        return sa.select(sa.func.pg_terminate_backend(sa.func.pg_backend_pid()))

    async def dying(unit, *arguments):
        found = await raise_all(unit, *arguments)
        calls.append(len(found))
        if len(calls) % 3 == 2:
            await unit.flush()
            await unit.run(killing)
        return found

    monkeypatch.setattr(looking.raising, "to_higher_levels", dying)
    died = 0
    for _ in range(40):
        results = await asyncio.gather(*(timers.sweep(desk) for _ in range(workers)), return_exceptions=True)
        died += sum(isinstance(result, Unavailable) for result in results)
        assert all(result is None or isinstance(result, Unavailable) for result in results), results
        if not await database.rows("SELECT id FROM tickets WHERE timer_at IS NOT NULL"):
            break

    assert died > 0
    assert await database.rows(BY_LEVEL) == [
        {"level": "MANAGER", "count": 20, "in_force": 20},
        {"level": "TEAM_LEAD", "count": 20, "in_force": 0},
    ]
    assert (await database.rows("SELECT count(*) FROM events WHERE kind = 'TicketEscalated'"))[0]["count"] == 40


# --- Where nobody is --------------------------------------------------------------------------------------------------


async def test_a_level_without_active_people_is_recorded_and_passed_at_once(
    rule, sweep, age, level, database, house, support, billing, ticket
):
    await house.person("Leo Elsewhere", Role.TEAM_LEAD, billing)
    gone = await house.person("Leo Gone", Role.TEAM_LEAD, support)
    await database.rows("UPDATE people SET active = false WHERE id = :id", id=gone.id)
    mia = await house.person("Mia Manager", Role.MANAGER, support)
    await rule(LEAD)
    await age(1)

    await sweep()

    assert await level() == "MANAGER"
    rows = await database.rows("SELECT level, escalated_to_ids, at = ended_at AS passed FROM escalations ORDER BY id")
    assert rows == [
        {"level": "TEAM_LEAD", "escalated_to_ids": [], "passed": True},
        {"level": "MANAGER", "escalated_to_ids": [mia.id], "passed": None},
    ]


async def test_when_no_level_is_left_admins_are_told(rule, sweep, age, level, database, admin, ticket):
    await rule(LEAD)
    await age(1)

    await sweep()

    assert await level() == "DIRECTOR"
    rows = await database.rows("SELECT level, escalated_to_ids FROM escalations ORDER BY id")
    told = {"TEAM_LEAD": [], "MANAGER": [], "DIRECTOR": [admin.id]}
    assert {row["level"]: row["escalated_to_ids"] for row in rows} == told


async def test_at_most_fifty_are_told(rule, sweep, age, database, desk, support, ticket, people):
    await database.rows(
        """WITH more AS (INSERT INTO people (id, name, email, role, active, created_at)
        SELECT gen_random_uuid(), 'Lead ' || n, n || '@leads.example.com', 'TEAM_LEAD', true, now()
        FROM generate_series(1, 60) AS n RETURNING id)
        INSERT INTO memberships (person_id, department_id) SELECT id, :department FROM more""",
        department=support.id,
    )
    await rule(LEAD)
    await age(1)

    await sweep()

    (row,) = await database.rows("SELECT escalated_to_ids FROM escalations")
    assert len(set(row["escalated_to_ids"])) == 50


# --- Since when -------------------------------------------------------------------------------------------------------


async def test_an_answer_ends_the_waiting_of_a_rule_for_a_higher_level(
    api, rule, sweep, age, level, people, agent, ticket
):
    add = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await rule(LEAD, hours(4), "NOT_ANSWERED")
    await rule(MANAGER, hours(1))
    await sweep()
    await api(agent, add, input={"ticketId": ticket.gid, "body": "We look into it."})
    await sweep()
    assert await level() is None

    await age(1)
    await sweep()

    assert await level() == "MANAGER"


async def test_without_an_agent_counts_since_the_last_one_was_taken_off(
    rule, sweep, age, level, change, people, submit, desk, customer, problem, ticket, agent
):
    async def give(unit, row, *, to):
        before = row.assignee_id
        unit.change(row, assignee_id=to)
        history.record(unit, None, row, TicketAssigned(before, to))

    await rule(LEAD, hours(4), "UNASSIGNED")
    await change(lambda unit, row: give(unit, row, to=agent.id))
    await age(10)
    await sweep()
    assert await level() is None
    await change(lambda unit, row: give(unit, row, to=None))
    await age(3)
    await sweep()
    assert await level() is None

    await age(1)
    await submit(customer, problem)
    async with desk.writes.begin() as unit:  # that another one was often put back by now says nothing of this one
        another = await unit.lock(lambda key: sa.select(models.Ticket).where(models.Ticket.id != key), ticket.uuid)
        for _ in range(9):
            history.record(unit, None, another, TicketAssigned(agent.id, None))
    await sweep()

    assert await level() == "TEAM_LEAD"


async def test_what_waits_for_the_customer_counts_anew_when_it_no_longer_does(
    rule, sweep, age, level, change, people, ticket
):
    await rule(LEAD, hours(4), "CUSTOMER_WAITING")
    await age(3)
    await change(lambda unit, row: statuses.move(unit, None, row, TicketStatus.PENDING))
    await age(10)
    await sweep()
    assert await level() is None
    await change(lambda unit, row: statuses.move(unit, None, row, TicketStatus.OPEN))
    await age(3)
    await sweep()
    assert await level() is None

    await age(1)
    await sweep()

    assert await level() == "TEAM_LEAD"


async def test_what_was_ended_or_opened_again_counts_anew(rule, sweep, age, level, change, people, ticket):
    async def raised_after_two_hours():
        for expected in (None, "TEAM_LEAD"):
            await age(1)
            await sweep()
            assert await level() == expected

    async def resolve(unit, row):
        await escalations.end_in_force(unit, None, row)
        unit.change(row, status=TicketStatus.RESOLVED, resolved_at=unit.now)

    await rule(LEAD, hours(2))
    await raised_after_two_hours()
    await change(lambda unit, row: escalations.end_in_force(unit, people[LEAD].id, row, "Done."))
    await sweep()
    assert await level() is None
    await raised_after_two_hours()
    await change(resolve)
    await age(10)
    await sweep()
    assert await level() is None
    await change(lambda unit, row: statuses.reopen(unit, None, row, None))
    await sweep()
    assert await level() is None
    await raised_after_two_hours()


async def test_what_nobody_acknowledges_goes_up_and_what_somebody_does_stays(
    api, rule, sweep, age, level, people, ticket
):
    acknowledge = """mutation ($id: ID!) { acknowledgeEscalation(input: {escalationId: $id}) {
      ... on AcknowledgeEscalationSuccess { escalation { acknowledgedBy { name } } } } }"""
    for each, after in ((LEAD, 1), (MANAGER, 2), (DIRECTOR, 2)):
        await rule(each, hours(after), "NOT_ACKNOWLEDGED" if each is not LEAD else "NOT_RESOLVED")
    await age(5)
    await sweep()
    await age(1)
    await sweep(times=2)
    assert await level() == "TEAM_LEAD"
    await age(1)
    await sweep(times=2)
    assert await level() == "MANAGER"
    query = "query ($id: ID!) { ticket(id: $id) { escalation { id } } }"
    found = (await api(people[MANAGER], query, id=ticket.gid))["ticket"]["escalation"]["id"]
    answer = (await api(people[MANAGER], acknowledge, id=found))["acknowledgeEscalation"]
    assert answer == {"escalation": {"acknowledgedBy": {"name": "Mia Manager"}}}

    await age(50)
    await sweep(times=2)

    assert await level() == "MANAGER"


async def test_only_tickets_that_the_rule_speaks_of_are_raised(
    rule, sweep, age, database, people, submit, customer, agent, problem, invoices, support
):
    high = await submit(agent, problem, requesterId=customer.gid, priority="URGENT")
    await submit(agent, problem, requesterId=customer.gid)
    await submit(agent, invoices, requesterId=customer.gid, priority="URGENT")
    resolved = await submit(agent, problem, requesterId=customer.gid, priority="URGENT")
    await database.rows("UPDATE tickets SET status = 'RESOLVED' WHERE number = :number", number=resolved["number"])
    await rule(LEAD, priorities=[TicketPriority.URGENT.name], department_ids=[support.id])
    await rule(MANAGER, active=False)
    await age(5)

    await sweep(times=2)

    rows = await database.rows("SELECT number, level FROM escalations JOIN tickets ON tickets.id = ticket_id")
    assert rows == [{"number": high["number"], "level": "TEAM_LEAD"}]


async def test_time_is_working_time_of_the_departments_calendar(rule, sweep, age, level, database, people, ticket):
    await database.rows(
        """WITH made AS (INSERT INTO business_calendars (id, name, time_zone, hours, holidays)
        VALUES (gen_random_uuid(), 'Never', 'UTC', '[]', '[]') RETURNING id)
        UPDATE departments SET calendar_id = (SELECT id FROM made)"""
    )
    await rule(LEAD)
    await age(1000)
    await sweep()
    assert await level() is None

    every = '[{"weekday": %d, "opens": 0, "closes": 1440}]'
    days = ", ".join((every % day)[1:-1] for day in range(7))
    await database.rows("UPDATE business_calendars SET hours = CAST(:hours AS jsonb)", hours=f"[{days}]")
    await database.rows("UPDATE tickets SET timer_at = now() - interval '1 second'")
    await sweep()

    assert await level() == "TEAM_LEAD"


async def test_time_is_working_time_of_the_calendar_that_the_policy_names_from_now_on(
    rule, sweep, age, level, desk, work, database, people, ticket
):
    async with desk.writes.begin() as unit:
        never, always = (
            unit.insert(
                models.BusinessCalendar, name=name, time_zone="UTC", hours=hours, holiday_region=None, holidays=[]
            )
            for name, hours in (
                ("Never", []),
                ("Always", [{"weekday": day, "opens": 0, "closes": 1440} for day in range(7)]),
            )
        )
        policy = unit.insert(
            models.SlaPolicy, name="At night too", description=None, position=0, active=True,
            department_ids=[], category_ids=[],
        )  # fmt: skip
        first, _ = (
            unit.insert(
                models.SlaVersion,
                policy_id=policy.id,
                number=number,
                created_at=unit.now,
                targets={},
                calendar_id=calendar_id,
                pauses_on_hold=False,
            )
            for number, calendar_id in ((1, None), (2, always.id))
        )
    await database.rows("UPDATE departments SET calendar_id = :id", id=never.id)
    await database.rows("UPDATE tickets SET sla_version_id = :id", id=first.id)
    await rule(LEAD)
    await age(1000)
    await sweep()
    assert await level() is None

    async with desk.writes.begin() as unit:
        unit.enqueue(RecalculateSla(policy_id=policy.id, calendar_id=None, department_id=None), delay=0)
    await work.run()
    await sweep()

    assert await level() == "TEAM_LEAD"


async def test_without_rules_nothing_is_read_or_raised(sweep, age, level, ticket):
    await age(1000)
    await sweep(times=2)
    assert await level() is None


async def test_a_history_has_no_gap_when_somebody_writes_while_the_clock_looks(
    api, rule, sweep, age, database, people, ticket, customer, submit, problem
):
    await rule(LEAD)
    await age(1)
    say = """mutation ($id: ID!) { addComment(input: {ticketId: $id, body: "Well?"}) { __typename } }"""

    await asyncio.gather(sweep(3), *(api(customer, say, id=ticket.gid) for _ in range(5)))
    await sweep()

    rows = await database.rows("SELECT seq FROM events ORDER BY seq")
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert (await database.rows("SELECT count(*) FROM escalations"))[0]["count"] == 1


async def test_many_cost_as_many_statements_as_one(desk, rule, age, database, people, ticket, copies):
    await rule(LEAD)
    await rule(MANAGER, hours(2), "NOT_ACKNOWLEDGED")
    counts = []
    for more in (0, 49):
        await copies(ticket, more)
        await database.rows("UPDATE tickets SET timer_at = now() - interval '1 second'")
        await age(1)
        for _ in range(2):
            statements = []
            async with desk.writes.begin() as unit:
                unit._transaction._driver.add_query_logger(statements.append)
                assert await timers._look(unit, await unit.read_all(timers._due, unit.now, timers.BATCH)) == more + 1
                await unit.flush()
                await asyncio.sleep(0)  # asyncpg tells a moment later
                unit._transaction._driver.remove_query_logger(statements.append)
            counts.append(len(statements))
        await database.rows("DELETE FROM escalations")
        await database.rows("UPDATE tickets SET escalation_rank = 0")

    assert counts[:2] == counts[2:]
    assert max(counts) < 12


async def test_who_settles_while_the_clock_looks_comes_before_or_after_it(
    api, rule, sweep, age, level, database, people, ticket
):
    await rule(LEAD)
    await rule(MANAGER, hours(1), "NOT_ACKNOWLEDGED")
    await age(1)
    await sweep()
    await age(2)
    (row,) = await database.rows("SELECT 'esc_' || id AS id FROM escalations")
    text = """mutation ($id: ID!) { acknowledgeEscalation(input: {escalationId: $id}) { __typename
      ... on Conflict { reason } } }"""

    answers = await asyncio.gather(*(api(people[LEAD], text, id=row["id"]) for _ in range(2)), sweep(2))
    await sweep(times=2)

    kinds = sorted(answer["acknowledgeEscalation"]["__typename"] for answer in answers[:2])
    assert (kinds, await level()) in (
        (["AcknowledgeEscalationSuccess", "Conflict"], "TEAM_LEAD"),
        (["Conflict", "Conflict"], "MANAGER"),
    )
    assert (await database.rows("SELECT count(*) FROM escalations WHERE ended_at IS NULL"))[0]["count"] == 1
