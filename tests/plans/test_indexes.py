"""What is asked often finds its rows by an index: no table that grows is read from end to end."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import orjson
import pytest
from alembic import command
from alembic.config import Config

from domain import (
    announcing,
    attachments,
    attempts,
    audiences,
    deadlines,
    demo_large,
    escalations,
    happenings,
    idempotency,
    mailing,
    news,
    notifications,
    preferences,
    sessions,
    sla,
    tickets,
    waking,
)
from domain.access import Viewer
from domain.escalations import looking as escalating_looks
from domain.escalations import raising
from domain.refusals import Refusal
from domain.sla import looking as sla_looks
from domain.sla import recalculating
from domain.tickets import confirming, conflicts, escalating, search, statuses, timers
from domain.tickets.lists import TicketOrderField
from infra import jobs
from infra.ids import new_id
from infra.postgres import SETTINGS, Reads
from infra.statements import prepare
from infra.unit import now
from models import Event, MessageTemplateUse, NotificationKind, Role, SlaTargetKind
from planner.arguments import Request
from planner.engine import Engine
from resolvers.root import schema

ROOT = Path(__file__).resolve().parents[2]
TICKETS = 20_000
GROWING = {
    "tickets",
    "ticket_words",
    "comments",
    "events",
    "event_texts",
    "sla_clocks",
    "notifications",
    "jobs",
    "messages",
    "attachments",
    "escalations",
    "resolutions",
    "inbound_mails",
}
KEPT = {"sessions", "uploads", "attempts", "idempotency_keys"}  # swept, but large as well

# What grows beside tickets and their history, made of what is there.
MORE = """
INSERT INTO notifications (id, person_id, seq, kind, cause_id, ticket_id, at, read_at)
SELECT gen_random_uuid(), requester_id, row_number() OVER (PARTITION BY requester_id ORDER BY id), 'TICKET_RECEIVED',
    id, id, created_at, CASE WHEN status = 'CLOSED' THEN created_at END
FROM tickets;
UPDATE inboxes SET last_seq = n.last_seq, unread_count = n.unread
FROM (SELECT person_id, max(seq) AS last_seq, count(*) FILTER (WHERE read_at IS NULL) AS unread
    FROM notifications GROUP BY 1) AS n
WHERE n.person_id = inboxes.person_id;
INSERT INTO messages (id, kind, status, recipient_id, ticket_id, not_before, attempts, created_at, sent_at)
SELECT gen_random_uuid(), 'TICKET_RECEIVED', 'SENT', requester_id, id, created_at, 1, created_at, created_at
FROM tickets;
INSERT INTO jobs (id, kind, payload, state, attempts, due_at, created_at, settled_at)
SELECT gen_random_uuid(), 'Announce', jsonb_build_object('event_ids', jsonb_build_array(id)),
    CASE WHEN number % 500 = 0 THEN 'QUEUED' ELSE 'DONE' END, 1, created_at, created_at,
    CASE WHEN number % 500 = 0 THEN NULL ELSE now() - number % 500 * interval '20 minutes' END
FROM tickets;
INSERT INTO attachments (id, ticket_id, filename, content_type, size_bytes, key, internal, created_at)
SELECT gen_random_uuid(), id, 'a.png', 'image/png', 1, id, false, created_at FROM tickets;
INSERT INTO sessions (id, person_id, refresh_count, created_at, expires_at, ended_at)
SELECT gen_random_uuid(), requester_id, 0, created_at, now() + (number % 1000 - 100) * interval '8 hours',
    CASE WHEN number % 2 = 0 THEN created_at END
FROM tickets;
INSERT INTO uploads (id, person_id, filename, claimed_type, size_bytes, key, created_at, expires_at)
SELECT gen_random_uuid(), requester_id, 'a.png', 'image/png', 1, id, created_at,
    now() + number % 1000 * interval '1 minute'
