"""How a command of the operator's begins, and ends where something is the matter: in one line, without a traceback."""

import asyncio
import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from infra.processes import StartError
from infra.settings import InvalidSettingsError, Settings, load

LACKS_TABLES = "The database lacks tables that this version needs: run `desk migrate`."
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def settings() -> Settings:
    """The settings of the environment."""
    with told():
        return load()


def working() -> Settings:
    """The settings, for a command that does something in the database and ends: it answers, and is migrated.

    What is logged meanwhile is told as by what runs on: to standard error, without what anybody wrote.
    """
    from infra import logs, migrations

    found = settings()
    if not migrations.suffices(stands(found)):
        refuse(LACKS_TABLES)
    logs.configure(found, "command")
    return found


def stands(known: Settings) -> str | None:
    """The migration that the database is at; None when it has no tables yet."""
    import asyncpg

    from infra import migrations

    try:
        return asyncio.run(migrations.stands_at(known.database_url))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as failed:
        refuse(f"The database can't be reached: {type(failed).__name__}: {failed}")


@contextmanager
def told() -> Iterator[None]:
    """Says what an operator can mend in one line, without a traceback."""
    try:
        yield
    except (InvalidSettingsError, StartError) as refused:
        refuse(str(refused))


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Says in one line that a file can't be written, and why."""
    try:
        yield
    except OSError as failed:
        if failed.filename is None and failed.errno not in NO_ROOM:
            raise  # nothing to do with files
        refuse(f"{path.absolute()} can't be written: {failed.strerror}.")


def refuse(text: str) -> NoReturn:
    """Say why not, and end."""
    sys.stdout.flush()
    typer.echo(text, err=True)
    raise typer.Exit(2)


def run(app: typer.Typer) -> None:
    """Do what the command line says."""
    try:
        app(prog_name="desk")
    except InvalidSettingsError as refused:  # a folder that can't be made is found when it is needed
        said = str(refused)
    except Exception as error:
        if (found := _of_outside(error)) is None:
            raise
        said = found
    else:
        return
    typer.echo(said, err=True)
    sys.exit(2)


def _of_outside(error: BaseException) -> str | None:
    """What to say of an error in one line, where the database, the store or the disk is the matter; None: else."""
    import asyncpg

    from infra.files import StoreUnavailable
    from infra.postgres import Unavailable

    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"{error.filename or 'The output'} can't be written: {error.strerror}."
    gone = asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.ReadOnlySQLTransactionError
    if isinstance(error, gone):  # by a connection of the command's own
        return f"The database can't be reached: {type(error).__name__}: {error}"
    if not isinstance(error, Unavailable):
        return None
    cause = error.__cause__
    if cause is None:
        return str(error)
    what = "Files" if isinstance(error, StoreUnavailable) else "The database"
    return f"{what} can't be reached: {type(cause).__name__}: {cause}"
