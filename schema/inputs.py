"""How inputs are declared: what may be left out, and what was."""

from typing import Any, TypeVar

import strawberry

Value = TypeVar("Value")
# Of an idempotency key.
KEY = "New for each intent, 1 to 64 characters; the same key is done once and answered alike for 24 hours."


def required(description: str) -> Any:
    """A field that must be there."""
    return strawberry.field(description=description)


def optional(description: str) -> Any:
    """A field that may be left out; it prints without a default."""
    return strawberry.field(description=description, default=strawberry.UNSET)


def present(input: Any, *names: str) -> dict[str, Any]:
    """What of these fields was given, null included."""
    return {name: value for name in names if (value := getattr(input, name)) is not strawberry.UNSET}


def given(value: Value | None) -> Value | None:
    """The value of an optional field; None when it was left out."""
    return None if value is strawberry.UNSET else value
