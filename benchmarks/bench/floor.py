"""The floor: the same answers by the least code that gives them, an ASGI application and SQL written by hand."""

import asyncio
import datetime as dt
import hashlib
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvicorn

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from bench.operations import M1, M2, Q1, Q2, Q3, Q4  # noqa: E402 # the path to it was just made
from domain.words import html  # noqa: E402 # the path to it was just made
from infra.ids import new_id  # noqa: E402 # the path to it was just made
from infra.postgres import SETTINGS  # noqa: E402 # the path to it was just made
from web import serving  # noqa: E402 # the path to it was just made

# A person and a moment in JSON, by hand.
PERSON = """'{"id":"per_' || p.id::text || '","name":' || json_scalar(p.name)::text || '}'"""
MOMENT = """'"' || to_char(%s, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"'"""
CREATED = MOMENT % "t.created_at"
WORKS = "(t.department_id IN (SELECT department_id FROM memberships WHERE person_id = $1) OR t.assignee_id = $1)"
UPDATED = MOMENT % f"CASE WHEN {WORKS} THEN t.updated_at ELSE t.public_updated_at END"
SEEN = f"""({WORKS} OR t.requester_id = $1
  OR t.id = ANY(ARRAY(SELECT ticket_id FROM watchers WHERE person_id = $1)))"""
PEOPLE = f""" || ',"requester":' || (SELECT {PERSON} FROM people p WHERE p.id = t.requester_id)
  || ',"assignee":' || coalesce((SELECT {PERSON} FROM people p WHERE p.id = t.assignee_id), 'null')"""

ONE = f"""SELECT ('{{"data":{{"ticket":' || coalesce((
  SELECT '{{"id":"tkt_' || t.id::text || '","number":' || t.number::text
  || ',"subject":' || json_scalar(t.subject)::text || ',"body":' || json_scalar(t.body)::text
  || ',"status":"' || t.status || '","priority":"' || t.priority || '","createdAt":' || {CREATED}
  || ',"updatedAt":' || {UPDATED} {PEOPLE} || '}}'
  FROM tickets t WHERE t.id = $2 AND {SEEN}), 'null') || '}}}}')::varchar"""

COMMENTS = f"""
  || ',"comments":{{"nodes":[' || coalesce((SELECT string_agg('{{"id":"com_' || c.id::text || '","body":'
  || coalesce(json_scalar(c.body)::text, 'null') || ',"internal":' || c.internal::text || ',"createdAt":'
  || {MOMENT % "c.created_at"} || ',"author":'
  || coalesce((SELECT {PERSON} FROM people p WHERE p.id = c.author_id), 'null') || '}}', ',' ORDER BY c.id)
  FROM (SELECT c.* FROM comments c WHERE c.ticket_id = t.id AND (NOT c.internal OR {WORKS})
    ORDER BY c.id DESC LIMIT 10) c), '') || ']}}'"""

MANY = f"""SELECT ('{{"data":{{"tickets":{{"nodes":[' || coalesce(string_agg(
  '{{"id":"tkt_' || t.id::text || '","number":' || t.number::text || ',"subject":' || json_scalar(t.subject)::text
  || ',"status":"' || t.status || '","priority":"' || t.priority || '","createdAt":' || {CREATED}
  || ',"updatedAt":' || {UPDATED} {PEOPLE}
  || ',"department":' || (SELECT '{{"id":"dep_' || d.id::text || '","name":' || json_scalar(d.name)::text || '}}'
    FROM departments d WHERE d.id = t.department_id) %s || '}}', ','), '') || ']}}}}}}')::varchar
  FROM (SELECT t.* FROM tickets t WHERE t.status = '%s' AND {SEEN} ORDER BY t.updated_at DESC, t.id LIMIT 50) t"""

