"""Readers without an account: each is known by an id that was signed here, and by nothing else."""

from typing import Any
from uuid import UUID, uuid5

from domain.access import Viewer
from infra.ids import new_id
from infra.signing import BadToken, Signer

NAME = "visitor"  # what such a token is for, and its cookie
SECONDS = 400 * 24 * 60 * 60  # as long as browsers keep a cookie
_OF_KEYS = UUID("5b0f6b1e-2f0c-5c55-9d0e-6a3f1c8f7a21")


def newcomer() -> Viewer:
    """Somebody who was never here."""
    return Viewer(None, new_id())


def owner_of(network: str, key: str, digest: bytes) -> UUID:
    """To whom an idempotency key belongs that comes with the `digest` of an input from somebody who was never here.

    So whoever lost the first answer, and with it what they are known by, can ask for it once more; and nobody who only
    has a key like theirs, be it from the same network.
    """
    return uuid5(_OF_KEYS, f"{network} {key} {digest.hex()}")


def known(signer: Signer, token: str) -> Viewer | None:
    """Whoever was given this token; None when it's none of ours, or too old."""
    try:
        return Viewer(None, UUID(signer.read(NAME, token)["id"]))
    except (BadToken, KeyError, ValueError, TypeError, AttributeError):
        return None


def arriving(signer: Signer, token: Any) -> tuple[Viewer, bool]:
    """Who comes with what may be such a token, and whether they are yet to be told by what they are known."""
    found = known(signer, token) if token and isinstance(token, str) else None
    return (newcomer(), True) if found is None else (found, False)


def token(signer: Signer, visitor: Viewer) -> str:
    """What a visitor is known by from now on."""
    return signer.sign(NAME, {"id": str(visitor.id)}, SECONDS)
