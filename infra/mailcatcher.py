"""Mail that is delivered to nobody: it lies in a folder, to be looked at."""

import datetime as dt
import secrets
from collections import deque
from pathlib import Path
from typing import Final

MOST_MESSAGES: Final = 1000


class Catcher:
    """Keeps each message as an `.eml` file whose name sorts by time; the newest `MOST_MESSAGES` stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.part"):  # of a catcher that was killed
            unfinished.unlink()
        self._kept = deque(sorted(folder.glob("*.eml")))

    def keep(self, message: bytes) -> Path:
        """Write one message, whole or not at all, and let go of the oldest."""
        time = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = self._folder / f"{time}-{secrets.token_hex(4)}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(message)
        unfinished.replace(path)
        self._kept.append(path)
        while len(self._kept) > MOST_MESSAGES:
            self._kept.popleft().unlink(missing_ok=True)
        return path