FROM tickets;
INSERT INTO attempts (key, window_starts_at, count)
SELECT id::text, now() - number % 1000 * interval '90 seconds', 1 FROM tickets;
INSERT INTO idempotency_keys (person_id, mutation, key, input_hash, created_at)
SELECT requester_id, 'submit_ticket', id::text, '', now() - number % 1000 * interval '87 seconds' FROM tickets;
UPDATE tickets SET escalation_rank = 1 + number % 3 WHERE status = 'OPEN' AND number % 40 = 0;
INSERT INTO escalations (id, ticket_id, level, escalated_to_ids, at, ended_at)
SELECT gen_random_uuid(), id, 'TEAM_LEAD', '{}', created_at, CASE WHEN escalation_rank = 0 THEN created_at END
FROM tickets WHERE escalation_rank > 0 OR number % 5 = 0;
UPDATE tickets SET timer_at = now() + (number % 1000 - 10) * interval '1 minute'
WHERE status IN ('OPEN', 'PENDING', 'ON_HOLD');
INSERT INTO resolutions (id, ticket_id, resolved_at, department_id, state, rating)
SELECT gen_random_uuid(), id, closed_at, department_id, 'CONFIRMED', CASE WHEN number % 3 = 0 THEN number % 5 + 1 END
FROM tickets WHERE status = 'CLOSED';
UPDATE tickets SET resolved_at = closed_at, rating = CASE WHEN number % 3 = 0 THEN number % 5 + 1 END
WHERE status = 'CLOSED';
INSERT INTO inbound_mails (id, digest, sender, received_at, outcome)
SELECT gen_random_uuid(), id, 'a@example.com', created_at, 'COMMENTED' FROM tickets;
INSERT INTO departments (id, name, assignment) VALUES (gen_random_uuid(), 'Attic', 'MANUAL');
UPDATE people SET role = 'TEAM_LEAD' WHERE email = 'agent60@large.example.com';
UPDATE memberships SET department_id = (SELECT id FROM departments WHERE name = 'Attic')
WHERE person_id = (SELECT id FROM people WHERE email = 'agent60@large.example.com');
UPDATE tickets SET assignee_id = NULL
WHERE assignee_id = (SELECT id FROM people WHERE email = 'agent60@large.example.com');
UPDATE tickets SET department_id = (SELECT id FROM departments WHERE name = 'Attic')
WHERE number IN (SELECT number FROM tickets ORDER BY number LIMIT 3);
ANALYZE;
"""


@pytest.fixture(scope="session")
async def large(server_url):
    """A connection to a database of its own, with 20,000 tickets and all that comes with them."""
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE plans")
    await server.close()
    url = f"{server_url.rpartition('/')[0]}/plans"
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    # Alembic runs a loop of its own, so in a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(command.upgrade, config, "head").result()
    await demo_large.seed(url, TICKETS)
    connection = await asyncpg.connect(url, server_settings={**SETTINGS, "default_transaction_read_only": "off"})
    await connection.execute(MORE)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def people(large):
    """A viewer of each kind."""

    async def one(email):
        row = await large.fetchrow("SELECT id, role FROM people WHERE email = $1", email)
        return Viewer(Role[row["role"]], row["id"])

    return {
        "customer": await one("customer20@large.example.com"),
        "agent": await one("agent2@large.example.com"),
        "lead of few": await one("agent60@large.example.com"),
        "director": Viewer(Role.DIRECTOR, new_id()),
    }


def nodes_of(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes_of(child)


def literal(value):
    """A value as SQL writes it, of whatever type the statement wants."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        value = "{" + ",".join(f'"{item}"' for item in value) + "}"
    if isinstance(value, bytes):
        value = f"\\x{value.hex()}"
    return "'" + str(value).replace("'", "''") + "'"


class Plans:
    """What PostgreSQL means to do."""

    def __init__(self, connection, reads):
        self.connection = connection
        self.engine = Engine(schema, reads, refusals=Refusal, report=repr)

    async def explained(self, sql, arguments, options="FORMAT JSON", *, plans="force_generic_plan"):
        """The nodes of the plan that serves every request of this shape, whatever its values."""
        await self.connection.execute(f"SET plan_cache_mode = {plans}")
        await self.connection.execute(f"PREPARE asked AS {sql}")
        try:
            values = f"({', '.join(map(literal, arguments))})" if arguments else ""
            found = orjson.loads(await self.connection.fetchval(f"EXPLAIN ({options}) EXECUTE asked{values}"))
        finally:
            await self.connection.execute("DEALLOCATE asked")
        return list(nodes_of(found[0]["Plan"]))

    async def read_whole(self, sql, *arguments, **options):
        """The tables that a statement reads from end to end."""
        nodes = await self.explained(sql, arguments, **options)
        return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}

    def statement(self, viewer, text, variables):
        """The statement that answers an operation."""
        operation = self.engine.document(text).operation(None)
        values = operation.variables.coerce(variables)
        plan = self.engine.plan_of_query(operation, values, viewer)
        return plan.statement.sql, plan.statement.arguments(plan.values(Request(values, viewer)))

    async def of_query(self, viewer, text, **variables):
        """The tables that it reads from end to end."""
        sql, arguments = self.statement(viewer, text, variables)
        return await self.read_whole(sql, *arguments)

    async def looked_at(self, viewer, text, **variables):
        """How many rows of tables that grow are looked at for an operation, kept or not."""
        sql, arguments = self.statement(viewer, text, variables)
        nodes = await self.explained(sql, arguments, "ANALYZE, TIMING OFF, FORMAT JSON")
        return sum(
            node["Actual Loops"]
            * sum(
                node.get(f"{kind}", 0)
                for kind in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
            )
            for node in nodes
            if node.get("Relation Name") in GROWING
        )

    async def of_statement(self, build, *arguments, lock=False):
        """The same for a statement of a unit of work."""
        prepared, values = prepare(build, arguments, lock=lock)
        # Connections for writing leave it to PostgreSQL.
        return await self.read_whole(
            prepared.statement.text, *prepared.statement.arguments(values), plans="force_custom_plan"
        )


