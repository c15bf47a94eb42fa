"""An API and a worker as real processes, with everything they need behind a wire that can be cut."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from aiosmtpd.controller import Controller

from infra import embedded

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20
SIGN_IN = """mutation ($email: String!) { signIn(input: {email: $email, password: "deskwire-demo"}) {
  ... on SignInSuccess { session { accessToken } } } }"""


class Wire:
    """A TCP connection to somewhere, that can be cut and mended."""

    def __init__(self, url):
        self.target = urlsplit(url)
        self.port = embedded.free_port()
        self.tasks = set()
        self.server = None

    @property
    def url(self):
        """The address of this end."""
        where = f"127.0.0.1:{self.port}"
        user = f"{self.target.username or ''}:{self.target.password}@" if self.target.password else ""
        return f"{self.target.scheme}://{user}{where}{self.target.path}"

    async def mend(self):
        self.server = await asyncio.start_server(self.join, "127.0.0.1", self.port)

    async def cut(self):
        """Nobody gets through, and whoever was through is cut off."""
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def join(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        there = None
        try:
            there = await asyncio.open_connection(self.target.hostname, self.target.port)
            await asyncio.gather(self.pump(reader, there[1]), self.pump(there[0], writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            for end in (writer, there and there[1]):
                if end:
                    end.transport.abort()

    async def pump(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        raise ConnectionError


class Mail:
    """A mail server that keeps letters, and may be slow."""

    def __init__(self):
        self.letters = []
        self.slow = False

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name is aiosmtpd's
        if self.slow:
            await asyncio.sleep(60)
        self.letters.append(envelope.content.decode())
        return "250 Kept"


class World:
    """All of it."""

    def __init__(self, folder, environment, wires, mail, database_url):
        self.folder, self.environment, self.mail, self.database_url = folder, environment, mail, database_url
        self.postgres, self.redis, self.smtp = wires
        self.processes = {}
        self.http = httpx.AsyncClient(base_url=environment["PUBLIC_URL"], timeout=PATIENCE_SECONDS)

    def start(self, name):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "desk.py", name], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def run(self, name):
        done = subprocess.run(
            [sys.executable, "desk.py", name],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def end(self, name, *, kill=False):
        process = self.processes.pop(name)
        process.kill() if kill else process.terminate()
        process.wait(20)

    async def rows(self, sql, *values):
        connection = await asyncpg.connect(self.database_url)
        try:
            return [dict(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    async def ask(self, query, *, token=None, **variables):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def sign_in(self, email):
        answer = (await self.ask(SIGN_IN, email=email)).json()
        return answer["data"]["signIn"]["session"]["accessToken"]

    async def submit(self, token, subject):
        """Submits a ticket; gives the answer and the seconds that it took."""
        found = (await self.ask("{ categories { nodes { id } } }")).json()
        category = found["data"]["categories"]["nodes"][0]["id"]
        query = """mutation ($subject: String!, $category: ID!) {
          submitTicket(input: {subject: $subject, body: "It burns.", categoryId: $category}) {
            ... on SubmitTicketSuccess { ticket { id number } } ... on Refusal { message } } }"""
        began = time.monotonic()
        answer = await self.ask(query, token=token, subject=subject, category=category)
        return answer, time.monotonic() - began

    def letters(self, subject):
        return [letter for letter in self.mail.letters if subject in letter.split("\n\n")[0].replace("\r", "")]

    async def until(self, found, seconds=PATIENCE_SECONDS):
        """Waits until the function gives something, and gives it."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            value = found()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.1)
        raise AssertionError({path.name: path.read_text()[-3000:] for path in self.folder.glob("*.log")})

    async def ready(self):
        answer = None
        with contextlib.suppress(httpx.HTTPError):
            answer = await self.http.get("/health/ready")
        return answer is not None and answer.status_code == 200 and answer.json()["redis"]


@pytest.fixture(scope="module")
async def world(tmp_path_factory):
    """The demo's desk, with an API and a worker that run."""
    with (
        embedded.scratch() as folder,
        embedded.postgres(folder, durable=False) as database_url,
        embedded.valkey(folder) as redis_url,
    ):
        mail = Mail()
        controller = Controller(mail, hostname="127.0.0.1", port=embedded.free_port())
        controller.start()
        wires = [Wire(url) for url in (database_url, redis_url, f"smtp://127.0.0.1:{controller.port}")]
        for wire in wires:
            await wire.mend()
        port = embedded.free_port()
        logs = tmp_path_factory.mktemp("world")
        environment = os.environ | {
            "DESKWIRE_EMBEDDED": "1",
            "DATABASE_URL": wires[0].url,
            "REDIS_URL": wires[1].url,
            "SMTP_URL": wires[2].url,
            "SECRET_KEY": "a key of this world alone, long enough",
            "DATA_DIR": str(folder / "data"),
            "PORT": str(port),
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
        }
        world = World(logs, environment, wires, mail, database_url)
        await asyncio.to_thread(world.run, "migrate")
        await asyncio.to_thread(world.run, "seed")
        world.start("serve")
        world.start("work")
        try:
            await world.until(world.ready)
            yield world
        finally:
            for name in list(world.processes):
                world.end(name, kill=True)
            await world.http.aclose()
            for wire in wires:
                await wire.cut()
            controller.stop()


@pytest.fixture
async def customer(world):
    """A customer's access token."""
    return await world.sign_in("customer@example.com")
