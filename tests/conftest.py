"""What every test stands on: real servers of this run's own, the real application, people, and what came of it all."""

import email
import email.policy
import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import asyncpg
import httpx
import pytest
import sentry_sdk
import structlog
from aiosmtpd.controller import Controller
from alembic import command
from alembic.config import Config
from sentry_sdk.transport import Transport
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from xdist.scheduler.loadfile import LoadFileScheduling

import models
from domain import erasing, sessions
from domain.people import Newcomer, add
from infra import embedded, jobs
from infra import settings as infra_settings
from infra.logs import send_errors
from infra.postgres import Connection
from infra.unit import Job, joins
from models import Role
from web.app import App
from workers import running

pytest_plugins = ("scheduling", "halting", "sockets", "uploads")  # but the first: fixtures of several folders
ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "correct horse battery staple"
assert running.PERFORMERS  # imported, they have declared what they perform
erasing.UNDER_WAY_SECONDS = 0.0  # nobody writes meanwhile, unless a test says so
gc.set_threshold(10_000, 20, 100)  # seldom: looking for garbage among all that stays would take a fifth of the time
# Unset, it would draw each error's frames with all their values, which takes seconds where one is long.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


class Together(LoadFileScheduling):
    """Gives files to processes, but those of plans as one: they share a desk that takes half a minute to fill."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "tests/plans" if file.startswith("tests/plans/") else file


@pytest.hookimpl(optionalhook=True)  # without xdist nobody knows of it
def pytest_xdist_make_scheduler(config, log):
    """Who gives tests to processes."""
    return Together(config, log)


@pytest.fixture(scope="session")
def folder():
    """Where this run's servers and files live; gone afterwards."""
    with embedded.scratch() as path:
        yield path


@pytest.fixture(scope="session")
def server_url(folder):
    """A PostgreSQL of this run's own; its user may make databases."""
    with embedded.postgres(folder, durable=False) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(folder):
    """A Valkey of this run's own."""
    with embedded.valkey(folder) as url:
        yield url


class Mailbox:
    """A mail server that keeps what it is given; it can be made to refuse."""

    def __init__(self):
        self.letters = []
        self.refusal = None

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        if self.refusal:
            return self.refusal
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        letter.bcc, letter.returns = envelope.rcpt_tos, envelope.mail_from
        self.letters.append(letter)
        return "250 Kept"

    def to(self, address):
        return [letter for letter in self.letters if address in letter.bcc]


@pytest.fixture
def statements(monkeypatch):
    """The statements that reads send from now on, without the look for changed cards, which comes when it likes."""
    sent, fetch = [], Connection.fetch

    async def counted(self, sql, arguments):
        if "clock_timestamp(), ARRAY" not in sql:
            sent.append(sql)
        return await fetch(self, sql, arguments)

    monkeypatch.setattr(Connection, "fetch", counted)
    return sent


@pytest.fixture(scope="session")
def mail_server():
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=embedded.free_port())
    controller.start()
    mailbox.url = f"smtp://127.0.0.1:{controller.port}"
    yield mailbox
    controller.stop()
    assert threading.active_count() >= 1


@pytest.fixture
def mailbox(mail_server):
    """The mail that was sent in this test."""
    mail_server.letters.clear()
    yield mail_server
    mail_server.refusal = None


@pytest.fixture(scope="session")
def settings(folder, server_url, redis_url, mail_server):
    """The settings of this run, which the environment holds as well."""
    os.environ |= {
        "DESKWIRE_EMBEDDED": "1",
        "DATABASE_URL": server_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": mail_server.url,
        "SECRET_KEY": "a key of this run alone, long enough",
        "DATA_DIR": str(folder),
        "PUBLIC_URL": "http://desk.test",
        "LOG_LEVEL": "ERROR",
        "MAX_OPERATIONS_PER_SECOND": "1000000",  # one customer stands for all of them
    }
    infra_settings.load.cache_clear()
    return infra_settings.load()


@pytest.fixture(scope="session")
def migrated(settings):
    """The database, with the tables of the last migration."""
    # Alembic runs a loop of its own, so in a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(command.upgrade, Config(ROOT / "alembic.ini"), "head").result()
    return settings


@pytest.fixture(scope="session")
async def application(migrated):
    """The application, started once."""
    app = App(migrated)
    async with app.running():
        yield app


@pytest.fixture(scope="session")
def desk(application):
    """The pipes of the application's process."""
    return application.desk


@pytest.fixture(scope="session")
async def engine(migrated):
    """Connections of the tests' own, for looking behind the scenes."""
    made = create_async_engine("postgresql+asyncpg" + migrated.database_url.removeprefix("postgresql"))
    yield made
    await made.dispose()


