"""This version's code works on, unhindered, while a later one's migration expands every table under it."""

import re

import asyncpg
import pytest
import sqlalchemy as sa
from both_ways import QUERY, everything
from graphql import get_named_type
from random_scene import Scene

import models
from schema.context import Context

TABLES = models.Base.metadata.sorted_tables
EXPAND = """ALTER TABLE {0} ADD COLUMN next_text text, ADD COLUMN next_number int NOT NULL DEFAULT 7;
  ALTER TABLE {0} ADD CONSTRAINT next_check CHECK (next_number > 0) NOT VALID;
  ALTER TABLE {0} VALIDATE CONSTRAINT next_check"""
SIGNED = re.compile(rb"/files/[\w.-]+")  # a link tells when it was made
UNDO = "ALTER TABLE {0} DROP COLUMN IF EXISTS next_text, DROP COLUMN IF EXISTS next_number"
ROOTS = {"tickets": 0, "departments": 0, "categories": 0, "articles": 0, "people": 0, "viewer": 0}


@pytest.fixture
async def expand(migrated, database):
    """Expands every table as a migration may, which is undone at the end."""
    connection = await asyncpg.connect(migrated.database_url, server_settings={"lock_timeout": "1s"})

    async def each():
        for table in TABLES:
            await connection.execute(EXPAND.format(table.name))
        await connection.execute("CREATE TABLE next_table (id uuid PRIMARY KEY, ticket_id uuid REFERENCES tickets)")

    yield each
    for table in TABLES:
        await connection.execute(UNDO.format(table.name))
    await connection.execute("DROP TABLE IF EXISTS next_table")
    await connection.close()


async def write_all(desk, scene):
    """Write rows of every kind, and change each, by units as all code does."""
    by_table = {model.__table__: (model, rows) for model, rows in scene.rows.items()}
    written = [by_table[table] for table in TABLES if table in by_table]
    for model, rows in written:
        async with desk.writes.begin() as unit:
            for row in rows:
                unit.insert(model, **vars(row))
        plain = [c.key for c in model.__table__.columns if not (c.primary_key or c.computed or c.identity)]
        if model is models.AuditEntry or not plain:
            continue  # which only grows; which are there or not
        async with desk.writes.begin() as unit:
            row = await unit.lock(lambda model=model: sa.select(model).limit(1))
            unit.change(row, **{plain[0]: getattr(row, plain[0])})
    return {model.__table__.name for model, _ in written}


async def read_all(desk, engine, viewer):
    """What is answered of everything."""
    answers = []
    for root, depth in ROOTS.items():
        field = QUERY.fields[root]
        page = "(first: 50)" if "first" in field.args else ""
        text = f"{{ {root}{page} {everything(get_named_type(field.type), depth)} }}"
        body = (await engine.query(text, {}, None, viewer, Context(desk, engine, viewer))).body
        assert body.startswith(b'{"data":'), body
        answers.append(SIGNED.sub(b"", body))
    return answers


async def test_code_reads_and_writes_all_tables_of_the_next_version(application, desk, database, emptied, expand):
    scene = Scene(1)
    viewer = scene.viewers["admin"]
    written = await write_all(desk, scene)
    answers = await read_all(desk, application.engine, viewer)
    await emptied()

    await expand()

    # By the same connections, which keep what was prepared before.
    assert await write_all(desk, scene) == written
    assert await read_all(desk, application.engine, viewer) == answers
    assert len(written) > len(TABLES) * 0.75


async def test_a_ticket_is_handled_in_tables_of_the_next_version(house, submit, work, database, expand):
    async def handled(name):
        department = await house.department(f"{name} Support")
        category = await house.category(name, department)
        await house.person(f"{name} Agent", models.Role.AGENT, department)
        found = await submit(await house.person(f"{name} Customer"), category, idempotencyKey=name)
        assert found["status"] == "OPEN"
        return await work.run(), await database.counts()

    jobs, before = await handled("First")
    await expand()
    again, after = await handled("Second")

    assert again == jobs
    assert {name for name in after if after[name] > before[name]} == {name for name in before if before[name]}
