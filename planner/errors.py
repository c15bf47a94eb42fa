"""What the planner refuses, and how that looks to a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import graphql

Error = TypeVar("Error", bound=Exception)


class Refused(Exception):
    """What the client asked for can't be answered; the message is for the client, the code for programs."""

    code: ClassVar[str] = "INTERNAL"


class BadRequest(Refused):
    """An argument's value can't be accepted."""

    code = "BAD_REQUEST"


class TooCostly(Refused):
    """More is asked than one operation may."""

    code = "TOO_COSTLY"


class PersistedQueryNotFound(Refused):
    """No text is remembered under a hash: it must be sent along, once."""

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        """Says what Apollo's clients wait for."""
        super().__init__("PersistedQueryNotFound")


class InvalidDocument(Exception):
    """Why a document can't be run: the entries of `errors`, which hold nothing of the document itself."""

    def __init__(self, errors: Sequence[graphql.GraphQLError], code: str = BadRequest.code) -> None:
        """`errors`: at least one. `code`: for programs."""
        super().__init__(errors[0].message)
        self.code = code
        self.entries = [entry(error, error.message, {"code": code}) for error in errors]


def entry(error: graphql.GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    """An entry of `errors`."""
    said: dict[str, Any] = {"message": message}
    if error.locations:
        said["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        said["path"] = error.path
    return said | {"extensions": extensions}


def unraised(error: Error) -> Error:
    """An error that was never raised, of the same words: one that is kept would keep all that its traceback names."""
    fresh = type(error).__new__(type(error), *error.args)
    vars(fresh).update(vars(error))
    return fresh
