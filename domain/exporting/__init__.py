"""A person's data as an archive: what they are to the desk, what they wrote, and what they may read on their tickets.

For whoever operates the desk and was asked for it. What staff wrote to each other stays out of it, as it does for the
person in the desk itself; so do passwords' digests and other secrets.
"""

import os
import re
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy import Select

from domain import people, ranges
from domain.exporting.parts import PARTS, Part
from domain.ranges import FIRST
from domain.refusals import InvalidInput, NotFound
from infra.desk import Desk
from infra.settings import Settings
from infra.unit import now

BATCH = 5000  # rows that are looked at by one statement
MOST_NAME = 100  # characters of a file's own name in the archive
JSON = {"filter", "changes", "texts"}  # columns that PostgreSQL gives as text
Told = Callable[[str], None]


def _end(part: Part, after: Any, most: Any) -> Select[*tuple[Any, ...]]:
    return ranges.end(part.key, after, most)


def _batch(part: Part, person_id: Any, after: Any, last: Any) -> Select[*tuple[Any, ...]]:
    """What is theirs of a batch of a part's table, with its keys."""
    rows = part.rows(person_id)
    return rows.add_columns(part.key.label("key")).where(ranges.within(part.key, after, last)).order_by(part.key)


def _whole(part: Part, person_id: Any) -> Select[*tuple[Any, ...]]:
    return part.rows(person_id).add_columns(sa.null().label("key"))


async def export(settings: Settings, email: str, path: Path, told: Told) -> None:
    """Write the archive of whoever has this address to a file that was not there; `told`: what each part holds.

    Raises NotFound, InvalidInput.
    """
    async with Desk.open(settings) as desk:
        async with desk.writes.begin() as unit:
            person = await unit.read(people.by_email_for_anyone, email.strip().lower())
        if person is None:
            raise NotFound("email", "person")
        with _new(path) as archive:
            await _fill(desk, archive, person.id, told)
            # Before it is in its place: there is no archive that the log does not tell of.
            async with desk.writes.begin() as unit:
                unit.trail.about("people", person.id, "Exported a person.")


@contextmanager
def _new(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive that nobody else may read, in its place once it is whole. Raises InvalidInput."""
    if path.exists():
        raise InvalidInput(("output", f"{path} is there already."))
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        file = os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
        with file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


async def _fill(desk: Desk, archive: zipfile.ZipFile, person_id: UUID, told: Told) -> None:
    said = []
    for part in PARTS:
        count = 0
        files: list[tuple[str, str]] = []
        with _entry(archive, f"{part.name}.json") as out:
            async for row in _rows(desk, part, person_id):
                key = row.pop("key")
                if stored := row.pop("stored", None):
                    row["file"] = f"files/{row['ticket']}-{key}-{_safe(row['filename'])}"
                    files.append((row["file"], stored))
                out.write(b",\n" if count else b"[\n")
                out.write(orjson.dumps(row))
                count += 1
            out.write(b"\n]\n" if count else b"[]\n")
        missing = [name for name, stored in files if not await _copied(desk, archive, name, stored)]
        said.append(
            f"{part.name}.json: {part.says}: {count:,}" + "".join(f"\n  not there any more: {m}" for m in missing)
        )
        told(said[-1])
    moment = now().isoformat(timespec="seconds")
    text = f"What {desk.settings.desk_name} holds of a person, {moment}.\n\n" + "\n".join(said) + "\n"
    with _entry(archive, "README.txt") as out:
        out.write(text.encode())


async def _rows(desk: Desk, part: Part, person_id: UUID) -> AsyncIterator[dict[str, Any]]:
    """The rows of a part, found by going through its table, since no index knows who wrote what."""
    after = FIRST
    while True:
        async with desk.writes.begin() as unit:
            if part.key is None:
                last, records = None, await unit.run(_whole, part, person_id)
            elif ended := await unit.run(_end, part, after, BATCH):
                last = ended[0][0]
                records = await unit.run(_batch, part, person_id, after, last)
            else:
                return
        for record in records:
            yield {
                name: orjson.loads(value) if name in JSON and isinstance(value, str) else value
                for name, value in record.items()
            }
        if last is None:
            return
        after = last


async def _copied(desk: Desk, archive: zipfile.ZipFile, name: str, key: str) -> bool:
    """Whether the file's bytes were there."""
    try:
        _, chunks = await desk.files.open(key)
    except FileNotFoundError:
        return False
    with _entry(archive, name) as out:
        async for chunk in chunks:
            out.write(chunk)
    return True


def _entry(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Where a file of the archive is written to."""
    about = zipfile.ZipInfo(name, now().timetuple()[:6])
    about.compress_type = zipfile.ZIP_DEFLATED
    about.external_attr = 0o600 << 16
    return archive.open(about, "w", force_zip64=True)


def _safe(filename: str) -> str:
    """A file's name that leads out of no folder, wherever the archive is unpacked."""
    return re.sub(r"[^\w.-]+", "_", filename)[-MOST_NAME:].lstrip(".") or "file"
