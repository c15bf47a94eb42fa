"""As whom an embedded server runs: PostgreSQL refuses to be root."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from infra import processes
from infra.processes import CLEAN, StartError


def choose(program: Path, home: Path) -> str:
    """The launcher's account for `program`, to which `home` is handed over with all that is in it.

    Root becomes nobody, or the owner of the program, or stays itself in a user namespace where the way to the
    program or to `home` is closed to those. Raises `StartError` when none can.
    """
    if os.geteuid() != 0:
        return "same"
    for account in _candidates(program):
        user, group = (0, 0) if account == "private" else (int(part) for part in account.split(":"))
        _give(home, user, group)
        look = ["/bin/sh", "-c", 'test -w "$1" && "$2" --version', "sh", str(home), str(program)]
        trial = processes.spawn(look, environment=CLEAN, folder=Path("/"), output=subprocess.DEVNULL, account=account)
        if trial.wait() == 0:
            return account
    raise StartError(
        f"{program} can't run as root, and no other user may both run it and write to {home}."
        " Open the way to both for others, or start as another user."
    )


def _candidates(program: Path) -> list[str]:
    users: dict[int, int] = {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        pass  # a system without it
    else:
        users[nobody.pw_uid] = nobody.pw_gid
    owner = program.stat()
    if owner.st_uid:
        users[owner.st_uid] = owner.st_gid
    return [f"{user}:{group}" for user, group in users.items()] + ["private"] * (sys.platform == "linux")


def _give(home: Path, user: int, group: int) -> None:
    if home.stat().st_uid == user:
        return
    for place, _, files in os.walk(home):
        for path in (place, *(os.path.join(place, file) for file in files)):  # noqa: PTH118 (thousands of them)
            os.chown(path, user, group, follow_symlinks=False)
