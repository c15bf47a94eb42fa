"""Traces as a collector gets them: from a request through plan, statement and job to the mail; nobody's words."""

import asyncio
import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from logged import logging_as_in_production
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sockets import Client, served
from websockets.asyncio.client import connect

from infra import checks, collector, driver, jobs, tracing
from web.app import App, opened_to

SERVER, CLIENT, CONSUMER = 2, 3, 5  # kinds of spans, as OTLP has them
ERROR = 2
COMMENT = "mutation Say($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
NAME = "query Named($id: ID!) { ticket(id: $id) { subject requester { name } } }"
TRACE = "ab" * 16
PARENT = f"00-{TRACE}-{'cd' * 8}-01"


class Receiver:
    """A collector that keeps what it is given, or does not answer, or refuses."""

    def __init__(self):
        self.spans, self.resources, self.headers, self.status, self.hangs = [], [], [], 200, threading.Event()
        self.hangs.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.hangs.wait()
                if receiver.status == 200:
                    receiver.take(self.path, self.headers, body)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_):
                """Nothing: it would print."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path, headers, body):
        assert path == "/v1/traces"
        self.headers.append(dict(headers))
        for found in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(attributes_of(found.resource))
            for scope in found.scope_spans:
                self.spans += [span_of(span) for span in scope.spans]

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def children(self, parent):
        return [span for span in self.spans if span.parent == parent.id]


def attributes_of(of):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def span_of(span):
    return SimpleNamespace(
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        about=attributes_of(span),
        failed=span.status.code == ERROR,
        whole=str(span),
        took=span.end_time_unix_nano - span.start_time_unix_nano,
    )


@pytest.fixture
def receiver():
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield found
    found.hangs.set()
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def tracing_app(migrated, receiver, asking, database):
    """Starts an application that traces; when it has ended, the receiver has its spans."""

    @contextlib.asynccontextmanager
    async def started(**given):
        app = App(migrated.model_copy(update={"otel_exporter_otlp_endpoint": receiver.url, **given}))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")
        async with app.running(), client as http:
            yield SimpleNamespace(app=app, desk=app.desk, http=http, api=asking(http))

    return started


async def performed(desk, database):
    """Perform all jobs that wait, as a worker does: knowing nothing of who asked for them."""
    while rows := await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' ORDER BY created_at, id"):
        for row in rows:
            assert await asyncio.create_task(jobs.perform(desk, row["id"]))


async def test_a_request_its_statements_its_jobs_and_their_mail_are_one_trace(
    tracing_app, receiver, agent, ticket, customer, work, mailbox, database
):
    await work.run()
    mailbox.letters.clear()
    async with tracing_app() as desk:
        answer = await desk.http.post(
            "/graphql",
            json={"query": COMMENT, "variables": {"input": {"ticketId": ticket.gid, "body": "It burns."}}},
            headers={"Authorization": f"Bearer {agent.token}", "traceparent": PARENT},
        )
        assert answer.json()["data"] == {"addComment": {"__typename": "AddCommentSuccess"}}
        await performed(desk.desk, database)
        assert mailbox.to(customer.email)

    (request,) = receiver.named("mutation Say")
    assert (request.kind, request.trace, request.parent) == (SERVER, TRACE, "cd" * 8)
    assert request.about == {
        "http.request.method": "POST",
        "http.route": "/graphql",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "graphql.operation.type": "mutation",
        "graphql.operation.name": "Say",
    }
    parts = {span.name for span in receiver.children(request)}
    assert {"parse", "plan"} <= parts
    (written,) = [span for span in receiver.children(request) if "INSERT comments" in span.name]
    assert "INSERT jobs" in written.name
    assert written.kind == CLIENT
    assert written.about["db.system.name"] == "postgresql"
    assert written.about["db.query.text"].startswith("WITH w0 AS")

    asked = [span for span in receiver.children(request) if span.kind == CONSUMER]
    assert asked
    (sending,) = [span for span in receiver.spans if span.name == "process SendMessage"]
    (mail,) = receiver.named("send mail")
    assert mail in receiver.children(sending)
    assert sending.about["deskwire.job.attempt"] == 1
    assert {span.trace for span in receiver.spans if span.kind == CONSUMER} == {TRACE}
    assert {span.name for span in receiver.children(sending)} >= {"BEGIN", "COMMIT", "send mail"}
    assert receiver.resources[0]["service.name"] == "deskwire-api"


async def test_a_plan_is_a_span_when_it_is_made(tracing_app, receiver, customer, ticket):
    async with tracing_app() as desk:
        for _ in range(2):
            await desk.api(customer, NAME, id=ticket.gid)

    first, second = sorted(receiver.named("query Named"), key=lambda span: -len(receiver.children(span)))
    names = [{span.name for span in receiver.children(each)} for each in (first, second)]
    assert {"parse", "plan"} <= names[0]
    assert not {"parse", "plan"} & names[1]
    assert [span.name for span in receiver.children(second)] == ["SELECT people tickets watchers"]


async def test_requests_that_share_a_statement_have_it_each(tracing_app, receiver, customer, ticket):
    async with tracing_app() as desk:
        await desk.api(customer, NAME, id=ticket.gid)
        await asyncio.gather(*[desk.api(customer, NAME, id=ticket.gid) for _ in range(8)])

    requests = receiver.named("query Named")
    assert len(requests) == 9
    for request in requests:
        assert [span for span in receiver.children(request) if span.name.startswith("SELECT people tickets")]
    assert len([span for span in receiver.spans if "unnest" in span.about.get("db.query.text", "")]) > 1


async def test_an_operation_on_a_socket_is_a_span(tracing_app, receiver, customer, ticket):
    subscription = "subscription Watch($id: ID!) { ticketUpdated(id: $id) { subject } }"
    options = {"subprotocols": ["graphql-transport-ws"], "additional_headers": {"traceparent": PARENT}}
    async with (
        tracing_app() as desk,
        served(desk.app) as here,
        connect(f"ws://{here.at}/graphql", **options) as socket,
    ):
        client = Client(socket)
        await client.send(type="connection_init", payload={"authorization": f"Bearer {customer.token}"})
        assert (await client.receive())["type"] == "connection_ack"
        await client.subscribe(NAME, id=ticket.gid)
        assert (await client.item())["ticket"]["requester"] == {"name": customer.name}
        assert (await client.receive())["type"] == "complete"
        await client.subscribe(subscription, id=ticket.gid)
        assert await client.item()

    (read,), (watch,) = receiver.named("query Named"), receiver.named("subscription Watch")
    assert (read.kind, read.trace, watch.trace) == (SERVER, TRACE, TRACE)
    assert [span for span in receiver.children(read) if span.kind == CLIENT]
    assert not [span for span in receiver.children(watch) if span.kind == CLIENT]  # it goes on for hours


@pytest.mark.parametrize("refused", [False, True])
async def test_nothing_that_anybody_wrote_is_told(
    tracing_app, receiver, house, problem, agent, mailbox, database, monkeypatch, refused
):
    password = "canary battery staple"
    person = await house.person("Canary Person", email="canary@example.com", password=password)
    async with tracing_app(otel_exporter_otlp_traces_headers="api-key=canary") as desk:
        if refused:
            mailbox.refusal = "451 4.7.1 <canary@example.com> try again"
        for given in (password, "canary wrong"):
            account = f'email: "canary@example.com", password: "{given}"'
            await desk.api(None, f"mutation In {{ signIn(input: {{{account}}}) {{ __typename }} }}")
        submit = """mutation Submit($input: SubmitTicketInput!) { submitTicket(input: $input) {
          ... on SubmitTicketSuccess { ticket { id subject } } } }"""
        given = {"subject": "canary subject", "body": "canary body", "categoryId": problem.gid}
        ticket = (await desk.api(person, submit, input=given))["submitTicket"]["ticket"]
        await desk.api(agent, COMMENT, input={"ticketId": ticket["id"], "body": "canary comment"})
        await desk.api(agent, '{ tickets(first: 3, filter: {text: "canary"}) { nodes { subject } } }')
        await desk.api.answer(agent, '{ tickets(first: 3, filter: {text: "canary) { nodes { subject } } }')
        stated = {"traceparent": PARENT, "tracestate": "canary=canary", "User-Agent": "canary"}
        await desk.http.get("/tickets/canary?canary=1", headers=stated)
        await desk.http.request("CANARY", "/graphql")

        def broken(*_, **__):
            raise ValueError("canary@example.com wrote: canary")

        with monkeypatch.context() as patched:
            patched.setattr("planner.plan.Plan.answer", broken)
            await desk.api.answer(agent, NAME, id=ticket["id"])
        if not refused:
            await performed(desk.desk, database)
            assert mailbox.to(person.email)
        else:
            for _ in ("what announces", "what sends"):
                for row in await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED'"):
                    await jobs.perform(desk.desk, row["id"])

    assert receiver.headers[0]["api-key"] == "canary"
    assert len(receiver.spans) > 30
    said = [span.whole for span in receiver.spans]
    assert [text for text in said if "canary" in text.lower()] == []
    assert not any(secret in text for text in said for secret in (person.token, agent.token, "example.com"))
    failed = {span.name: span.about.get("error.type") for span in receiver.spans if span.failed}
    assert failed["query Named"] == "ValueError"
    (fault,) = [span for span in receiver.named("query Named") if span.failed]
    assert fault.about["deskwire.error_id"]
    assert not refused or (failed["send mail"], failed["process SendMessage"]) == ("Later", "Later")


@pytest.fixture
def logged(settings, monkeypatch):
    """What a process in production logs meanwhile, but for what always stands there."""
    usual = {"process_begins", "process_ends", "cards_not_looked_at"}
    with logging_as_in_production(settings, monkeypatch, "INFO") as entries:
        yield lambda: [entry for entry in entries() if entry["event"] not in usual]


async def test_what_is_logged_names_its_span(
    logged, tracing_app, receiver, agent, ticket, customer, work, mailbox, database, monkeypatch
):
    await work.run()
    async with tracing_app() as desk:
        with monkeypatch.context() as broken:
            broken.setattr("planner.plan.Plan.answer", lambda *_, **__: 1 / 0)
            await desk.api.answer(customer, NAME, id=ticket.gid)
        await desk.api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "It burns."})
        mailbox.refusal = "451 not now"
        for kind in ("Announce", "SendMessage"):
            for row in await database.rows("SELECT id FROM jobs WHERE state = 'QUEUED' AND kind = :kind", kind=kind):
                await asyncio.create_task(jobs.perform(desk.desk, row["id"]))

    fault, later = logged()
    (request,), (sending,) = receiver.named("query Named"), receiver.named("process SendMessage")
    (asking,) = receiver.named("mutation Say")
    assert (fault["event"], fault["trace_id"], fault["span_id"]) == ("unexpected_error", request.trace, request.id)
    assert request.about["deskwire.error_id"] == fault["error_id"]
    assert (later["event"], later["trace_id"]) == ("job_tried_again_later", asking.trace)
    assert later["span_id"] == sending.id
    assert asking.trace != request.trace


async def flushed():
    """Have the spans sent that are there, as happens every few seconds."""
    await asyncio.to_thread(tracing._tracer.span_processor.force_flush)


async def test_a_collector_that_refuses_is_told_of_once_and_again_when_it_takes(
    logged, tracing_app, receiver, customer, ticket
):
    receiver.status = 401
    async with tracing_app() as desk:
        for _ in range(3):
            await desk.api(customer, NAME, id=ticket.gid)
            await flushed()
        lost, receiver.status = len(receiver.spans), 200
        await desk.api(customer, NAME, id=ticket.gid)
        await flushed()

    refused, taken = logged()
    assert (refused["event"], refused["error"]) == ("traces_not_taken", "it answers 401")
    assert refused["collector"] == "127.0.0.1"
    assert (taken["event"], lost) == ("traces_taken_again", 0)
    assert taken["lost"] > 3
    assert len(receiver.named("query Named")) == 1


@pytest.mark.parametrize("there", [True, False])
async def test_nobody_waits_for_a_collector_that_does_not_answer(
    logged, tracing_app, receiver, customer, ticket, monkeypatch, there
):
    if there:
        receiver.hangs.clear()
    else:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
        receiver.server.server_close()
    async with tracing_app() as desk:
        for _ in range(3):
            await desk.api(customer, NAME, id=ticket.gid)
        began = time.monotonic()

    assert time.monotonic() - began < collector.FLUSH_SECONDS + 4  # of 20 that a process has for its end
    (told,) = logged()
    assert told["event"] == ("traces_not_flushed" if there else "traces_not_taken")
    assert there or told["error"] == "it can't be reached"


async def test_what_is_not_sampled_is_not_traced_and_neither_is_what_comes_of_it(
    tracing_app, receiver, agent, ticket, work, database
):
    await work.run()
    async with tracing_app(otel_traces_sampler="parentbased_traceidratio", otel_traces_sampler_arg=0.0) as desk:
        await desk.api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "It burns."})
        (job,) = await database.rows("SELECT trace FROM jobs WHERE kind = 'Announce' AND state = 'QUEUED'")
        await performed(desk.desk, database)
        await desk.http.post("/graphql", json={"query": "{ desk { name } }"}, headers={"traceparent": PARENT})

    assert job["trace"].startswith("00-")
    assert job["trace"].endswith("-00")
    assert {span.trace for span in receiver.spans} == {TRACE}  # whoever calls had sampled that one


async def test_without_an_endpoint_nothing_is_traced(api, agent, ticket, desk, work, database):
    await api(agent, COMMENT, input={"ticketId": ticket.gid, "body": "It burns."})

    rows = await database.rows("SELECT kind, trace FROM jobs")
    assert rows
    assert {row["trace"] for row in rows} == {None}
    assert desk.reads.idle
    assert {type(connection.driver) for connection in desk.reads.idle} == {asyncpg.Connection}
    assert tracing.span("plan") is tracing.NOTHING


async def test_probes_are_not_traced_and_pages_by_their_route(tracing_app, receiver):
    async with tracing_app(otel_service_name="ours") as desk:
        assert (await desk.http.get("/health/ready")).status_code == 200
        assert (await desk.http.get("/metrics")).status_code == 200
        await desk.http.get("/sign-in/a-secret")

    (page,) = [span for span in receiver.spans if span.kind == SERVER]
    assert (page.name, page.parent) == ("GET /sign-in/{token}", "")
    assert receiver.resources[0]["service.name"] == "ours"


async def test_whether_a_collector_takes_traces_is_told_before_a_start(migrated, receiver):
    ours = migrated.model_copy(update={"otel_exporter_otlp_endpoint": receiver.url})
    found = {each.name: each for each in await checks.check(ours)}
    assert (found["traces"].good, found["traces"].said) == (True, "127.0.0.1 takes them")
    assert receiver.spans == []

    receiver.status = 403
    found = {each.name: each for each in await checks.check(ours)}
    assert (found["traces"].good, found["traces"].said) == (False, "RuntimeError: it answers 403")
    assert "traces" not in {each.name for each in await checks.check(migrated)}


async def test_pages_elsewhere_may_say_what_their_requests_are_part_of(migrated):
    app = opened_to(["https://front.test"], App(migrated))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "traceparent,tracestate"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as http:
        before = await http.options("/graphql", headers={"Origin": "https://front.test", **asked})

    assert before.status_code == 200


@pytest.mark.parametrize(
    ("query", "summary"),
    [
        (
            "WITH w0 AS (INSERT INTO comments (id) VALUES ($1)), w1 AS (UPDATE tickets SET a=$2) SELECT 1",
            "INSERT comments UPDATE tickets",
        ),
        ("SELECT a FROM tickets JOIN people ON x FOR UPDATE OF tickets", "SELECT tickets people"),
        ("BEGIN", "BEGIN"),
        ("ROLLBACK TO SAVEPOINT part", "ROLLBACK"),
        ("SELECT clock_timestamp()", "SELECT"),
    ],
)
def test_a_statement_is_called_by_what_it_does_to_which_tables(query, summary):
    assert driver.summary_of(query) == summary


def test_of_very_long_statements_none_is_kept():
    """There are as many as clients think of."""
    before = driver._kept.cache_info().currsize
    for number in range(3):
        text = f"SELECT '{number}' FROM tickets -- {'x' * driver.LONGEST_DESCRIBED}"
        assert driver.summary_of(text) == "SELECT tickets"
    assert driver._kept.cache_info().currsize == before
