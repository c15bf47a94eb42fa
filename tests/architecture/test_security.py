"""SECURITY.md says what is tried, and it is."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^\| ([^|]+) \| ((?:`tests/[^`]+` ?)+)\| (\d+) \|$", re.MULTILINE)
LINES = [
    (attack, re.findall(r"`([^`]+)`", tests), int(count))
    for attack, tests, count in LINE.findall((ROOT / "SECURITY.md").read_text())
]


@pytest.fixture(scope="module")
def collected(request):
    """How many tests each file, and each function of one, has; asked for anew where this run has not all of them."""
    named = sorted({test for _, tests, _ in LINES for test in tests})
    files = sorted({name.partition("::")[0] for name in named})
    ids = [item.nodeid for item in request.session.items]
    if any(not any(each.startswith(name) for each in ids) for name in named):
        ids = listed(files)
    found = Counter()
    for each in ids:
        path, _, rest = each.partition("::")
        for name in {path, f"{path}::{rest.partition('[')[0]}", *map(str, Path(path).parents)}:
            found[name] += 1
    return found


def listed(files):
    """The ids of the tests in these files."""
    asked = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if "::" in line]


def test_the_table_names_many_attacks():
    assert len(LINES) >= 12
    attacks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/attacks").glob("test_*.py")}
    assert attacks <= {test for _, tests, _ in LINES for test in tests}


@pytest.mark.parametrize(("attack", "tests", "count"), LINES, ids=range(len(LINES)))
def test_an_attack_is_tried_as_often_as_it_says(collected, attack, tests, count):
    for test in tests:
        assert collected[test], f"{attack}: there is no {test}"
    assert sum(collected[test] for test in tests) >= count, attack
