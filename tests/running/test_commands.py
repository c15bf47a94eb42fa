"""What commands say when they can do nothing, or have nothing to do."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from infra import embedded, processes

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "invite ann@example.net --role ADMIN",
    "export ann@example.net --output ann.zip",
    "erase ann@example.net --yes",
    "report figures.html",
    "rebuild-metrics",
    "rebuild-search",
    "waiting-mail",
    "waiting-mail --open all",
)


@pytest.fixture(scope="module")
async def database_url(server_url):
    """A database of its own, without tables at first."""
    server = await asyncpg.connect(server_url)
    await server.execute("CREATE DATABASE commanded")
    yield f"{server_url.rpartition('/')[0]}/commanded"
    await server.execute("DROP DATABASE commanded WITH (FORCE)")
    await server.close()


@pytest.fixture
def environment(database_url, redis_url, tmp_path):
    """What a real desk is set to."""
    own = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "s" * 40, "DATA_DIR": str(tmp_path)}
    return own | {"PATH": os.defpath}


@pytest.fixture
def desk_says(environment, tmp_path):
    """Runs a command of a real desk: its status, and the lines on both outputs."""

    def run(command, **variables):
        given = [sys.executable, str(ROOT / "desk.py"), *command.split()]
        set_to = environment | variables
        done = subprocess.run(given, cwd=tmp_path, env=set_to, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_without_tables_a_command_says_so_in_a_line(desk_says, command, tmp_path):
    said = "The database lacks tables that this version needs: run `desk migrate`."

    assert desk_says(command) == (2, [], [said])
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize("command", ["migrate", *COMMANDS])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://desk:hidden@127.0.0.1:1/desk", "ConnectionRefusedError: "),
        ("postgresql://desk:hidden@nowhere.invalid/desk", "gaierror: "),
        ("postgresql://desk:hidden@127.0.0.1/desk?sslmode=some", "ClientConfigurationError: "),
    ],
)
def test_without_a_database_a_command_says_why_in_a_line(desk_says, command, url, why):
    status, said, (line,) = desk_says(command, DATABASE_URL=url)

    assert (status, said) == (2, [])
    assert line.startswith(f"The database can't be reached: {why}")
    assert "hidden" not in line


@pytest.mark.parametrize("command", ["rebuild-metrics", "rebuild-search", "invite ann@example.com --role ADMIN"])
def test_a_database_that_takes_no_writes_is_told_in_a_line(desk_says, environment, command):
    assert desk_says("migrate")[0] == 0

    url = f"{environment['DATABASE_URL']}?default_transaction_read_only=on"
    status, _, lines = desk_says(command, DATABASE_URL=url)

    assert status == 2
    assert lines[-1].startswith("The database can't be reached: ReadOnlySQLTransactionError: ")
    assert not [line for line in lines if "Traceback" in line]


async def test_a_database_that_takes_no_migration_of_ours_is_told_in_a_line(desk_says, database_url):
    name, server = f"stranger_{os.getpid()}", await asyncpg.connect(database_url)
    await server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hidden'; CREATE SCHEMA {name}")
    await server.execute(f"ALTER ROLE {name} SET search_path = {name}; GRANT USAGE ON SCHEMA {name} TO {name}")
    url = f"postgresql://{name}:hidden@{database_url.rpartition('@')[2]}"
    try:
        status, _, lines = await asyncio.to_thread(desk_says, "migrate", DATABASE_URL=url)
    finally:
        await server.execute(f"DROP SCHEMA {name}; DROP OWNED BY {name}; DROP ROLE {name}")
        await server.close()

    why = f"InsufficientPrivilegeError: permission denied for schema {name}"
    assert (status, lines) == (2, [f"The database does not take the migration: {why}"])


def test_which_version_this_is_can_be_asked_without_settings(desk_says):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert desk_says("--version", DATABASE_URL="", SECRET_KEY="") == (0, [f"Deskwire {version}"], [])


def test_what_cannot_be_said_is_no_reason_for_a_traceback(environment):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 # no file
        done = subprocess.run(
            [sys.executable, str(ROOT / "desk.py"), "check"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode in {2, 120}  # the latter Python's own, which tries once more
    assert done.stderr.splitlines()[0] == "The output can't be written: No space left on device."
    assert "Traceback" not in done.stderr


def test_where_a_file_is_written_is_told_in_full(desk_says, tmp_path):
    assert desk_says("migrate")[0] == 0

    assert desk_says("report figures.html")[:2] == (0, [f"Written: {tmp_path}/figures.html"])
    status, _, lines = desk_says("report nowhere/figures.html")
    assert (status, lines) == (2, [f"{tmp_path}/nowhere/figures.html can't be written: No such file or directory."])


def test_what_is_logged_meanwhile_is_no_part_of_what_is_said(desk_says):
    assert desk_says("migrate")[0] == 0

    status, said, logged = desk_says("invite ann@example.net --role ADMIN", REDIS_URL="redis://127.0.0.1:1")

    assert (status, said[0][:38]) == (0, "ann@example.net is invited as ADMIN. M")
    (entry,) = map(json.loads, logged)
    assert (entry["event"], entry["process"]) == ("redis_not_told", "command")

    status, said, (line,) = desk_says("invite ann@example.net --role AGENT")
    assert (status, said) == (2, [])
    assert line.startswith("ann@example.net is ADMIN already: ")

    for command in ("waiting-mail", "waiting-mail --open all", "waiting-mail --dismiss all"):
        assert desk_says(command) == (0, [], ["No mail waits."])
    refused = desk_says("waiting-mail", STORAGE_URL="file:///proc/nowhere")
    assert refused == (2, [], ["STORAGE_URL: /proc/nowhere can't be made: No such file or directory"])
    checked = desk_says("check", STORAGE_URL="file:///proc/nowhere")
    assert (checked[0], [line[:12] for line in checked[1] if line.startswith("BAD")]) == (1, ["BAD   files:"])


@pytest.mark.parametrize(
    ("command", "process", "seconds", "events"),
    [
        ("serve", "api", 0, ["process_begins", "process_ends"]),
        ("serve", "api", 1, ["process_begins", "process_leaves", "process_ends"]),
        ("work", "worker", 0, ["process_begins", "process_ends"]),
        ("receive", "receive", 0, ["process_begins", "process_ends"]),
    ],
)
def test_the_log_tells_when_a_process_begins_and_ends(desk_says, environment, command, process, seconds, events):
    assert desk_says("migrate")[0] == 0
    free = {name: str(embedded.free_port()) for name in ("PORT", "MAIL_DOOR_PORT")}
    running = subprocess.Popen(
        [sys.executable, str(ROOT / "desk.py"), command],
        env=environment | free | {"REPLY_DOMAIN": "reply.example.com", "SHUTDOWN_DELAY_SECONDS": str(seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert select.select([running.stdout], [], [], 30)[0]
        first = running.stdout.readline()
        running.terminate()  # at once: who has read that it begins may do so
        rest, _ = running.communicate(timeout=30)
    finally:
        running.kill()
        running.wait()

    entries = [json.loads(line) for line in (first + rest).splitlines()]
    told = [(entry["event"], entry["process"], entry["pid"]) for entry in entries]
    assert told == [(event, process, running.pid) for event in events]
    assert running.returncode in {0, -signal.SIGTERM}


@pytest.fixture
def served(desk_says, environment, tmp_path):
    """Runs `desk serve` in a block: gives it, once it answers, with its `url`; it is killed at the end."""
    assert desk_says("migrate")[0] == 0

    @contextmanager
    def serve(output, **variables):
        port = embedded.free_port()
        set_to = environment | {"PORT": str(port)} | variables
        running = subprocess.Popen([sys.executable, str(ROOT / "desk.py"), "serve"], env=set_to, stderr=output)
        running.url = f"http://127.0.0.1:{port}"
        try:
            assert processes.wait_until(lambda: status_of(f"{running.url}/health/live") == 200, seconds=30)
            yield running
        finally:
            running.kill()
            running.wait()

    return serve


def status_of(url):
    """The status of an answer; None without one."""
    try:
        return httpx.get(url, timeout=5).status_code
    except httpx.TransportError:
        return None


def test_what_the_server_itself_says_has_the_form_of_all_else(served, desk_says, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as output, served(output) as running:
        with socket.create_connection(("127.0.0.1", httpx.URL(running.url).port)) as stranger:
            stranger.sendall(b"GARBAGE\r\n\r\n")
            assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
        running.terminate()
        running.wait(timeout=30)
    said = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert said == ["process_begins", "Invalid HTTP request received.", "process_ends"]


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_server_that_cannot_begin_fails_and_says_why(desk_says, count):
    free = str(embedded.free_port())
    status, _, lines = desk_says("serve", STORAGE_URL="file:///proc/nowhere", WORKER_COUNT=count, PORT=free)

    said = [json.loads(line)["event"] for line in lines]
    assert status == 3
    assert said[0] == "STORAGE_URL: /proc/nowhere can't be made: No such file or directory"
    assert said[1] == "Application startup failed. Exiting."


def test_several_processes_serve_and_end_as_one(served, tmp_path):
    log = tmp_path / "log"

    def told(event):
        entries = map(json.loads, log.read_text().splitlines())
        return {entry["pid"] for entry in entries if entry["event"] == event}

    with log.open("wb") as output, served(output, WORKER_COUNT="2") as running:
        assert processes.wait_until(lambda: len(told("process_begins")) == 2, seconds=30), log.read_text()
        running.terminate()
        assert running.wait(timeout=30) == 0

    assert told("process_ends") == told("process_begins")


def test_who_takes_no_lines_of_the_log_does_not_stop_what_is_logged(served):
    with open("/dev/full", "wb") as full, served(full, REDIS_URL="redis://127.0.0.1:1") as running:  # noqa: PTH123 # no file
        asked = {"query": 'mutation { requestSignInLink(input: {email: "ann@example.net"}) { __typename } }'}
        answer = httpx.post(f"{running.url}/graphql", json=asked).json()

    assert answer["data"] == {"requestSignInLink": {"__typename": "RequestSignInLinkSuccess"}}


def test_who_is_told_to_end_serves_until_nobody_is_sent_there(served, tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as output, served(output, SHUTDOWN_DELAY_SECONDS="2") as running:
        assert status_of(f"{running.url}/health/ready") == 200
        began = time.monotonic()
        running.terminate()
        assert processes.wait_until(lambda: status_of(f"{running.url}/health/ready") == 503, seconds=1)
        assert httpx.get(f"{running.url}/health/ready").json()["status"] == "leaving"
        assert status_of(f"{running.url}/health/live") == 200  # over a new connection
        running.wait(timeout=20)
        assert time.monotonic() - began > 2
        assert running.returncode == -signal.SIGTERM
    told = [(entry["event"], entry["process"]) for entry in map(json.loads, log.read_text().splitlines())]
    assert told == [("process_begins", "api"), ("process_leaves", "api"), ("process_ends", "api")]

    with served(subprocess.DEVNULL, SHUTDOWN_DELAY_SECONDS="60") as impatient:
        impatient.terminate()
        assert processes.wait_until(lambda: status_of(f"{impatient.url}/health/ready") == 503, seconds=2)
        impatient.terminate()
        impatient.wait(timeout=20)


def test_a_port_that_is_taken_is_told_in_a_line(desk_says):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, lines = desk_says("receive", MAIL_DOOR_PORT=str(port), REPLY_DOMAIN="reply.example.com")

    assert status == 2
    assert [line for line in lines if "process_" not in line] == [lines[-1]]
    assert lines[-1].startswith(f"Can't listen at 127.0.0.1 port {port}: ")


def test_where_nothing_is_installed_it_says_what_does_it(tmp_path):
    (tmp_path / "desk").write_bytes((ROOT / "desk").read_bytes())
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    for program in ("desk", "python3"):
        (tmp_path / program).chmod(0o755)
    given = {"PATH": f"{tmp_path}{os.pathsep}{os.defpath}"}

    done = subprocess.run([str(tmp_path / "desk"), "check"], env=given, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "`make run`" in done.stderr
