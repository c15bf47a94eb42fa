"""Outgoing mail: one letter to one person, handed to an SMTP server or to Amazon SES."""

import asyncio
import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, localtime, parseaddr
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPException, SMTPNotSupported, SMTPRecipientsRefused

from infra.settings import Settings

SEND_SECONDS: Final = 20
GOODBYE_SECONDS: Final = 2
PERMANENT: Final = 500  # from here on, an SMTP server says that trying again is no use
# What SES says of a message, as opposed to our account, our speed or its own health.
SES_PERMANENT: Final = frozenset({"MessageRejected", "BadRequestException", "InvalidParameterValue"})


class Undeliverable(Exception):
    """This letter will never arrive: give up."""


class Later(Exception):
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


async def send(settings: Settings, letter: Letter) -> None:
    """Hand a letter over, within `SEND_SECONDS`. Raises `Undeliverable`, or `Later` when it should be tried again.

    SMTP_URL is `smtp://user:password@host:port` (with TLS when the server offers it), `smtp+starttls://` (never
    without), `smtps://`, or `ses://region`.
    """
    if not settings.smtp_url:
        raise Later("SMTP_URL is not set.")
    sender = _sender(settings)
    message = _message(sender, letter)
    url = urlsplit(settings.smtp_url)
    if url.scheme == "ses":
        await _send_by_ses(url.hostname or "", sender, letter, message)
    else:
        await _send_by_smtp(url, sender, letter, message)


def _sender(settings: Settings) -> Address:
    """MAIL_FROM, under the desk's name unless it has one of its own. Raises `Later`: a setting can be mended."""
    name, address = parseaddr(settings.mail_from)
    try:
        return Address(display_name=name or settings.desk_name, addr_spec=address)
    except (MessageError, ValueError, IndexError) as wrong:
        raise Later(f"MAIL_FROM can't be used: {wrong}") from wrong


def _message(sender: Address, letter: Letter) -> EmailMessage:
    """The letter as it goes over the wire. Raises `Undeliverable` for an address or a header that can't stand there."""
    message = EmailMessage(policy=SMTP_POLICY)
    try:
        given = {
            "From": sender,
            "To": Address(display_name=letter.to_name or "", addr_spec=letter.to),
            "Subject": letter.subject,
            "Date": format_datetime(localtime()),
            "Message-ID": letter.message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            **({"Reply-To": letter.reply_to} if letter.reply_to else {}),
            **letter.headers,
        }
        for name, value in given.items():
            if not (name.isascii() and name.replace("-", "").isalnum()):
                raise Undeliverable(f"A header can't be called {name!r}.")
            if any(mark in f"{value}" for mark in "\r\n\0"):
                raise Undeliverable(f"The header {name} has a line break.")
            message[name] = value
    except (MessageError, ValueError, IndexError) as wrong:  # IndexError: how the parser takes leave of some addresses
        raise Undeliverable(f"The letter can't be written: {wrong}") from wrong
    message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html", charset="utf-8", cte="quoted-printable")
    return message


async def _send_by_smtp(url: SplitResult, sender: Address, letter: Letter, message: EmailMessage) -> None:
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
        async with asyncio.timeout(SEND_SECONDS):
            await client.connect()
            await client.send_message(message, sender=sender.addr_spec, recipients=[letter.to])
    except SMTPRecipientsRefused as refused:
        raise _judged(refused.recipients[0].code, refused.recipients[0].message) from refused
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as refused:
        raise _judged(refused.code, refused.message) from refused
    except SMTPNotSupported as refused:
        if letter.to.isascii():
            raise Later(str(refused)) from refused
        raise Undeliverable(str(refused)) from refused
    except (SMTPException, OSError) as failed:  # a timeout is an OSError; a wrong password is ours to mend, so it waits
        raise Later(str(failed) or type(failed).__name__) from failed
    else:
        # The server has the letter, so a failing goodbye must not have it sent again.
        with suppress(SMTPException, OSError):
            await client.quit(timeout=GOODBYE_SECONDS)
    finally:
        client.close()


def _judged(code: int, said: str) -> Undeliverable | Later:
    reason = f"{code} {said}"
    return Undeliverable(reason) if code >= PERMANENT else Later(reason)


async def _send_by_ses(region: str, sender: Address, letter: Letter, message: EmailMessage) -> None:
    """SES puts a Message-ID of its own in place of ours."""
    try:
        boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        errors: Any = importlib.import_module("botocore.exceptions")
    except ModuleNotFoundError as missing:
        raise Later("SMTP_URL is ses://…, and that needs the package boto3, which is not installed.") from missing

    def call() -> None:
        limits = config.Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
        boto3.client("sesv2", region_name=region, config=limits).send_email(
            FromEmailAddress=str(sender),
            Destination={"ToAddresses": [letter.to]},
            Content={"Raw": {"Data": message.as_bytes()}},
        )

    try:
        await asyncio.to_thread(call)
    except errors.ClientError as refused:
        code = refused.response.get("Error", {}).get("Code")
        raise (Undeliverable if code in SES_PERMANENT else Later)(str(refused)) from refused
    except errors.BotoCoreError as failed:
        raise Later(str(failed)) from failed
