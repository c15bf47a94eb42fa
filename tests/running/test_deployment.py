"""The image and the compose file: that they hold what the programs need, since no test builds them."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import yaml

from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_image_gets_every_room_and_nothing_that_is_not_there():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]

    assert "*" in lines
    others = {"migrations", "alembic.ini", "pyproject.toml"}
    assert {"desk.py" if room == "desk" else room for room in rooms} | others <= let_in
    assert [name for name in let_in if not (ROOT / name).exists()] == []


def imported(path):
    """The packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        yield from (name.partition(".")[0] for name in names)


def test_the_image_gets_every_package_that_a_room_imports():
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    files = [ROOT / "desk.py", *(path for room in (*rooms, "migrations") for path in (ROOT / room).rglob("*.py"))]
    locked = {
        name.lower() for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    }
    brought = metadata.packages_distributions()
    theirs = {name for path in files for name in imported(path)} - sys.stdlib_module_names - {*rooms, "desk"}

    assert len(theirs) >= 30
    lacking = {
        name for name in theirs if not {re.sub(r"[-_.]+", "-", each).lower() for each in brought.get(name, [])} & locked
    }
    assert lacking == set()


def test_the_command_works_by_a_link_to_it(tmp_path):
    """As /usr/local/bin/desk is one in the image."""
    assert "ln -s /app/desk /usr/local/bin/desk" in (ROOT / "Dockerfile").read_text()
    (tmp_path / "desk").symlink_to(ROOT / "desk")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["desk", "check"], cwd=tmp_path, env={"PATH": path, "PORT": "none"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "PORT")


def test_compose_sets_what_is_read_and_demands_every_secret():
    compose = (ROOT / "compose.yaml").read_text()
    block = compose[compose.index("environment: &environment") : compose.index("volumes: [data:/data]")]
    given = dict(re.findall(r"^    ([A-Z_]+): (.*)$", block, flags=re.MULTILINE))

    assert {name.lower() for name in given} <= set(Settings.model_fields)
    assert {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= set(given)
    assert all(":?" in given[name] for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL"))


def test_the_place_inside_a_container_is_not_that_of_the_machine_around_it():
    """`.env` goes into the containers as well, and its PORT means this machine's."""
    (image,) = re.findall(r"^ENV (.*)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    inside = {name: dict(word.split("=", 1) for word in image.split())[name] for name in ("HOST", "PORT", "DATA_DIR")}
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())

    for name in ("migrate", "api", "worker"):
        service = compose["services"][name]
        assert service["environment"].items() >= inside.items()
        assert service["volumes"] == [f"data:{inside['DATA_DIR']}"]
    assert [ports.rpartition(":")[2] for ports in compose["services"]["api"]["ports"]] == [inside["PORT"]]


def test_the_embedded_and_the_real_database_sort_alike():
    options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]

    for place in ("compose.yaml", "infra/embedded.py"):
        text = (ROOT / place).read_text()
        assert [option for option in options if option not in text] == []
