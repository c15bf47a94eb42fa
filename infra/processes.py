"""Child processes that don't outlive us: starting them, ending them, and finding those of an earlier run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

CLEAN = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # no PGPORT or PGOPTIONS of the caller's gets in
LAUNCHER = Path(__file__).with_name("launcher.py")
PAUSE_SECONDS = 0.02  # between two looks
LAST_LINES = 5


class StartError(Exception):
    """Something can't start here; the text says why, and what helps."""


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: int | IO[bytes],
    text: str | None = None,
    account: str = "same",
    end: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, so that a Ctrl-C in the terminal is ours alone to pass on.

    `account` is the launcher's. `text` is what the program reads on its standard input. It gets `end` when the calling
    thread ends, however that happens (on Linux): so call from a thread that stays.
    """
    process = subprocess.Popen(  # noqa: S603 (a fixed program)
        [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(end.value), account, *command],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    if process.stdin and text is not None:
        process.stdin.write(text.encode())
        process.stdin.close()
        process.stdin = None  # or `communicate` would close it again
    return process


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signals a child together with what it started; nothing happens when they are gone."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return


def end(process: subprocess.Popen[bytes], number: signal.Signals, *, seconds: float) -> None:
    """Asks a child to end, waits, and after `seconds` kills it and all that it started."""
    if process.returncode is not None:
        return  # it was known already, and its number may be another's by now
    if process.poll() is None:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):  # it had its time
            process.wait(seconds)
    signal_group(process, signal.SIGKILL)
    process.wait()


def left_behind(folder: Path, program: str) -> list[int]:
    """The ids of processes that run `program` in `folder` (without /proc: with `folder` in their command)."""
    place = os.path.realpath(folder)
    if not Path("/proc/self").exists():
        listing = subprocess.run([shutil.which("ps") or "ps", "-axo", "pid=,command="], capture_output=True, check=True)  # noqa: S603 (a fixed program)
        lines = (line.split(maxsplit=1) for line in listing.stdout.decode(errors="replace").splitlines())
        return [int(pid) for pid, command in lines if program in command.split()[0] and place in command]
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _runs(entry, program) and _link(entry / "cwd") == place
    ]


def kill_left_behind(folder: Path, program: str, number: signal.Signals) -> None:
    """Ends what an earlier run left in `folder`, which the caller has locked: by `number`, by SIGKILL after 5 s."""
    for attempt in (number, signal.SIGKILL):
        for pid in left_behind(folder, program):
            try:
                os.kill(pid, attempt)
            except ProcessLookupError:
                continue  # it has just ended
        if wait_until(lambda: not left_behind(folder, program), seconds=5):
            return


def wait_until(done: Callable[[], bool], *, seconds: float) -> bool:
    """Looks again and again until `done()` holds, for `seconds` at most. Returns whether it does."""
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def last_lines(file: Path) -> str:
    """The end of a log."""
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return "\n".join(lines[-LAST_LINES:])


def _runs(entry: Path, program: str) -> bool:
    try:
        # In bytes: the kernel cuts a name after 15 of them, which may be in the middle of a letter.
        return (entry / "comm").read_bytes().rstrip(b"\n") == program.encode()[:15]
    except OSError:  # it ended while we looked
        return False


def _link(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # another user's, or ended
        return ""
