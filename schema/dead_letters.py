"""Dead letters as the API shows them."""

import datetime as dt
from typing import Annotated, Union

import strawberry

import models
from domain import dead_letters, tickets
from domain.access import Viewer
from planner.fields import Payload, attribute, input_field, payload, planned
from planner.nodes import Node, OneOf, stored
from schema.enums import described
from schema.inputs import KEY, given, optional, required
from schema.nodes import LOOKUPS
from schema.people import Person
from schema.refusals import Conflict, InvalidInput, NotAllowed, NotFound
from schema.times import TimeRange, span

described(models.DeadLetterKind, "What was given up.", JOB="A job.", EMAIL="An email.")
described(
    models.DeadLetterStatus,
    "What was decided about a dead letter.",
    WAITING="Nothing yet.",
    RETRIED="To try again.",
    DISCARDED="To leave it.",
)


@stored(models.DeadLetter, "ded")
@strawberry.type(description="A job or email that was given up after all retries.")
class DeadLetter(Node):
    kind: models.DeadLetterKind = attribute("Which of both.")
    name: str = attribute("Name of the job, such as RouteTicket, or subject of the email.")
    attempt_count: int = attribute("How often it was tried.")
    error: str = attribute("What went wrong last, one line.")
    first_tried_at: dt.datetime = attribute("When it was first tried.")
    failed_at: dt.datetime = attribute("When it was given up.")
    status: models.DeadLetterStatus = attribute("What was decided.")
    settled_by: Person | None = attribute("Who decided; null while waiting.")
    settled_at: dt.datetime | None = attribute("When; null while waiting.")

    @planned("To whom, for emails; null for jobs.")
    def recipient(letter: models.DeadLetter, viewer: Viewer) -> str | None:
        return dead_letters.recipient(letter)

    @planned("What it was about; null when nothing in particular, or it's gone.")
    def subject(letter: models.DeadLetter, viewer: Viewer) -> Node | None:
        return OneOf({models.Ticket: tickets.one(viewer, letter.ticket_id)})


@strawberry.input(description="Which dead letters to list. All conditions given must hold.")
class DeadLetterFilter:
    kind: models.DeadLetterKind | None = input_field("Jobs or emails.")
    statuses: list[models.DeadLetterStatus] | None = input_field("In one of these states; default: waiting.", most=3)
    name: str | None = input_field("With this name.")
    failed: TimeRange | None = input_field("Given up within.")

    def conditions(self) -> dead_letters.Conditions:
        """The conditions that are given."""
        statuses = given(self.statuses)
        return dead_letters.Conditions(
            kind=given(self.kind),
            statuses=dead_letters.UNDECIDED if statuses is None else statuses,
            name=given(self.name),
            failed=span(self.failed),
        )


@strawberry.input(description="What retryDeadLetters needs.")
class RetryDeadLettersInput:
    dead_letter_ids: list[strawberry.ID] = required("Which, 1 to 100.")
    idempotency_key: str | None = optional(KEY)


@strawberry.type(description="They are queued.")
class RetryDeadLettersSuccess:
    dead_letters: list[Payload[DeadLetter]] = payload("The letters.", LOOKUPS[models.DeadLetter])


RetryDeadLettersResult = Annotated[
    Union[RetryDeadLettersSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("RetryDeadLettersResult", description="What retryDeadLetters answers."),
]


@strawberry.input(description="What discardDeadLetters needs.")
class DiscardDeadLettersInput:
    dead_letter_ids: list[strawberry.ID] = required("Which, 1 to 100.")


@strawberry.type(description="They are left.")
class DiscardDeadLettersSuccess:
    dead_letters: list[Payload[DeadLetter]] = payload("The letters.", LOOKUPS[models.DeadLetter])


DiscardDeadLettersResult = Annotated[
    Union[DiscardDeadLettersSuccess, InvalidInput, NotFound, NotAllowed, Conflict],
    strawberry.union("DiscardDeadLettersResult", description="What discardDeadLetters answers."),
]