TABLES = models.Base.metadata.sorted_tables
# All at once: one after the other they would take most of a test's time. Here alone triggers don't act, which keep the
# audit log and would look at what refers to each row.
EMPTY = "; ".join(
    [
        "BEGIN",
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {table.name}" for table in TABLES),
        "COMMIT",
    ]
)
# What a refused attempt may leave: it is counted on purpose, and the audit log tells that it was refused.
COUNTED = {"attempts"}
REFUSED = {"audit_entries": "WHERE action NOT IN ('signInRefused', 'setPasswordRefused', 'tokenReused')"}
COUNT = " UNION ALL ".join(
    f"SELECT '{table.name}', count(*) FROM {table.name} {REFUSED.get(table.name, '')}" for table in TABLES
)


class Database:
    """What stands in the tables."""

    def __init__(self, engine):
        self.engine = engine

    async def rows(self, sql, **values):
        """The rows of a statement, as mappings."""
        async with self.engine.begin() as connection:
            found = await connection.execute(text(sql), values)
            return [dict(row) for row in found.mappings()] if found.returns_rows else []

    async def counts(self):
        """How many rows each table has; a refusal leaves them as they were."""
        found = await self.rows(COUNT)
        counts = {next(iter(row.values())): row["count"] for row in found}
        return {name: count for name, count in counts.items() if name not in COUNTED}


@pytest.fixture
async def database(engine, application, emptied):
    """The database, empty before and after."""
    found = Database(engine)
    yield found
    await emptied()


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        self.events += [item.payload.json for item in envelope.items if item.type == "event"]


@pytest.fixture
def sent():
    """What was sent to a Sentry in this test."""
    transport = Kept()
    send_errors("https://key@sentry.test/1", "tests", transport=transport)
    yield transport.events
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


class Jobs:
    """The jobs that were asked for, and performing them here and now."""

    def __init__(self, desk, database):
        self.desk, self.database = desk, database

    async def asked(self, *kinds):
        """The jobs that wait, as they were asked for, oldest first."""
        rows = await self.database.rows("SELECT kind, payload FROM jobs WHERE state = 'QUEUED' ORDER BY created_at, id")
        found = [jobs.loads(Job.kinds[row["kind"]], row["payload"]) for row in rows]
        return [job for job in found if not kinds or type(job) in kinds]

    async def run(self):
        """Perform all that are due, and what they ask for, until none is left. A failing one fails the test."""
        done = Counter()
        due = "state = 'QUEUED' AND due_at <= now() + :grace"
        sql = f"SELECT id, kind, attempts, trace FROM jobs WHERE {due} ORDER BY created_at, id"
        while rows := await self.database.rows(sql, grace=jobs.GRACE):
            for kind in dict.fromkeys(row["kind"] for row in rows if joins(row["kind"], row["attempts"], row["trace"])):
                await jobs.perform_together(self.desk, kind)
            for row in rows:
                its = "SELECT kind, state, last_error FROM jobs WHERE id = :id"
                (after,) = await self.database.rows(its, id=row["id"])
                assert after["state"] == "DONE" or await jobs.perform(self.desk, row["id"]), after
                done[row["kind"]] += 1
        return done


@pytest.fixture
def work(desk, database):
    """The jobs."""
    return Jobs(desk, database)


class Someone(SimpleNamespace):
    """A person, and their access token."""

    @property
    def gid(self):
        return f"per_{self.id}"


class House:
    """Makes people, departments and categories, as an installation has them."""

    def __init__(self, desk, database):
        self.desk, self.database = desk, database

    async def person(self, name, role=Role.CUSTOMER, *departments, email=None, password=None):
        """Somebody who is signed in."""
        address = email or f"{name.lower().replace(' ', '.')}@example.com"
        async with self.desk.writes.begin() as unit:
            ids = [department.id for department in departments]
            person_id = await add(unit, Newcomer(name, address, role, ids, None, invite=False))
        if password:
            await self.database.rows(
                "UPDATE people SET password_hash = :hash WHERE id = :id",
                hash=sessions.hash_password(password),
                id=person_id,
            )
        async with self.desk.writes.begin() as unit:
            opened = await sessions.open_for(self.desk, unit, person_id)
        return Someone(
            id=person_id, name=name, email=address, role=role, token=opened.access_token, session_id=opened.session_id
        )

    async def department(self, name):
        async with self.desk.writes.begin() as unit:
            row = unit.insert(
                models.Department,
                name=name,
                description=None,
                assignment=models.AssignmentMethod.MANUAL,
                agent_capacity=None,
                archived_at=None,
            )
        return SimpleNamespace(id=row.id, gid=f"dep_{row.id}", name=name)

    async def category(self, name, department, *, is_other=False, position=0, description=None):
        async with self.desk.writes.begin() as unit:
            row = unit.insert(
                models.Category,
                name=name,
                description=description,
                department_id=department.id,
                default_priority=models.TicketPriority.NORMAL,
                is_other=is_other,
                position=position,
                archived_at=None,
            )
        return SimpleNamespace(id=row.id, gid=f"cat_{row.id}", name=name)

    async def service(self, name):
        async with self.desk.writes.begin() as unit:
            row = unit.insert(models.Service, name=name, description=None, archived_at=None)
        return SimpleNamespace(id=row.id, gid=f"svc_{row.id}", name=name)


