"""How inputs are declared: what may be left out, and what was."""

from typing import Any, TypeVar

import strawberry

Value = TypeVar("Value")


def required(description: str) -> Any:
    """A field that must be there."""
    return strawberry.field(description=description)


def optional(description: str) -> Any:
    """A field that may be left out; it prints without a default."""
    return strawberry.field(description=description, default=strawberry.UNSET)


def given(value: Value | None) -> Value | None:
    """The value of an optional field; None when it was left out."""
    return None if value is strawberry.UNSET else value
