"""A desk of real processes over servers that can be stopped, frozen and killed."""

import asyncio
import contextlib
import email
import email.policy
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from aiosmtpd.controller import Controller
from alembic import command
from alembic.config import Config
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from domain import sessions
from domain.people import Newcomer, add
from infra import embedded
from infra import settings as infra_settings
from infra.desk import Desk
from infra.redis import WORKERS
from models import AssignmentMethod, Category, Department, Role, TicketPriority
from tests.faults.promises import PROPERTY, Kept, table
from tests.faults.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
START_SECONDS = SETTLE_SECONDS = 90  # programs start in 5, on a machine that does nothing else
DISK_BYTES = 512 * 1024 * 1024
# The parts of a desk whose leases and pauses are short, so that tests need not wait for those of real ones, and where
# one customer may write as much as tests do.
HASTY = """
import datetime as dt, desk
from domain import attempts
from infra import jobs, relaying
jobs.LEASE, jobs.JOB_SECONDS, relaying.RELAY_SECONDS = dt.timedelta(seconds=3), 5, 0.5
for limit in (attempts.SUBMIT_BY_CUSTOMER, attempts.COMMENT_BY_CUSTOMER):
    object.__setattr__(limit, "most", 1_000_000)
desk.app()
"""

# As one that gives a mail server up soon.
IMPATIENT = f"from infra import smtp\nsmtp.SEND_SECONDS = 2\n{HASTY}"


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


class Asking:
    """The ways to ask one API, as the customer unless another token is given."""

    def ask_at(self, port):
        """`port`: where the API listens."""
        self.port, self.address = port, f"127.0.0.1:{port}"

    def client(self):
        """A client of HTTP with connections of its own."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=f"http://{self.address}", headers=headers, timeout=20)

    async def settle_in(self):
        """Waits until the API is ready."""

        async def ready():
            with contextlib.suppress(httpx.HTTPError):
                parts = (await self.http.get("/health/ready")).json()
                return (parts["status"], parts["database"], parts["redis"]) == ("ready", True, True)

        await self.until(ready, seconds=START_SECONDS)

    async def until(self, condition, *, seconds=PATIENCE_SECONDS):
        """Waits until it holds, and gives what it gave."""
        ends = time.monotonic() + seconds
        while not (found := await condition()):
            assert time.monotonic() < ends, self.said()[-5000:]
            await asyncio.sleep(0.05)
        return found

    async def post(self, query, *, by=None, **variables):
        """The response to an operation."""
        headers = {"Authorization": f"Bearer {by}"} if by else {}
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def submit(self, subject, *, key=None, **more):
        """The response to a ticket's submission."""
        given = {"subject": subject, "body": "It burns.", "categoryId": self.category, **more}
        return await self.post(SUBMIT, input=given | ({"idempotencyKey": key} if key else {}))

    async def submitted(self, subject, **more):
        """The id of a ticket that was submitted."""
        answer = (await self.submit(subject, **more)).json()
        return answer["data"]["submitTicket"]["ticket"]["id"]

    @contextlib.asynccontextmanager
    async def connected(self, by=None, *, port=None):
        """A socket that is signed in. `port`: of what stands before the API."""
        async with connect(
            f"ws://127.0.0.1:{port or self.port}/graphql", subprotocols=["graphql-transport-ws"]
        ) as socket:
            client = Socket(socket)
            await client.send(type="connection_init", payload={"authorization": f"Bearer {by or self.token}"})
            assert await client.receive() == {"type": "connection_ack"}
            yield client

    @contextlib.asynccontextmanager
    async def watching(self, ticket_id, by=None):
        """A socket that watches a ticket, after its first item."""
        async with self.connected(by) as client:
            await client.send(type="subscribe", id="1", payload={"query": WATCH, "variables": {"id": ticket_id}})
            await client.item()
            yield client


