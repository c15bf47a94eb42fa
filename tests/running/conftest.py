"""A copy of the checkout, and the whole of Deskwire started in it as a person would."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

import httpx
import pytest

from infra import embedded, processes

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "STORAGE_URL", "SECRET_KEY", "DESKWIRE_EMBEDDED", "PORT", "DATA_DIR")
NOBODY = 65534  # the user id that Linux gives to those it has no other for


def living(folder):
    """The ids of processes that work in `folder`, or have it in their command or environment."""
    place, found = os.fsencode(os.path.realpath(folder)), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            facts = (
                bytes((entry / "cwd").readlink()),
                (entry / "cmdline").read_bytes(),
                (entry / "environ").read_bytes(),
            )
        except OSError:
            continue  # it ended, or is a zombie, or another user's
        if any(place in fact for fact in facts):
            found.append(int(entry.name))
    return found


class Running:
    """A command that runs all of Deskwire, in a process group of its own as a terminal would give it."""

    def __init__(self, command, *, checkout, data_dir, log, port=None, given=None):
        self.data_dir = data_dir
        self.port = port or embedded.free_port()
        self.log = log
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.environment |= {"PORT": str(self.port), "DATA_DIR": str(data_dir)} | (given or {})
        self.checkout = checkout
        self.began = time.monotonic()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=checkout, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def said(self):
        return self.log.read_text()

    def ready(self, seconds=60):
        """Waits for the line that scripts wait for; returns how many seconds that took."""
        while f"Deskwire is ready: http://127.0.0.1:{self.port}/graphql\n" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() - self.began < seconds, self.said
            time.sleep(0.05)
        return time.monotonic() - self.began

    def living(self):
        """The ids of all processes that are of this one's making."""
        return living(self.data_dir)

    def gone(self, *, seconds):
        """Whether they have all ended, after `seconds` at most."""
        return processes.wait_until(lambda: not self.living(), seconds=seconds)

    def kill_all(self):
        """Ends all of them at once, with no chance to tidy up."""
        self.process.kill()
        for pid in self.living():
            with suppress(ProcessLookupError):  # some go with their parent
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path):
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10).status_code

    def desk(self, *arguments, input=None):
        """Another command, said in another terminal; `input`: what is typed there."""
        return subprocess.run(
            [sys.executable, "desk.py", *arguments],
            cwd=self.checkout,
            env=self.environment,
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ends(self, seconds=20):
        """Waits for its end; returns its status and all that it said."""
        try:
            return self.process.wait(seconds), self.said
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running:\n{self.said}")

    def press(self, number=signal.SIGINT):
        """Sends a signal to its process group, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)


UP = (".venv/bin/python", "desk.py", "up")


@pytest.fixture
def as_ordinary_user():
    """What stands before a command for it to be said by somebody who is not root."""
    if os.geteuid() != 0:
        return ()
    # PostgreSQL wants whoever runs it to have a name.
    one = max((each for each in pwd.getpwall() if each.pw_uid < NOBODY), key=lambda each: each.pw_uid)
    return "unshare", "--user", f"--map-user={one.pw_uid}", f"--map-group={one.pw_gid}"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of this checkout at a deep path with spaces, with the same environment."""
    copy = (
        tmp_path_factory.mktemp("checkout") / "a copy of Deskwire" / ("deep " * 20).strip() / ("deeper " * 10).strip()
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
            compiled = Path(cache_from_source(name))  # else each of its processes would compile all of it first
            if name.endswith(".py") and (ROOT / compiled).is_file():
                (copy / compiled).parent.mkdir(exist_ok=True)
                shutil.copy2(ROOT / compiled, copy / compiled)
    (copy / ".venv").symlink_to(Path(sys.prefix))
    return copy


@pytest.fixture
def start(checkout, tmp_path):
    """Starts `desk up`, or another command that runs all of it; whatever still runs is killed at the end."""
    started = []

    def starting(*command, data_dir=None, port=None, given=None):
        one = Running(
            command or UP,
            checkout=checkout,
            data_dir=data_dir or checkout / f".data of {tmp_path.name}",
            log=tmp_path / f"{len(started)}.log",
            port=port,
            given=given,
        )
        started.append(one)
        return one

    yield starting
    for one in started:
        one.kill_all()


@pytest.fixture(scope="module")
def shared(checkout, tmp_path_factory):
    """Gives a desk that runs, to tests that leave it running. It starts from nothing, and again if one has ended it."""
    logs, started = tmp_path_factory.mktemp("shared"), []

    def running():
        if not started or started[-1].process.poll() is not None:
            log = logs / f"{len(started)}.log"
            started.append(Running(UP, checkout=checkout, data_dir=checkout / ".data of all", log=log))
            started[-1].ready()
        return started[-1]

    yield running
    for each in started:
        each.kill_all()


@pytest.fixture
def one(shared):
    """A desk that runs."""
    return shared()
