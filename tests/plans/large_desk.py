"""A desk with 20,000 tickets and all that comes with them, and how statements find their rows in it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import orjson
import pytest
from alembic import command
from alembic.config import Config

from domain import (
    demo_large,
)
from domain.access import Viewer
from domain.refusals import Refusal
from infra.postgres import SETTINGS, Reads
from infra.statements import prepare
from models import Role
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
    "audit_entries",
}
KEPT = {"sessions", "uploads", "attempts", "idempotency_keys"}  # swept, but large as well

# What grows beside tickets and their history, made of what is there.
MORE = """
INSERT INTO people (id, name, email, role, active, locale, time_zone, created_at, changed_at)
SELECT gen_random_uuid(), 'Dora Director', 'director@large.example.com', 'DIRECTOR', true, 'en', 'UTC', now(), now();
INSERT INTO audit_entries (id, at, actor_id, action, subject_table, subject_id, summary, changes)
SELECT gen_random_uuid(), created_at, requester_id, 'action' || number % 200, 'people', requester_id, 'Changed.', '[]'
FROM tickets;
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
    await demo_large.seed(url, TICKETS, figures=False)
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
        "director": await one("director@large.example.com"),
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


RUN = "ANALYZE, TIMING OFF, FORMAT JSON"  # how to explain what has been done


def rows_looked_at(nodes, tables):
    """How many rows of these tables were looked at, kept or not."""
    kinds = "Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"
    return sum(
        node["Actual Loops"] * sum(node.get(kind, 0) for kind in kinds)
        for node in nodes
        if node.get("Relation Name") in tables
    )


class Plans:
    """What PostgreSQL means to do."""

    def __init__(self, connection, reads):
        self.connection = connection
        self.engine = Engine(schema, reads, refusals=Refusal, report=repr)

    async def explained(self, sql, arguments, options="FORMAT JSON"):
        """The nodes of the plan that serves every request of this shape, whatever its values."""
        await self.connection.execute(f"PREPARE asked AS {sql}")
        try:
            values = f"({', '.join(map(literal, arguments))})" if arguments else ""
            found = orjson.loads(await self.connection.fetchval(f"EXPLAIN ({options}) EXECUTE asked{values}"))
        finally:
            await self.connection.execute("DEALLOCATE asked")
        return list(nodes_of(found[0]["Plan"]))

    async def read_whole(self, sql, *arguments):
        """The tables that a statement reads from end to end."""
        nodes = await self.explained(sql, arguments)
        return {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}

    def statement(self, viewer, text, variables):
        """The statement that answers an operation."""
        operation = self.engine.document(text).operation(None)
        values = operation.variables.coerce(variables)
        plan = self.engine.plan_of_query(operation, values, viewer)
        return plan.form.alone.sql, plan.form.alone.arguments(plan.values(Request(values, viewer)))

    async def of_query(self, viewer, text, **variables):
        """The tables that it reads from end to end."""
        sql, arguments = self.statement(viewer, text, variables)
        return await self.read_whole(sql, *arguments)

    async def looked_at(self, viewer, text, *, growing=GROWING, **variables):
        """How many rows of tables that grow are looked at for an operation, kept or not."""
        sql, arguments = self.statement(viewer, text, variables)
        return rows_looked_at(await self.explained(sql, arguments, RUN), growing)

    async def of_statement(self, build, *arguments, lock=False):
        """The same for a statement of a unit of work."""
        prepared, values = prepare(build, arguments, lock=lock)
        return await self.read_whole(prepared.statement.text, *prepared.statement.arguments(values))


@pytest.fixture(scope="session")
async def plans(large, server_url):
    return Plans(large, Reads(server_url))


VIEWERS = ["customer", "agent", "lead of few", "director"]