@pytest.fixture
def house(desk, database):
    """Makes what an installation has."""
    return House(desk, database)


@pytest.fixture
async def support(house):
    return await house.department("Technical Support")


@pytest.fixture
async def billing(house):
    return await house.department("Billing")


@pytest.fixture
async def problem(house, support):
    return await house.category("Technical problem", support, description="Errors, crashes, logins that fail.")


@pytest.fixture
async def invoices(house, billing):
    return await house.category("Invoices", billing, position=1, description="Invoices, payments, refunds.")


@pytest.fixture
async def other(house, support):
    return await house.category("Other", support, is_other=True)


@pytest.fixture
async def customer(house):
    return await house.person("Carla Customer")


@pytest.fixture
async def stranger(house):
    return await house.person("Stella Stranger")


@pytest.fixture
async def agent(house, support):
    return await house.person("Ada Agent", Role.AGENT, support)


@pytest.fixture
async def billing_agent(house, billing):
    return await house.person("Bill Billing", Role.AGENT, billing)


@pytest.fixture
async def director(house):
    return await house.person("Dora Director", Role.DIRECTOR)


@pytest.fixture
async def admin(house):
    return await house.person("Alex Admin", Role.ADMIN)


class Api:
    """Asks the application as its clients do: over HTTP, with a bearer token."""

    def __init__(self, http):
        self.http = http

    async def post(self, viewer, query, **variables):
        """The response."""
        token = getattr(viewer, "token", None)  # visitors have headers of their own
        headers = {"Authorization": f"Bearer {token}"} if token else getattr(viewer, "headers", {})
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def answer(self, viewer, query, **variables):
        """The answer with its errors, if any."""
        return (await self.post(viewer, query, **variables)).json()

    async def __call__(self, viewer, query, **variables):
        """The data of an answer without errors."""
        answer = await self.answer(viewer, query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def refused(self, viewer, query, **variables):
        """The one error's code of an answer whose roots are all null."""
        answer = await self.answer(viewer, query, **variables)
        assert not any((answer.get("data") or {}).values()), answer
        (error,) = answer["errors"]
        return error["extensions"]["code"]


@pytest.fixture(scope="session")
async def http(application):
    """A client of the application, without a socket between."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test") as client:
        yield client


@pytest.fixture(scope="session")
async def emptied(migrated):
    """Empties all tables."""
    connection = await asyncpg.connect(migrated.database_url)
    yield lambda: connection.execute(EMPTY)
    await connection.close()


@pytest.fixture(scope="session")
def asking():
    """How applications are asked, for tests that start one of their own."""
    return Api


@pytest.fixture
def api(http, database):
    """Asks the application."""
    return Api(http)


SUBMIT = """mutation Submit($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename
  ... on SubmitTicketSuccess { ticket { id number subject status priority } }
  ... on InvalidInput { field message problems { field message } }
  ... on NotFound { field message } ... on Conflict { reason message } ... on Refusal { message } } }"""


@pytest.fixture
def submit(api):
    """Submits a ticket and gives it, or the refusal."""

    async def submitted(viewer, category, **given):
        given = {"subject": "Printer on fire", "body": "It **burns**.", "categoryId": category.gid} | given
        answer = (await api(viewer, SUBMIT, input=given))["submitTicket"]
        return answer.get("ticket") or answer

    return submitted


@pytest.fixture
async def ticket(submit, customer, problem):
    """A customer's ticket, in Technical Support."""
    found = await submit(customer, problem)
    key = found["id"].removeprefix("tkt_")
    return SimpleNamespace(id=key, uuid=UUID(key), gid=found["id"], number=found["number"])


@pytest.fixture(scope="session")
def live_server(folder):
    """The address of a real desk with demo data, as `make run` starts it, with servers of its own."""
    ours = {"DATABASE_URL", "REDIS_URL", "SMTP_URL", "STORAGE_URL", "SECRET_KEY", "DESKWIRE_EMBEDDED", "PUBLIC_URL"}
    port, log = embedded.free_port(), folder / "live.log"
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {"PORT": str(port), "DATA_DIR": str(folder / "live")}
    with log.open("wb") as output:
        desk = subprocess.Popen(
            [sys.executable, "desk.py", "up"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        for _ in range(600):
            if "Deskwire is ready" in log.read_text():
                break
            assert desk.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            raise AssertionError(log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        desk.terminate()
        desk.wait(30)
