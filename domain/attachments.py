"""Files on tickets: a place to send one to, the file on its ticket, and what nobody ever named."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select

from domain import access, attempts, words
from domain.access import Viewer
from domain.jobs import EraseFiles
from domain.refusals import InvalidInput, NotFound, Problems
from infra.desk import Desk
from infra.files import Expected, Received
from infra.ids import new_id
from infra.media_types import UNKNOWN, accepted, usual
from infra.settings import Settings
from infra.unit import Unit, now
from models import Attachment, Comment, Person, Ticket, TicketChannel, Upload

MOST_FILES = 10
MOST_FILENAME = 255
UPLOAD_SECONDS = 24 * 60 * 60
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")  # RFC 6838

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, ticket: Any) -> Select[Attachment]:
    """The files on a ticket that the viewer sees."""
    seen = access.unless_internal(viewer, ticket, ~Attachment.internal)
    return select(Attachment).where(Attachment.ticket_id == ticket.id, seen)


def _own(viewer: Viewer, upload_ids: Any) -> Select[Upload]:
    return select(Upload).where(Upload.id == func.any(upload_ids), Upload.person_id == viewer.id).order_by(Upload.id)


def _upload(upload_id: Any) -> Select[Upload]:
    return select(Upload).where(Upload.id == upload_id)


def _naming(upload_id: Any, person_id: Any, key: Any) -> Select[*tuple[Any, ...]]:
    """A row for whatever names an upload's bytes: its place, a file on a ticket, the picture of whoever sent them."""
    place = select(Upload.key).where(Upload.id == upload_id)
    file = select(Attachment.key).where(Attachment.key == key)
    picture = select(Person.avatar_key).where(Person.id == person_id, Person.avatar_key == key)
    return select(sa.union_all(place, file, picture).subquery("naming").c[0])


def of_comment(comment: Any) -> Select[Attachment]:
    """The files that came with a comment, for whoever reads it."""
    return select(Attachment).where(Attachment.comment_id == comment.id).order_by(Attachment.id)


def came_by_mail(attachment: Any) -> ColumnElement[bool]:
    """Whether nobody uploaded it, since it came with a mail: that is its comment, or the ticket itself."""
    comment, ticket = (
        sa.exists().where(model.id == key, model.channel == TicketChannel.EMAIL)
        for model, key in ((Comment, attachment.comment_id), (Ticket, attachment.ticket_id))
    )
    return sa.case((attachment.comment_id.is_(None), ticket), else_=comment)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A place to send one file to."""

    id: UUID
    content_type: str
    expires_at: dt.datetime


async def create_upload(
    unit: Unit, viewer: Viewer, settings: Settings, *, filename: str, content_type: str, size_bytes: int
) -> Place:
    """Make a place for one file of this name, type and size. Raises InvalidInput before a byte has flowed."""
    access.sign_in_required(viewer)
    problems = Problems()
    name = words.line(problems, "filename", words.filename(filename), most=MOST_FILENAME, what="The file name")
    claimed = usual(content_type)
    if not _MEDIA_TYPE.fullmatch(claimed):
        problems.add(
            "contentType", f"This is not a media type. Name one such as image/png; what is not known is {UNKNOWN}."
        )
    elif claimed != UNKNOWN and not accepted(claimed, settings.attachment_types):  # else the content tells
        problems.add("contentType", "Files of this type are not accepted.")
    if not 1 <= size_bytes <= settings.max_attachment_bytes:
        problems.add("sizeBytes", f"A file has 1 to {settings.max_attachment_bytes:,} bytes.")
    problems.refuse()
    await attempts.count(unit, attempts.UPLOAD_BY_PERSON, str(viewer.id))
    upload_id = new_id()
    upload = unit.insert(
        Upload,
        id=upload_id,
        person_id=viewer.id,
        filename=name,
        claimed_type=claimed,
        size_bytes=size_bytes,
        key=f"{upload_id.hex[-2:]}/{upload_id}",  # spread over folders
        created_at=unit.now,
        expires_at=unit.now + dt.timedelta(seconds=UPLOAD_SECONDS),
        content_type=None,
        sha256=None,
        stored_at=None,
    )
    return Place(upload_id, claimed, upload.expires_at)


class Uploads:
    """What the place where bytes arrive asks and tells."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def find(self, upload_id: UUID) -> Expected | None:
        """What is to arrive; None when there is no such place, or not any more."""
        async with self._desk.writes.begin() as unit:
            row = await unit.read(_upload, upload_id)
            if row is None or row.expires_at <= unit.now:
                return None
            return Expected(
                person_id=row.person_id,
                key=row.key,
                size_bytes=row.size_bytes,
                filename=row.filename,
                content_type=row.claimed_type,
                stored=row.stored_at is not None,
            )

    async def stored(self, upload_id: UUID, received: Received) -> bool:
        """The bytes have arrived. False when others had before, or the place is gone."""
        async with self._desk.writes.begin() as unit:
            row = await unit.lock(_upload, upload_id)
            if row is None or row.expires_at <= unit.now:
                return False
            if row.stored_at is not None:
                return row.sha256 == received.sha256
            unit.change(row, content_type=received.content_type, sha256=received.sha256, stored_at=unit.now)
            return True

    async def forgotten(self, upload_id: UUID, expected: Expected) -> bool:
        """Whether nothing names the bytes of this upload any more."""
        async with self._desk.writes.begin() as unit:
            return not await unit.run(_naming, upload_id, expected.person_id, expected.key)


