"""Two workers are killed in the middle of escalating many tickets, and of telling of it and counting it."""

import asyncpg
import pytest

from domain.people import Newcomer, add
from infra.desk import Desk
from models import EscalationLevel, EscalationRule, EscalationTrigger, Role

TICKETS = 25


@pytest.fixture
async def lead(real):
    """Whom a ticket is escalated to at once, once a rule is active."""
    async with Desk.open(real.settings) as desk:
        (department,) = await real.rows("SELECT id FROM departments WHERE name = 'Support'")
        async with desk.writes.begin() as unit:
            given = ("Lea Lead", "lea@example.com", Role.TEAM_LEAD, [department["id"]], None)
            lead_id = await add(unit, Newcomer(*given, invite=False))
            unit.insert(
                EscalationRule,
                name="At once",
                active=False,
                trigger=EscalationTrigger.UNASSIGNED,
                after_seconds=0,
                level=EscalationLevel.TEAM_LEAD,
                priorities=[],
                department_ids=[],
                changed_at=unit.now,
            )
    yield lead_id
    await real.rows("DELETE FROM escalation_rules")
    await real.rows("UPDATE people SET active = false WHERE id = $1", lead_id)


async def killed_while_they_wait(real, second, tables, begin):
    """Kills both workers as they want to write to these tables, amid what `begin` begins; starts others."""
    holder = await asyncpg.connect(real.settings.database_url)
    try:
        await holder.execute(f"BEGIN; LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        await begin()

        async def waiting():
            wanted = await real.rows("SELECT DISTINCT relation::regclass::text AS name FROM pg_locks WHERE NOT granted")
            return tables <= {row["name"] for row in wanted}

        await real.until(waiting)
        real.worker.kill()
        second.kill()
    finally:
        await holder.close()
    real.worker.start()
    second.start()


async def counted(real):
    """How many escalations there are by the figures, less those that there are, once all is added up."""

    async def all_of_it():
        return not await real.rows("SELECT 1 FROM metric_facts LIMIT 1")

    await real.until(all_of_it)
    (row,) = await real.rows(
        "SELECT (SELECT coalesce(sum(to_team_lead), 0) FROM metric_sums WHERE split = 0 AND grain = 2)"
        " - (SELECT count(*) FROM escalations WHERE level = 'TEAM_LEAD') AS more"
    )
    return row["more"]


@pytest.mark.promise(
    "Each due escalation fires once",
    injected="kill -9 of two workers as they escalate, and as they tell and count",
)
async def test_each_level_fires_once_and_each_is_told_once(real, second, lead, kept):
    ids = [(await real.submitted(f"Escalated {number}"))[4:] for number in range(TICKETS)]
    await real.all_settled()
    before = await counted(real)

    async def due():
        await real.rows("UPDATE escalation_rules SET active = true")
        await real.rows("UPDATE tickets SET timer_at = now() WHERE id = ANY($1)", ids)

    async def nothing():
        pass

    async def raised():
        (row,) = await real.rows("SELECT count(*) FROM escalations WHERE ticket_id = ANY($1)", ids)
        return row["count"] == TICKETS

    await killed_while_they_wait(real, second, {"escalations"}, due)
    await killed_while_they_wait(real, second, {"notifications", "metric_sums"}, nothing)
    await real.until(raised)
    await real.all_settled()

    # Of these alone: what others left open may be due as well.
    fired = await real.rows(
        "SELECT ticket_id, level, count(*) FROM escalations WHERE ticket_id = ANY($1) GROUP BY 1, 2", ids
    )
    assert sorted(str(row["ticket_id"]) for row in fired) == sorted(ids)
    assert {(row["level"], row["count"]) for row in fired} == {("TEAM_LEAD", 1)}
    told = await real.rows(
        "SELECT ticket_id, count(*) FROM notifications"
        " WHERE person_id = $1 AND kind = 'TICKET_ESCALATED' AND ticket_id = ANY($2) GROUP BY 1",
        *(lead, ids),
    )
    assert sorted(str(row["ticket_id"]) for row in told) == sorted(ids)
    assert {row["count"] for row in told} == {1}
    owed = await real.rows("SELECT id, recipient_id, event_ids, status FROM messages WHERE kind = 'TICKET_ESCALATED'")
    ours = {row["id"] for row in await real.rows("SELECT id FROM events WHERE ticket_id = ANY($1)", ids)}
    events = [(row["recipient_id"], event) for row in owed for event in row["event_ids"] if event in ours]
    assert len(events) == len(set(events)) == 2 * TICKETS
    assert {person_id for person_id, _ in events} == {lead, real.customer_id}
    assert {row["status"] for row in owed} == {"SENT"}
    assert await counted(real) == before
    arrived = [letter["Message-ID"] for letter in real.mail.letters]
    assert sorted(arrived) == sorted(set(arrived))
    assert {f"<{row['id']}@example.com>" for row in owed} <= set(arrived)
    kept(times=4, tried=TICKETS, lost=0, twice=0)
