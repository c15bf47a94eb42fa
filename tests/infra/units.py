"""Rows that units read and write, and what they say to the database."""

import asyncio
import contextlib

from sqlalchemy import select

import models


def named(name):
    return select(models.Service).where(models.Service.name == name)


def all_of_them():
    return select(models.Service).order_by(models.Service.name)


@contextlib.asynccontextmanager
async def heard(unit):
    """The statements that a unit's connection runs meanwhile."""
    statements = []

    def hear(record):
        statements.append(record.query)

    unit._transaction._driver.add_query_logger(hear)
    yield statements
    await asyncio.sleep(0)  # asyncpg tells a moment later
    unit._transaction._driver.remove_query_logger(hear)


async def names(database):
    return [row["name"] for row in await database.rows("SELECT name FROM services ORDER BY name")]


def add(unit, name, **values):
    return unit.insert(models.Service, **{"name": name, "description": None, "archived_at": None} | values)


class Gone:
    """A connection of which nobody has noticed yet that whatever is between has forgotten it."""

    closed = False

    def is_closed(self):
        return self.closed

    def is_in_transaction(self):
        return False

    def terminate(self):
        self.closed = True

    async def fetch(self, *_):
        raise ConnectionResetError

    async def execute(self, *_, **__):
        raise ConnectionResetError
