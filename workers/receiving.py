"""The process that takes mail: answers go to their tickets."""

from functools import partial

from domain import inbound
from domain.inbound import addresses
from infra import ending, logs, mail_door, tracing
from infra.desk import Desk
from infra.mail_door import Door
from infra.mailcatcher import Catcher
from infra.settings import Settings

HOST = "127.0.0.1"  # the mail catcher is for this machine alone


async def receive(settings: Settings, port: int) -> None:
    """Take mail for our domain until SIGTERM or SIGINT."""
    logs.configure(settings, "receive")
    async with tracing.exporting(settings, "receive"), Desk.open(settings) as desk:
        stop = ending.told()
        door = Door(partial(inbound.take, desk), partial(addresses.is_ours, settings))
        with logs.lifetime():
            await mail_door.serve(stop, settings.mail_door_host, port, door, settings.mail_door_protocol)
            ending.ignored()


async def catch(settings: Settings, port: int) -> None:
    """Take mail for anyone and keep it, but hand in what is for the desk, until SIGTERM or SIGINT."""
    logs.configure(settings, "mail")
    async with Desk.open(settings) as desk:
        keep = Catcher(settings.data_dir / "mail").keep
        door = Door(partial(inbound.take, desk), partial(addresses.is_named, settings), keep)
        await mail_door.serve(ending.told(), HOST, port, door)
        ending.ignored()