class Town(Asking):
    """All of it: the servers, our programs, people, and ways to ask."""

    def __init__(self, folder, disk):
        """`folder`: where logs go; `disk`: where all goes that is kept."""
        self.folder, self.disk, self.forgiven = folder, disk, ()
        self.postgres, self.valkey = embedded.prepare_postgres(disk), embedded.prepare_valkey(folder)
        self.mail = MailServer()
        self.ask_at(embedded.free_port())
        ports = {"postgres": self.postgres, "valkey": self.valkey, "smtp": self.mail}
        self.proxies = {name: Proxy(partial(getattr, server, "port")) for name, server in ports.items()}

    def start_servers(self):
        """Starts what does not run."""
        for server in (self.postgres, self.valkey):
            if not server.runs():
                server.launch()
                server.wait()
        if not self.mail.controller:
            self.mail.start()
        for proxy in self.proxies.values():
            proxy.start()

    @property
    def programs(self):
        """All that may run."""
        return self.api, self.worker, self.far.api, self.far.worker

    def prepare(self):
        """What all parts have in common."""
        given = {
            "DATABASE_URL": self.postgres.url(self.postgres.port),
            "REDIS_URL": self.valkey.url(self.valkey.port),
            "SMTP_URL": f"smtp://127.0.0.1:{self.mail.port}",
            "DESKWIRE_EMBEDDED": "1",
            "PUBLIC_URL": f"http://{self.address}",
            "SECRET_KEY": "a key of these tests alone, long enough",
            "DATA_DIR": str(self.disk),
            "PORT": str(self.port),
            "LOG_LEVEL": "INFO",
            "MAX_OPERATIONS_PER_SECOND": "1000000",  # one customer stands for all of them
        }
        environment = {**os.environ, **given}
        self.settings = infra_settings.read(
            **{name.lower(): value for name, value in given.items() if name != "DESKWIRE_EMBEDDED"}, embedded=True
        )
        self.environment = environment
        self.api = Program(["-c", HASTY, "serve"], environment, self.folder / "api.log")
        self.worker = Program(["-c", HASTY, "work"], environment, self.folder / "worker.log")
        self.far = Far(self)
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

    def end(self):
        for program in self.programs:
            program.end()
        for proxy in self.proxies.values():
            proxy.stop()
        self.mail.stop()
        for server in (self.valkey, self.postgres):
            if server.process:
                server.process.send_signal(signal.SIGCONT)
            server.stop()

    async def rows(self, sql, *values):
        """The rows of a statement."""
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def people(self):
        """A department with a category, an agent and a customer."""
        async with Desk.open(self.settings) as desk:
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
                given = ("Alan Admin", "admin@example.com", Role.ADMIN, [], None)
                self.admin_id = await add(unit, Newcomer(*given, invite=False))
            self.category = f"cat_{category.id}"
            self.token, self.agent_token, self.admin_token = [
                await self.token_of(each, desk) for each in (self.customer_id, self.agent_id, self.admin_id)
            ]

    async def works(self, worker):
        """Waits until a worker that was started is at work."""
        name = f"{socket.gethostname()}:{worker.process.pid}"
        async with Redis.from_url(self.settings.redis_url) as redis:

            async def present():
                return await redis.zscore(WORKERS, name) is not None

            await self.until(present, seconds=START_SECONDS)

    async def token_of(self, person_id, desk, *, seconds=3600):
        """An access token of a new session."""
        lasting = self.settings.model_copy(update={"access_token_seconds": seconds})
        async with desk.writes.begin() as unit:
            stub = SimpleNamespace(settings=lasting, signer=desk.signer)
            return (await sessions.open_for(stub, unit, person_id)).access_token

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

        await self.until(settled, seconds=SETTLE_SECONDS)
        assert await self.rows("SELECT kind, last_error FROM jobs WHERE state = 'DEAD'") == []

    def said(self, *programs):
        """What programs logged so far."""
        return "".join(program.log.read_text() for program in programs or self.programs if program.log.exists())


