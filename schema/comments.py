"""Comments as the API shows them."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Union

import strawberry

import models
from domain import attachments, comments, tickets
from domain.access import Viewer
from planner.fields import Payload, attribute, payload, planned
from planner.nodes import Node, stored
from schema.attachments import Attachment
from schema.inputs import KEY, optional, required
from schema.nodes import LOOKUPS
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound, RateLimited
from schema.states import UnresolvedStatus

if TYPE_CHECKING:
    from schema.tickets import Ticket

LazyTicket = Annotated["Ticket", strawberry.lazy("schema.tickets")]
UPLOADS = "Finished uploads of the viewer, at most 10."


@stored(models.Comment, "com")
@strawberry.type(description="One comment on a ticket.")
class Comment(Node):
    ticket: LazyTicket = attribute("The ticket.")
    author: Person | None = attribute("Who wrote it; null when Deskwire did.")
    body: str | None = attribute("Markdown, at most 20,000 characters; null once deleted.")
    body_html: str | None = attribute("The body as HTML; null once deleted.")
    internal: bool = attribute("True when only staff can read it.")
    channel: models.TicketChannel = attribute("How it came in.")
    created_at: dt.datetime = attribute("When it was written.")
    edited_at: dt.datetime | None = attribute("When it was last edited; null if never.")
    deleted_at: dt.datetime | None = attribute("When it was deleted; null if it wasn't.")

    @planned("Files, at most 10.", most=attachments.MOST_FILES)
    def attachments(comment: models.Comment, viewer: Viewer) -> list[Attachment]:
        return attachments.of_comment(comment)

    @planned("What became of its email to the requester; null when none was due. Staff.")
    def email_status(comment: models.Comment, viewer: Viewer) -> models.DeliveryStatus | None:
        return comments.email_status(viewer, comment)

    @planned("Whether the viewer may edit or delete it: authors for 15 minutes, leads always.")
    def viewer_can_edit(comment: models.Comment, viewer: Viewer) -> bool:
        return comments.can_edit(viewer, comment)


@strawberry.input(description="What addComment needs.")
class AddCommentInput:
    ticket_id: strawberry.ID = required("The ticket.")
    body: str = required("Markdown, 1 to 20,000 characters; may be empty when there are files.")
    if_seq: int | None = optional("Refuse as CHANGED_MEANWHILE when others have commented since this seq.")
    upload_ids: list[strawberry.ID] | None = optional(UPLOADS)
    then_status: UnresolvedStatus | None = optional("Status afterwards. Staff; default: as it is.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The comment is added.")
class AddCommentSuccess:
    comment: Payload[Comment] = payload("The comment.", LOOKUPS[models.Comment])
    ticket: Payload[LazyTicket] = payload("The ticket as it is now.", tickets.one)


AddCommentResult = Annotated[
    Union[AddCommentSuccess, InvalidInput, NotFound, NotAllowed, Conflict, RateLimited],
    strawberry.union("AddCommentResult", description="What addComment answers."),
]


@strawberry.input(description="What addInternalComment needs.")
class AddInternalCommentInput:
    ticket_id: strawberry.ID = required("The ticket.")
    body: str = required(
        "Markdown, 1 to 20,000 characters; may be empty when there are files. "
        "@ and the full name notifies that member of staff, who must be able to see the ticket."
    )
    upload_ids: list[strawberry.ID] | None = optional(UPLOADS)
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="The comment is added.")
class AddInternalCommentSuccess:
    comment: Payload[Comment] = payload("The comment.", LOOKUPS[models.Comment])
    ticket: Payload[LazyTicket] = payload("The ticket as it is now.", tickets.one)


AddInternalCommentResult = Annotated[
    Union[AddInternalCommentSuccess, InvalidInput, NotFound, NotAllowed, Conflict, RateLimited],
    strawberry.union("AddInternalCommentResult", description="What addInternalComment answers."),
]


@strawberry.input(description="What editComment needs.")
class EditCommentInput:
    comment_id: strawberry.ID = required("The comment.")
    body: str = required("Markdown, 1 to 20,000 characters.")


@strawberry.type(description="The comment is edited.")
class EditCommentSuccess:
    comment: Payload[Comment] = payload("The comment.", LOOKUPS[models.Comment])


EditCommentResult = Annotated[
    Union[EditCommentSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("EditCommentResult", description="What editComment answers."),
]


@strawberry.input(description="What deleteComment needs.")
class DeleteCommentInput:
    comment_id: strawberry.ID = required("The comment.")
    attachment_id: strawberry.ID | None = optional("Erase only this file of it; default: all.")


@strawberry.type(description="The content is erased.")
class DeleteCommentSuccess:
    comment: Payload[Comment] = payload("What is left.", LOOKUPS[models.Comment])


DeleteCommentResult = Annotated[
    Union[DeleteCommentSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("DeleteCommentResult", description="What deleteComment answers."),
]