@pytest.fixture(scope="session")
async def plans(large, server_url):
    return Plans(large, Reads(server_url))


LIST = """query Tickets($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 50, filter: $filter, orderBy: $order) { pageInfo { hasNextPage endCursor } nodes {
    id number subject status updatedAt requester { id name } assignee { id name } department { id name } } } }"""
NEXT = """query Tickets($after: String, $order: TicketOrder) { tickets(first: 100, after: $after, orderBy: $order) {
  nodes { id } pageInfo { hasNextPage endCursor } } }"""
NUMBERED = "query Ticket($number: Int!) { ticketByNumber(number: $number) { id subject requester { name } lastSeq } }"
EVENTS = """query Events($id: ID!) { ticket(id: $id) { id subject events(first: 50) { nodes { seq at actor { name }
  ... on TicketSubmitted { subject } } } attachments(first: 20) { nodes { filename } } viewerUnreadCount } }"""
TARGETS = """query Targets($id: ID!) { ticket(id: $id) { sla { policy { name targets { priority } }
  firstResponse { state dueAt } resolution { state remainingSeconds } } } }"""
NOTIFICATIONS = """query News { viewer { unread { count } notifications(first: 20) {
  nodes { id title body readAt } } } }"""

VIEWERS = ["customer", "agent", "lead of few", "director"]
ORDERS = [
    (field, direction) for field in TicketOrderField if field.name != "RELEVANCE" for direction in ("ASC", "DESC")
]


async def test_a_read_of_a_whole_table_is_found(plans):
    assert await plans.read_whole("SELECT id FROM tickets WHERE body = $1", "x") == {"tickets"}


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_of_tickets(plans, people, viewer):
    assert not await plans.of_query(people[viewer], LIST) & GROWING


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_in_each_order(plans, people, viewer, field, direction):
    order = {"field": field.name, "direction": direction}
    assert not await plans.of_query(people[viewer], LIST, order=order) & GROWING


