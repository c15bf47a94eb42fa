"""A letter to one person, how it goes over the wire, and why one is not taken."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.charset import QP, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.policy import Compat32
from email.utils import format_datetime, formataddr, localtime, parseaddr
from typing import Any, Final, Protocol

UTF_8: Final = Charset("utf-8")
UTF_8.body_encoding = QP
LONGEST_LINE: Final = 900  # long links stay whole
BOUNDARY: Final = "=_Deskwire"  # can't stand in what is quoted-printable (RFC 2045, 6.7)


class _AsGiven(Compat32):
    """Breaks into lines, or encodes, what needs that, and looks no closer at the headers that don't: almost all."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        """As the class above has it."""
        if isinstance(value, str) and value.isascii() and len(name) + len(value) < LONGEST_LINE:
            return f"{name}: {value}{self.linesep}".encode()
        return super().fold_binary(name, value)


POLICY: Final = _AsGiven(linesep="\r\n", max_line_length=LONGEST_LINE)


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
        return Address(display_name=name or desk_name, addr_spec=address)
    except (MessageError, ValueError, IndexError) as wrong:
        said = f"MAIL_FROM can't be used: {wrong}"
        raise Later(said, said) from wrong


def written(sender: Address, letter: Letter) -> bytes:
    """The letter as it goes over the wire. Raises `Undeliverable` for an address or a header that can't stand there.

    The older half of Python's email package, since the newer one parses each header that it is given, and takes eight
    times the CPU for a letter.
    """
    try:
        to = Address(display_name=letter.to_name or "", addr_spec=letter.to)
        given: dict[str, Any] = {
            "From": formataddr((sender.display_name, sender.addr_spec), UTF_8),
            "To": _address(to),
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
    message = _part("plain", letter.text)
    if letter.html is not None:
        message = MIMEMultipart("alternative", BOUNDARY, [message, _part("html", letter.html)], policy=POLICY)
    for name, value in given.items():
        if not (name.isascii() and name.replace("-", "").isalnum()):
            raise Undeliverable(f"A header can't be called {name!r}.")
        if any(mark in f"{value}" for mark in "\r\n\0"):
            raise Undeliverable(f"The header {name} has a line break.")
        message[name] = value
    return message.as_bytes()


def _part(subtype: str, text: str) -> Message:
    """A text as MIMEText would have it, which looks at each header several times."""
    part = Message(POLICY)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["MIME-Version"] = "1.0"
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(UTF_8.body_encode(text.encode()))
    return part


def _address(to: Address) -> str:
    """An address as it stands in a header: one beyond ASCII as its bytes, which servers take that know SMTPUTF8."""
    if to.addr_spec.isascii():
        return formataddr((to.display_name, to.addr_spec), UTF_8)
    return str(to).encode().decode("ascii", "surrogateescape")
