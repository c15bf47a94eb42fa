"""What may be told of an error to those who keep the desk running: its kind and where it was raised, nobody's words."""

import os
import re
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import redis.exceptions

from infra.postgres import Behind, Unavailable

ROOT, ELSEWHERE = f"{Path(__file__).resolve().parents[1]}/", "/site-packages/"
PIPES = (f"{ROOT}infra/", f"{ROOT}planner/")
# Their texts name code, machines or files, never what somebody wrote. Others quote values: a KeyError its key.
NAMING = (
    *(AttributeError, TypeError, NameError, ImportError, ArithmeticError, RecursionError, NotImplementedError),
    *(OSError, ssl.SSLError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, Unavailable, Behind),
)
MODULES = {"builtins", "ssl", "socket", "redis.exceptions", "infra.postgres"}  # a subclass elsewhere may say anything
# Of PostgreSQL's errors: connections, rollbacks, names, resources, states, the server itself; not data or constraints.
CLASSES = {"08", "40", "42", "53", "55", "57", "58", "XX"}
MOST_ERRORS, MOST_FRAMES = 20, 60  # that a traceback tells of, and of each


def told(error: BaseException) -> str:
    """The kind of an error, and its text where that can hold nobody's words."""
    name = type(error).__name__
    if isinstance(error, Unavailable) and error.__cause__ is not None:  # its own text is for clients
        return f"{name}: {told(error.__cause__)}"
    if isinstance(error, asyncpg.PostgresError):
        text = str(getattr(error, "message", "")) if str(error.sqlstate)[:2] in CLASSES else ""
        where = error.constraint_name or error.column_name or error.table_name
        said = [str(error.sqlstate), *([where] if where else []), *([text] if text else [])]
        return f"{name}: {' '.join(said)}"
    text = getattr(error, "told", None) or (
        str(error) if isinstance(error, NAMING) and type(error).__module__ in MODULES else _of_the_system(error)
    )
    return f"{name}: {text}" if text else name


def _of_the_system(error: BaseException) -> str:
    """What the operating system said to a store of files, whose errors also hold the names of files: a disk is full."""
    found = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__module__.startswith("obstore.") else None
    return os.strerror(int(found[1])) if found else ""


def traced(error: BaseException) -> str:
    """A traceback of an error and of what led to it, where each stands as it may be told."""
    return "".join(_lines(error, set())).rstrip("\n")


def place(error: BaseException) -> str:
    """Where it was raised: the last line of ours, and not of the pipes, which all else goes through, if it can be."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(ROOT) and ELSEWHERE not in frame.filename]
    if not frames:
        return "nowhere"
    frame = ([frame for frame in ours if not frame.filename.startswith(PIPES)] or ours or frames)[-1]
    return f"{frame.filename.removeprefix(ROOT)}:{frame.lineno} {frame.name}"


def _lines(error: BaseException, known: set[int]) -> Iterator[str]:
    """What it was led to by comes first. Of more than can be read, what was raised at last is told."""
    known.add(id(error))
    chain = [error]
    while (before := _before(chain[-1])) is not None and id(before) not in known and len(known) < MOST_ERRORS:
        known.add(id(before))
        chain.append(before)
    for number, each in reversed(list(enumerate(chain))):
        yield from _frames(each)
        yield f"{told(each)}\n"
        for inner in each.exceptions if isinstance(each, BaseExceptionGroup) else ():
            if id(inner) not in known and len(known) < MOST_ERRORS:
                yield "\nof which one is:\n\n"
                yield from _lines(inner, known)
        if number:
            yield "\nwhich led to:\n\n" if chain[number - 1].__cause__ else "\nand while that was handled:\n\n"


def _before(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> list[str]:
    """Where it was raised; of what calls itself without end the beginning and the end."""
    lines = traceback.format_tb(error.__traceback__)
    if len(lines) <= MOST_FRAMES:
        return lines
    half = MOST_FRAMES // 2
    return [*lines[:half], f"  ({len(lines) - 2 * half} more)\n", *lines[-half:]]
