"""Figures equal a recount from the tables, whatever happened; and counting anew from the histories changes nothing."""

import datetime as dt
import re
from random import Random

import pytest
from test_history_replays import LIVES, STEPS, Life, _settings

from domain.metrics import counting, rebuilding, sums
from domain.tickets import timers
from models import HISTOGRAMS, MEASURES, Role

OFTEN = ("resolve", "confirm", "reopen", "comment", "assign", "escalate", "status")
SEEN = set()  # measures that came to something
SUMS = f"SELECT {', '.join(f'coalesce(sum({name}), 0)::bigint AS {name}' for name in MEASURES)} FROM metric_sums"
PENDING = """WITH moves AS (
    SELECT ticket_id, at, data->>'to_status' AS status, lead(at) OVER (PARTITION BY ticket_id ORDER BY seq) AS until
    FROM events WHERE kind IN ('StatusChanged', 'TicketResolved', 'TicketClosed', 'TicketMerged')
), pending AS (SELECT * FROM moves WHERE status = 'PENDING')"""
RECOUNT = f"""{PENDING} SELECT
    (SELECT count(*) FROM tickets) AS submitted,
    (SELECT count(*) FROM tickets WHERE status IN ('OPEN', 'PENDING', 'ON_HOLD')) AS opened,
    (SELECT count(*) FROM tickets WHERE resolved_at IS NOT NULL) AS resolved,
    (SELECT coalesce(sum(floor(extract(epoch FROM t.resolved_at - t.created_at)) - coalesce((
        SELECT sum(floor(extract(epoch FROM p.until - p.at))) FROM pending p
        WHERE p.ticket_id = t.id AND p.until <= t.resolved_at), 0)), 0)::bigint
        FROM tickets t WHERE t.resolved_at IS NOT NULL) AS resolution_seconds,
    (SELECT count(*) FROM resolutions WHERE state = 'REJECTED') AS reopened,
    (SELECT count(*) FROM comments c JOIN people p ON p.id = c.author_id
        WHERE NOT c.internal AND p.role <> 'CUSTOMER') AS replies,
    (SELECT count(*) FROM tickets WHERE first_responded_at IS NOT NULL) AS first_responses,
    (SELECT coalesce(sum(floor(extract(epoch FROM first_responded_at - created_at))), 0)::int
        FROM tickets WHERE first_responded_at IS NOT NULL) AS first_response_seconds,
    (SELECT count(*) FROM tickets t JOIN sla_clocks c ON c.ticket_id = t.id WHERE c.target = 'FIRST_RESPONSE'
        AND t.first_responded_at IS NOT NULL AND c.cancelled_at IS NULL AND c.breached_at IS NULL)
        AS first_response_met,
    (SELECT count(*) FROM tickets t JOIN sla_clocks c ON c.ticket_id = t.id WHERE c.target = 'RESOLUTION'
        AND t.resolved_at IS NOT NULL AND c.cancelled_at IS NULL AND c.breached_at IS NULL) AS resolution_met,
    (SELECT count(*) FROM sla_clocks WHERE breached_at IS NOT NULL AND target = 'FIRST_RESPONSE')
        AS first_response_breached,
    (SELECT count(*) FROM sla_clocks WHERE breached_at IS NOT NULL AND target = 'RESOLUTION') AS resolution_breached,
    (SELECT count(*) FROM escalations WHERE level = 'TEAM_LEAD') AS to_team_lead,
    (SELECT count(*) FROM escalations WHERE level = 'MANAGER') AS to_manager,
    (SELECT count(*) FROM escalations WHERE level = 'DIRECTOR') AS to_director,
    (SELECT count(*) FROM tickets t WHERE t.resolved_at IS NOT NULL AND
        (SELECT r.rating FROM resolutions r WHERE r.ticket_id = t.id ORDER BY r.id DESC LIMIT 1) IS NOT NULL)
        AS resolved_rated,
    (SELECT count(*) FROM resolutions WHERE rating = 1) AS rated_1,
    (SELECT count(*) FROM resolutions WHERE rating = 2) AS rated_2,
    (SELECT count(*) FROM resolutions WHERE rating = 3) AS rated_3,
    (SELECT count(*) FROM resolutions WHERE rating = 4) AS rated_4,
    (SELECT count(*) FROM resolutions WHERE rating = 5) AS rated_5"""
