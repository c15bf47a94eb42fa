"""A mail server that delivers nothing: what it takes lies in a folder, to be looked at."""

import asyncio
import datetime as dt
import secrets
import signal
import sys
from collections import deque
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP

MOST_MESSAGES: Final = 1000
MOST_BYTES: Final = 32 * 1024 * 1024
HOST: Final = "127.0.0.1"


class Catcher:
    """Keeps each message as an `.eml` file whose name sorts by time; the newest `MOST_MESSAGES` stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.part"):  # of a catcher that was killed
            unfinished.unlink()
        self._kept = deque(sorted(folder.glob("*.eml")))

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd calls it so)
        """Take one message; aiosmtpd calls this."""
        self.keep(envelope.original_content)
        return "250 Kept"

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


def run(port: int, folder: Path) -> None:
    """Take mail at this port, for this machine alone, until SIGTERM or SIGINT."""
    asyncio.run(_serve(port, folder))


async def _serve(port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    catcher = Catcher(folder)
    server = await loop.create_server(
        lambda: SMTP(catcher, data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, hostname="deskwire", loop=loop),
        HOST,
        port,
    )
    await stop.wait()
    server.close()


if __name__ == "__main__":
    run(int(sys.argv[1]), Path(sys.argv[2]))