# Counted from tickets and what hangs on them, a table after the other; those with most resolved stand first.
FIGURES = """WITH d AS (SELECT d.id, d.name FROM departments d
  WHERE d.id IN (SELECT department_id FROM memberships WHERE person_id = $1)
  OR (SELECT role FROM people WHERE id = $1) IN ('DIRECTOR', 'ADMIN')),
 t AS (SELECT t.department_id AS id, count(*) FILTER (WHERE t.created_at >= $2 AND t.created_at < $3) AS submitted,
  count(*) FILTER (WHERE t.resolved_at >= $2 AND t.resolved_at < $3) AS resolved,
  count(*) FILTER (WHERE t.first_responded_at >= $2 AND t.first_responded_at < $3) AS answered
  FROM tickets t WHERE t.department_id IN (SELECT id FROM d) GROUP BY 1),
 r AS (SELECT t.department_id AS id, count(*) AS replies FROM comments c JOIN tickets t ON t.id = c.ticket_id
  JOIN people p ON p.id = c.author_id WHERE c.created_at >= $2 AND c.created_at < $3 AND NOT c.internal
  AND p.role <> 'CUSTOMER' AND p.id <> t.requester_id AND t.department_id IN (SELECT id FROM d) GROUP BY 1),
 s AS (SELECT t.department_id AS id, count(*) FILTER (WHERE s.target = 'FIRST_RESPONSE') AS answers,
  count(*) FILTER (WHERE s.target = 'RESOLUTION') AS resolutions FROM sla_clocks s JOIN tickets t ON t.id = s.ticket_id
  WHERE s.breached_at >= $2 AND s.breached_at < $3 AND t.department_id IN (SELECT id FROM d) GROUP BY 1)
SELECT ('{"data":{"metrics":{"byDepartment":[' || coalesce(string_agg('{"department":{"id":"dep_' || d.id::text
  || '","name":' || json_scalar(d.name)::text || '},"values":{"submittedCount":' || t.submitted::text
  || ',"resolvedCount":' || t.resolved::text || ',"replyCount":' || coalesce(r.replies, 0)::text
  || ',"firstResponse":{"count":' || t.answered::text || '},"sla":{"firstResponseBreachedCount":'
  || coalesce(s.answers, 0)::text || ',"resolutionBreachedCount":' || coalesce(s.resolutions, 0)::text || '}}}', ','
  ORDER BY t.resolved DESC, d.id), '') || ']}}}')::varchar
  FROM d JOIN t ON t.id = d.id LEFT JOIN r ON r.id = d.id LEFT JOIN s ON s.id = d.id"""

CATEGORY = """SELECT c.id, c.department_id, c.default_priority, p.id, p.email FROM categories c, people p
  WHERE c.id = $1 AND c.archived_at IS NULL AND NOT c.is_other AND p.id = $2 AND p.active"""
RULES = """SELECT category_ids, priorities, service_ids, words, email_domains, department_id FROM routing_rules
  WHERE active ORDER BY position, id"""
COUNT = """INSERT INTO attempts (key, window_starts_at, count) VALUES ($1, $2, 1)
  ON CONFLICT (key, window_starts_at) DO UPDATE SET count = attempts.count + 1 RETURNING count,
  (SELECT coalesce(max(count), 0) FROM attempts WHERE key = $1 AND window_starts_at = $2 - interval '1 hour')"""
WORDS = """INSERT INTO ticket_words (source_id, internal, ticket_id, words) VALUES
  (%s, false, $1, setweight(to_tsvector('simple', $2), 'A') || setweight(to_tsvector('simple', $3), 'B'))"""
WRITE = f"""WITH
 w AS ({WORDS % "$1"}),
 t AS (INSERT INTO tickets (id, subject, body, body_html, status, priority, priority_rank, category_id, department_id,
  requester_id, tags, channel, created_at, updated_at, public_updated_at, last_seq, public_seq, waiting_since, timer_at)
  VALUES ($1, $2, $3, $4, 'OPEN', $5, $6, $7, $8, $9, '{{}}', 'PORTAL', $10, $10, $10, 2, 2, $10, $10)),
 e AS (INSERT INTO events (id, ticket_id, seq, public_seq, kind, actor_id, at, data) VALUES
  ($11, $1, 1, 1, 'TicketSubmitted', $9, $10, $12), ($13, $1, 2, 2, 'TicketRouted', NULL, $10, $14)),
 x AS (INSERT INTO event_texts (event_id, name, text) VALUES ($11, 'subject', $2))
 INSERT INTO jobs (id, kind, payload, state, attempts, due_at, created_at)
  VALUES ($15, 'Announce', $16, 'QUEUED', 0, $10, $10), ($17, 'Count', $18, 'QUEUED', 0, $10, $10)"""
SUBMITTED = """SELECT ('{"data":{"submitTicket":{"__typename":"SubmitTicketSuccess","ticket":{"id":"tkt_' || t.id::text
  || '","number":' || t.number::text || ',"subject":' || json_scalar(t.subject)::text || ',"status":"' || t.status
  || '","priority":"' || t.priority || '"}}}}')::varchar FROM tickets t WHERE t.id = $2
  AND (t.requester_id = $1 OR t.id = ANY(ARRAY(SELECT ticket_id FROM watchers WHERE person_id = $1)))"""
LOCK = """SELECT t.subject, t.status, t.last_seq, t.public_seq, t.waiting_since FROM tickets t WHERE t.id = $2
  AND (t.requester_id = $1 OR t.id = ANY(ARRAY(SELECT ticket_id FROM watchers WHERE person_id = $1)))
  FOR NO KEY UPDATE OF t"""
