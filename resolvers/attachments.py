"""Files: a place to send one to."""

import strawberry

import models
from domain import attachments
from infra.files import upload_url
from infra.unit import Unit
from planner.nodes import global_id
from planner.scalars import URL
from resolvers.writing import mutation
from schema.attachments import CreateUploadInput, CreateUploadResult, CreateUploadSuccess, Upload, UploadHeader
from schema.context import Context


@mutation("Asks for a place to send one file to.")
async def create_upload(unit: Unit, context: Context, input: CreateUploadInput) -> CreateUploadResult:
    desk = context.desk
    place = await attachments.create_upload(
        unit,
        context.viewer,
        desk.settings,
        filename=input.filename,
        content_type=input.content_type,
        size_bytes=input.size_bytes,
    )
    upload = Upload(
        id=strawberry.ID(global_id(models.Upload, place.id)),
        url=URL(upload_url(desk.settings, desk.signer, place.id, attachments.UPLOAD_SECONDS, by=context.viewer.id)),
        method="PUT",
        headers=[UploadHeader(name="Content-Type", value=place.content_type)],
        expires_at=place.expires_at,
    )
    return CreateUploadSuccess(upload=upload)
