"""`desk up`: the whole of Deskwire on one machine, as children of one process that starts, watches and stops them."""

import errno
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from infra import embedded, locks, processes
from infra.processes import StartError
from infra.settings import Settings, address_at, reachable, read
from infra.weaknesses import is_open

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 18.0  # for everything; what is left after it is killed
TRIES = 3  # of a program that ends before all is ready
CALM_SECONDS = 30.0  # who ran as long starts again at once
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
JOINED = {"DESKWIRE_EMBEDDED", *(name.upper() for name in Settings.model_fields)}


class Part(Protocol):
    """What the supervisor starts, watches and stops."""

    name: str

    def launch(self) -> None: ...
    def runs(self) -> bool: ...
    def reap(self) -> int | None: ...


@dataclass
class Program:
    """One of our own commands, its lines printed behind its name."""

    name: str
    command: str
    environment: dict[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def launch(self) -> None:
        """Starts it, without waiting."""
        self.process = processes.spawn(
            [sys.executable, str(ROOT / "desk.py"), self.command],
            environment=self.environment,
            folder=ROOT,
            output=subprocess.PIPE,
        )
        threading.Thread(target=_print_lines, args=(self.name, self.process), daemon=True).start()

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    def reap(self) -> int | None:
        """The status it ended with, and the end of what it had started itself; None when it runs."""
        if self.process is None or self.process.poll() is None:
            return None
        processes.signal_group(self.process, signal.SIGKILL)
        return self.process.returncode


@dataclass
class Watched:
    """A part together with how often it ended, and when it may start again."""

    part: Part
    since: float = field(default_factory=time.monotonic)
    ends: int = 0
    due: float | None = None

    def look(self) -> None:
        """Starts the part again when it has ended, later each time."""
        now = time.monotonic()
        if self.due is not None:
            if now >= self.due:
                self.due, self.since = None, now
                self.part.launch()
        elif not self.part.runs():
            self.ends = 1 if now - self.since > CALM_SECONDS else self.ends + 1
            pause = min(2 ** (self.ends - 1), 30)
            say(f"{self.part.name} ended with status {self.part.reap()}: starting it again in {pause} s")
            self.due = now + pause


def up() -> None:
    """Runs until Ctrl-C or SIGTERM. Raises `StartError` or `InvalidSettingsError` when it can't start."""
    settings = read(embedded=True)
    _make(settings.data_dir)
    servers: list[embedded.Server] = []
    programs: list[Program] = []
    with locks.take(settings.data_dir):
        try:
            _stop_on_signals(servers, programs)
            _require_free(settings)
            environment = _start_servers(settings, servers)
            if not settings.smtp_url:
                port = str(embedded.free_port())
                environment["SMTP_URL"] = f"smtp://127.0.0.1:{port}"
                _launch(Program("mail", "catch-mail", environment | {"SMTP_PORT": port}), programs)
            _finish(_launch(Program("migrate", "migrate", environment), programs))
            with _joinable(settings, environment):
                _run_programs(settings, environment, servers, programs)
        except KeyboardInterrupt:
            say("Stopping")
        finally:
            _kill_on_signals(servers, programs)
            _stop(servers, programs)


def _run_programs(
    settings: Settings, environment: dict[str, str], servers: list[embedded.Server], programs: list[Program]
) -> None:
    seed = _launch(Program("seed", "seed", environment), programs)
    _launch(Program("api", "serve", environment), programs)
    _launch(Program("worker", "work", environment), programs)
    parts: list[Part] = [*servers, *(program for program in programs if program.name not in {"migrate", "seed"})]
    watched = [Watched(part) for part in parts]
    _await_ready(settings, seed, watched)
    if is_open(settings.host):
        say(f"HOST is {settings.host}: whoever reaches this machine comes in as any of the demo's people, admins too")
    say(f"Deskwire is ready: {address_at(settings.host, settings.port)}/graphql")
    while True:
        _look(watched)


def join(data_dir: Path) -> None:
    """Lets this process use the servers of a `desk up` that runs in `data_dir`, if there is one: by the environment."""
    file = data_dir / "environment"
    if "DATABASE_URL" in os.environ or not os.access(file, os.R_OK) or locks.is_free(data_dir):
        return
    for line in file.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)


