"""How Alembic reaches the database, and what it compares it with."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from infra.settings import load
from models import Base


def url() -> str:
    """The database's address: given by the caller, or from the settings."""
    given = context.config.attributes.get("url") or load().database_url
    return "postgresql+asyncpg://" + given.partition("://")[2]


def migrate(connection: Connection) -> None:
    """Run what is asked for, all in one transaction; a second process waits for the first."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7136458)")
        context.run_migrations()


async def connect() -> None:
    """Open a connection and migrate over it."""
    engine = create_async_engine(url(), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(connect())
