"""An operation as a client sends it, by HTTP or a socket: what it must look like before anyone runs it."""

import re
from typing import Any, NamedTuple

# U+0000 in a string of a document: \u0000, or \u{0} with any number of zeros, unless the backslash is itself escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u(?:0000|\{0+\})")
NUL = b"\\u0000"  # how JSON writes it
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Malformed(Exception):
    """What was sent is not an operation; the message is for the client."""


class Unwritable(Exception):
    """The operation holds a character that nothing here can keep; the message is for the client."""

    def __init__(self) -> None:
        super().__init__("Text can't hold the character U+0000.")


class Asked(NamedTuple):
    """One operation, as it was sent: by its text, by the hash that stands for a text, or by both."""

    text: str | None
    variables: dict[str, Any] | None
    name: str | None
    sha256: str | None  # of the text, in lower-case hexadecimal digits


def asked(given: Any, *, nul: bool = True) -> Asked:
    """The operation in a message. `nul`: whether a U+0000 may be in it, for which it is searched then.

    Raises Malformed, and Unwritable.
    """
    if not isinstance(given, dict):
        raise Malformed("The message is not a JSON object with a query; batches are not served.")
    text, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    extensions = given.get("extensions")
    sha256 = None if extensions is None else _hash(extensions)
    if not ((isinstance(text, str) and text and not text.isspace()) or (sha256 and not text)):
        raise Malformed("Send a `query`: the text of the operation.")
    if variables is not None and not isinstance(variables, dict):
        raise Malformed("`variables` is a JSON object.")
    if name is not None and not isinstance(name, str):
        raise Malformed("`operationName` is text.")
    if text and ((nul and "\0" in text) or ("\\u" in text and _NUL.search(text))):
        raise Unwritable
    if nul and variables and _holds_nul(variables):
        raise Unwritable
    return Asked(text or None, variables, name or None, sha256)


def _hash(extensions: Any) -> str | None:
    """The hash in `extensions`, as Apollo's clients send it, if there is one. Raises Malformed."""
    if not isinstance(extensions, dict):
        raise Malformed("`extensions` is a JSON object.")
    match extensions.get("persistedQuery"):
        case None:
            return None
        case {"version": 1 as version, "sha256Hash": str(sha256)} if version is not True and _SHA256.fullmatch(sha256):
            return sha256
    raise Malformed(
        "`persistedQuery` is an object with the `version` 1 and the `sha256Hash` of the query's text,"
        " as 64 hexadecimal digits in lower case."
    )


def _holds_nul(variables: dict[str, Any]) -> bool:
    """Whether some text in there has a U+0000. No recursion: how deep it is nested is the client's choice."""
    left: list[Any] = [variables]
    while left:
        value = left.pop()
        if type(value) is str:
            if "\0" in value:
                return True
        elif type(value) is list:
            left += value
        elif type(value) is dict:
            left += value
            left += value.values()
    return False
