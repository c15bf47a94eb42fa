"""An SMTP server, over few connections, each kept for the letters that follow soon."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from email.headerregistry import Address
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPSenderRefused

from infra.faults import told
from infra.letters import Away, Later, Letter, Undeliverable

SEND_SECONDS: Final = 20
GOODBYE_SECONDS: Final = 2
KEPT_SECONDS: Final = 5  # a connection without a letter: servers let go of idle ones after a minute or more
FRESH_SECONDS: Final = 1  # after a letter, in which a connection need not be asked whether it's still there
CLOSING: Final = 421  # a server says so before it ends a connection
PERMANENT: Final = 500  # from here on, an SMTP server says that trying again is no use
# It is told who hands letters over before it takes any, or not in this way (RFC 4954, 6; RFC 3207, 4).
NOT_SIGNED_IN: Final = frozenset({530, 534, 535, 538})
DONE: Final = (250, 251)  # 251: it goes on to another server
ONE_LETTER = SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError  # what is said of it alone


class _Kept(NamedTuple):
    """A connection without a letter: what closes it, and when it had its last one."""

    client: aiosmtplib.SMTP
    ending: asyncio.TimerHandle
    since: float


class Smtp:
    """The server at `smtp://user:password@host:port` (with TLS when it offers that), `smtp+starttls://` (never without)
    or `smtps://`.
    """

    def __init__(self, url: str) -> None:
        """`url`: as above."""
        self._url = urlsplit(url)
        self.name = self._url.hostname or ""
        self._idle: list[_Kept] = []

    async def hand_over(self, sender: Address, letter: Letter, message: bytes) -> None:
        """Hand a letter over, within `SEND_SECONDS`. Raises `Undeliverable`, `Away` and `Later`."""
        client: aiosmtplib.SMTP | None = None
        returns = letter.reports_to or sender.addr_spec
        try:
            async with asyncio.timeout(SEND_SECONDS):
                while True:
                    kept = client = await self._kept()
                    client = client or await connected(self._url, SEND_SECONDS)
                    try:
                        await _transfer(client, returns, letter.to, message)
                        break
                    except SMTPSenderRefused as refused:
                        if kept is None or refused.code != CLOSING:
                            raise
                        client.close()  # it took as many as it takes over one connection
        except BaseException as failed:
            if client is not None:
                await self._after(failed, client)
            if isinstance(failed, SMTPException | OSError):
                raise _reason(failed) from failed
            raise
        self._keep(client)

    async def close(self) -> None:
        """Say goodbye to the server."""
        while self._idle:
            kept = self._idle.pop()
            kept.ending.cancel()
            await goodbye(kept.client)

    async def _after(self, failed: BaseException, client: aiosmtplib.SMTP) -> None:
        """Keep the connection if the server refused the letter alone."""
        if isinstance(failed, ONE_LETTER | Undeliverable) and await _answers(client, client.rset):
            self._keep(client)
        else:
            client.close()

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        ending = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._let_go, client)
        self._idle.append(_Kept(client, ending, time.monotonic()))

    async def _kept(self) -> aiosmtplib.SMTP | None:
        """A connection that still answers; without one, None."""
        while self._idle:
            client, ending, since = self._idle.pop()
            ending.cancel()
            if client.is_connected and time.monotonic() - since < FRESH_SECONDS:
                return client
            if await _answers(client, client.noop):
                return client
        return None

    def _let_go(self, client: aiosmtplib.SMTP) -> None:
        self._idle = [kept for kept in self._idle if kept.client is not client]
        client.close()


async def _transfer(client: aiosmtplib.SMTP, returns: str, to: str, message: bytes) -> None:
    """Hand a letter over, in three commands (RFC 5321, 3.3).

    The client's own way parses both addresses twice, which takes a third of the CPU of all this; the letter was
    written to them, so they are whole.
    """
    options = [b"SIZE=%d" % len(message)] if client.supports_extension("size") else []
    if not to.isascii():
        if not client.supports_extension("smtputf8"):
            raise Undeliverable("The mail server takes no addresses beyond ASCII.")
        options += [b"SMTPUTF8", b"BODY=8BITMIME"]
    answer = await client.execute_command(b"MAIL", b"FROM:<%b>" % returns.encode(), *options, timeout=None)
    if answer.code not in DONE:
        raise SMTPSenderRefused(answer.code, answer.message, returns)
    answer = await client.execute_command(b"RCPT", b"TO:<%b>" % to.encode(), timeout=None)
    if answer.code not in DONE:
        raise SMTPRecipientRefused(answer.code, answer.message, to)
    await client.data(message, timeout=None)


@cache
def own_name() -> str:
    """What servers are told that we are called. Asked once: where nobody answers that, it takes seconds."""
    return socket.getfqdn()


async def connected(url: SplitResult, seconds: float) -> aiosmtplib.SMTP:
    """A connection to a server, signed in where the URL says as whom; each of its answers may take so long."""
    client = aiosmtplib.SMTP(
        hostname=url.hostname,
        port=url.port,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        start_tls=True if url.scheme == "smtp+starttls" else False if url.scheme == "smtps" else None,
        timeout=seconds,
        local_hostname=await asyncio.to_thread(own_name),
    )
    try:
        await client.connect()
        await client.noop()  # it greets with that, if it has not yet
    except BaseException:
        client.close()
        raise
    return client


async def goodbye(client: aiosmtplib.SMTP) -> None:
    """End a connection, whether or not the server takes leave as well."""
    await _answers(client, client.quit)
    client.close()


async def _answers(client: aiosmtplib.SMTP, ask: Callable[..., Awaitable[object]]) -> bool:
    """Whether the server does, soon and well. If not, or if nobody waits for it any more, the connection is closed."""
    try:
        await ask(timeout=GOODBYE_SECONDS)
    except BaseException as failed:
        client.close()
        if isinstance(failed, SMTPException | OSError):
            return False
        raise
    return True


def _reason(failed: SMTPException | OSError) -> Undeliverable | Later:
    """What comes of a failure, for whoever wanted to send."""
    if isinstance(failed, ONE_LETTER):
        ours = failed.code in NOT_SIGNED_IN
        kind = Away if ours else Undeliverable if failed.code >= PERMANENT else Later
        return kind(f"{failed.code} {failed.message}", f"the mail server says {failed.code}")
    # A timeout is an OSError. A wrong password, or none, is ours to mend, so the letter waits.
    why = failed.__cause__ if isinstance(failed.__cause__, OSError) else failed  # what the system said of a connection
    return Away(str(failed) or type(failed).__name__, told(why))
