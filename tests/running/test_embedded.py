"""The embedded servers: that they start anywhere, keep what they were given, and leave nothing behind."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from infra import embedded, processes, supervisor
from infra.processes import StartError

ROOT = Path(embedded.__file__).resolve().parents[1]
HOLDER = """
import sys, time
from pathlib import Path
from infra import embedded
folder = Path(sys.argv[1])
with embedded.postgres(folder) as url, embedded.valkey(folder) as cache:
    print(url, cache, flush=True)
    time.sleep(60)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


@pytest.fixture
def folder():
    with embedded.scratch() as place:
        yield place


def ask(url, *statements):
    """The value of the last of these statements."""

    async def asked():
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                value = await connection.fetchval(statement)
            return value
        finally:
            await connection.close()

    return asyncio.run(asked())


def test_a_key_that_could_not_be_written_is_made_at_the_next_start(tmp_path):
    """The disk was full, or whoever wrote it was killed: an empty one would let nothing start any more."""
    file = tmp_path / "secret-key"
    file.touch()
    key = supervisor._secret_key(file)
    assert len(key) == 64
    assert supervisor._secret_key(file) == key


def hold(folder, prefix=()):
    """Another process that runs both servers; returns it and their URLs."""
    holder = subprocess.Popen(
        [*prefix, sys.executable, "-c", HOLDER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = holder.stdout.readline()
    assert said.startswith("postgresql://"), said + holder.stdout.read()
    return holder, *said.split()


def servers(folder):
    """The process ids of all that works in the folder."""
    return processes.left_behind(folder / "postgres" / "data", "postgres") + processes.left_behind(
        folder / "valkey", "valkey-server"
    )


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it went with its parent


def test_data_survives_a_restart(folder):
    with embedded.postgres(folder) as url:
        ask(url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    assert servers(folder) == []

    with embedded.postgres(folder) as url:
        assert ask(url, "SELECT id FROM kept") == 7


def test_the_database_is_as_a_real_one_should_be(folder):
    with embedded.postgres(folder) as url:
        about = "SELECT datlocprovider::text || datlocale || pg_encoding_to_char(encoding) FROM pg_database"
        assert ask(url, f"{about} WHERE datname = current_database()") == "bC.UTF-8UTF8"
        assert ask(url, "SHOW server_version_num") >= "180000"
        assert ask(url, "SHOW synchronous_commit") == ask(url, "SHOW fsync") == "on"
        assert ask(url, "SHOW timezone") == "UTC"
    assert "database system is shut down" in (folder / "log" / "postgres.log").read_text()


def test_postgres_takes_its_password_from_loopback_only(folder):
    with embedded.postgres(folder, durable=False) as url:
        assert ask(url, "SELECT host(inet_server_addr())") == "127.0.0.1"
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(":", ":x", 2).replace("postgresql:x", "postgresql:"))
        password = folder / "postgres" / "password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in servers(folder)]
        assert not any(password.read_text() in command for command in commands)


def test_valkey_wants_its_password_and_keeps_nothing(folder):
    with embedded.valkey(folder) as url, Redis.from_url(url) as client:
        client.set("a", "b")
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        with Redis(port=client.get_connection_kwargs()["port"]) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
    assert [file.name for file in (folder / "valkey").iterdir()] == ["lock"]


def test_it_works_in_a_deep_path_with_spaces(folder):
    deep = folder / "with spaces and ümläuts" / "/".join(["a long name"] * 40)

    with embedded.postgres(deep, durable=False) as url, embedded.valkey(deep) as cache, Redis.from_url(cache) as client:
        assert ask(url, "SELECT 1") == 1
        assert client.ping()


def test_the_callers_environment_does_not_get_in(folder, monkeypatch):
    for name, value in (("PGPORT", "1"), ("PGOPTIONS", "-c nonsense=1"), ("PGDATA", "/nowhere"), ("LC_ALL", "tlh_QO")):
        monkeypatch.setenv(name, value)

    with embedded.postgres(folder, durable=False) as url:
        monkeypatch.delenv("PGOPTIONS")
        assert ask(url, "SELECT 1") == 1


def test_two_of_them_work_side_by_side(folder):
    one, two = folder / "one", folder / "two"
    with embedded.postgres(one, durable=False) as first, embedded.postgres(two, durable=False) as second:
        assert first != second
        assert ask(first, "SELECT 1") == ask(second, "SELECT 1") == 1


def test_a_folder_in_use_is_refused(folder):
    with (
        embedded.postgres(folder, durable=False) as url,
        pytest.raises(StartError, match=f"in use by process {os.getpid()}"),
        embedded.postgres(folder),
    ):
        pytest.fail("two servers on one folder")
    assert url


def test_a_half_made_cluster_is_made_again(folder):
    draft = folder / "postgres" / "draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    with embedded.postgres(folder, durable=False) as url:
        assert ask(url, "SELECT 1") == 1
    assert not draft.exists()


def test_a_server_that_cannot_start_says_why(folder):
    with embedded.postgres(folder, durable=False):
        pass
    (folder / "postgres" / "data" / "global" / "pg_control").unlink()

    with pytest.raises(StartError, match="pg_control"), embedded.postgres(folder):
        pytest.fail("it started without its control file")
    assert servers(folder) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start finds them")
def test_they_end_with_the_process_that_started_them(folder):
    holder, *_ = hold(folder)
    assert servers(folder)

    holder.kill()
    holder.wait()
    holder.stdout.close()

    assert processes.wait_until(lambda: not servers(folder), seconds=10)


def test_after_everything_was_killed_it_starts_again_with_all_its_data(folder):
    holder, url, _ = hold(folder)
    ask(url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    for pid in (holder.pid, *servers(folder)):
        kill(pid)
    holder.wait()
    holder.stdout.close()

    with embedded.postgres(folder) as url, embedded.valkey(folder) as cache, Redis.from_url(cache) as client:
        assert ask(url, "SELECT id FROM kept") == 7
        assert client.ping()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are asked for by ps")
def test_programs_of_any_name_may_run_beside_them(tmp_path):
    stranger = tmp_path / f"{'a' * 14}ü"  # of which Linux keeps half of the last letter
    stranger.symlink_to(sys.executable)
    with subprocess.Popen([stranger, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path) as process:
        comm = Path(f"/proc/{process.pid}/comm")
        assert processes.wait_until(lambda: comm.read_bytes().startswith(b"aaa"), seconds=10)

        assert processes.left_behind(tmp_path, "postgres") == []
        assert processes.left_behind(tmp_path, "aaa") == []

        process.stdin.close()


def test_a_seed_that_ends_while_it_is_waited_for_is_no_reason_to_stop(monkeypatch):
    answers, lines, moment = ["Not ready yet: it begins", ""], [], iter(range(0, 1000, 40))
    seed = SimpleNamespace(runs=iter([True, False, False, False]).__next__, reap=lambda: 0)
    monkeypatch.setattr(supervisor, "_readiness", lambda _: answers.pop(0))
    monkeypatch.setattr(supervisor, "_look", lambda _watched, **_: None)
    monkeypatch.setattr(supervisor, "say", lines.append)
    monkeypatch.setattr(supervisor.time, "monotonic", moment.__next__)

    supervisor._await_ready(None, seed, [])

    assert lines == ["Still seeding", "Not ready yet: it begins"]


def test_orphans_are_ended_before_a_new_start(folder):
    orphans = [embedded.prepare_postgres(folder, durable=False), embedded.prepare_valkey(folder)]
    for server in orphans:
        server.launch()
        server.wait()
        server.lock.close()  # as when the process that held it has ended

    with embedded.postgres(folder) as url, embedded.valkey(folder) as cache, Redis.from_url(cache) as client:
        assert ask(url, "SELECT 1") == 1
        assert client.ping()
        assert [server.process.wait(5) is not None for server in orphans] == [True, True]


def test_a_number_in_the_pid_file_that_is_another_programs_now_does_not_matter(folder):
    with embedded.postgres(folder):
        pass
    other = subprocess.Popen(["sleep", "60"])
    (folder / "postgres" / "data" / "postmaster.pid").write_text(f"{other.pid}\n")

    with embedded.postgres(folder) as url:
        assert ask(url, "SELECT 1") == 1
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_port_that_was_taken_meanwhile_is_no_obstacle(folder):
    server = embedded.prepare_valkey(folder)
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        server.port = squatter.getsockname()[1]
        server.launch()
        time.sleep(0.1)
        server.wait()
        assert server.port != squatter.getsockname()[1]
    server.stop()


@as_root
def test_root_becomes_nobody_where_the_way_is_open(folder):
    server = embedded.prepare_postgres(folder, durable=False)
    if server.account == "private":
        pytest.skip("the way to the checkout is closed")
    server.launch()
    server.wait()

    users = {Path(f"/proc/{pid}").stat().st_uid for pid in servers(folder)}

    server.stop()
    assert len(users) == 1
    assert 0 not in users


@as_root
def test_root_uses_a_namespace_where_the_way_is_closed(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)

    with embedded.postgres(closed, durable=False) as url, embedded.valkey(closed) as cache:
        assert ask(url, "SELECT 1") == 1
        assert cache
        namespaces = {Path(f"/proc/{pid}/ns/user").readlink() for pid in servers(closed)}
        assert Path("/proc/self/ns/user").readlink() not in namespaces


@as_root
def test_data_moves_between_the_two_ways(folder):
    with embedded.postgres(folder) as url:
        ask(url, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (7)")
    for mode in (0o700, 0o711):
        folder.chmod(mode)
        with embedded.postgres(folder) as url:
            assert ask(url, "SELECT id FROM kept") == 7


@as_root
def test_an_ordinary_user_runs_them_as_themselves(folder, as_ordinary_user):
    place = folder / "theirs"
    place.mkdir(mode=0o700)

    holder, url, _ = hold(place, as_ordinary_user)

    assert ask(url, "SELECT 1") == 1
    holder.terminate()
    holder.wait()
    holder.stdout.close()
    assert processes.wait_until(lambda: not servers(place), seconds=10)


def test_what_a_killed_run_left_in_memory_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "MEMORY", tmp_path)
    monkeypatch.setattr(embedded, "GIB", 0)
    left, young, other = (tmp_path / name for name in ("deskwire-left", "deskwire-young", "other"))
    for folder in (left, young, other):
        (folder / "postgres").mkdir(parents=True)
    for folder in (left, other):
        os.utime(folder, (0, 0))

    with embedded.scratch() as held:
        os.utime(held, (0, 0))
        assert held.parent == tmp_path
        assert set(tmp_path.iterdir()) == {young, other, held}
        with embedded.scratch() as second:
            assert set(tmp_path.iterdir()) == {young, other, held, second}

    assert set(tmp_path.iterdir()) == {young, other}
