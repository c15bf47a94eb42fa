"""Migrations since the last release leave its code at work: they expand, or drop what it does not name any more.

squawk knows what locks for long and what breaks; here stands what it can't know. At a release
`migrations/released.toml` is written anew, and what came before is history.
"""

import io
import json
import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from infra import migrations
from models import Base
from models.leaving import LEAVING

ROOT = Path(__file__).resolve().parents[2]
RELEASED = tomllib.loads((ROOT / "migrations/released.toml").read_text())
SQUAWK = Path(sysconfig.get_path("scripts")) / "squawk"
CONTRACTS = {"ban-drop-column", "ban-drop-table"}
DROPPED = re.compile(r"^ALTER TABLE (\w+) DROP COLUMN (\w+)|^DROP TABLE (\w+)")
ROWS = re.compile(r"(?:UPDATE|DELETE FROM|TRUNCATE|WITH|INSERT INTO(?=[^;]*SELECT)) (?!alembic_version)")
# What refuses less than before breaks nobody; names that end otherwise are keys, on which code relies.
CONSTRAINT = re.compile(r"^ALTER TABLE \w+ DROP CONSTRAINT (?!\w+_(?:check|fkey)\b)")


def refused(sql: str, leaving: frozenset[str] = frozenset()) -> list[str]:
    """What can't be done while the last release's code runs, which does not name what is `leaving`."""
    command_line = [SQUAWK, "--config", ROOT / "migrations/squawk.toml", "--reporter", "json"]
    said = subprocess.run(command_line, input=sql, capture_output=True, text=True, check=False)
    assert said.returncode in {0, 1}, said.stderr
    lines, found = sql.splitlines(), []
    for each in json.loads(said.stdout):
        line = lines[each["line"]]
        dropped = DROPPED.match(line) if each["rule_name"] in CONTRACTS else None
        if not (dropped and ".".join(filter(None, dropped.groups())) in leaving):
            found.append(f"{each['rule_name']}: {line}")
    statements = [statement.lstrip() for statement in sql.split("\n\n")]
    found += [f"one-table-at-a-time: {' '.join(held)}" for held in held_together(sql)]
    found += [f"rows-are-changed-by-jobs: {statement}" for statement in statements if ROWS.match(statement)]
    return found + [f"keys-stay: {line}" for line in lines if CONSTRAINT.match(line)]


def held_together(sql: str) -> list[list[str]]:
    """Tables that one transaction holds: whoever reads the first waits for all of them, and may deadlock with it."""
    made = set(re.findall(r"^CREATE TABLE (\w+)", sql, re.MULTILINE))
    held = [set(re.findall(r"^ALTER TABLE (\w+)", part, re.MULTILINE)) - made for part in sql.split("\nCOMMIT;")]
    return [sorted(tables) for tables in held if len(tables) > 1]


def written(config: Config, since: str) -> dict[str, str]:
    """The SQL of each migration after one, as Alembic would run it."""
    scripts = ScriptDirectory.from_config(config)
    sql = {}
    for script in scripts.iterate_revisions("heads", since):
        config.output_buffer = io.StringIO()
        command.upgrade(config, f"{script.down_revision}:{script.revision}", sql=True)
        sql[script.revision] = config.output_buffer.getvalue()
    return sql


def test_migrations_since_the_last_release_leave_its_code_at_work():
    leaving = frozenset(RELEASED["leaving"])
    since = written(Config(ROOT / "alembic.ini"), RELEASED["revision"])

    found = {revision: problems for revision, sql in since.items() if (problems := refused(sql, leaving))}
    assert not found, f"docs/upgrade.md says how each is done: {json.dumps(found, indent=2)}"


def test_no_model_names_what_is_leaving():
    named = set(Base.metadata.tables) | {str(c) for table in Base.metadata.tables.values() for c in table.columns}
    assert not LEAVING & named
    assert str(Base.metadata.tables["tickets"].columns["subject"]) == "tickets.subject"  # as they are written there


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE tickets ADD COLUMN colour TEXT NOT NULL;", "adding-required-field"),
        ("ALTER TABLE tickets ALTER COLUMN topic SET NOT NULL;", "adding-not-nullable-field"),
        ("ALTER TABLE tickets ALTER COLUMN number TYPE BIGINT;", "changing-column-type"),
        ("ALTER TABLE tickets RENAME topic TO theme;", "renaming-column"),
        ("ALTER TABLE tickets RENAME TO cases;", "renaming-table"),
        ("ALTER TABLE tickets DROP COLUMN topic;", "ban-drop-column"),
        ("DROP TABLE tickets;", "ban-drop-table"),
        ("CREATE INDEX tickets_topic_idx ON tickets (topic);", "require-concurrent-index-creation"),
        ("DROP INDEX tickets_topic_idx;", "require-concurrent-index-deletion"),
        ("ALTER TABLE tickets ADD CONSTRAINT topic_check CHECK (topic <> '');", "constraint-missing-not-valid"),
        (
            "ALTER TABLE tickets ADD CONSTRAINT a_fkey FOREIGN KEY(a) REFERENCES b (id);",
            "adding-foreign-key-constraint",
        ),
        ("ALTER TABLE tickets ADD CONSTRAINT topic_key UNIQUE (topic);", "disallowed-unique-constraint"),
        ("ALTER TABLE tickets DROP CONSTRAINT tickets_number_key;", "keys-stay"),
        ("CREATE INDEX CONCURRENTLY a_idx ON tickets (a);", "ban-concurrent-index-creation-in-transaction"),
        ("UPDATE tickets SET topic = 'None';", "rows-are-changed-by-jobs"),
        ("INSERT INTO topics (name) SELECT topic FROM tickets;", "rows-are-changed-by-jobs"),
    ],
)
def test_what_would_break_or_stop_old_code_is_refused(sql, rule):
    found = refused(f"SET lock_timeout = '1s';\n\nBEGIN;\n\n{sql}\n\nALTER TABLE a ADD COLUMN b TEXT;\n\nCOMMIT;\n")
    assert [line for line in found if line.startswith(f"{rule}: {sql}")], found


