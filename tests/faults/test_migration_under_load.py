"""A migration of the next version, run while this one reads and writes the tables that it changes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.config import Config

from infra import migrations
from tests.faults.conftest import ROOT
from tests.faults.ledger import Ledger

# What the next release may do to the tables that a submission and a comment write, one after the other.
TABLES = ("tickets", "comments", "events", "jobs")
EXPANDS = """revision = "{after}"
down_revision = "{before}"

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.add_column("{table}", sa.Column("heat", sa.Integer(), nullable=False, server_default="0"))
    with op.get_context().autocommit_block():
        op.create_index("{table}_heat_idx", "{table}", ["heat"], postgresql_concurrently=True)
"""
TICKETS = "{ tickets(first: 20) { nodes { subject comments(first: 2) { nodes { body } } } } }"


def migrated(url, folder):
    config = Config(ROOT / "alembic.ini", attributes={"url": url})
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{migrations.FOLDER}\n{folder}")
    command.upgrade(config, "head")


@pytest.mark.promise(
    "An upgrade fails no request",
    injected="a migration of the tables that are written, amid a stream of mutations and reads",
)
async def test_a_migration_under_load_fails_no_request(real, kept, tmp_path):
    before = last = migrations.head()
    for table in TABLES:
        (tmp_path / f"{table}.py").write_text(EXPANDS.format(before=before, after=f"hot{table}", table=table))
        before = f"hot{table}"
    ledger, over, reads = Ledger(real, real), asyncio.Event(), []

    async def read():
        while not over.is_set():
            reads.append((await real.post(TICKETS)).json())

    clients = [asyncio.create_task(ledger.write(f"Migrated {number}")) for number in range(2)]
    clients += [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.sleep(0.5)
    try:
        with ThreadPoolExecutor(1) as threads:  # Alembic runs a loop of its own
            url = real.settings.database_url
            await asyncio.get_running_loop().run_in_executor(threads, migrated, url, str(tmp_path))
        count, asked = ledger.acknowledged, len(reads)

        async def goes_on():
            assert not any(client.done() for client in clients), clients
            return ledger.acknowledged > count + 10 and len(reads) > asked + 10

        await real.until(goes_on)
        assert (await real.http.get("/health/ready")).json()["migrated"] is True
        ledger.end()
        over.set()
        await asyncio.gather(*clients)
        await real.all_settled()
        failed = ledger.failures + sum("errors" in answer for answer in reads)
        kept(times=1, tried=ledger.acknowledged + len(reads), failed=failed, **await ledger.balance())
    finally:
        await real.rows("UPDATE alembic_version SET version_num = $1", last)
        for table in TABLES:
            await real.rows(f"ALTER TABLE {table} DROP COLUMN IF EXISTS heat")
