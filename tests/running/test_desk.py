"""The whole of Deskwire, started and stopped as people do it."""

import os
import re
import signal
import subprocess
import sys
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from infra import embedded, processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def children(one, command):
    """The process ids of one of its programs."""
    found = []
    for pid in one.living():
        with suppress(OSError):  # it has just ended
            if command in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
                found.append(pid)
    return found


def differ(one, command, before):
    """Whether its program runs, as another process than before."""
    now = children(one, command)
    return bool(now) and now != before


def answers(one):
    """Whether it is ready, asked as a load balancer asks."""
    try:
        return one.get("/health/ready") == 200
    except httpx.TransportError:
        return False


def test_an_operator_asks_it_exports_and_erases(one):
    assert one.get("/health/ready") == 200
    assert "HOST is" not in one.said
    checked = one.desk("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [line[:2] for line in checked.stdout.splitlines()] == ["ok"] * 4
    shown = one.desk("status")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"^ok +workers +1 alive *$", shown.stdout, re.MULTILINE)
    archive = one.data_dir / "customer.zip"
    exported = one.desk("export", "customer@example.com", "--output", str(archive))
    assert exported.returncode == 0, exported.stdout + exported.stderr
    assert "tickets.json: what they asked: 2" in exported.stdout
    assert zipfile.is_zipfile(archive)
    refused = one.desk("erase", "customer@example.com", input="n\n")
    assert (refused.returncode, "tickets: 2" in refused.stdout) == (2, True)
    erased = one.desk("erase", "customer@example.com", "--yes")
    assert erased.returncode == 0, erased.stdout + erased.stderr
    seeded = one.desk("seed")  # as the next start does
    assert seeded.returncode == 0, seeded.stdout + seeded.stderr
    assert one.desk("export", "customer@example.com", "--output", f"{archive}.2").stderr == "There is no such person.\n"
    nowhere = archive.parent / "nowhere/ann.zip"
    refused = one.desk("export", "agent@example.com", "--output", str(nowhere))
    assert (refused.returncode, refused.stderr) == (2, f"{nowhere} can't be written: No such file or directory.\n")
    assert (one.data_dir / "secret-key").stat().st_mode & 0o777 == 0o600
    assert (one.data_dir / "environment").stat().st_mode & 0o777 == 0o600


def test_what_dies_is_started_again(one):
    before = {command: children(one, command) for command in ("serve", "work", "catch-mail")}
    assert [len(pids) for pids in before.values()] == [1, 1, 1]
    for (pid,) in before.values():
        os.kill(pid, signal.SIGKILL)
    for command, pids in before.items():
        assert processes.wait_until(partial(differ, one, command, pids), seconds=10), one.said
    data = one.data_dir / "postgres" / "data"
    for pid in (
        *processes.left_behind(data, "postgres"),
        *processes.left_behind(one.data_dir / "valkey", "valkey-server"),
    ):
        os.kill(pid, signal.SIGKILL)

    assert processes.wait_until(lambda: "PostgreSQL ended" in one.said, seconds=10), one.said
    assert processes.wait_until(lambda: "Valkey ended" in one.said, seconds=10), one.said
    assert processes.wait_until(lambda: answers(one), seconds=20), one.said


def test_another_on_the_same_data_or_port_says_so(one, start, tmp_path):
    same_data = one.desk("up")
    assert same_data.returncode == 2
    assert same_data.stderr.startswith(
        f"{one.data_dir} is in use by process {one.process.pid}: stop that one, or choose another"
    )
    same_port = start(data_dir=tmp_path / "three", port=one.port)
    status, said = same_port.ends()
    assert status == 2
    assert said == f"Port {one.port} is taken: stop what listens there, or choose another, as in `PORT=8001 make run`\n"
    assert same_port.living() == []
    assert one.get("/health/live") == 200


def test_two_work_side_by_side_nothing_is_left_of_what_was_killed_and_the_next_start_is_quick(one, start, tmp_path):
    first = start(data_dir=tmp_path / "first")
    from_nothing = first.ready()
    assert one.get("/health/live") == first.get("/health/live") == 200
    key = (first.data_dir / "secret-key").read_text()
    first.process.kill()
    assert first.gone(seconds=20)
    assert one.get("/health/ready") == 200

    second = start(data_dir=first.data_dir)
    seconds = second.ready()
    second.kill_all()
    third = start(data_dir=first.data_dir)
    third.ready()

    assert seconds < 1.5 * from_nothing  # nothing of what was killed is waited for
    assert (first.data_dir / "secret-key").read_text() == key

    for pid in children(third, "work"):
        os.kill(pid, signal.SIGSTOP)  # it will not end when asked, so that a second Ctrl-C kills
    third.press()
    assert processes.wait_until(lambda: "Stopping" in third.said, seconds=5)
    assert not processes.wait_until(lambda: third.process.poll() is not None, seconds=1)
    third.press()
    assert third.ends(seconds=10)[0] == 1
    assert third.gone(seconds=2)
    assert one.get("/health/ready") == 200


def test_one_command_starts_it_and_one_ctrl_c_ends_it(one):
    one.press(signal.SIGINT)

    status, said = one.ends()
    assert status == 0, said
    assert one.living() == []
    assert not (one.data_dir / "environment").exists()
    assert "Traceback" not in said


def test_an_ordinary_user_says_make_run_and_it_ends_with_make(start, as_ordinary_user, checkout):
    stamp = Path(sys.prefix) / "requirements-embedded.lock.installed"
    lock = subprocess.run(
        "cksum < requirements-embedded.lock", shell=True, cwd=checkout, capture_output=True, check=True
    )
    if not stamp.exists() or stamp.read_bytes() != lock.stdout:
        pytest.skip("this environment is not one that make has installed, and a test should not do it")
    one = start(*as_ordinary_user, "make", "run")
    one.ready()

    assert "Installing" not in one.said  # what this checkout's lock says is there already
    one.press()

    one.ends()
    assert one.gone(seconds=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_data_of_another_user_is_refused(start, as_ordinary_user, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "lock").touch()
    for path in (theirs, theirs / "lock"):
        os.chown(path, 65534, 65534)

    status, said = start(*as_ordinary_user, ".venv/bin/python", "desk.py", "up", data_dir=theirs).ends()

    assert (status, said) == (2, f"{theirs} can't be written by this user: choose another place with DATA_DIR\n")


def test_an_address_of_another_machine_is_told(start):
    status, said = start(given={"HOST": "192.0.2.1"}).ends()

    assert status == 2
    assert said.startswith("Can't listen at 192.0.2.1")


def test_a_bad_setting_is_one_line(start):
    assert start(given={"LOG_FORMAT": "loud"}).ends() == (2, "LOG_FORMAT: Input should be 'console' or 'json'\n")


def test_real_servers_take_the_place_of_the_embedded_ones(start):
    with (
        embedded.scratch() as folder,
        embedded.postgres(folder, durable=False) as database_url,
        embedded.valkey(folder) as redis_url,
    ):
        given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SMTP_URL": "smtp://127.0.0.1:9"}
        one = start(given=given | {"HOST": "0.0.0.0"})
        one.ready()

        assert "HOST is 0.0.0.0: whoever reaches this machine comes in as any of the demo's people" in one.said

        assert children(one, "catch-mail") == []
        assert {"postgres", "valkey", "mail"}.isdisjoint(entry.name for entry in one.data_dir.iterdir())
        one.press()
        assert one.ends()[0] == 0
