"""Comments: adding, editing and taking them back."""

import dataclasses

import models
from domain import comments, editing
from domain.comments import Words
from infra.unit import Unit
from resolvers.writing import key_of, keys_of, mutation, optional_key
from schema.comments import (
    AddCommentInput,
    AddCommentResult,
    AddCommentSuccess,
    AddInternalCommentInput,
    AddInternalCommentResult,
    AddInternalCommentSuccess,
    DeleteCommentInput,
    DeleteCommentResult,
    DeleteCommentSuccess,
    EditCommentInput,
    EditCommentResult,
    EditCommentSuccess,
)
from schema.context import Context
from schema.inputs import given


def _words(input: AddCommentInput | AddInternalCommentInput) -> Words:
    return Words(
        ticket_id=key_of(input.ticket_id, models.Ticket, "ticketId"),
        body=input.body,
        upload_ids=tuple(keys_of(input.upload_ids, models.Upload, "uploadIds")),
    )


@mutation(
    "Adds a comment that the customer can read, with files, and sets the status in the same step. A customer's comment "
    "opens a pending or resolved ticket. Requester, assignee, watchers and, without an assignee, the department are "
    "notified."
)
async def add_comment(unit: Unit, context: Context, input: AddCommentInput) -> AddCommentResult:
    then = given(input.then_status)
    said = dataclasses.replace(_words(input), if_seq=given(input.if_seq), then=then.value if then else None)
    comment = await comments.add(unit, context.viewer, said)
    return AddCommentSuccess(comment=comment.id, ticket=comment.ticket_id)


@mutation(
    "Adds a comment that only staff can read. A mutation of its own, so that no forgotten flag sends it to the "
    "customer. Staff."
)
async def add_internal_comment(
    unit: Unit, context: Context, input: AddInternalCommentInput
) -> AddInternalCommentResult:
    comment = await comments.add_internal(unit, context.viewer, _words(input))
    return AddInternalCommentSuccess(comment=comment.id, ticket=comment.ticket_id)


@mutation("Edits a comment. Authors within 15 minutes, leads always.")
async def edit_comment(unit: Unit, context: Context, input: EditCommentInput) -> EditCommentResult:
    comment_id = key_of(input.comment_id, models.Comment, "commentId")
    return EditCommentSuccess(comment=await editing.edit(unit, context.viewer, comment_id, input.body))


@mutation(
    "Takes back a comment, or one file of it; the place stays in the history, the content is erased. "
    "Authors within 15 minutes, leads always."
)
async def delete_comment(unit: Unit, context: Context, input: DeleteCommentInput) -> DeleteCommentResult:
    comment_id = key_of(input.comment_id, models.Comment, "commentId")
    attachment_id = optional_key(input.attachment_id, models.Attachment, "attachmentId")
    return DeleteCommentSuccess(comment=await editing.delete(unit, context.viewer, comment_id, attachment_id))
