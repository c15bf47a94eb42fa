"""Keys of rows: uuids of version 7, which sort by time (RFC 9562, section 5.7 and 6.2, method 3).

They are of the driver's own class: Python's, of which it is one, takes ten times as long to read and write.
"""

import os
import time
from uuid import UUID

from asyncpg.pgproto import pgproto

_last = 0  # milliseconds since 1970, and below them the 12 bits of their fraction


def new_id() -> UUID:
    """A new key, greater than every one before it of this process; 62 of its bits are random."""
    global _last  # noqa: PLW0603 # what keeps them in order
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    _last = max(milliseconds << 12 | (rest << 12) // 1_000_000, _last + 1)
    head = (_last >> 12) << 16 | 0x7000 | _last & 0xFFF
    tail = 0x8000_0000_0000_0000 | int.from_bytes(os.urandom(8)) >> 2
    return pgproto.UUID((head << 64 | tail).to_bytes(16))


def parsed(text: str) -> UUID:
    """The key that a text spells. Raises ValueError."""
    return pgproto.UUID(text)
