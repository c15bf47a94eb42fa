"""Why a mutation changed nothing, as the API says it: the one place where refusals become types."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain import refusals
from domain.access import Viewer
from models import Event
from planner.fields import Payload, payload
from planner.nodes import Node, NodeId
from schema.enums import described
from schema.nodes import LOOKUPS

if TYPE_CHECKING:
    from schema.events import TicketEvent

described(
    refusals.ConflictReason,
    "Why something is in conflict.",
    CHANGED_MEANWHILE="It has changed since the state that the client had seen.",
    WRONG_STATE="It is not in a state from which this can be done, such as confirming a ticket that isn't resolved.",
    ALREADY_DONE="It has been done already, such as acknowledging twice.",
    TAKEN="Another one has this name, slug or email address.",
    IN_USE="Others still use it, such as a department that has categories, to be archived.",
    KEY_REUSED="The idempotency key was used before with another input.",
)


@strawberry.interface(description="Why a mutation changed nothing. The type says what is the matter.")
class Refusal:
    message: str = strawberry.field(description="One sentence that may be shown to the viewer.")


@strawberry.type(description="One problem of an input.")
class InputProblem:
    field: str = strawberry.field(description="Path of the field at fault.")
    message: str = strawberry.field(description="What is wrong, in one sentence.")


@strawberry.type(description="Some of the input can't be accepted.")
class InvalidInput(Refusal):
    field: str = strawberry.field(
        description="Path of the first field at fault, such as `subject` or `targets.0.resolutionSeconds`."
    )
    problems: list[InputProblem] = strawberry.field(
        description="All problems found, the first included, for marking a whole form at once; at most 50."
    )


@strawberry.type(description="An id of the input names nothing that the viewer can see.")
class NotFound(Refusal):
    field: str = strawberry.field(description="Path of the field whose id names nothing.")


@strawberry.type(description="The viewer can see it but may not do this.")
class NotAllowed(Refusal):
    pass


def _current(viewer: Viewer, thing: NodeId) -> Any:
    return LOOKUPS[thing.model](viewer, thing.key)  # type: ignore[index] # it was made from a model that is known


@strawberry.type(description="The state of things does not permit it, now.")
class Conflict(Refusal):
    reason: refusals.ConflictReason = strawberry.field(description="What stands in the way, for programs.")
    current: Payload[Node] | None = payload(
        "The thing as it is now, for showing or trying again; null when it has no single one.", _current
    )
    missed_events: list[Payload[Annotated["TicketEvent", strawberry.lazy("schema.events")]]] = payload(
        "What happened on the ticket since the client's ifSeq, oldest first, at most 50; empty for other conflicts.",
        LOOKUPS[Event],
    )


@strawberry.type(description="Too many attempts.")
class RateLimited(Refusal):
    retry_after_seconds: int = strawberry.field(description="When to try again, in seconds from now.")


@strawberry.type(
    description="The email address and password, link or token don't fit, are used up or have expired; "
    "which of these is not said."
)
class WrongCredentials(Refusal):
    pass


def shown(refusal: refusals.Refusal, possible: frozenset[str]) -> Refusal | None:
    """The refusal as one of the types that this mutation's result has; None when none of them says it."""
    name = type(refusal).__name__
    if name == "InvalidInput" and name not in possible:
        name = "NotFound"  # a malformed id, where nothing else can be wrong
    return _SHOWN[name](refusal) if name in possible else None


def _invalid_input(refusal: Any) -> InvalidInput:
    listed = [InputProblem(field=field, message=text) for field, text in refusal.problems]
    return InvalidInput(message=refusal.message, field=refusal.field, problems=listed)


_SHOWN: dict[str, Callable[[Any], Refusal]] = {
    "InvalidInput": _invalid_input,
    "NotFound": lambda refusal: NotFound(message=refusal.message, field=refusal.field),
    "NotAllowed": lambda refusal: NotAllowed(message=refusal.message),
    "Conflict": lambda refusal: Conflict(
        message=refusal.message, reason=refusal.reason, current=refusal.current, missed_events=refusal.missed
    ),
    "RateLimited": lambda refusal: RateLimited(
        message=refusal.message, retry_after_seconds=refusal.retry_after_seconds
    ),
    "WrongCredentials": lambda refusal: WrongCredentials(message=refusal.message),
}
