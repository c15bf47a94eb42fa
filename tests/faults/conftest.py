"""A desk of real processes over servers that can be stopped, frozen and killed."""

import asyncio
import contextlib
import email
import email.policy
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from aiosmtpd.controller import Controller
from alembic import command
from alembic.config import Config
from websockets.asyncio.client import connect

from domain import sessions
from domain.people import Newcomer, add
from infra import embedded
from infra import settings as infra_settings
from infra.desk import Desk
from models import AssignmentMethod, Category, Department, Role, TicketPriority

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
# The parts of a desk whose leases and pauses are short, so that tests need not wait for those of real ones.
HASTY = (
    "import datetime as dt; from infra import jobs; jobs.LEASE = dt.timedelta(seconds=3); jobs.RELAY_SECONDS = 0.5;"
    "import desk; desk.app()"
)


class MailServer:
    """Keeps letters; can be stopped, and made to say nothing once it has a letter."""

    def __init__(self):
        self.port = embedded.free_port()
        self.letters, self.controller = [], None
        self.stalled, self.stalls = False, 0

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        if self.stalled:
            self.stalls += 1
            while self.stalled:  # noqa: ASYNC110 # it is set in another thread
                await asyncio.sleep(0.02)
            return "451 Too late"
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 Kept"

    def start(self):
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self):
        if self.controller:
            self.controller.stop()
            self.controller = None

    def about(self, subject):
        return [letter for letter in self.letters if subject in letter["Subject"]]


class Program:
    """A command of ours, in a process of its own."""

    def __init__(self, arguments, environment, log):
        self.arguments, self.environment, self.log = arguments, environment, log
        self.process = None

    def start(self):
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self.arguments], cwd=ROOT, env=self.environment, stdout=output, stderr=output
            )

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    async def ends(self, *, seconds=20):
        """Its status, once it has ended."""
        return await asyncio.to_thread(self.process.wait, seconds)

    def end(self):
        if self.runs():
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise


