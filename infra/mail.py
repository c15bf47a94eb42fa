"""Outgoing mail: one letter to one person, handed to an SMTP server or to Amazon SES."""

import asyncio
import functools
import importlib
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from email.charset import QP, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, localtime, parseaddr
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPSenderRefused
from opentelemetry.trace import SpanKind

from infra import tracing
from infra.faults import told
from infra.settings import Settings

SEND_SECONDS: Final = 20
GOODBYE_SECONDS: Final = 2
KEPT_SECONDS: Final = 5  # a connection without a letter: servers let go of idle ones after a minute or more
FRESH_SECONDS: Final = 1  # after a letter, in which a connection need not be asked whether it's still there
BULK_SHARE: Final = 0.75  # of the connections: the others are for mail that somebody waits for
CLOSING: Final = 421  # a server says so before it ends a connection
PERMANENT: Final = 500  # from here on, an SMTP server says that trying again is no use
# What SES says of a message, as opposed to our account, our speed or its own health.
SES_PERMANENT: Final = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})

UTF_8: Final = Charset("utf-8")
UTF_8.body_encoding = QP
POLICY: Final = compat32.clone(linesep="\r\n", max_line_length=900)  # long links stay whole


class Refused(Exception):
    """A letter was not taken. What is said of it may quote addresses; `told`, if it is given, does not."""

    def __init__(self, said: str, told: str | None = None) -> None:
        """`told`: for the log."""
        super().__init__(said)
        self.told = told


class Undeliverable(Refused):
    """This letter will never arrive: give up."""


class Later(Refused):
    """It could not be handed over now: try again."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One email to one person."""

    to: str
    to_name: str | None
    subject: str
    text: str
    html: str | None
    message_id: str  # with its angle brackets; the same at every attempt
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str | None = None  # where an answer goes; None: to the sender


class _Kept(NamedTuple):
    """A connection without a letter: what closes it, and when it had its last one."""

    client: aiosmtplib.SMTP
    ending: asyncio.TimerHandle
    since: float


class Mailer:
    """Hands letters over for one process, over few connections, each kept for the letters that follow soon."""

    def __init__(self, settings: Settings) -> None:
        """SMTP_URL is `smtp://user:password@host:port` (with TLS when the server offers it), `smtp+starttls://` (never
        without), `smtps://`, or `ses://region`.
        """
        self._settings = settings
        self._idle: list[_Kept] = []
        self.most_in_bulk = max(1, int(settings.smtp_pool_size * BULK_SHARE))
        self._all, self._bulk = asyncio.Semaphore(settings.smtp_pool_size), asyncio.Semaphore(self.most_in_bulk)

    async def send(self, letter: Letter, *, bulk: bool = False) -> None:
        """Hand a letter over, within `SEND_SECONDS` once a connection is free. `bulk`: one of so many that others, of
        which each has somebody who waits for it, are not to stand behind them.

        Raises `Undeliverable`, or `Later` when it should be tried again.
        """
        if not self._settings.smtp_url:
            raise Later("SMTP_URL is not set.", "SMTP_URL is not set")
        sender = _sender(self._settings.mail_from, self._settings.desk_name)
        message = _message(sender, letter)
        url = urlsplit(self._settings.smtp_url)
        about = {"server.address": url.hostname or "", "network.protocol.name": url.scheme}
        with tracing.span("send mail", SpanKind.CLIENT, about):
            await self._hand_over(url, sender, letter, message, bulk=bulk)

    async def _hand_over(
        self, url: SplitResult, sender: Address, letter: Letter, message: bytes, *, bulk: bool
    ) -> None:
        async with self._bulk if bulk else nullcontext(), self._all:
            if url.scheme == "ses":
                await _send_by_ses(url.hostname or "", sender, letter, message)
            else:
                await self._send_by_smtp(url, sender, letter, message)

    async def close(self) -> None:
        """Say goodbye to the servers."""
        while self._idle:
            kept = self._idle.pop()
            kept.ending.cancel()
            await _goodbye(kept.client)

    async def _send_by_smtp(self, url: SplitResult, sender: Address, letter: Letter, message: bytes) -> None:
        client: aiosmtplib.SMTP | None = None
        options = [] if letter.to.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            async with asyncio.timeout(SEND_SECONDS):
                while True:
                    kept = client = await self._kept()
                    client = client or await _connected(url)
                    if options and not client.supports_extension("smtputf8"):
                        raise Undeliverable("The mail server takes no addresses beyond ASCII.")
                    try:
                        await client.sendmail(sender.addr_spec, [letter.to], message, mail_options=options)
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

    async def _after(self, failed: BaseException, client: aiosmtplib.SMTP) -> None:
        """Keep the connection if the server refused the letter alone."""
        if isinstance(failed, SMTPRecipientsRefused | SMTPSenderRefused | SMTPDataError):
            with suppress(SMTPException, OSError):
                await client.rset(timeout=GOODBYE_SECONDS)
                self._keep(client)
                return
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
            try:
                await client.noop(timeout=GOODBYE_SECONDS)
            except (SMTPException, OSError):
                client.close()
            else:
                return client
        return None

    def _let_go(self, client: aiosmtplib.SMTP) -> None:
        self._idle = [kept for kept in self._idle if kept.client is not client]
        client.close()


