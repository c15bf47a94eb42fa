"""Files as the API shows them: those on tickets, and places to send one to."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import sqlalchemy as sa
import strawberry

import models
from domain import attachments
from domain.access import Viewer
from infra.desk import Desk
from infra.files import download_url
from planner.fields import Computed, When, attribute, computed, planned
from planner.nodes import Node, stored
from planner.scalars import URL
from schema.inputs import required
from schema.people import Person
from schema.refusals import InvalidInput, RateLimited

if TYPE_CHECKING:
    from schema.comments import Comment


def _url(desk: Desk, key: str, filename: str, content_type: str, size_bytes: int) -> str:
    return download_url(
        desk.settings, desk.signer, key=key, filename=filename, content_type=content_type, size_bytes=size_bytes
    )


@stored(models.Attachment, "att")
@strawberry.type(description="A file on a ticket.")
class Attachment(Node):
    filename: str = attribute("File name.")
    content_type: str = attribute("Media type found in the content, not the one claimed.")
    size_bytes: int = attribute("Size in bytes.")
    comment: Annotated["Comment", strawberry.lazy("schema.comments")] | None = attribute(
        "The comment it came with; null when it came with the ticket itself."
    )

    @planned("Who uploaded it; null when it came by email.")
    def uploaded_by(attachment: models.Attachment, viewer: Viewer) -> Person | None:
        return When(sa.not_(attachments.came_by_mail(attachment)), attachment.uploaded_by)

    created_at: dt.datetime = attribute("When it was attached.")

    @computed("Where to fetch it, for 10 minutes, without further proof of rights.")
    def url(attachment: models.Attachment, viewer: Viewer) -> URL:
        return Computed(_url, attachment.key, attachment.filename, attachment.content_type, attachment.size_bytes)


@strawberry.type(description="A header of an upload's request.")
class UploadHeader:
    name: str = strawberry.field(description="Its name.")
    value: str = strawberry.field(description="Its value.")


@stored(models.Upload, "upl")
@strawberry.type(
    description="A place to send one file to. Send the bytes, then name the id in a mutation within a day."
)
class Upload:
    id: strawberry.ID = strawberry.field(description="Id for fields named uploadId or uploadIds.")
    url: URL = strawberry.field(description="Where to send the file's bytes as they are, no form.")
    method: str = strawberry.field(description="HTTP method to use: PUT.")
    headers: list[UploadHeader] = strawberry.field(description="Headers to send along.")
    expires_at: dt.datetime = strawberry.field(description="Until when bytes are accepted.")


@strawberry.input(description="What createUpload needs.")
class CreateUploadInput:
    filename: str = required("File name, 1 to 255 characters.")
    content_type: str = required("Media type.")
    size_bytes: int = required("Exact size in bytes, at most Desk.maxAttachmentBytes.")


@strawberry.type(description="Send the bytes to the upload's url.")
class CreateUploadSuccess:
    upload: Upload = strawberry.field(description="The upload.")


CreateUploadResult = Annotated[
    Union[CreateUploadSuccess, InvalidInput, RateLimited],
    strawberry.union("CreateUploadResult", description="What createUpload answers."),
]
