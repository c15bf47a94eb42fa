"""How Alembic reaches the database, and what it compares it with.

Migrations run while the code of the last version does, so they hold each lock shortly and wait for none that others
would then wait for in turn.
"""

import asyncio
import time
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from infra import migrations
from infra.settings import load
from models import Base
from models.leaving import LEAVING

ONE_AT_A_TIME = 7136458  # an advisory lock
# Everybody queues up behind a migration that waits for a table, readers for 2 s at most: it gives up before they do,
# and tries again.
LOCK_TIMEOUT = "SET lock_timeout = '1s'"
PATIENCE_SECONDS = 120
PAUSE_SECONDS = 0.5
LOCKED = "55P03"


def url() -> str:
    """The database's address: given by the caller, or from the settings."""
    given = context.config.attributes.get("url") or load().database_url
    return "postgresql+asyncpg://" + given.partition("://")[2]


def compared(item: Any, name: str | None, kind: str, reflected: bool, _: Any) -> bool:  # noqa: FBT001 # Alembic's
    """Whether something that the database or the models have is to be in both."""
    if not reflected:
        return True
    names = {name} if kind == "table" else {f"{column.table.name}.{column.name}" for column in columns(item, kind)}
    return not names & LEAVING


def columns(item: Any, kind: str) -> Any:
    """A column, or those of an index or constraint."""
    return [item] if kind == "column" else item.columns


def configure(**given: Any) -> None:
    """Each migration is a transaction of its own, so that what it locks is free when it ends."""
    context.configure(
        target_metadata=Base.metadata,
        compare_type=True,
        include_object=compared,
        transaction_per_migration=True,
        on_version_apply=applied,
        **given,
    )


def applied(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # noqa: ARG001 # by these names
    """Alembic's: a migration is through, which may have taken long."""
    say(f"{step.up_revision_id}: {step.up_revision.doc}")


def say(line: str) -> None:
    """How far it is, to whoever wants to know; the same once."""
    attributes = context.config.attributes
    if line != attributes.get("last"):
        attributes["last"] = line
        attributes.get("said", lambda _: None)(line)


def migrate(connection: Connection) -> None:
    """Run what is asked for. A database of a later version is left as it is."""
    stands = None
    if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is not None:
        stands = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    connection.exec_driver_sql(LOCK_TIMEOUT)
    connection.commit()
    if migrations.is_newer(stands):
        context.config.attributes["newer"] = stands
        return
    configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def connect() -> None:
    """Open a connection and migrate over it, after whoever else does."""
    engine = create_async_engine(url(), poolclass=NullPool)
    async with engine.connect() as connection:
        # Whoever waits in a statement holds up what is built concurrently: it is asked for again and again instead.
        while not (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({ONE_AT_A_TIME})")).scalar():
            await connection.commit()
            say("Another one migrates: it is waited for")
            await asyncio.sleep(PAUSE_SECONDS)
        await connection.commit()
        until = time.monotonic() + context.config.attributes.get("patience", PATIENCE_SECONDS)
        while True:
            try:
                await connection.run_sync(migrate)
                break
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != LOCKED:
                    raise
                if time.monotonic() > until:
                    raise CommandError("Somebody holds the lock of a table for long: run it again later") from error
                say("Somebody holds the lock of a table: it is tried again")
            await connection.rollback()
            await asyncio.sleep(PAUSE_SECONDS)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    configure(dialect_name="postgresql", literal_binds=True)
    context.execute(LOCK_TIMEOUT)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(connect())
