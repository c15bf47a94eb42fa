"""Keys of rows: uuids of version 7, which sort by time (RFC 9562, section 5.7)."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A new key. 48 bits of milliseconds since 1970 come first, then 74 random ones."""
    random = secrets.randbits(74)
    head = time.time_ns() // 1_000_000 << 16 | 0x7000 | random >> 62
    return UUID(int=head << 64 | 0x8000_0000_0000_0000 | random & 0x3FFF_FFFF_FFFF_FFFF)