class Far(Asking):
    """An API and a worker of the same desk, which reach the servers through proxies."""

    def __init__(self, town):
        self.town, self.proxies = town, town.proxies
        self.ask_at(embedded.free_port())
        self.proxies["clients"] = Proxy(lambda: self.port)
        self.proxies["clients"].start()
        changed = {"PORT": str(self.port)}
        urls = {"DATABASE_URL": (town.postgres, "postgres"), "REDIS_URL": (town.valkey, "valkey")}
        for name, (server, proxy) in urls.items():
            changed[name] = server.url(self.proxies[proxy].port)
        changed["SMTP_URL"] = f"smtp://127.0.0.1:{self.proxies['smtp'].port}"
        environment = town.environment | changed
        self.api = Program(["-c", HASTY, "serve"], environment, town.folder / "far-api.log")
        self.worker = Program(["-c", IMPATIENT, "work"], environment, town.folder / "far-worker.log")

    @property
    def token(self):
        """The customer's."""
        return self.town.token

    @property
    def category(self):
        """Where tickets go."""
        return self.town.category

    def said(self):
        """What all programs logged so far."""
        return self.town.said()


WATCH = "subscription ($id: ID!) { ticketUpdated(id: $id) { lastSeq subject } }"
SUBMIT = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) { __typename
  ... on SubmitTicketSuccess { ticket { id number } } } }"""


@pytest.fixture
def kept(record_property):
    """Notes what a test did against its promise."""
    return Kept(partial(record_property, PROPERTY))


def pytest_collection_modifyitems(items):
    """Tells the table what the marks of tests say."""
    for item in items:
        if mark := item.get_closest_marker("promise"):
            item.user_properties.append(("promise", [mark.args[0], mark.kwargs["injected"]]))


def pytest_terminal_summary(terminalreporter):
    """Prints the table and writes it to the file, where one is named."""
    name = os.environ.get("FAULT_TABLE")
    if name is None:
        return
    calls = [report for found in ("passed", "failed") for report in terminalreporter.stats.get(found, [])]
    found = table([report for report in calls if report.when == "call"])
    terminalreporter.write(f"\n{found}")
    file = Path(name)
    head, mark, _ = file.read_text().partition("| promise |")
    assert mark, f"{name} has no table that could be another"
    file.write_text(head + found)


@contextlib.contextmanager
def small_disk(place):
    """A disk of its own at a place, where this user may have one: it is told whether it is."""
    place.mkdir(mode=0o711)
    options = f"size={DISK_BYTES},mode=0711"
    mount = shutil.which("mount")
    own = mount and not subprocess.run([mount, "-t", "tmpfs", "-o", options, "desk", place], check=False).returncode
    yield bool(own)
    if own:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(scope="session")
async def town(folder):
    """The whole desk, started once."""
    own = folder / "town"
    own.mkdir(mode=0o711)
    with small_disk(own / "disk") as is_small:
        async with started(Town(own, own / "disk")) as found:
            found.has_small_disk = is_small
            yield found


@contextlib.asynccontextmanager
async def started(found):
    """All of a desk, which ends afterwards."""
    found.start_servers()
    try:
        found.prepare()
        await found.people()
        async with found.client() as found.http, found.far.client() as found.far.http:
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
    before, town.forgiven = len(town.said()), ()
    yield town
    entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d)", town.said()[before:])
    alarms = [entry for entry in entries if "unexpected_error" in entry or "Traceback" in entry]
    assert [entry for entry in alarms if not any(word in entry for word in town.forgiven)] == []


@pytest.fixture
async def second(real):
    """Another worker."""
    program = Program(["-c", HASTY, "work"], real.worker.environment, real.folder / "second.log")
    program.start()
    yield program
    program.end()


@pytest.fixture
async def far(real):
    """Another API of the desk, behind proxies; its worker is there when a test starts it."""
    if not real.far.api.runs():
        real.far.api.start()
    await real.far.settle_in()
    yield real.far
    for proxy in real.far.proxies.values():
        proxy.heal()
    real.far.worker.end()
    await real.far.settle_in()