RECOUNTED = re.findall(r"AS (\w+)(?=,|\n|$)", RECOUNT.removeprefix(PENDING))
# What is unresolved now, by the whole key.
BACKLOG = """SELECT department_id, coalesce(assignee_id, '00000000-0000-0000-0000-000000000000'), category_id,
    priority_rank, count(*)::int FROM tickets WHERE status IN ('OPEN', 'PENDING', 'ON_HOLD') GROUP BY 1, 2, 3, 4"""
OPENED = """SELECT department_id, agent_id, category_id, priority, sum(opened)::int FROM metric_sums
    WHERE split = 5 GROUP BY 1, 2, 3, 4 HAVING sum(opened) <> 0"""
COLUMNS = (*MEASURES, *HISTOGRAMS)
EVERYTHING = f"""SELECT split, grain, department_id, start, agent_id, category_id, priority, {", ".join(COLUMNS)}
    FROM metric_sums WHERE num_nonnulls({", ".join(COLUMNS)}) > 0 ORDER BY 1, 2, 3, 4, 5, 6, 7"""
# A histogram's digits, added up.
DRAWN = ", ".join(f"coalesce(mod(sum({name}), 99999999), 0)::int AS {name}" for name in HISTOGRAMS)


async def found(database, sql, **given):
    return [tuple(row.values()) for row in await database.rows(sql, **given)]


async def one(database, sql, **given):
    (row,) = await database.rows(sql, **given)
    return dict(row)


async def equal_a_recount(database):
    """The sums are what the tables come to, for every split and grain. Gives how many figures were compared."""
    wanted = await one(database, RECOUNT)
    SEEN.update(name for name, amount in wanted.items() if amount)
    for split, grain in sums.KINDS:
        got = await one(database, f"{SUMS} WHERE split = {split} AND grain = {grain}")
        assert {name: got[name] for name in wanted} == wanted, (split, grain)
    assert sorted(await found(database, OPENED)) == sorted(await found(database, BACKLOG))
    drawn = await one(database, f"SELECT {DRAWN} FROM metric_sums WHERE split = 5")
    assert drawn == {
        name: wanted["resolved" if measure == "resolution_seconds" else "first_responses"]
        for name, (measure, _) in HISTOGRAMS.items()
    }
    return len(wanted) * len(sums.KINDS) + len(drawn)