COMMENT = f"""WITH
 w AS ({WORDS % "$4"}),
 c AS (INSERT INTO comments (id, ticket_id, author_id, body, body_html, internal, channel, created_at)
  VALUES ($4, $1, $5, $3, $6, false, 'PORTAL', $7)),
 t AS (UPDATE tickets SET last_seq = $8, public_seq = $9, updated_at = $7, public_updated_at = $7 WHERE id = $1),
 e AS (INSERT INTO events (id, ticket_id, seq, public_seq, kind, actor_id, at, data)
  VALUES ($10, $1, $8, $9, 'CommentAdded', $5, $7, $11))
 INSERT INTO jobs (id, kind, payload, state, attempts, due_at, created_at)
  VALUES ($12, 'Announce', $13, 'QUEUED', 0, $7, $7)"""
COMMENTED = f"""SELECT ('{{"data":{{"addComment":{{"__typename":"AddCommentSuccess","comment":' || (
  SELECT '{{"id":"com_' || c.id::text || '","body":' || coalesce(json_scalar(c.body)::text, 'null') || ',"createdAt":'
  || {MOMENT % "c.created_at"} || ',"author":' || coalesce((SELECT {PERSON} FROM people p WHERE p.id = c.author_id),
  'null') || '}}' FROM comments c WHERE c.id = $3) || ',"ticket":{{"id":"tkt_' || t.id::text || '","status":"'
  || t.status || '","lastSeq":' || t.public_seq::text || '}}}}}}}}')::varchar FROM tickets t WHERE t.id = $2
  AND (t.requester_id = $1 OR t.id = ANY(ARRAY(SELECT ticket_id FROM watchers WHERE person_id = $1)))"""
RANKS = {"LOW": 1, "NORMAL": 2, "HIGH": 3, "URGENT": 4}
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

Held = tuple[asyncpg.Connection, dict[str, Any]]


