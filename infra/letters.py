"""A letter to one person, how it goes over the wire, and why one is not taken."""

import binascii
import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, formataddr, parseaddr, quote
from typing import Final, Protocol

import idna

LONGEST_LINE: Final = 900  # long links stay whole
LONGEST_WORD: Final = 75  # of those that are encoded (RFC 2047, 2)
BETWEEN_WORDS, FOLDED = "?= =?", "?=\r\n =?"
BOUNDARY: Final = "=_Deskwire"  # can't stand in what is quoted-printable (RFC 2045, 6.7)
ALTERNATIVES: Final = f"""MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="{BOUNDARY}"

--{BOUNDARY}
%b
--{BOUNDARY}
%b
--{BOUNDARY}--
""".replace("\n", "\r\n").encode()


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


class Away(Later):
    """Nothing can be handed over there now."""


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
    reports_to: str | None = None  # where servers tell that it did not arrive; None: to the sender


class Carrier(Protocol):
    """Whoever letters are handed to."""

    name: str

    async def hand_over(self, sender: Address, letter: Letter, message: bytes) -> None:
        """Raises `Undeliverable`, `Away`, or `Later` for what it says of this letter alone."""

    async def close(self) -> None:
        """Nothing more comes."""


@functools.lru_cache(8)
def sender_of(mail_from: str, desk_name: str) -> Address:
    """MAIL_FROM, under the desk's name unless it has one of its own. Raises `Later`: a setting can be mended."""
    name, address = parseaddr(mail_from)
    try:
        return Address(display_name=name or desk_name, addr_spec=mailable(address))
    except (MessageError, ValueError, IndexError, Undeliverable) as wrong:
        said = f"MAIL_FROM can't be used: {wrong}"
        raise Later(said, said) from wrong


def written(sender: Address, letter: Letter) -> bytes:
    """The letter as it goes over the wire. Raises `Undeliverable` for an address or a header that can't stand there.

    Python's email package encodes what needs that, and the letter is put together here: its messages take five times
    the CPU for it.
    """
    try:
        headers = {
            "From": mailbox(sender.display_name, sender.addr_spec),
            "To": _recipient(letter.to_name or "", letter.to),
            "Subject": letter.subject,
            "Date": format_datetime(dt.datetime.now(dt.UTC)),
            "Message-ID": letter.message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            **({"Reply-To": letter.reply_to} if letter.reply_to else {}),
            **letter.headers,
        }
    except (MessageError, ValueError, IndexError) as wrong:  # IndexError: how the parser takes leave of some addresses
        raise Undeliverable(f"The letter can't be written: {wrong}") from wrong
    head = "".join([_header(name, value) for name, value in headers.items()]).encode()
    plain = _part("plain", letter.text)
    if letter.html is None:
        return head + b"MIME-Version: 1.0\r\n" + plain
    return head + ALTERNATIVES % (plain, _part("html", letter.html))


@functools.lru_cache(1000)
def mailable(address: str) -> str:
    """An address as every mail server takes it, its domain in ASCII (RFC 5891); one that needs SMTPUTF8 stays as it is.

    Raises `Undeliverable` when there is no such domain.
    """
    name, _, domain = address.rpartition("@")
    if address.isascii() or not name.isascii():
        return address
    try:
        return f"{name}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError as wrong:
        raise Undeliverable(f"There is no such domain: {wrong}", "There is no such domain") from wrong


@functools.lru_cache(1000)
def _recipient(name: str, address: str) -> str:
    """Somebody in a header, if the address is one."""
    Address(display_name=name, addr_spec=address.encode("ascii", "replace").decode())  # which knows none beyond ASCII
    return mailbox(name, address)


def mailbox(name: str, address: str) -> str:
    """A name and an address, which stands there as it is beyond ASCII too, for servers that know SMTPUTF8."""
    plain = _goes_as_it_is(name)
    if plain and address.isascii():
        return formataddr((name, address))
    if plain:
        words = f'"{quote(name)}"'
    else:  # `formataddr` would make it one word, however long
        words = Header(name, "utf-8", header_name="From", maxlinelen=LONGEST_WORD).encode(linesep="")
    return f"{words} <{address}>"


def _goes_as_it_is(text: str) -> bool:
    """Whether a header can hold it unencoded: what looks encoded would be read as what it looks like."""
    return text.isascii() and "=?" not in text


def _header(name: str, value: str) -> str:
    """A header, encoded and broken into lines if that is needed: of almost all it isn't."""
    if not (name.isascii() and name.replace("-", "").isalnum()):
        raise Undeliverable(f"A header can't be called {name!r}.")
    if any(mark in value for mark in "\r\n\0"):
        raise Undeliverable(f"The header {name} has a line break.")
    if name not in {"From", "To"} and not (_goes_as_it_is(value) and len(value) < LONGEST_LINE):
        charset, longest = (None, LONGEST_LINE) if _goes_as_it_is(value) else ("utf-8", LONGEST_WORD)
        value = Header(value, charset, header_name=name, maxlinelen=longest).encode(linesep="\r\n")
    return f"{name}: {value.replace(BETWEEN_WORDS, FOLDED)}\r\n"


def _part(subtype: str, text: str) -> bytes:
    """A text with its own headers."""
    lines = text.replace("\r\n", "\n").encode()
    body = binascii.b2a_qp(lines, istext=True).replace(b"\n", b"\r\n")
    return b'Content-Type: text/%b; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%b' % (
        subtype.encode(),
        body,
    )
