"""Files that come with a mail, and what is too long to be read as one: kept within the limits of any upload, or left
out and named.
"""

from typing import Any
from uuid import UUID

from domain import attachments
from domain.access import Viewer
from domain.inbound.parts import File
from domain.inbound.reading import Mail
from domain.refusals import RateLimited, Refusal
from domain.words import MOST_BODY
from infra.desk import Desk
from infra.files import WrongSize, WrongType

WHOLE = "message.txt"  # what was written, where it is longer than a text may be


async def stored(desk: Desk, viewer: Viewer, mail: Mail) -> tuple[tuple[UUID, ...], str]:
    """The mail's files as uploads of the sender's, and its words; these also tell of files that were not accepted.

    Of words that are too many the first are given, and all of them are a file.
    """
    whole = (File(WHOLE, "text/plain", mail.text.encode()),) if len(mail.text) > MOST_BODY else ()
    upload_ids, left_out = [], []
    for number, file in enumerate((*whole, *mail.files)):
        upload_id = await _upload(desk, viewer, file) if number < attachments.MOST_FILES else None
        if upload_id is None:
            left_out.append(file.name[: attachments.MOST_FILENAME])
        else:
            upload_ids.append(upload_id)
    note = f"\n\n(Not taken: {', '.join(left_out[: attachments.MOST_FILES])})" if left_out else ""
    return tuple(upload_ids), f"{cut(mail.text, MOST_BODY - len(note))}{note}".strip()


async def _upload(desk: Desk, viewer: Viewer, file: File) -> UUID | None:
    """One file, stored as an upload that is forgotten unless something names it; None when it can't be accepted."""

    async def content() -> Any:
        yield file.content

    size = len(file.content)
    try:
        async with desk.writes.begin() as unit:
            place = await attachments.create_upload(
                unit,
                viewer,
                desk.settings,
                filename=file.name[-attachments.MOST_FILENAME :],
                content_type=file.content_type,
                size_bytes=size,
            )
        uploads = attachments.Uploads(desk)
        expected = await uploads.find(place.id)
        if expected is None:
            return None
        received = await desk.files.receive(
            expected.key,
            content(),
            size=size,
            allowed=desk.settings.attachment_types,
            filename=expected.filename,
            claimed=expected.content_type,
        )
        return place.id if await uploads.stored(place.id, received) else None
    except RateLimited:
        raise
    except (Refusal, WrongType, WrongSize):
        return None


def cut(text: str, most: int) -> str:
    """The text, of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 2]} …"
