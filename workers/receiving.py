"""The process that takes mail: answers go to their tickets."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from domain import reply_addresses
from infra import logs, mail_door, tracing
from infra.mail_door import Door, Incoming
from infra.mailcatcher import Catcher
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.desk import Desk

HOST = "127.0.0.1"  # the mail catcher is for this machine alone


class Answers:
    """Hands in answers. The desk is loaded with the first at the latest: to most catchers none comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = asyncio.Lock()
        self._desk: Desk | None = None

    async def open(self) -> "Desk":
        """The desk, loaded."""
        from infra.desk import Desk

        async with self._opening:
            self._desk = self._desk or await Desk.open(self._settings)
        return self._desk

    async def take(self, mail: Incoming) -> None:
        """Returns when all is done; may be given the same again."""
        from domain import inbound

        await inbound.take(await self.open(), mail)

    async def close(self) -> None:
        """Ends its connections, if there are any."""
        if self._desk is not None:
            await self._desk.close()


async def receive(settings: Settings, port: int) -> None:
    """Take mail for our domain until SIGTERM or SIGINT."""
    logs.configure(settings, "receive")
    async with tracing.exporting(settings, "receive"):
        answers = Answers(settings)
        await answers.open()
        try:
            door = Door(answers.take, partial(reply_addresses.is_ours, settings))
            await mail_door.serve(settings.mail_door_host, port, door, settings.mail_door_protocol)
        finally:
            await answers.close()


async def catch(settings: Settings, port: int) -> None:
    """Take mail for anyone and keep it, but hand in what answers a ticket, until SIGTERM or SIGINT."""
    logs.configure(settings, "mail")
    answers = Answers(settings)
    try:
        keep = Catcher(settings.data_dir / "mail").keep
        door = Door(answers.take, partial(reply_addresses.is_reply, settings), keep)
        await mail_door.serve(HOST, port, door)
    finally:
        await answers.close()