# A page of 50 by each way: departments and states for whoever works here, all of their own tickets for customers.
MOST_LOOKED_AT = {"customer": 250, "agent": 1_200, "lead of few": 400, "director": 5_000}


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_page_costs_what_a_page_costs(plans, people, viewer, field, direction):
    order, most = {"field": field.name, "direction": direction}, MOST_LOOKED_AT[viewer]
    for filter_ in (None, {"statuses": ["OPEN", "PENDING"]}):
        assert await plans.looked_at(people[viewer], LIST, order=order, filter=filter_) < most


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", ["customer", "agent", "director"])
async def test_a_deep_page_costs_what_the_first_does(plans, people, large, viewer, field, direction):
    order, after = {"field": field.name, "direction": direction}, None
    for _ in range(6):
        sql, arguments = plans.statement(people[viewer], NEXT, {"order": order, "after": after})
        page = orjson.loads(await large.fetchval(sql, *arguments))["data"]["tickets"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert await plans.looked_at(people[viewer], NEXT, order=order, after=after) < MOST_LOOKED_AT[viewer]


SEARCH = """query Search($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 20, filter: $filter, orderBy: $order) {
  edges { highlightHtml node { id subject } } pageInfo { hasNextPage } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("order", [None, {"field": "UPDATED_AT", "direction": "DESC"}])
@pytest.mark.parametrize("common", [1, 100_000])
async def test_searches(people, large, server_url, monkeypatch, viewer, order, common):
    plans = Plans(large, Reads(server_url))
    monkeypatch.setattr(search, "COMMON", common)
    rare = await large.fetchval("SELECT substring(body FROM 'RMA[0-9]+') FROM comments WHERE body LIKE '%RMA%' LIMIT 1")
    for text in (rare, "printer", "printer -invoice", "photo serial", "1234"):
        assert not await plans.of_query(people[viewer], SEARCH, filter={"text": text}, order=order) & GROWING, text
    assert await plans.looked_at(people[viewer], SEARCH, filter={"text": rare}, order=order) < 2_000


@pytest.mark.parametrize(
    "name", ["status", "closed", "department", "assignee", "requester", "mine", "unassigned", "breached", "due"]
)
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_list_with_a_filter(plans, people, large, viewer, name):
    agent_id, customer_id = people["agent"].id, people["customer"].id
    department_id = await large.fetchval("SELECT department_id FROM memberships WHERE person_id = $1", agent_id)
    filter_ = {
        "status": {"statuses": ["OPEN", "PENDING"]},
        "closed": {"statuses": ["CLOSED"]},
        "department": {"departmentIds": [f"dep_{department_id}"]},
        "assignee": {"assigneeIds": [f"per_{agent_id}"]},
        "requester": {"requesterIds": [f"per_{customer_id}"]},
        "mine": {"mine": True},
        "unassigned": {"unassigned": True},
        "breached": {"breached": True},
        "due": {"dueBefore": "2030-01-01T00:00:00Z"},
    }[name]
    assert not await plans.of_query(people[viewer], LIST, filter=filter_) & GROWING


@pytest.mark.parametrize("order", [None, {"field": "DUE_AT", "direction": "ASC"}])
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_what_is_due_or_was_missed(plans, people, large, viewer, order):
    assert await large.fetchval("SELECT count(*) FROM tickets WHERE due_at > now()") > 100
    soon = (now() + dt.timedelta(hours=1)).isoformat(timespec="milliseconds")
    for filter_ in ({"dueBefore": soon}, {"breached": True, "statuses": ["OPEN", "ON_HOLD"]}):
        assert await plans.looked_at(people[viewer], LIST, order=order, filter=filter_) < MOST_LOOKED_AT[viewer]
        assert not await plans.of_query(people[viewer], LIST, order=order, filter=filter_) & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_targets_of_a_ticket(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT id FROM tickets WHERE due_at IS NOT NULL LIMIT 1")
    assert not await plans.of_query(people[viewer], TARGETS, id=f"tkt_{ticket_id}") & GROWING


@pytest.mark.parametrize("change", ["policy", "calendar", "department"])
@pytest.mark.parametrize("later", [False, True])
async def test_tickets_that_are_counted_anew(plans, large, change, later):
    version = await large.fetchrow("SELECT id, policy_id FROM sla_versions")
    department_id = await large.fetchval("SELECT id FROM departments LIMIT 1")
    places = (version["id"], new_id()) if later else (None, None)
    which = {"policy": (version["policy_id"], None, None), "calendar": (None, new_id(), None)}
    which["department"] = (None, None, department_id)
    assert not await plans.of_statement(recalculating.batch, *which[change], *places, 500, lock=True) & GROWING


MONTH = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_tickets_by_how_and_when_they_ended(plans, people, viewer):
    for filter_ in (
        {"ratings": [1]},
        {"ratings": [1, 2, 3, 4, 5]},
        {"resolved": MONTH},
        {"resolved": {"from": MONTH["to"]}},
    ):
        for order in (None, {"field": "CREATED_AT", "direction": "DESC"}):
            assert not await plans.of_query(people[viewer], LIST, filter=filter_, order=order) & GROWING, filter_
    # The newest of each department and rating.
    assert await plans.looked_at(people[viewer], LIST, filter={"ratings": [1, 2]}) < MOST_LOOKED_AT[viewer]


ENDED = """query Ended($id: ID!) { ticket(id: $id) { resolution { summary rating feedback resolvedBy { name } } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_how_a_ticket_ended(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT ticket_id FROM resolutions ORDER BY id OFFSET 50 LIMIT 1")
    assert not await plans.of_query(people[viewer], ENDED, id=f"tkt_{ticket_id}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_one_ticket(plans, people, large, viewer):
    row = await large.fetchrow("SELECT id, number FROM tickets ORDER BY id OFFSET 5000 LIMIT 1")
    assert not await plans.of_query(people[viewer], NUMBERED, number=row["number"]) & GROWING
    assert not await plans.of_query(people[viewer], EVENTS, id=f"tkt_{row['id']}") & GROWING


async def test_a_customers_people_are_found_by_their_tickets(plans, people):
    text = "query Person($id: ID!) { node(id: $id) { ... on Person { id name } } }"
    assert not await plans.of_query(people["customer"], text, id=f"per_{people['agent'].id}") & GROWING


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_notifications(plans, people, viewer):
    assert not await plans.of_query(people[viewer], NOTIFICATIONS) & GROWING


@pytest.mark.parametrize(
    ("build", "arguments", "lock"),
    [
        (jobs._claim, (new_id(), jobs.GRACE, jobs.LEASE), False),
        (jobs._claimed, (new_id(), 1), True),
        (jobs._owed, (jobs.GRACE,), False),
        (jobs._old, (now() - jobs.KEPT,), False),
        (attachments._orphans, (now(),), True),
        (attachments._own, (Viewer(Role.AGENT, new_id()), [new_id()]), True),
        (sessions._ended_since, (now() - dt.timedelta(minutes=6),), False),
        (sessions._open_ones, (new_id(), now()), True),
        (sessions._old, (now() - sessions.KEPT,), False),
        (attempts._count, ("key", now(), dt.timedelta(hours=1)), False),
        (attempts._old, (now() - attempts.SWEPT_AFTER,), False),
        (idempotency._claim, (new_id(), "submit_ticket", "key", b"digest", now()), False),
        (idempotency._one, (new_id(), "submit_ticket", "key"), True),
        (idempotency._old, (now() - idempotency.KEPT,), False),
        (notifications._told, ([new_id()], [new_id()]), False),
        (audiences._tickets, ([new_id()],), True),
        (audiences._events, ([new_id()],), False),
        (audiences._people, ([new_id()], [new_id()], [new_id()], [new_id()]), False),
        (announcing._resolved, (new_id(), new_id()), False),
        (announcing._first, (new_id(),), False),
        (announcing._wishes, ([new_id()],), False),
        (news.of, (Viewer(Role.AGENT, new_id()), [new_id()]), False),
        (news.of, (Viewer(Role.CUSTOMER, new_id()), [new_id()]), False),
        (news.of, (Viewer(Role.DIRECTOR, new_id()), [new_id()]), False),
        (mailing._its_tickets, ([new_id()],), False),
        (mailing._own, (["en"], NotificationKind.STATUS_CHANGED, MessageTemplateUse.EMAIL), False),
        (preferences.listed, (Viewer(Role.AGENT, new_id()), new_id()), False),
        (notifications._mark_some, (new_id(), now(), [new_id()], True), False),
        (notifications._mark_of_ticket, (new_id(), now(), new_id(), True), False),
        (notifications._mark_up_to, (new_id(), now(), now(), True), False),
        (tickets.one, (Viewer(Role.AGENT, new_id()), new_id()), True),
        (tickets.one, (Viewer(Role.CUSTOMER, new_id()), new_id()), True),
        (tickets.worked_on, (Viewer(Role.AGENT, new_id()), new_id()), False),
        (conflicts._since, (Viewer(Role.AGENT, new_id()), new_id(), 3), False),
        (sla_looks.clocks_of, ([new_id()],), False),
        (sla._clock, (new_id(), SlaTargetKind.RESOLUTION), False),
        (sla._calendars, (new_id(), new_id(), new_id(), new_id()), False),
        (timers._due, (now(), 200), False),
        (escalating_looks._in_force, ([new_id()] * 200,), True),
        (escalating_looks._turns, ([new_id()] * 200,), False),
        (raising._in_departments, ([new_id()],), False),
        (raising._over_all, (), False),
        (waking._woken, (now(), new_id(), None, None), False),
        (waking._woken, (now(), waking.FIRST, [str(new_id())], ["LOW"]), False),
        (escalations.in_force, (new_id(),), True),
        (escalating._seen, (Viewer(Role.TEAM_LEAD, new_id()), new_id()), False),
        (escalating._seen, (Viewer(Role.DIRECTOR, new_id()), new_id()), False),
        (confirming._awaiting, ([new_id()],), True),
        (deadlines._ticket_of, (new_id(),), True),
        (statuses.last_resolution, (new_id(),), True),
    ],
    ids=lambda value: f"{value.__module__}.{value.__name__}" if callable(value) else None,
)
async def test_statements_of_the_clock_the_relay_and_of_claims(plans, build, arguments, lock):
    assert not await plans.of_statement(build, *arguments, lock=lock) & (GROWING | KEPT)


async def test_a_comment_looks_at_those_alone_whom_it_concerns(plans):
    given = ([new_id()], [new_id()], [new_id()], [new_id()])
    assert "people" not in await plans.of_statement(audiences._people, *given)


FEEDS = {
    "events": "subscription ($id: ID!) { ticketEvents(ticketId: $id) { cursor node { seq at actor { name } } } }",
    "news": "subscription { notifications { cursor node { id title body } } }",
}


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_feeds(plans, people, large, viewer, name):
    row = await large.fetchrow("SELECT id FROM tickets ORDER BY id OFFSET 5000 LIMIT 1")
    variables = {"id": f"tkt_{row['id']}"} if name == "events" else {}
    stream = plans.engine.subscription(FEEDS[name], variables, None, people[viewer], None)
    for plan, place in ((stream.plans.now, None), (stream.plans.later, f"{mark(stream)},3")):
        arguments = plan.statement.arguments(plan.values(stream.request._replace(payload=place)))
        assert not await plans.read_whole(plan.statement.sql, *arguments) & GROWING


def mark(stream):
    """What the cursors of a feed begin with."""
    return re.search(r"'\W?([0-9a-f]{8})", stream.plans.now.statement.sql)[1]


async def test_whom_to_tell_of_an_escalation_is_found_among_few(plans):
    assert "people" not in await plans.of_statement(raising._over_all)
    assert "people" not in await plans.of_statement(raising._in_departments, [new_id()])


async def test_a_batch_that_is_looked_at_again_is_found_by_the_unresolved(large):
    prepared, values = prepare(waking._woken, (now(), waking.FIRST, None, None))
    found = await large.fetch(f"EXPLAIN {prepared.statement.text}", *prepared.statement.arguments(values))
    assert any("tickets_unresolved_idx" in row[0] for row in found)


ESCALATED = """query Escalated($filter: TicketFilter, $order: TicketOrder) {
  tickets(first: 50, filter: $filter, orderBy: $order) { totalCount nodes { id
  escalation { level escalatedTo { name } acknowledgedBy { name } }
  escalations(first: 5) { nodes { level rule { name } } } } } }"""


@pytest.mark.parametrize(("field", "direction"), ORDERS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("viewer", VIEWERS)
async def test_tickets_by_level(plans, people, viewer, field, direction):
    order = {"field": field.name, "direction": direction}
    filter_ = {"escalationLevels": ["TEAM_LEAD", "DIRECTOR"]}
    assert not await plans.of_query(people[viewer], ESCALATED, filter=filter_, order=order) & GROWING
    assert await plans.looked_at(people[viewer], ESCALATED, filter=filter_, order=order) < 2_000


THREAD = """query Thread($id: ID!) { ticket(id: $id) { comments(last: 10) { totalCount nodes { body author { name }
  emailStatus viewerCanEdit attachments { filename } } } } }"""


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_the_comments_of_a_ticket(plans, people, large, viewer):
    ticket_id = await large.fetchval("SELECT ticket_id FROM comments ORDER BY id OFFSET 5000 LIMIT 1")
    assert not await plans.of_query(people[viewer], THREAD, id=f"tkt_{ticket_id}") & GROWING


async def test_the_large_demo_tells_its_history_as_we_do(large):
    rows = await large.fetch("SELECT DISTINCT kind, array(SELECT jsonb_object_keys(data)) AS names FROM events")
    kinds = {row["kind"]: set(row["names"]) for row in rows}
    assert {kind: set(happenings.KINDS[kind].__slots__) - set(happenings.KINDS[kind].texts) for kind in kinds} == kinds
    assert await large.fetchval("SELECT count(*) FROM tickets") == TICKETS
    assert await large.fetchval(f"SELECT count(*) FROM {Event.__tablename__} WHERE kind = 'TicketSubmitted'") == TICKETS
    assert not await large.fetchval(
        "SELECT count(*) FROM tickets t WHERE last_seq <> (SELECT max(seq) FROM events WHERE ticket_id = t.id)"
    )


async def test_the_large_demo_is_made_once(large, server_url):
    await demo_large.seed(f"{server_url.rpartition('/')[0]}/plans", 10)
    assert await large.fetchval("SELECT count(*) FROM tickets") == TICKETS
