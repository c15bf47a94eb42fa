"""Events of how a ticket ends, and begins again."""

import strawberry

import models
from domain import history, resolutions
from domain.access import Viewer
from planner.fields import planned
from planner.nodes import stored
from schema.events import TicketEvent, said


@stored(models.Event, "evt", kind="TicketResolved")
@strawberry.type(description="The desk declared it solved.")
class TicketResolved(TicketEvent):
    @planned("What solved it, Markdown; null when nothing was written.")
    def summary(event: models.Event, viewer: Viewer) -> str | None:
        return resolutions.event_text(event, models.Resolution.summary)

    @planned("The summary as HTML.")
    def summary_html(event: models.Event, viewer: Viewer) -> str | None:
        return resolutions.event_text(event, models.Resolution.summary_html)


@stored(models.Event, "evt", kind="ResolutionConfirmed")
@strawberry.type(description="The customer confirmed the resolution or rated it.")
class ResolutionConfirmed(TicketEvent):
    @planned("1 to 5; null when not rated. The requester, the assignee, and leads.")
    def rating(event: models.Event, viewer: Viewer) -> int | None:
        return resolutions.event_rating(viewer, event)

    @planned("What the customer wrote; null when nothing. The requester, the assignee, and leads.")
    def feedback(event: models.Event, viewer: Viewer) -> str | None:
        return resolutions.event_feedback(viewer, event)


@stored(models.Event, "evt", kind="TicketReopened")
@strawberry.type(description="The ticket was opened again.")
class TicketReopened(TicketEvent):
    @planned("Why, in words.")
    def reason(event: models.Event, viewer: Viewer) -> str | None:
        return history.words_of(event, "reason")


@stored(models.Event, "evt", kind="TicketClosed")
@strawberry.type(description="The ticket was closed.")
class TicketClosed(TicketEvent):
    @planned("True when the time to confirm had run out.")
    def expired(event: models.Event, viewer: Viewer) -> bool:
        return said(event, "expired") == "true"

    @planned("Why, in words; null when nothing was said. Staff.")
    def close_reason(event: models.Event, viewer: Viewer) -> str | None:
        return history.reason_of(viewer, event, "close_reason")
