"""Readers without an account: each is known by an id that was signed here, and by nothing else."""

from typing import Any
from uuid import UUID, uuid5

from domain.access import Viewer
from infra.ids import new_id
from infra.signing import BadToken, Signer

NAME = "visitor"  # what such a token is for, and its cookie
SECONDS = 400 * 24 * 60 * 60  # as long as browsers keep a cookie
_OF_KEYS = UUID("5b0f6b1e-2f0c-5c55-9d0e-6a3f1c8f7a21")


def newcomer(network: str, key: str | None = None) -> Viewer:
    """Somebody who was never here. Under the same idempotency key they are the same again.

    So whoever lost the first answer, and with it their id, can ask for it once more.
    """
    return Viewer(None, new_id() if key is None else uuid5(_OF_KEYS, f"{network} {key}"))


def known(signer: Signer, token: str) -> Viewer | None:
    """Whoever was given this token; None when it's none of ours, or too old."""
    try:
        return Viewer(None, UUID(signer.read(NAME, token)["id"]))
    except (BadToken, KeyError, ValueError, TypeError, AttributeError):
        return None


def arriving(signer: Signer, network: str, token: Any) -> tuple[Viewer, bool]:
    """Who comes with what may be such a token, and whether they are yet to be told by what they are known."""
    found = known(signer, token) if token and isinstance(token, str) else None
    return (newcomer(network), True) if found is None else (found, False)


def token(signer: Signer, visitor: Viewer) -> str:
    """What a visitor is known by from now on."""
    return signer.sign(NAME, {"id": str(visitor.id)}, SECONDS)
