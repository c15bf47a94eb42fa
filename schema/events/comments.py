"""Events of what was said."""

import strawberry

import models
from domain import comments
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.comments import Comment
from schema.events import TicketEvent


@stored(models.Event, "evt", kind="CommentAdded")
@strawberry.type(description="A comment was added.")
class CommentAdded(TicketEvent):
    @planned("The comment as it is now.")
    def comment(event: models.Event, viewer: Viewer) -> Comment:
        return comments.of_event(viewer, event)


@stored(models.Event, "evt", kind="CommentEdited")
@strawberry.type(description="A comment was edited.")
class CommentEdited(TicketEvent):
    @planned("The comment as it is now.")
    def comment(event: models.Event, viewer: Viewer) -> Comment:
        return comments.of_event(viewer, event)


@stored(models.Event, "evt", kind="CommentDeleted")
@strawberry.type(description="A comment was deleted, or a file of it.")
class CommentDeleted(TicketEvent):
    @planned("What is left of it.")
    def comment(event: models.Event, viewer: Viewer) -> Comment:
        return comments.of_event(viewer, event)