@pytest.mark.parametrize(
    "sql",
    [
        "-- squawk-ignore adding-not-nullable-field\nALTER TABLE tickets ALTER COLUMN topic SET NOT NULL;",
        "ALTER TABLE tickets ADD CONSTRAINT topic_key UNIQUE USING INDEX topic_idx;",
        "ALTER TABLE tickets DROP CONSTRAINT tickets_topic_check;",
        "INSERT INTO topics (name) VALUES ('Other');",
    ],
)
def test_what_neither_stops_nor_breaks_is_let_through(sql):
    assert refused(f"SET lock_timeout = '1s';\n\nBEGIN;\n\n{sql}\n\nCOMMIT;\n") == []


def test_locks_are_not_waited_for_without_a_limit():
    (found,) = refused("BEGIN;\nALTER TABLE tickets ADD COLUMN colour TEXT;\nCOMMIT;\n")
    assert found.startswith("require-lock-timeout: ")


EXPANDS = """
    op.create_table("colours", sa.Column("id", sa.Uuid(), primary_key=True), sa.Column("name", sa.Text()))
    op.create_index("colours_name_idx", "colours", ["name"])
    op.add_column("tickets", sa.Column("colour_id", sa.Uuid()))
    op.add_column("tickets", sa.Column("shade", sa.Integer(), server_default="0", nullable=False))
    op.create_foreign_key("colour_fkey", "tickets", "colours", ["colour_id"], ["id"], postgresql_not_valid=True)
"""
CONCURRENTLY = """
    with op.get_context().autocommit_block():
        op.drop_index("tickets_shade_idx", "tickets", if_exists=True, postgresql_concurrently=True)
        op.create_index("tickets_shade_idx", "tickets", ["shade"], if_not_exists=True, postgresql_concurrently=True)
"""
VALIDATES = """
    op.execute("ALTER TABLE tickets VALIDATE CONSTRAINT colour_fkey")
"""
CONTRACTS_TOO = """
    op.drop_column("tickets", "topic")
"""
DRAFT = """import sqlalchemy as sa
from alembic import op

revision = "c0101010c0de"
down_revision = "{head}"


def upgrade() -> None:
"""


@pytest.fixture
def drafted(tmp_path):
    """The SQL of a migration after the last one, as Alembic would run it."""

    def draft(steps):
        (tmp_path / "drafted.py").write_text(DRAFT.replace("{head}", migrations.head()) + steps)
        config = Config(ROOT / "alembic.ini")
        config.set_main_option("version_locations", f"{ROOT / 'migrations/versions'}\n{tmp_path}")
        config.set_main_option("path_separator", "newline")
        (sql,) = written(config, migrations.head()).values()
        return sql

    return draft


def test_what_expands_is_let_through(drafted):
    assert [refused(drafted(steps)) for steps in (EXPANDS, CONCURRENTLY, VALIDATES)] == [[], [], []]


def test_what_is_done_concurrently_is_a_migration_of_its_own_since_it_is_not_undone(drafted):
    assert {line.partition(":")[0] for line in refused(drafted(EXPANDS + CONCURRENTLY))} == {"prefer-robust-stmts"}


def test_of_tables_that_are_there_one_migration_changes_one(drafted):
    two = EXPANDS + '    op.add_column("comments", sa.Column("shade", sa.Integer()))\n'
    assert refused(drafted(two)) == ["one-table-at-a-time: comments tickets"]


def test_what_the_last_release_does_not_name_may_go(drafted):
    sql = drafted(EXPANDS + CONTRACTS_TOO)

    assert refused(sql) == ["ban-drop-column: ALTER TABLE tickets DROP COLUMN topic;"]
    assert refused(sql, frozenset({"tickets.topic"})) == []


def test_what_is_known_of_the_migrations_is_what_alembic_knows():
    scripts = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))

    assert migrations.head() == scripts.get_current_head()
    assert migrations._known().keys() == {script.revision for script in scripts.walk_revisions()}
    assert RELEASED["revision"] in migrations._known()
