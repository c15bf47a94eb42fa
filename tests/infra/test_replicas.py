"""Reading at a real copy: nothing is older than what its reader can know of, and without it the primary answers."""

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from alembic import command
from alembic.config import Config
from sockets import Client, served
from websockets.asyncio.client import connect

from infra import checks, embedded, processes, replicas
from infra.postgres import Unavailable
from infra.replicas import Replicated
from models import Role
from web.app import App

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = "graphql-transport-ws"
SUBMIT = """mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) {
  ... on SubmitTicketSuccess { ticket { id } } } }"""
# What a primary is started with; commits are as on a real one, which waits for its disk.
STREAMING = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}

BASE_BACKUP = ["--write-recovery-conf", "--wal-method=stream", "--no-sync", "--checkpoint=fast"]


@contextlib.contextmanager
def running(server):
    server.launch()
    server.wait()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def servers(folder):
    """A primary, and a copy that was made of it and follows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "POSTGRES", embedded.POSTGRES | STREAMING)
        patch.setattr(
            embedded, "THROWAWAY", embedded.THROWAWAY | {"synchronous_commit": "on", "shared_buffers": "32MB"}
        )
        with running(embedded.prepare_postgres(folder / "primary", durable=False)) as primary:
            home = folder / "copy" / "postgres"
            home.mkdir(parents=True)
            shutil.copy(primary.folder / "password", home / "password")
            stat = primary.folder.stat()
            shutil.chown(home, stat.st_uid, stat.st_gid)
            programs = primary.program.parent
            made = processes.spawn(
                [
                    str(programs / "pg_basebackup"),
                    *BASE_BACKUP,
                    "-D",
                    str(home / "data"),
                    "-d",
                    primary.url(primary.port),
                ],
                environment=processes.CLEAN,
                folder=home,
                output=subprocess.PIPE,
                account=primary.account,
            )
            said = made.communicate()[0]
            assert made.returncode == 0, said
            with running(embedded.prepare_postgres(folder / "copy", durable=False)) as copy:
                yield SimpleNamespace(primary=primary, copy=copy)


@pytest.fixture(scope="module")
async def urls(servers):
    """The addresses of the two, with a table of counters and one that is not copied."""
    primary, copy = servers.primary.url(servers.primary.port), servers.copy.url(servers.copy.port)
    connection = await asyncpg.connect(primary)
    await connection.execute("CREATE TABLE counters (id int PRIMARY KEY, value int)")
    await connection.execute("INSERT INTO counters SELECT id, 0 FROM generate_series(1, 8) AS id")
    await connection.execute("CREATE UNLOGGED TABLE present (name text)")
    await connection.execute("INSERT INTO present VALUES ('Ada')")
    await connection.close()
    return SimpleNamespace(primary=primary, copy=copy)


@pytest.fixture
async def reads(urls):
    found = Replicated(urls.primary, (urls.copy,), size=4)
    yield found
    await found.close()


@pytest.fixture
async def primary(urls):
    connection = await asyncpg.connect(urls.primary)
    yield connection
    await connection.close()


@pytest.fixture
async def copy(urls):
    connection = await asyncpg.connect(urls.copy)
    yield connection
    await connection.close()


async def used_again(reads):
    async with asyncio.timeout(10):
        while not reads.replicas[0].well:  # noqa: ASYNC110 # nobody else is to be told
            await asyncio.sleep(0.02)


COUNT = "UPDATE counters SET value = value + 1 WHERE id = $1 RETURNING value"
READ = "SELECT value FROM counters WHERE id = $1"


async def test_whoever_is_told_of_a_change_reads_it_wherever_they_ask(reads, urls):
    other = Replicated(urls.primary, (urls.copy,), size=4)  # another process's
    seen = 0

    async def change(number):
        nonlocal seen
        connection = await asyncpg.connect(urls.primary)
        for _ in range(40):
            value = await connection.fetchval(COUNT, number)
            found = await asyncio.gather(*(each.fetch(READ, [number]) for each in (reads, other)))
            assert [rows[0][0] for rows in found] == [value, value]
            seen += 1
        await connection.close()

    await asyncio.gather(*(change(number) for number in range(1, 5)))

    assert seen == 160
    assert reads.replicas[0].answered > 80  # where nearly all was asked
    await other.close()


async def test_a_copy_that_is_behind_is_left_alone_until_it_has_caught_up(reads, primary, copy, monkeypatch):
    monkeypatch.setattr(replicas, "REST_SECONDS", 0.05)
    await copy.execute("SELECT pg_wal_replay_pause()")
    value = await primary.fetchval(COUNT, 1)

    for _ in range(3):
        assert (await reads.fetch(READ, [1]))[0][0] == value
    assert (reads.answered, reads.replicas[0].answered, reads.replicas[0].well) == (3, 0, False)

    await copy.execute("SELECT pg_wal_replay_resume()")
    await used_again(reads)
    assert (await reads.fetch(READ, [1]))[0][0] == value
    assert (reads.answered, reads.replicas[0].answered) == (3, 1)


async def test_a_copy_that_is_away_is_done_without_until_it_is_back(reads, servers, primary, monkeypatch):
    monkeypatch.setattr(replicas, "REST_SECONDS", 0.1)
    await reads.fetch(READ, [1])
    assert reads.replicas[0].answered == 1
    servers.copy.stop()

    found = await asyncio.gather(*(reads.fetch(READ, [1]) for _ in range(8)))
    assert len({rows[0][0] for rows in found}) == 1
    assert not reads.replicas[0].well

    servers.copy.launch()
    await asyncio.to_thread(servers.copy.wait)
    value = await primary.fetchval(COUNT, 1)
    await used_again(reads)
    assert (await reads.fetch(READ, [1]))[0][0] == value
    assert reads.replicas[0].answered == 2


async def test_what_is_not_copied_is_asked_of_the_primary_at_once_from_then_on(reads):
    for _ in range(2):
        assert [row[0] for row in await reads.fetch("SELECT name FROM present", [])] == ["Ada"]

    assert (reads.answered, reads.replicas[0].answered, reads.replicas[0].well) == (2, 0, True)


@pytest.mark.parametrize("state", ["55P03", "40001"])  # a lock that is held; a conflict with recovery
async def test_what_is_in_the_way_of_what_is_copied_is_asked_of_the_primary(reads, state):
    given_up = f"DO $$ BEGIN IF pg_is_in_recovery() THEN RAISE SQLSTATE '{state}'; END IF; END $$"

    await reads.fetch(given_up, [])

    assert (reads.answered, reads.replicas[0].answered, reads.replicas[0].well) == (1, 0, True)


async def test_an_error_of_the_statement_is_told_and_nobody_else_is_asked(reads):
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.fetch("SELECT 1 / $1::int", [0])
    assert (reads.answered, reads.replicas[0].well) == (0, True)


async def test_many_who_ask_at_once_are_told_at_once_how_far_the_primary_is(reads, statements):
    told = await asyncio.gather(*(reads.reached() for _ in range(50)))

    assert told[0] > 0
    assert statements == [replicas.REACHED]


async def test_nothing_is_read_while_nobody_can_say_how_far_the_primary_is(urls):
    nowhere = f"postgresql://nobody@127.0.0.1:{embedded.free_port()}/none"
    cut_off = Replicated(nowhere, (urls.copy,), size=4)

    with pytest.raises(Unavailable):
        await cut_off.fetch(READ, [1])
    assert cut_off.replicas[0].well
    await cut_off.close()


async def test_what_is_no_copy_is_not_read(urls, primary):
    mistaken = Replicated(urls.primary, (urls.primary,), size=4)

    assert (await mistaken.fetch(READ, [1]))[0][0] is not None
    assert (mistaken.answered, mistaken.replicas[0].answered, mistaken.replicas[0].well) == (1, 0, False)
    await mistaken.close()


ADD = """mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename
  ... on AddCommentSuccess { comment { body } ticket { comments(first: 100) { totalCount } } } } }"""
COMMENTS = "query ($id: ID!) { ticket(id: $id) { comments(first: 100) { nodes { body author { name } } } } }"
EVENTS = "subscription ($id: ID!) { ticketEvents(ticketId: $id) { node { ... on CommentAdded { comment { body } } } } }"
VIEWING = "query ($id: ID!) { ticket(id: $id) { presence { people { __typename } } } }"


@pytest.fixture
async def two(urls, settings):
    """Two processes of a desk that reads at a copy."""
    changed = settings.model_copy(update={"database_url": urls.primary, "replica_urls": (urls.copy,)})
    config = Config(ROOT / "alembic.ini", attributes={"url": urls.primary})
    await asyncio.to_thread(command.upgrade, config, "head")
    async with contextlib.AsyncExitStack() as stack:
        apps = [App(changed), App(changed)]
        for app in apps:
            await stack.enter_async_context(app.running())
        yield apps


async def test_a_conversation_over_two_processes_that_read_at_a_copy(two, house, asking):
    one, other = two
    home = type(house)(one.desk, None)
    support = await home.department("Support")
    category = await home.category("Anything", support)
    customer, agent = await home.person("Carla Customer"), await home.person("Ada Agent", Role.AGENT, support)
    async with contextlib.AsyncExitStack() as stack:
        transports = [httpx.ASGITransport(app) for app in two]
        clients = [httpx.AsyncClient(transport=each, base_url="http://desk.test") for each in transports]
        here, there = [asking(await stack.enter_async_context(each)) for each in clients]
        submitted = await here(customer, SUBMIT, input={"subject": "?", "body": "?", "categoryId": category.gid})
        ticket = submitted["submitTicket"]["ticket"]["id"]
        place = await stack.enter_async_context(served(other))
        socket = await stack.enter_async_context(connect(f"ws://{place.at}/graphql", subprotocols=[PROTOCOL]))
        client = Client(socket)
        await client.send(type="connection_init", payload={"authorization": f"Bearer {agent.token}"})
        await client.receive()
        await client.subscribe(EVENTS, id=ticket)
        for _ in ("TicketSubmitted", "TicketRouted"):
            await client.item()

        for number in range(20):
            body = f"Comment {number}"
            added = await here(customer, ADD, input={"ticketId": ticket, "body": body})
            assert added["addComment"]["ticket"]["comments"]["totalCount"] == number + 1
            told = (await client.item())["ticketEvents"]["node"]
            answers = await asyncio.gather(*(api(agent, COMMENTS, id=ticket) for api in (here, there)))
            last = {"body": body, "author": {"name": "Carla Customer"}}
            assert [each["ticket"]["comments"]["nodes"][-1] for each in answers] == [last, last]
            assert told == {"comment": {"body": body}}
        assert await there(agent, VIEWING, id=ticket) == {"ticket": {"presence": {"people": []}}}

        metrics = (await here.http.get("/metrics")).text.splitlines()

    assert all(app.desk.reads.replicas[0].answered > 20 for app in two)
    assert 'deskwire_replica_used{server="replica 1"} 1.0' in metrics
    (line,) = [line for line in metrics if line.startswith('deskwire_reads_total{server="replica 1"}')]
    assert float(line.split()[-1]) > 20
    assert 'deskwire_pool_size{pool="replica 1"} 10.0' in metrics


@pytest.fixture
def told(settings, urls):
    """What `desk check` says of a copy."""

    async def ask(url=urls.copy, primary=urls.primary):
        changed = settings.model_copy(update={"database_url": primary, "replica_urls": (url,)})
        (found,) = [each for each in await checks.check(changed) if each.name == "replica 1"]
        return found.good, found.weak, found.said

    return ask


async def test_a_copy_is_checked(told, settings, urls, copy, monkeypatch):
    assert await told() == (True, False, "has what the database has")

    good, _, said = await told(urls.primary)
    assert (good, "copies no other server" in said) == (False, True)
    good, _, said = await told(primary=settings.database_url)
    assert (good, "another server than DATABASE_URL" in said) == (False, True)
    good, _, said = await told(f"postgresql://nobody@127.0.0.1:{embedded.free_port()}/none")
    assert not good


async def test_a_copy_that_stays_behind_is_weak(told, primary, copy, monkeypatch):
    monkeypatch.setattr(checks, "CATCH_UP_SECONDS", 0.1)
    await copy.execute("SELECT pg_wal_replay_pause()")
    await primary.execute("UPDATE counters SET value = 0")
    good, weak, said = await told()
    await copy.execute("SELECT pg_wal_replay_resume()")
    assert (good, weak, "bytes behind" in said) == (True, True, True)


async def test_commits_that_are_not_waited_for_cannot_be_told_from_the_log(told, primary):
    await primary.execute("ALTER DATABASE deskwire SET synchronous_commit = off")
    good, _, said = await told()
    await primary.execute("ALTER DATABASE deskwire RESET synchronous_commit")
    assert (good, "synchronous_commit" in said) == (False, True)
