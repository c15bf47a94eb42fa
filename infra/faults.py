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


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "\nwhich led to:\n\n" if error.__cause__ else "\nand while that was handled:\n\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{told(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            if id(each) not in seen:
                yield "\nof which one is:\n\n"
                yield from _lines(each, seen)
