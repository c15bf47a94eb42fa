"""What may go wrong for a caller, and is theirs to know. Whoever raises one has changed nothing."""

import enum
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID


class ConflictReason(enum.Enum):
    """Why something is in conflict."""

    CHANGED_MEANWHILE = enum.auto()
    WRONG_STATE = enum.auto()
    ALREADY_DONE = enum.auto()
    TAKEN = enum.auto()
    IN_USE = enum.auto()
    KEY_REUSED = enum.auto()


class Refusal(Exception):  # named for what is the matter
    """Something can't be done; the message may be shown to the viewer."""

    code: ClassVar[str] = "BAD_REQUEST"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(Refusal):
    """Some of the input can't be accepted: `problems` are pairs of a field's path and a sentence, 1 to 50."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__(problems[0][1])
        self.field, self.problems = problems[0][0], problems[:50]


class NotFound(Refusal):
    """The id in this field names nothing that the viewer can see."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"There is no such {what}.")
        self.field = field


class NotAllowed(Refusal):
    """The viewer may not do this."""

    code = "NOT_ALLOWED"

    def __init__(self, message: str = "You may not do this.") -> None:
        super().__init__(message)


class Unauthenticated(Refusal):
    """Nobody is signed in."""

    code = "UNAUTHENTICATED"

    def __init__(self) -> None:
        super().__init__("Sign in first.")


class Conflict(Refusal):
    """The state of things does not permit it; `current` is the model and key of the thing as it is now.

    `missed`: ids of what happened on a ticket since the caller looked, oldest first, at most 50.
    """

    def __init__(
        self,
        reason: ConflictReason,
        message: str,
        *,
        current: tuple[Any, UUID] | None = None,
        missed: Sequence[UUID] = (),
    ) -> None:
        super().__init__(message)
        self.reason, self.current, self.missed = reason, current, list(missed)


class RateLimited(Refusal):
    """Too many attempts; to be tried again after so many seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("Too many attempts. Wait a little, then try again.")
        self.retry_after_seconds = retry_after_seconds


class WrongCredentials(Refusal):
    """What was offered opens no session; why is not said.

    For the audit log: whose account it was about, where somebody's, and whether the log has it already.
    """

    code = "UNAUTHENTICATED"

    def __init__(self, person_id: UUID | None = None, *, noted: bool = False) -> None:
        super().__init__("This is not right, or not any more. Try again, or ask for a link by email.")
        self.person_id, self.noted = person_id, noted


class Problems:
    """Collects what is wrong with an input, so that a whole form can be marked at once."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def add(self, field: str, message: str) -> None:
        """This field is at fault."""
        self._found.append((field, message))

    def __bool__(self) -> bool:
        return bool(self._found)

    def refuse(self) -> None:
        """Raise InvalidInput if anything was found."""
        if self._found:
            raise InvalidInput(*self._found)
