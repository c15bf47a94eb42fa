"""Where mail comes in: an SMTP or LMTP server that answers only once what it took has been seen to."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from opentelemetry.trace import SpanKind

from infra import tracing
from infra.faults import told
from infra.logs import report
from infra.postgres import Unavailable
from infra.processes import StartError
from infra.room import Room

log = structlog.get_logger(__name__)

MOST_BYTES: Final = 40 * 1024 * 1024
MOST_AT_ONCE: Final = 3 * MOST_BYTES  # of all mails that come in: each takes five times its size until it is kept
TAKEN, LATER = "250 2.0.0 Taken", "451 4.3.0 This can't be taken now. Try again."
LONGEST_LINE: Final = 1024 * 1024  # programs break the standard's limit, and whoever wrote can't help it
MOST_RECIPIENTS: Final = 100  # of one mail at once (RFC 5321, 4.5.3.1.8): for each it is read, and may be kept
TOO_MANY = "452 4.5.3 Too many recipients. Send it to the others again."
SIZE = re.compile(r"SIZE=(\d{1,20})", re.ASCII)  # of a mail, as it is announced (RFC 1870)
NOBODY = "550 5.1.1 Nobody here has this address."


class NotNow(Exception):
    """A mail can't be taken now, and that is nobody's fault: its sender tries again."""

    def __init__(self, told: str) -> None:
        """`told`: for the log."""
        super().__init__(told)
        self.told = told


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail as it came, with what its envelope says."""

    content: bytes
    sender: str  # empty: nobody is to be answered
    recipient: str


class _Spacious:
    """Asks for a mail once there is room for it: its sender waits for that, as for any answer (RFC 5321, 4.5.3.2)."""

    line_length_limit = LONGEST_LINE
    envelope: Any
    event_handler: Any

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 (aiosmtpd's)
        """Aiosmtpd's: a mail is to come."""
        options = self.envelope.mail_options if self.envelope is not None else ()
        sizes = [found[1] for each in options if (found := SIZE.fullmatch(each))]
        async with self.event_handler.room.taken(min(int(sizes[0]), MOST_BYTES) if sizes else MOST_BYTES):
            await super().smtp_DATA(arg)  # type: ignore[misc] # of what it is mixed into


class _Server(_Spacious, SMTP):
    pass


class _LocalServer(_Spacious, LMTP):
    pass


SERVERS: Final = {"smtp": _Server, "lmtp": _LocalServer}


Protocol = Literal["smtp", "lmtp"]


class Door:
    """Hands in what is addressed to us, once for each of our addresses; the sender tries again what was not taken."""

    def __init__(
        self,
        take: Callable[[Incoming], Awaitable[None]],
        is_ours: Callable[[str], bool],
        keep: Callable[[bytes], object] | None = None,
    ) -> None:
        """`take`: returns when all is done, and may be given the same again. `keep`: has what is not ours; None: it is
        refused.
        """
        self._take, self._is_ours, self._keep = take, is_ours, keep
        self.room = Room(MOST_AT_ONCE)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd calls it so)
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        """Whether mail for this address is taken; aiosmtpd calls this."""
        if self._keep is None and not self._is_ours(address):
            return NOBODY
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 (as above)
        """Take one message; aiosmtpd calls this. By LMTP there is an answer for each address, in their order."""
        answers = {address: await self._handed_in(envelope, address) for address in dict.fromkeys(envelope.rcpt_tos)}
        if isinstance(server, LMTP):
            return "\r\n".join(answers[address] for address in envelope.rcpt_tos)
        return LATER if LATER in answers.values() else TAKEN

    async def _handed_in(self, envelope: Any, address: str) -> str:
        try:
            if self._is_ours(address):
                sender = (envelope.mail_from or "").removeprefix("<").removesuffix(">")  # nobody may be written <>
                with tracing.begun("receive mail", SpanKind.SERVER, {}, parent=None):
                    await self._take(Incoming(envelope.original_content, sender, address))
            elif self._keep is not None:
                self._keep(envelope.original_content)
        except (NotNow, Unavailable) as error:
            log.warning("mail_not_taken", error=told(error))
            return LATER
        except Exception as error:  # noqa: BLE001 # whatever it was, the sender still has the mail
            report(error)
            return LATER
        return TAKEN


async def serve(stop: asyncio.Event, host: str, port: int, door: Door, protocol: Protocol = "smtp") -> None:
    """Take mail at this port until `stop`. What is under way then is not taken. Raises `StartError`."""
    try:
        server = await listen(host, port, door, protocol)
    except OSError as refused:
        # asyncio says it at length; the number of a name that is not known is none of the system's.
        number = refused.errno or 0
        why = os.strerror(number) if number > 0 else refused.strerror
        raise StartError(f"Can't listen at {host} port {port}: {why}") from refused
    await stop.wait()
    server.close()


async def listen(host: str, port: int, door: Door, protocol: Protocol = "smtp") -> asyncio.Server:
    """Begin to take mail at this port; 0: at any."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SERVERS[protocol](
            door, data_size_limit=MOST_BYTES, enable_SMTPUTF8=True, hostname="deskwire", loop=loop
        ),
        host,
        port,
    )
