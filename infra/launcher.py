"""Becomes another program: one that ends when its parent ends, as another user where it would refuse root.

Run by path, with the standard library alone: `python -I -S launcher.py PARENT SIGNAL ACCOUNT PROGRAM [ARGUMENT...]`.
PARENT is the process whose end brings SIGNAL to the program (Linux only). ACCOUNT is `same`, `UID:GID`, or `private`:
root's own user and files, but in a user namespace where nobody is root.
"""

import os
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534

if sys.platform == "linux":  # imported now, since another user may have no way to Python's own files
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)


def _become(account: str) -> None:
    if account == "private":
        if libc.unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "no user namespace is allowed here")
        for name, text in (("setgroups", "deny"), ("gid_map", f"{NOBODY} 0 1"), ("uid_map", f"{NOBODY} 0 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 (pathlib would double the time to start)
                file.write(text)
    elif account != "same":
        user, group = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)


def _end_with(parent: int, signal: int) -> None:
    """Asks the kernel for `signal` at the parent's end; after `_become`, since a change of user forgets it."""
    if sys.platform == "linux":
        libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent has ended already")


def main() -> None:
    """Reads the arguments, changes this process, and hands it over to the program."""
    parent, signal, account, *command = sys.argv[1:]
    try:
        _become(account)
    except OSError as refused:
        sys.exit(f"cannot become {account}: {refused}")
    _end_with(int(parent), int(signal))
    os.execv(command[0], command)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main()
