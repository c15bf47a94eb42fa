"""Addresses of our own, each sealed for one message: one for answers, one for reports of what became of it.

The sender of a letter's envelope is such an address (VERP), so that a report names the letter by where it is sent to:
whatever it returns, and whoever wrote it. Who does not hold the letter can't make the address.
"""

import base64
import re
from email.utils import parseaddr
from typing import Final, NamedTuple
from uuid import UUID

from infra.settings import Settings
from infra.signing import Signer

REPLY: Final = "reply"  # what an address is for; so its seal is as well
BOUNCE: Final = "bounce"
SEALED: Final = 16  # bytes of a message's id
_ADDRESS = re.compile(rf"({REPLY}|{BOUNCE})\+([^@]*)@(.+)", re.IGNORECASE)


class Sealed(NamedTuple):
    """What an address of ours is for."""

    purpose: str
    message_id: UUID | None  # None: we never gave this address to anyone


def sealed(settings: Settings, signer: Signer, purpose: str, message_id: UUID) -> str | None:
    """The address for this of a message; None when no such mail is taken here."""
    if settings.reply_domain is None:
        return None
    # 53 characters before the @ at most, of 64 that may be.
    seal = base64.b32encode(message_id.bytes + signer.seal(purpose, message_id.bytes))
    return f"{purpose}+{seal.decode().rstrip('=').lower()}@{settings.reply_domain}"


def opened(settings: Settings, signer: Signer, address: str) -> Sealed | None:
    """What mail for this address is about; None when it is no address of this form."""
    if not is_sealed(settings, address) or (found := _ADDRESS.fullmatch(address)) is None:
        return None
    purpose = found[1].lower()
    try:
        value = base64.b32decode(found[2].upper() + "===")
    except ValueError:
        return Sealed(purpose, None)
    message_id, seal = value[:SEALED], value[SEALED:]
    return Sealed(purpose, UUID(bytes=message_id) if signer.sealed(purpose, message_id, seal) else None)


def is_sealed(settings: Settings, address: str) -> bool:
    """Whether mail for this address is about a message of ours, or pretends so."""
    found = _ADDRESS.fullmatch(address)
    return found is not None and found[3].lower() == (settings.reply_domain or "").lower()


def is_named(settings: Settings, address: str) -> bool:
    """Whether mail for this address is for the desk, and for nobody else of its domain."""
    return is_sealed(settings, address) or address.lower() == parseaddr(settings.mail_from)[1].lower()


def is_ours(settings: Settings, address: str) -> bool:
    """Whether mail for this address is for the desk."""
    domain = address.rpartition("@")[2].lower()
    return domain == (settings.reply_domain or "").lower() or is_named(settings, address)
