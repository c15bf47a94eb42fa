"""A mail that came in, as far as a desk cares: from whom, what they wrote, which files, and whether a machine did."""

import email
import email.policy
import email.utils
import hashlib
import itertools
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage, Message, MIMEPart
from email.utils import getaddresses, parseaddr
from functools import lru_cache
from typing import Any, NamedTuple

from domain import words
from domain.inbound import markdown, parts, quotes
from domain.inbound.parts import File
from infra.signing import BEGINNING

MOST_HTML = 1_000_000  # characters that are looked at
MOST_HEADER = 3_000  # characters that are looked at: what takes them apart needs time for their square
MOST_LINES, MOST_PARTS = 1_000_000, 10_000  # of a mail that is taken apart: each needs memory, however little it holds
MOST_HEAD = 256 * 1024  # bytes in which a subject is looked for
AUTOMATIC_PRECEDENCE = {"bulk", "junk", "list", "auto_reply"}
FROM_MACHINES = ("mailer-daemon@", "postmaster@")
STATUSES = {"message/delivery-status", "message/global-delivery-status"}
HEADS = {"text/rfc822-headers", "message/global-headers"}
NO_REASON = "No reason is given."

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
# All that could be an address, as all Pythons read it: newer ones find none where a name is written as one, as many do.
_LENIENT: dict[str, Any] = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
# The token of a link of ours, which opens what is its reader's alone: of any link, and however programs rewrite that.
_TOKEN = re.compile(rf"{BEGINNING}\.[\w\\-]+\.[\w\\-]+", re.ASCII)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
# A boundary that should stand between quotation marks, and does not; the package reads it up to its first such sign.
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*([^\s\";]+)", re.IGNORECASE)
_registry = HeaderRegistry()


@lru_cache(maxsize=1_000)  # of a part the same is asked for again and again
def _taken_apart(name: str, value: str) -> Any:
    for known in (value, value.partition(";")[0]):
        try:
            return _registry(name, known)
        except Exception:  # noqa: BLE001, S112 # the package fails in many ways at what is none, or nested without end
            continue
    return _registry(name, "")


_POLICY = email.policy.default.clone(
    header_factory=lambda name, value: _taken_apart(name, parts.as_meant(value[:MOST_HEADER]))
)


class _Part(EmailMessage):
    def get_boundary(self, failobj: Any = None) -> Any:
        """What stands between its parts."""
        written = next((str(value) for name, value in self.raw_items() if name.lower() == "content-type"), "")
        found = _BOUNDARY.search(written[:MOST_HEADER])
        boundary = found[1] if found else super().get_boundary()
        return boundary if boundary and boundary.isascii() else failobj

    def get_payload(self, i: Any = None, decode: Any = False) -> Any:  # noqa: FBT002 # as the package has it
        """What is in it; where it could not be taken apart, its bytes, since else it could not be written again."""
        payload = super().get_payload(i, decode)
        if decode or not isinstance(payload, str) or self.get_content_maintype() != "multipart":
            return payload
        whole: Any = super().get_payload(decode=True)
        return whole.decode("ascii", "surrogateescape")


class TooMuch(ValueError):
    """A mail has more parts or lines than anybody writes."""


class Head(NamedTuple):
    """Of a mail of which another one tells what became of it."""

    message_id: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says."""

    digest: str
    sender: str  # in lower case; empty when there is none, or more than one
    sender_name: str
    subject: str
    text: str  # Markdown, without the tokens of links that were mailed to whoever wrote it
    files: tuple[File, ...]
    automatic: bool  # written by a machine
    bounce: bool  # tells that a mail was not delivered
    returned: tuple[Head, ...] = ()  # of the mails that it tells of
    failure: str = ""  # why they will never be delivered; empty: it does not say that they won't
    delay: str = ""  # why they have not been yet


def read(content: bytes, envelope_sender: str, recipient: str) -> Mail:
    """The mail. It is the same, whatever servers it passed, when sender, time, id and body are. Raises TooMuch."""
    message = _parsed(content)
    name, address = _sender(message)
    bounce = _is_report(message) or address.lower().startswith(FROM_MACHINES)
    about = words.visible(parts.header(message, "Subject"))
    whole = quotes.passes_on(about)
    body = parts.body(message)
    said = words.visible(_text(body, whole=whole)).strip()
    return Mail(
        digest=_digest(message, content, recipient),
        sender=words.address(address) or address.lower(),
        sender_name=name,
        subject=about,
        text=_TOKEN.sub("…", said if whole else quotes.written(said)),
        files=tuple(parts.files(message, body)),
        automatic=bounce or not envelope_sender or _is_automatic(message),
        bounce=bounce,
        returned=tuple(_returned(message)),
        failure=_told(message, "failed") or _given_up(message),
        delay=_told(message, "delayed"),
    )


def _sender(message: EmailMessage) -> tuple[str, str]:
    """The name and the address of whoever it is from; nobody's, unless all that says so comes to one address.

    As it stands there: mail servers check whether a mail may come from its sender's domain. They decode nothing for
    that, leave out no character and take none for another, and of two addresses they may have looked at the other.
    """
    written = [
        str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in message.raw_items()
        if name.lower() == "from"
    ]
    if sum(map(len, written)) > MOST_HEADER:
        return "", ""
    lines = [" ".join(each.split()) for each in written]
    found = {address: name for name, address in getaddresses(lines, **_LENIENT) if "@" in address}
    address, name = next(iter(found.items()), ("", ""))
    if len({_in_small_letters(each) for each in found}) > 1 or not _stands_for_itself(address, lines):
        return "", ""
    return words.visible(" ".join(str(_taken_apart("Subject", parts.as_meant(name))).split())), address


def _stands_for_itself(address: str, lines: list[str]) -> bool:
    """Whether an address is one, stands so in a line, and would be kept as it stands but for capital letters.

    Letters beyond ASCII may be kept as ASCII, as wide ones are: the domain is then one of others.
    """
    if words.visible(address) != address or not _ADDRESS.fullmatch(address):
        return False
    if not any(address in line for line in lines):  # there is a comment within
        return False
    return address.isascii() or words.address(address) == _in_small_letters(address)


def _in_small_letters(address: str) -> str:
    """Without capitals of ASCII: some others have small letters in ASCII."""
    return address.translate(_SMALL)


def _parsed(content: bytes) -> EmailMessage:
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_LINES:  # either may end a line
        raise TooMuch(f"It has more than {MOST_LINES:,} lines.")
    numbers = itertools.count()

    def part(policy: Any = _POLICY) -> EmailMessage:
        if next(numbers) > MOST_PARTS:
            raise TooMuch(f"It has more than {MOST_PARTS:,} parts.")
        return _Part(policy)

    return email.message_from_bytes(content, part, policy=_POLICY)


def subject(content: bytes) -> str:
    """What a mail says it is about."""
    head = _END_OF_HEAD.split(content[:MOST_HEAD], maxsplit=1)[0]
    return words.visible(parts.header(email.message_from_bytes(head, policy=_POLICY), "Subject"))


def digest(content: bytes, recipient: str) -> str:
    """What tells a mail apart that can't be read."""
    return hashlib.sha256(recipient.lower().encode() + b"\0" + content).hexdigest()


def _digest(message: EmailMessage, content: bytes, recipient: str) -> str:
    if not (message_id := parts.header(message, "Message-ID")):
        return digest(content, recipient)
    told = "\0".join([recipient.lower(), message_id, parts.header(message, "From"), parts.header(message, "Date")])
    head = content.find(b"\n\r\n") if b"\r\n\r\n" in content else content.find(b"\n\n")
    return hashlib.sha256(told.encode("utf-8", "replace") + b"\0" + content[head:]).hexdigest()


def _is_report(message: EmailMessage) -> bool:
    return message.get_content_type() == "multipart/report"


def _told(message: EmailMessage, action: str) -> str:
    """What a delivery status notification (RFC 3464) says where this is what was done; empty when it was not."""
    for part in message.walk():
        if part.get_content_type() not in STATUSES or not isinstance(blocks := part.get_payload(), list):
            continue
        for block in blocks:
            if isinstance(block, Message) and parts.header(block, "Action").lower() == action:
                told = (parts.header(block, name) for name in ("Status", "Diagnostic-Code"))
                return " ".join(filter(None, told)) or NO_REASON
    return ""


def _given_up(message: EmailMessage) -> str:
    """What a report says that is for people alone, as Exim writes them; empty when it says of nobody that it failed."""
    failed = parts.header(message, "X-Failed-Recipients")
    return NO_REASON if failed and not _is_report(message) else ""


def _returned(message: EmailMessage) -> Iterator[Head]:
    """The heads in what it returns of mails: of each all, or the head alone."""
    for part in message.walk():
        kind, inner = part.get_content_type(), part.get_payload()
        if kind in parts.MAILS and isinstance(inner, list):
            yield from (_head(each) for each in inner[:1] if isinstance(each, Message))
        elif kind in HEADS and isinstance(part, MIMEPart):
            yield _head(email.message_from_string(parts.content_of(part), policy=_POLICY))


def _head(message: Message) -> Head:
    return Head(parts.header(message, "Message-ID"), parseaddr(parts.header(message, "Reply-To"))[1])


def _is_automatic(message: EmailMessage) -> bool:
    """By RFC 3834, and by what programs did before it.

    Not by Feedback-ID, which services put on all that they relay, nor by X-Auto-Response-Suppress, which asks for
    something: people's mail has both.
    """
    if parts.header(message, "X-Apple-Action").upper() == "VACATION":
        return True
    submitted = parts.header(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"} or parts.header(message, "Precedence").lower() in AUTOMATIC_PRECEDENCE:
        return True
    others = ("X-Autoreply", "X-Autoreply-From", "X-Mail-Autoreply", "X-Autorespond", "X-Auto-Reply", "List-Id")
    return any(message.get(name) is not None for name in others)


def _text(body: list[MIMEPart], *, whole: bool) -> str:
    """What the mail itself says, all of it: programs break it where a picture stands. `whole`: also what is quoted."""
    texts, left = [], MOST_HTML
    for part in body:
        content = parts.content_of(part).replace("\r\n", "\n").replace("\r", "\n")
        if str(part.get_param("format", "")).lower() == "flowed":
            content = quotes.unflowed(content, deletes=str(part.get_param("delsp", "")).lower() == "yes")
        if part.get_content_type() == "text/html":
            content, left = markdown.markdown(content[:left], whole=whole), max(0, left - len(content))
        if content.strip():
            texts.append(content.strip("\n"))
    return "\n\n".join(texts)
