"""How the enums of the models look in the API: with a description of each value."""

import enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

AnEnum = TypeVar("AnEnum", bound=type[enum.Enum])


def described(enum_class: AnEnum, description: str, *, called: str | None = None, **values: str) -> AnEnum:
    """The enum as a type of the API, `called` so or by its own name.

    Raises TypeError unless exactly its values are described.
    """
    if set(values) != set(enum_class.__members__):
        raise TypeError(f"{enum_class.__name__} has other values than {', '.join(values)}.")
    made = strawberry.enum(enum_class, name=called, description=description)
    definition: StrawberryEnumDefinition = made.__strawberry_definition__  # type: ignore[attr-defined] # Strawberry puts it there
    for value in definition.values:
        value.description = values[value.name]
    return made
