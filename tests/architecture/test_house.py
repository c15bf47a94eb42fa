"""What the house promises of itself."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

import schema
from domain import happenings
from infra import jobs
from infra.unit import Job
from planner.text import MISSING_FUNCTION_DDL
from resolvers.root import printed
from resolvers.root import schema as api
from schema.guide import GUIDE
from workers import running

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["web", "workers", "resolvers", "schema", "planner", "domain", "infra", "models"]
SOURCES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


def test_our_schema_is_imported_and_not_the_package_of_that_name():
    assert Path(schema.__file__).is_relative_to(ROOT)


def test_the_printed_schema_is_the_one_that_is_served():
    assert (ROOT / "schema" / "schema.graphql").read_text().rstrip() == printed()


def test_the_guide_names_each_code_of_an_error():
    told = re.findall(r"\b[A-Z]+_?[A-Z_]*[A-Z]\b", GUIDE.partition("**Errors.**")[2].partition(";")[0])
    said = {code for path in SOURCES for code in re.findall(r'\bcode(?:: str)? ?= ?"([A-Z_]+)"', path.read_text())}
    assert len(told) == len(said)
    assert set(told) == said


def test_every_job_has_one_performer():
    assert running.PERFORMERS
    ours = {kind for kind in Job.kinds.values() if kind.__module__ == "domain.jobs"}
    assert ours == {kind for kind in jobs.performers() if kind.__module__ == "domain.jobs"}


def test_every_happening_is_a_type_of_the_api():
    assert {type_.name for type_ in api._schema.get_possible_types(api._schema.get_type("TicketEvent"))} == set(
        happenings.KINDS
    )


def test_the_migrations_make_the_function_that_the_planner_calls():
    body = re.sub(r"\s+", " ", MISSING_FUNCTION_DDL).strip()
    migrations = [re.sub(r"\s+", " ", path.read_text()) for path in (ROOT / "migrations" / "versions").glob("*.py")]
    assert any(body in text for text in migrations)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_opens_with_a_sentence_on_what_lives_there(path):
    if path.name == "__init__.py" and not path.read_text().strip():
        return
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said
    assert len(said.split()) >= 3


def test_only_units_commit():
    committing = [path for path in SOURCES if re.search(r"\bCOMMIT\b|\.commit\(", path.read_text())]
    assert {path.relative_to(ROOT).as_posix() for path in committing} == {
        "infra/transactions.py",
        "infra/unit.py",
        "infra/writes.py",
    }


def test_no_room_for_what_has_no_name():
    homeless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for path in SOURCES if path.name in homeless]


def test_what_is_imported_is_in_the_lock_of_the_image():
    """At the top of a module, since what only some need is imported where they do."""
    locked = set(re.findall(r"(?m)^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text()))
    provided = metadata.packages_distributions()
    missing = set()
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                for name in names:
                    found = {each.lower().replace("_", "-") for each in provided.get(name.partition(".")[0], ())}
                    if found and not found & locked:
                        missing.add((path.relative_to(ROOT).as_posix(), name))
    assert not missing


def test_the_locks_name_no_index():
    for lock in ROOT.glob("requirements*.lock"):
        assert "http" not in re.sub(r"(?m)^\s*#.*$|httpx?\w*|httpcore\S*|httptools\S*", "", lock.read_text())