async def _connected(url: SplitResult) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(
        hostname=url.hostname,
        port=url.port,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        start_tls=True if url.scheme == "smtp+starttls" else False if url.scheme == "smtps" else None,
        timeout=SEND_SECONDS,
    )
    try:
        await client.connect()
    except BaseException:
        client.close()
        raise
    return client


async def _goodbye(client: aiosmtplib.SMTP) -> None:
    with suppress(SMTPException, OSError):
        await client.quit(timeout=GOODBYE_SECONDS)
    client.close()


def _reason(failed: SMTPException | OSError) -> Undeliverable | Later:
    """What comes of a failure, for whoever wanted to send."""
    if isinstance(failed, SMTPRecipientsRefused):
        return _judged(failed.recipients[0].code, failed.recipients[0].message)
    if isinstance(failed, SMTPSenderRefused | SMTPDataError):
        return _judged(failed.code, failed.message)
    # A timeout is an OSError. A wrong password is ours to mend, so the letter waits.
    return Later(str(failed) or type(failed).__name__, told(failed))


@functools.lru_cache(8)
def _sender(mail_from: str, desk_name: str) -> Address:
    """MAIL_FROM, under the desk's name unless it has one of its own. Raises `Later`: a setting can be mended."""
    name, address = parseaddr(mail_from)
    try:
        return Address(display_name=name or desk_name, addr_spec=address)
    except (MessageError, ValueError, IndexError) as wrong:
        said = f"MAIL_FROM can't be used: {wrong}"
        raise Later(said, said) from wrong


def _message(sender: Address, letter: Letter) -> bytes:
    """The letter as it goes over the wire. Raises `Undeliverable` for an address or a header that can't stand there.

    The older half of Python's email package, since the newer one parses each header that it is given: it takes 2 ms of
    CPU for a letter, this 0.35.
    """
    try:
        to = Address(display_name=letter.to_name or "", addr_spec=letter.to)
        given: dict[str, Any] = {
            "From": formataddr((sender.display_name, sender.addr_spec), UTF_8),
            "To": _written(to),
            "Subject": letter.subject if letter.subject.isascii() else Header(letter.subject, UTF_8),
            "Date": format_datetime(localtime()),
            "Message-ID": letter.message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            **({"Reply-To": letter.reply_to} if letter.reply_to else {}),
            **letter.headers,
        }
    except (MessageError, ValueError, IndexError) as wrong:  # IndexError: how the parser takes leave of some addresses
        raise Undeliverable(f"The letter can't be written: {wrong}") from wrong
    text = MIMEText(letter.text, _charset=UTF_8, policy=POLICY)  # type: ignore[arg-type] # a charset is taken, too
    message: MIMEText | MIMEMultipart = text
    if letter.html is not None:
        html = MIMEText(letter.html, "html", _charset=UTF_8, policy=POLICY)  # type: ignore[arg-type] # as above
        message = MIMEMultipart("alternative", _subparts=[text, html], policy=POLICY)
    for name, value in given.items():
        if not (name.isascii() and name.replace("-", "").isalnum()):
            raise Undeliverable(f"A header can't be called {name!r}.")
        if any(mark in f"{value}" for mark in "\r\n\0"):
            raise Undeliverable(f"The header {name} has a line break.")
        message[name] = value
    return message.as_bytes()


def _written(to: Address) -> str:
    """An address as it stands in a header: one beyond ASCII as its bytes, which servers take that know SMTPUTF8."""
    if to.addr_spec.isascii():
        return formataddr((to.display_name, to.addr_spec), UTF_8)
    return str(to).encode().decode("ascii", "surrogateescape")


def _judged(code: int, said: str) -> Undeliverable | Later:
    reason = f"{code} {said}"
    return (Undeliverable if code >= PERMANENT else Later)(reason, f"the mail server says {code}")


async def _send_by_ses(region: str, sender: Address, letter: Letter, message: bytes) -> None:
    """SES puts a Message-ID of its own in place of ours."""
    try:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        errors: Any = importlib.import_module("botocore.exceptions")
    except ModuleNotFoundError as missing:
        said = "SMTP_URL is ses://…, and that needs the package boto3, which is not installed."
        raise Later(said, said) from missing

    def call() -> None:
        limits = config.Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
        boto3.client("sesv2", region_name=region, config=limits).send_email(
            FromEmailAddress=str(sender),
            Destination={"ToAddresses": [letter.to]},
            Content={"Raw": {"Data": message}},
        )

    try:
        await asyncio.to_thread(call)
    except errors.ClientError as refused:
        code = refused.response.get("Error", {}).get("Code")
        raise (Undeliverable if code in SES_PERMANENT else Later)(str(refused), f"Amazon SES says {code}") from refused
    except errors.BotoCoreError as failed:
        raise Later(str(failed), type(failed).__name__) from failed
