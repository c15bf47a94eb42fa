"""A PostgreSQL with the planner's own tables, and an engine over it that counts its statements."""

from __future__ import annotations

import enum
import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import orjson
import planner_api as api
import planner_records as models
import pytest
from sqlalchemy.schema import CreateIndex, CreateTable

from infra.postgres import Reads
from planner.compiling import DIALECT
from planner.engine import Engine
from planner.text import MISSING_FUNCTION_DDL

MIGRATION = Path(__file__).resolve().parents[2] / "migrations" / "versions" / "20261129_metrics.py"


@pytest.fixture(scope="session")
async def database_url(server_url):
    """A database for the planner's own tables."""
    connection = await asyncpg.connect(server_url)
    await connection.execute("DROP DATABASE IF EXISTS planner WITH (FORCE)")
    await connection.execute("CREATE DATABASE planner")
    await connection.close()
    return server_url.rpartition("/")[0] + "/planner"


@pytest.fixture(scope="session")
async def planner_rows(database_url):
    """The rows, which are in the database as well."""
    rows = models.make_rows()
    connection = await asyncpg.connect(database_url)
    await connection.execute(MISSING_FUNCTION_DDL)
    await connection.execute(runpy.run_path(str(MIGRATION))["REFUSED"])
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=lambda value: b"\1" + orjson.dumps(value), decoder=bytes
    )
    for model, found in rows.items():
        table = model.__table__
        for statement in (CreateTable(table), *map(CreateIndex, table.indexes)):
            await connection.execute(str(statement.compile(dialect=DIALECT)))
        # As no list is ordered, so that none is in order by chance.
        records = [[stored(getattr(row, column.key)) for column in table.columns] for row in reversed(found)]
        await connection.copy_records_to_table(table.name, records=records, columns=table.columns.keys())
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return rows


def stored(value):
    return value.name if isinstance(value, enum.Enum) else value


def in_order(body):
    """What JSON text says, the order of its keys included."""
    return json.loads(body, object_pairs_hook=list)


class CountingReads(Reads):
    """Reads that remember their statements, and fail on demand."""

    def __init__(self, url):
        super().__init__(url)
        self.statements = []
        self.failures = []

    async def fetch(self, sql, arguments):
        self.statements.append(sql)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        return await super().fetch(sql, arguments)


class Desk:
    """An engine, and what a test asks of it."""

    def __init__(self, url, *, batch=True):
        self.reads = CountingReads(url)
        self.reported = []
        self.engine = Engine(
            api.SCHEMA, self.reads, refusals=api.Forbidden, report=self.report, batch=batch, given="files"
        )

    def report(self, exception):
        self.reported.append(exception)
        return f"id-{len(self.reported)}"

    def context(self, viewer):
        return SimpleNamespace(viewer=viewer, planner=self.engine)

    async def __call__(self, viewer, text, name=None, /, **variables):
        """The whole answer."""
        answer = await self.engine.query(text, variables, name, viewer, self.context(viewer))
        return orjson.loads(answer.body)

    async def data(self, viewer, text, **variables):
        """The data of an answer without errors."""
        answer = await self(viewer, text, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def reference(self, viewer, text, **variables):
        """The answer by way of graphql-core."""
        operation = self.engine.document(text).operation(None)
        cost = self.engine.price(operation, operation.variables.coerce(variables)).cost
        return await self.engine.execute(operation, variables, self.context(viewer), None, cost)

    async def same(self, viewer, text, **variables):
        """The data of an answer that is the reference's as well, and was one statement."""
        before = len(self.reads.statements)
        answer = await self.engine.query(text, variables, None, viewer, self.context(viewer))
        body = orjson.loads(answer.body)
        assert "errors" not in body, (body["errors"], self.reported)
        assert len(self.reads.statements) == before + 1
        reference = await self.reference(viewer, text, **variables)
        assert in_order(answer.body) == in_order(reference.body)
        return body["data"]


@pytest.fixture
async def open_desk(planner_rows, database_url):
    """Makes engines that know nothing yet."""
    opened = []

    def make(**options):
        opened.append(Desk(database_url, **options))
        return opened[-1]

    yield make
    for desk in opened:
        await desk.engine.cards.close()
        await desk.reads.close()


@pytest.fixture
def ask(open_desk):
    return open_desk()


@pytest.fixture(scope="session")
def rows(planner_rows):
    return planner_rows


@pytest.fixture(scope="session")
def customer(rows):
    return api.Viewer(api.Role.CUSTOMER, rows[models.Person][3].id)


@pytest.fixture(scope="session")
def agent(rows):
    return api.Viewer(api.Role.AGENT, rows[models.Person][20].id)


@pytest.fixture(scope="session")
def nobody():
    return api.Viewer(None, None)


@pytest.fixture(scope="session")
def mine(rows, customer):
    """The customer's tickets, by number."""
    return [row for row in rows[models.Ticket] if row.requester_id == customer.id]