@pytest.mark.promise("Every metric equals a recount", injected="random lives of tickets, counted in two ways")
@pytest.mark.parametrize("seed", range(max(LIVES // 3, 2)))
async def test_figures_equal_a_recount(
    seed, api, database, desk, house, submit, settings, record_property, monkeypatch
):
    luck = Random(f"figures {seed}")
    life = await born(luck, api, database, desk, house, submit)
    for number in range(2 * STEPS):
        life.ticket = luck.choice(life.tickets)
        await life.step(OFTEN if luck.random() < 0.6 else ())
        if number % 8 == 7:
            await timers.sweep(desk)
        if luck.random() < 0.2:  # whatever was counted before, and however often
            await counted(desk, database, luck)
    await counted(desk, database, luck)
    compared = await equal_a_recount(database)

    before, told = await found(database, EVERYTHING), []
    monkeypatch.setattr(rebuilding, "BATCH", 2)
    assert await rebuilding.rebuild(settings.database_url, lambda *done: told.append(done)) == len(life.tickets) == 3
    assert told == [(2, 3), (3, 3)]
    assert await found(database, EVERYTHING) == before

    # The same lives, a million times as slow.
    now = (await one(database, "SELECT now() AS now"))["now"]
    for slow in SLOW:
        await database.rows(slow, now=now)
    await rebuilding.rebuild(settings.database_url, lambda *_: None)
    compared += await equal_a_recount(database)
    before = await found(database, EVERYTHING)
    for table in ("measured_tickets", "metric_sums"):
        await database.rows(f"DELETE FROM {table}")
    await counted(desk, database, luck)  # bit by bit, over days and months
    assert await found(database, EVERYTHING) == before
    await equal_in_a_zone(api, database, life.director, now)
    record_property("kept", {"times": 1, "tried": compared})


# Begins its days, and every hour, at a quarter to an hour of UTC.
ZONE = "Asia/Kathmandu"
SLOWER = "CAST(:now AS timestamptz) - 1000000 * (CAST(:now AS timestamptz) - {0})"
SLOW = [
    f"UPDATE {table} SET {', '.join(f'{name} = {SLOWER.format(name)}' for name in names)}"
    for table, names in {
        "events": ("at",),
        "tickets": ("created_at", "first_responded_at", "resolved_at"),
        "comments": ("created_at",),
        "resolutions": ("resolved_at",),
    }.items()
]
SERIES = """query ($filter: MetricsFilter!, $zone: String) { metrics(filter: $filter) {
  total { submittedCount resolvedCount backlogCount firstResponse { count medianSeconds p90Seconds } }
  series(interval: DAY, timeZone: $zone) { from values { submittedCount resolvedCount backlogCount } } } }"""
DAYS = """SELECT day, (SELECT count(*) FROM tickets WHERE date_trunc('day', created_at, :zone) = day) AS submitted,
    (SELECT count(*) FROM tickets WHERE date_trunc('day', resolved_at, :zone) = day) AS resolved
    FROM generate_series(date_trunc('day', CAST(:first AS timestamptz), :zone), :last, '1 day', :zone) AS day"""


async def equal_in_a_zone(api, database, viewer, now):
    """Days of a zone have what the tables have in them, and percentiles are those of what lasted so long."""
    answered = "SELECT floor(extract(epoch FROM first_responded_at - created_at))::bigint AS took FROM tickets WHERE "
    first = (await one(database, "SELECT min(created_at) AS first FROM tickets"))["first"]
    given = {"from": first.isoformat(), "to": (now + dt.timedelta(minutes=15)).isoformat()}
    found = (await api(viewer, SERIES, filter=given, zone=ZONE))["metrics"]
    wanted = await database.rows(DAYS, zone=ZONE, first=first, last=now)
    days = [(each["values"]["submittedCount"], each["values"]["resolvedCount"]) for each in found["series"]]
    assert days == [(row["submitted"], row["resolved"]) for row in wanted]
    assert len(days) > 1
    left = await one(database, "SELECT count(*) AS left FROM tickets WHERE status IN ('OPEN', 'PENDING', 'ON_HOLD')")
    assert found["series"][-1]["values"]["backlogCount"] == found["total"]["backlogCount"] == left["left"]
    took = sorted(row["took"] for row in await database.rows(f"{answered} first_responded_at IS NOT NULL"))
    stats = found["total"]["firstResponse"]
    assert stats["count"] == len(took)
    for name, share in (("medianSeconds", 0.5), ("p90Seconds", 0.9)) if took else ():
        exact = took[-int(-len(took) * share // 1) - 1]
        assert abs(stats[name] - exact) <= 0.02 * exact


def test_the_lives_had_figures():
    few = {"first_response_breached", "resolution_breached"}  # need hours to pass
    assert {*RECOUNTED} - SEEN <= few | {"rated_2", "rated_3", "rated_4", "to_director", "to_manager"}


async def counted(desk, database, luck):
    """Count what has happened, in any order, some of it twice."""
    keys = [row["id"] for row in await database.rows("SELECT id FROM tickets")]
    luck.shuffle(keys)
    for each in (keys, keys[:2]):
        async with desk.writes.begin() as unit:
            await counting.count(unit, each)
        await counting.add_up(desk)


async def born(luck, api, database, desk, house, submit):
    """Some tickets, and everybody who may do something with them."""
    life = Life(luck, api, database, desk, house)
    support, billing = await house.department("Support"), await house.department("Billing")
    life.departments = [support, billing]
    life.categories = [await house.category("Problem", support), await house.category("Invoices", billing, position=1)]
    life.service = await house.service("API")
    life.customers = [await house.person("Carla Customer"), await house.person("Otto Other")]
    staff = [
        await house.person("Ada Agent", Role.AGENT, support),
        await house.person("Bill Billing", Role.AGENT, billing),
        await house.person("Leo Lead", Role.TEAM_LEAD, support),
        await house.person("Dora Director", Role.DIRECTOR),
    ]
    life.people, life.director = [*life.customers, *staff], staff[-1]
    await _settings(luck, desk, support)
    life.tickets = [(await submit(life.customers[0], luck.choice(life.categories)))["id"] for _ in range(3)]
    life.others = life.tickets
    return life
