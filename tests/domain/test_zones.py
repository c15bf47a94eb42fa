"""Time zones: which there are, and whose word on them is taken."""

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

from domain import zones

ROOT = Path(__file__).parents[2]
AHEAD = (
    "import datetime as dt; from domain import zones; print(dt.datetime(2026, 1, 1, tzinfo=zones.zone('Asia/Tokyo')))"
)


def test_zones():
    assert {"Europe/Berlin", "UTC"} <= zones.names()
    assert not {"localtime", "Factory", "Mars/Base", "../etc/passwd"} & zones.names()


def test_a_machines_old_zones_move_no_deadline(tmp_path):
    (tmp_path / "Asia").mkdir()
    with resources.files("tzdata.zoneinfo").joinpath("UTC").open("rb") as utc:
        (tmp_path / "Asia" / "Tokyo").write_bytes(utc.read())

    told = subprocess.run(  # zones are found once in a process
        [sys.executable, "-c", AHEAD],
        cwd=ROOT,
        env=os.environ | {"PYTHONTZPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout.strip() == "2026-01-01 00:00:00+09:00"