class Connections:
    """Connections with what is prepared on them; the last returned is the next taken."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self.url, self.settings, self.slots = url, settings, asyncio.Semaphore(10)
        self.idle: list[Held] = []

    async def take(self) -> Held:
        """One of them."""
        await self.slots.acquire()
        if self.idle:
            return self.idle.pop()
        connection = await asyncpg.connect(self.url, server_settings=self.settings)
        await connection.set_type_codec(
            "varchar", schema="pg_catalog", format="binary", encoder=str.encode, decoder=bytes
        )
        return connection, {}

    def give_back(self, held: Held) -> None:
        """It is free again."""
        self.idle.append(held)
        self.slots.release()

    async def value(self, sql: str, *arguments: Any) -> bytes:
        """The one value of a statement."""
        held = await self.take()
        try:
            found: bytes = (await run(held, sql, *arguments))[0][0]
        finally:
            self.give_back(held)
        return found


async def run(held: Held, sql: str, *arguments: Any) -> list[Any]:
    """The rows of a statement, which stays prepared."""
    connection, prepared = held
    statement = prepared.get(sql)
    if statement is None:
        statement = prepared[sql] = await connection.prepare(sql)
    return await statement.fetch(*arguments)


def now() -> dt.datetime:
    """This moment, cut to milliseconds."""
    moment = dt.datetime.now(dt.UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text(value: str | bytes) -> str:
    """A varchar, which connections for reading give as bytes."""
    return value if isinstance(value, str) else value.decode()


async def counted(held: Held, name: str, person: UUID, moment: dt.datetime) -> None:
    """At most 60 an hour."""
    window = EPOCH + (moment - EPOCH) // HOUR * HOUR
    key = f"{name}:{hashlib.sha256(str(person).encode()).hexdigest()}"
    count, before = (await run(held, COUNT, key, window))[0]
    assert count + before * (1 - (moment - window) / HOUR) <= 60


class Floor:
    """The application."""

    def __init__(self) -> None:
        given = orjson.loads(Path(os.environ["FLOOR"]).read_bytes())
        self.people = {f"Bearer {token}".encode(): UUID(person) for token, person in given["tokens"].items()}
        self.reads = Connections(given["url"], SETTINGS | {"application_name": "floor reads"})
        self.writes = Connections(given["url"], {"application_name": "floor writes", "timezone": "UTC", "jit": "off"})
        self.many = {status: MANY % ("", status) for status in given["statuses"]}
        self.threads = {status: MANY % (COMMENTS, status) for status in given["statuses"]}
        self.answers = {
            Q1: self.one,
            Q2: self.page,
            Q3: self.thread,
            Q4: self.figures,
            M1: self.comment,
            M2: self.submit,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, or the server's start and end."""
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] != "/graphql":  # whether it is up
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        asked = orjson.loads(body)
        person = self.people[dict(scope["headers"])[b"authorization"]]
        answer = await self.answers[asked["query"]](person, asked["variables"])
        headers = [
            (b"content-type", b"application/graphql-response+json; charset=utf-8"),
            (b"content-length", str(len(answer)).encode()),
            (b"cache-control", b"no-store"),
            (b"vary", b"accept"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def one(self, person: UUID, variables: Any) -> bytes:
        """Q1."""
        return await self.reads.value(ONE, person, UUID(variables["id"].removeprefix("tkt_")))

    async def page(self, person: UUID, variables: Any) -> bytes:
        """Q2."""
        return await self.reads.value(self.many[variables["statuses"][0]], person)

    async def thread(self, person: UUID, variables: Any) -> bytes:
        """Q3."""
        return await self.reads.value(self.threads[variables["statuses"][0]], person)

    async def figures(self, person: UUID, variables: Any) -> bytes:
        """Q4."""
        span = (dt.datetime.fromisoformat(variables[name]) for name in ("from", "to"))
        return await self.reads.value(FIGURES, person, *span)

    async def comment(self, person: UUID, variables: Any) -> bytes:
        """M1."""
        given = variables["input"]
        ticket_id, comment_id, event_id = UUID(given["ticketId"].removeprefix("tkt_")), new_id(), new_id()
        moment = now()
        held = await self.writes.take()
        try:
            await held[0].execute("BEGIN")
            await counted(held, "comment:customer", person, moment)
            subject, status, last, public, waiting = (await run(held, LOCK, person, ticket_id))[0]
            assert text(status) == "OPEN"
            assert waiting is not None
            body = given["body"].strip()
            assert 0 < len(body) <= 20_000
            await run(
                held, COMMENT, ticket_id, subject, body, comment_id, person, html(body), moment, last + 1, public + 1,
                event_id, orjson.dumps({"comment_id": str(comment_id), "by_staff": False}).decode(),
                new_id(), orjson.dumps({"event_ids": [str(event_id)]}).decode(),
            )  # fmt: skip
            await held[0].execute("COMMIT")
        finally:
            self.writes.give_back(held)
        return await self.reads.value(COMMENTED, person, ticket_id, comment_id)

    async def submit(self, person: UUID, variables: Any) -> bytes:
        """M2."""
        given = variables["input"]
        held = await self.writes.take()
        try:
            await held[0].execute("BEGIN")
            ticket_id = await self.write(held, person, given)
            await held[0].execute("COMMIT")
        finally:
            self.writes.give_back(held)
        return await self.reads.value(SUBMITTED, person, ticket_id)

    async def write(self, held: Held, person: UUID, given: dict[str, str]) -> UUID:
        """Look, count and write."""
        moment = now()
        subject, body = given["subject"].strip(), given["body"].strip()
        assert 0 < len(subject) <= 200
        assert 0 < len(body) <= 20_000
        category_id = UUID(given["categoryId"].removeprefix("cat_"))
        category_id, department_id, priority, _, email = (await run(held, CATEGORY, category_id, person))[0]
        priority = text(priority)
        await counted(held, "submit:customer", person, moment)
        said, domain = f"{subject}\n{body}".lower(), email.rpartition("@")[2]
        for categories, priorities, services, words, domains, department in await run(held, RULES):
            if (
                (not categories or category_id in categories)
                and (not priorities or priority in priorities)
                and not services
                and (not words or any(word in said for word in words))
                and (not domains or domain in domains)
            ):
                department_id = department or department_id
                break
        ticket_id, submitted, routed = new_id(), new_id(), new_id()
        await run(
            held, WRITE, ticket_id, subject, body, html(body), priority, RANKS[priority], category_id,
            department_id, person, moment,
            submitted, orjson.dumps({
                "initial_priority": priority, "initial_category_id": str(category_id),
                "initial_requester_id": str(person), "initial_service_id": None, "initial_tags": [],
                "initial_policy_id": None, "channel": "PORTAL",
            }).decode(),
            routed, orjson.dumps({
                "from_department_id": None, "to_department_id": str(department_id), "rule_id": None,
                "escalation_id": None,
            }).decode(),
            new_id(), orjson.dumps({"event_ids": [str(submitted), str(routed)]}).decode(),
            new_id(), orjson.dumps({"ticket_ids": [str(ticket_id)]}).decode(),
        )  # fmt: skip
        return ticket_id


if __name__ == "__main__":
    uvicorn.run(
        "bench.floor:Floor",
        factory=True,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="warning",
        **serving.OPTIONS,
    )