async def finished(unit: Unit, viewer: Viewer, upload_ids: list[UUID]) -> list[Upload]:
    """The viewer's uploads, locked, in the order given. Raises NotFound, InvalidInput."""
    if not upload_ids:
        return []
    if len(upload_ids) > MOST_FILES:
        raise InvalidInput(("uploadIds", f"At most {MOST_FILES} files are possible."))
    if len(set(upload_ids)) < len(upload_ids):
        raise InvalidInput(("uploadIds", "Each file can be named once."))
    known = {row.id: row for row in await unit.lock_all(_own, viewer, upload_ids)}
    problems = Problems()
    for number, upload_id in enumerate(upload_ids):
        row = known.get(upload_id)
        if row is None or row.expires_at <= unit.now:
            raise NotFound(f"uploadIds.{number}", "upload")
        if row.stored_at is None:
            problems.add(f"uploadIds.{number}", "The bytes of this file have not arrived yet.")
    problems.refuse()
    return [known[upload_id] for upload_id in upload_ids]


def attach(
    unit: Unit, ticket: Ticket, uploads: list[Upload], *, comment_id: UUID | None = None, internal: bool = False
) -> None:
    """Hang finished uploads on the ticket, or on a comment of it."""
    for upload in uploads:
        unit.insert(
            Attachment,
            ticket_id=ticket.id,
            comment_id=comment_id,
            filename=upload.filename,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
            key=upload.key,
            internal=internal,
            uploaded_by_id=upload.person_id,
            created_at=unit.now,
        )
        unit.delete(upload)


SWEEP_BATCH = 500


def _orphans(moment: Any, most: Any) -> Select[Upload]:
    return select(Upload).where(Upload.expires_at <= moment).order_by(Upload.id).limit(most)


async def sweep(desk: Desk) -> int:
    """Forget uploads that nothing named within a day, and have their bytes erased; gives how many."""
    moment, count, found = now(), 0, SWEEP_BATCH
    while found == SWEEP_BATCH:
        async with desk.writes.begin() as unit:
            rows = await unit.lock_all(_orphans, moment, SWEEP_BATCH)
            for row in rows:
                unit.delete(row)
            if rows:
                unit.enqueue(EraseFiles([row.key for row in rows]))
        found = len(rows)
        count += found
    return count
