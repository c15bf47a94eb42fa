"""One process at a time in a folder."""

import fcntl
import os
from pathlib import Path
from typing import IO

from infra.processes import StartError


def take(folder: Path) -> IO[str]:
    """The folder's lock, held until it is closed or this process ends. Raises `StartError` when another has it."""
    try:
        lock = (folder / "lock").open("a+")
    except PermissionError:
        raise StartError(f"{folder} can't be written by this user: choose another place with DATA_DIR") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise StartError(
            f"{folder} is in use by process {holder}: stop that one, or choose another place with DATA_DIR"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def is_free(folder: Path) -> bool:
    """Whether nobody holds the folder's lock."""
    try:
        take(folder).close()
    except StartError:
        return False
    return True


def hold(folder: Path) -> int | None:
    """A lock on the folder itself, which leaves no file in it, until it is closed or this process ends.

    None when another has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