class Socket:
    """The client's side of graphql-transport-ws."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, **message):
        await self.socket.send(json.dumps(message))

    async def receive(self):
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return json.loads(await self.socket.recv())

    async def item(self):
        """The ticket of the next item."""
        message = await self.receive()
        assert message["type"] == "next", message
        return message["payload"]["data"]["ticketUpdated"]


class Town:
    """All of it: the servers, our programs, people, and ways to ask."""

    def __init__(self, folder):
        self.folder = folder
        self.postgres, self.valkey = embedded.prepare_postgres(folder), embedded.prepare_valkey(folder)
        self.mail = MailServer()
        self.port = embedded.free_port()
        self.address = f"127.0.0.1:{self.port}"

    def start_servers(self):
        """Starts what does not run."""
        for server in (self.postgres, self.valkey):
            if not server.runs():
                server.launch()
                server.wait()
        if not self.mail.controller:
            self.mail.start()

    def prepare(self):
        """What all parts have in common."""
        given = {
            "DATABASE_URL": self.postgres.url(self.postgres.port),
            "REDIS_URL": self.valkey.url(self.valkey.port),
            "SMTP_URL": f"smtp://127.0.0.1:{self.mail.port}",
            "DESKWIRE_EMBEDDED": "1",
            "PUBLIC_URL": f"http://{self.address}",
            "SECRET_KEY": "a key of these tests alone, long enough",
            "DATA_DIR": str(self.folder),
            "PORT": str(self.port),
            "LOG_LEVEL": "INFO",
        }
        environment = {**os.environ, **given}
        self.settings = infra_settings.read(
            **{name.lower(): value for name, value in given.items() if name != "DESKWIRE_EMBEDDED"}, embedded=True
        )
        self.api = Program(["-c", HASTY, "serve"], environment, self.folder / "api.log")
        self.worker = Program(["-c", HASTY, "work"], environment, self.folder / "worker.log")
        with ThreadPoolExecutor(1) as pool:  # Alembic runs a loop of its own, so in a thread of its own
            pool.submit(self._migrate, environment).result()

    def _migrate(self, environment):
        before = dict(os.environ)
        os.environ |= environment
        infra_settings.load.cache_clear()
        try:
            command.upgrade(Config(ROOT / "alembic.ini"), "head")
        finally:
            os.environ.clear()
            os.environ |= before
            infra_settings.load.cache_clear()

    def start_programs(self):
        """Starts what does not run."""
        for program in (self.api, self.worker):
            if not program.runs():
                program.start()

    async def settle_in(self):
        """Waits until the API is ready."""

        async def ready():
            with contextlib.suppress(httpx.HTTPError):
                parts = (await self.http.get("/health/ready")).json()
                return (parts["status"], parts["database"], parts["redis"]) == ("ready", True, True)

        await self.until(ready)

    def end(self):
        for program in (self.api, self.worker):
            program.end()
        self.mail.stop()
        for server in (self.valkey, self.postgres):
            if server.process:
                server.process.send_signal(signal.SIGCONT)
            server.stop()

    async def until(self, condition, *, seconds=PATIENCE_SECONDS):
        """Waits until it holds, and gives what it gave."""
        ends = time.monotonic() + seconds
        while not (found := await condition()):
            assert time.monotonic() < ends, self.said()[-5000:]
            await asyncio.sleep(0.05)
        return found

    async def rows(self, sql, *values):
        """The rows of a statement."""
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def people(self):
        """A department with a category, an agent and a customer."""
        desk = await Desk.open(self.settings)
        async with desk.writes.begin() as unit:
            department = unit.insert(
                Department,
                name="Support",
                description=None,
                assignment=AssignmentMethod.MANUAL,
                agent_capacity=None,
                archived_at=None,
            )
            category = unit.insert(
                Category,
                name="Problem",
                description=None,
                department_id=department.id,
                default_priority=TicketPriority.NORMAL,
                is_other=False,
                position=0,
                archived_at=None,
            )
        async with desk.writes.begin() as unit:
            given = ("Ada Agent", "ada@example.com", Role.AGENT, [department.id], None)
            self.agent_id = await add(unit, Newcomer(*given, invite=False))
            given = ("Carla Customer", "carla@example.com", Role.CUSTOMER, [], None)
            self.customer_id = await add(unit, Newcomer(*given, invite=False))
        self.category = f"cat_{category.id}"
        long = self.settings.model_copy(update={"access_token_seconds": 3600})
        async with desk.writes.begin() as unit:
            stub = SimpleNamespace(settings=long, signer=desk.signer)
            self.token = (await sessions.open_for(stub, unit, self.customer_id)).access_token
        await desk.close()

    async def post(self, query, **variables):
        """The response to the customer's operation."""
        return await self.http.post("/graphql", json={"query": query, "variables": variables})

    async def submit(self, subject, *, key=None):
        """The response to a ticket's submission."""
        given = {"subject": subject, "body": "It burns.", "categoryId": self.category}
        return await self.post(SUBMIT, input=given | ({"idempotencyKey": key} if key else {}))

    async def submitted(self, subject):
        """The id of a ticket that was submitted."""
        answer = (await self.submit(subject)).json()
        return answer["data"]["submitTicket"]["ticket"]["id"]

    async def arrives(self, subject):
        """Waits for a letter about it."""

        async def looks():
            return self.mail.about(subject)

        await self.until(looks)

    async def unsettled(self):
        """How many jobs are not done."""
        return (await self.rows("SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')"))[0]["count"]

    async def all_settled(self):
        """Waits until all jobs are done; none may have been given up."""

        async def settled():
            return await self.unsettled() == 0

        await self.until(settled)
        assert await self.rows("SELECT kind, last_error FROM jobs WHERE state = 'DEAD'") == []

    @contextlib.asynccontextmanager
    async def connected(self):
        """A socket that is the customer's."""
        async with connect(f"ws://{self.address}/graphql", subprotocols=["graphql-transport-ws"]) as socket:
            client = Socket(socket)
            await client.send(type="connection_init", payload={"authorization": f"Bearer {self.token}"})
            assert await client.receive() == {"type": "connection_ack"}
            yield client

    @contextlib.asynccontextmanager
    async def watching(self, ticket_id):
        """A socket that watches a ticket, after its first item."""
        async with self.connected() as client:
            await client.send(type="subscribe", id="1", payload={"query": WATCH, "variables": {"id": ticket_id}})
            await client.item()
            yield client

    def said(self, *programs):
        """What programs logged so far."""
        return "".join(program.log.read_text() for program in programs or (self.api, self.worker))


WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { lastSeq subject } }"
SUBMIT = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename
  ... on SubmitTicketSuccess { ticket { id number } } } }"""


@pytest.fixture(scope="session")
async def town(folder):
    """The whole desk, started once."""
    own = folder / "town"
    own.mkdir(mode=0o711)
    found = Town(own)
    found.start_servers()
    try:
        found.prepare()
        await found.people()
        headers = {"Authorization": f"Bearer {found.token}"}
        async with httpx.AsyncClient(base_url=f"http://{found.address}", headers=headers, timeout=20) as client:
            found.http = client
            yield found
    finally:
        found.end()


@pytest.fixture
async def real(town):
    """The desk, with all of it running at the beginning of the test and no alarm raised at its end."""
    town.start_servers()
    town.start_programs()
    await town.settle_in()
    await town.rows("DELETE FROM attempts")  # what other tests have submitted is not this one's
    town.mail.letters.clear()
    before = len(town.said())
    yield town
    alarms = [line for line in town.said()[before:].splitlines() if "unexpected_error" in line or "Traceback" in line]
    assert alarms == []