def say(text: str) -> None:
    """Prints one line; a terminal that has gone away is no reason to stop in disorder."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _start_servers(settings: Settings, servers: list[embedded.Server]) -> dict[str, str]:
    """Starts the servers that nobody brought, and returns the environment for our programs."""
    given = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    prepared = {}
    for name, prepare in (("DATABASE_URL", embedded.prepare_postgres), ("REDIS_URL", embedded.prepare_valkey)):
        if not given[name]:
            prepared[name] = prepare(settings.data_dir)
    for server in prepared.values():
        say(f"Starting {server.name}")
        servers.append(server)
        server.launch()
    for name, server in prepared.items():
        server.wait()
        given[name] = server.url(server.port)
    return {
        **os.environ,
        **given,
        "DESKWIRE_EMBEDDED": "1",
        "DATA_DIR": str(settings.data_dir),
        "PORT": str(settings.port),
        "SECRET_KEY": settings.secret_key or _secret_key(settings.data_dir / "secret-key"),
        "PYTHONUNBUFFERED": "1",
    }


def _launch(program: Program, programs: list[Program]) -> Program:
    programs.append(program)
    program.launch()
    return program


def _finish(program: Program) -> None:
    while program.runs():
        time.sleep(0.05)
    if program.reap():
        raise StartError(f"{program.name} failed: its lines above say why")


def _await_ready(settings: Settings, seed: Program, watched: list[Watched]) -> None:
    told = time.monotonic()
    while waits_for := "Still seeding" if seed.runs() else _readiness(settings):
        _look(watched, pause=0.05)
        if seed.reap():
            raise StartError("seed failed: its lines above say why")
        for one in watched:
            if one.ends >= TRIES:
                raise StartError(f"{one.part.name} does not start: its lines above say why")
        if time.monotonic() - told > CALM_SECONDS:
            told = time.monotonic()
            say(waits_for)


def _look(watched: list[Watched], *, pause: float = 0.2) -> None:
    time.sleep(pause)
    for one in watched:
        one.look()


def _readiness(settings: Settings) -> str:
    """Says what keeps the API from being ready; empty when nothing does."""
    connection = http.client.HTTPConnection(reachable(settings.host), settings.port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        said = answer.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as refused:
        return f"Not ready yet: /health/ready can't be reached ({refused})"
    finally:
        connection.close()
    return "" if answer.status == http.client.OK else f"Not ready yet: /health/ready answers {answer.status} {said}"


def _stop(servers: list[embedded.Server], programs: list[Program]) -> None:
    """Ends API and worker together, then the mail catcher, then Valkey, then PostgreSQL, all within `STOP_SECONDS`."""
    limit = time.monotonic() + STOP_SECONDS

    def left(keep: float) -> float:
        return max(limit - time.monotonic() - keep, 0.5)

    for group in ([one for one in programs if one.name != "mail"], [one for one in programs if one.name == "mail"]):
        running = [one.process for one in group if one.process]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in running:
            processes.end(process, signal.SIGTERM, seconds=left(keep=4))
    for server in reversed(servers):
        server.stop(seconds=left(keep=0))


def _stop_on_signals(servers: list[embedded.Server], programs: list[Program]) -> None:
    """Makes the first of the signals a KeyboardInterrupt, and the next one the immediate end of all."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _kill_on_signals(servers, programs)
        raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, interrupt)


def _kill_on_signals(servers: list[embedded.Server], programs: list[Program]) -> None:
    since = time.monotonic()

    def kill(_number: int, _frame: FrameType | None) -> None:
        if time.monotonic() - since < 0.5:  # noqa: PLR2004 (one Ctrl-C that came by two ways)
            return
        for program in programs:
            if program.runs() and program.process:
                processes.signal_group(program.process, signal.SIGKILL)
        for server in servers:
            server.stop(seconds=0.1)
        os._exit(1)

    for number in SIGNALS:
        signal.signal(number, kill)


@contextmanager
def _joinable(settings: Settings, environment: dict[str, str]) -> Iterator[None]:
    """Leaves what other commands need to join us in `DATA_DIR`/environment, for this user alone."""
    file = settings.data_dir / "environment"
    file.unlink(missing_ok=True)
    file.touch(0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in sorted(environment.items()) if name in JOINED))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _make(data_dir: Path) -> None:
    if data_dir.is_dir():
        return
    try:
        data_dir.mkdir(parents=True)
    except OSError as refused:
        raise StartError(f"DATA_DIR {data_dir} can't be made: {refused.strerror}") from None
    data_dir.chmod(0o711)  # the servers may have to pass as another user


def _require_free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as refused:
        if refused.errno == errno.EADDRINUSE:
            text = (
                f"Port {settings.port} is taken: stop what listens there, or choose another, as in `PORT=8001 make run`"
            )
        else:
            text = f"Can't listen at {settings.host} port {settings.port}: {refused.strerror or refused}"
        raise StartError(text) from None


def _secret_key(file: Path) -> str:
    if not os.access(file, os.R_OK) or not file.stat().st_size:  # a full disk, or a kill, may have kept it empty
        file.touch(0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()


def _print_lines(name: str, process: subprocess.Popen[bytes]) -> None:
    """Copies a program's lines until it has closed its output; reads on even when nobody takes them any more."""
    for line in process.stdout or ():
        say(f"{name:<7} | {line.decode(errors='replace').rstrip()}")
