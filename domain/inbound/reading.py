"""A mail that came in, as far as a desk cares: from whom, what they wrote, which files, and whether a machine did."""

import codecs
import email
import email.policy
import email.utils
import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage, Message, MIMEPart
from email.utils import getaddresses, parseaddr
from functools import lru_cache
from typing import Any, NamedTuple

from domain import words
from domain.inbound import markdown, quotes

MOST_HTML = 1_000_000  # characters that are looked at
MOST_HEADER = 3_000  # characters that are looked at: what takes them apart needs time for their square
MOST_LINES, MOST_PARTS = 1_000_000, 10_000  # of a mail that is taken apart: each needs memory, however little it holds
MOST_HEAD = 256 * 1024  # bytes in which a subject is looked for
AUTOMATIC_PRECEDENCE = {"bulk", "junk", "list", "auto_reply"}
FROM_MACHINES = ("mailer-daemon@", "postmaster@")
STATUSES = {"message/delivery-status", "message/global-delivery-status"}
RETURNED = {"message/rfc822", "message/global"}
HEADS = {"text/rfc822-headers", "message/global-headers"}
TEXTS = {"text/plain", "text/html"}
ALTERNATIVE = "multipart/alternative"
SEALS = {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
# What programs write in, where they claim a charset that has less, as https://encoding.spec.whatwg.org reads them.
WIDER = {
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
}
NOT_FOR_MAIL = {"punycode", "idna", "unicode_escape", "raw_unicode_escape"}  # the first needs time for its square
UNNAMED = "attachment"

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
# All that could be an address, as all Pythons read it: newer ones find none where a name is written as one, as many do.
_LENIENT: dict[str, Any] = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}
# The token of a link of ours, which opens what is its reader's alone, also as other programs rewrite links.
_TOKEN = re.compile(
    r"((?:/|%2F)(?:t|sign-in|unsubscribe)(?:/|%2F))eyJ[\w\\-]+\.[\w\\-]+\.[\w\\-]+", re.ASCII | re.IGNORECASE
)
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_registry = HeaderRegistry()


@lru_cache(maxsize=1_000)  # of a part the same is asked for again and again
def _taken_apart(name: str, value: str) -> Any:
    for known in (value, value.partition(";")[0]):
        try:
            return _registry(name, known)
        except Exception:  # noqa: BLE001, S112 # the package fails in many ways at what is none, or nested without end
            continue
    return _registry(name, "")


_AS_IT_IS = email.policy.compat32.clone(max_line_length=None)
_POLICY = email.policy.default.clone(header_factory=lambda name, value: _taken_apart(name, value[:MOST_HEADER]))


class TooMuch(ValueError):
    """A mail has more parts or lines than anybody writes."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a mail."""

    name: str
    content_type: str
    content: bytes


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
    about = words.visible(_header(message, "Subject"))
    whole = quotes.passes_on(about)
    said = words.visible(_text(message, whole=whole)).strip()
    return Mail(
        digest=_digest(message, content, recipient),
        sender=words.address(address) or address.lower(),
        sender_name=name,
        subject=about,
        text=_TOKEN.sub(r"\1…", said if whole else quotes.written(said)),
        files=tuple(_files(message)),
        automatic=bounce or not envelope_sender or _is_automatic(message),
        bounce=bounce,
        returned=tuple(_returned(message)),
        failure=_told(message, "failed"),
        delay=_told(message, "delayed"),
    )


def _sender(message: EmailMessage) -> tuple[str, str]:
    """The name and the address of whoever it is from; nobody's, unless all that says so comes to one address.

    As it stands there: mail servers check whether a mail may come from its sender's domain. They decode nothing for
    that and leave out no character, and of two addresses they may have looked at the other.
    """
    written = [
        str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in message.raw_items()
        if name.lower() == "from"
    ]
    if sum(map(len, written)) > MOST_HEADER:
        return "", ""
    found = {
        address.lower(): name
        for name, address in getaddresses([" ".join(each.split()) for each in written], **_LENIENT)
        if "@" in address
    }
    address, name = next(iter(found.items()), ("", ""))
    if len(found) > 1 or words.visible(address) != address or not _ADDRESS.fullmatch(address):
        return "", ""
    return words.visible(" ".join(str(_taken_apart("Subject", name)).split())), address


def _parsed(content: bytes) -> EmailMessage:
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_LINES:  # either may end a line
        raise TooMuch(f"It has more than {MOST_LINES:,} lines.")
    numbers = itertools.count()

    def part(policy: Any = _POLICY) -> EmailMessage:
        if next(numbers) > MOST_PARTS:
            raise TooMuch(f"It has more than {MOST_PARTS:,} parts.")
        return EmailMessage(policy)

    return email.message_from_bytes(content, part, policy=_POLICY)


def subject(content: bytes) -> str:
    """What a mail says it is about."""
    head = _END_OF_HEAD.split(content[:MOST_HEAD], maxsplit=1)[0]
    return words.visible(_header(email.message_from_bytes(head, policy=_POLICY), "Subject"))


def digest(content: bytes, recipient: str) -> str:
    """What tells a mail apart that can't be read."""
    return hashlib.sha256(recipient.lower().encode() + b"\0" + content).hexdigest()


def _digest(message: EmailMessage, content: bytes, recipient: str) -> str:
    if not (message_id := _header(message, "Message-ID")):
        return digest(content, recipient)
    told = "\0".join([recipient.lower(), message_id, _header(message, "From"), _header(message, "Date")])
    head = content.find(b"\n\r\n") if b"\r\n\r\n" in content else content.find(b"\n\n")
    return hashlib.sha256(told.encode("utf-8", "replace") + b"\0" + content[head:]).hexdigest()


def _header(message: Message, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())


def _is_report(message: EmailMessage) -> bool:
    return message.get_content_type() == "multipart/report"


def _told(message: EmailMessage, action: str) -> str:
    """What a delivery status notification (RFC 3464) says where this is what was done; empty when it was not."""
    for part in message.walk():
        if part.get_content_type() not in STATUSES or not isinstance(blocks := part.get_payload(), list):
            continue
        for block in blocks:
            if isinstance(block, Message) and _header(block, "Action").lower() == action:
                told = (_header(block, name) for name in ("Status", "Diagnostic-Code"))
                return " ".join(filter(None, told)) or "No reason is given."
    return ""


def _returned(message: EmailMessage) -> Iterator[Head]:
    """The heads in what it returns of mails: of each all, or the head alone."""
    for part in message.walk():
        kind, inner = part.get_content_type(), part.get_payload()
        if kind in RETURNED and isinstance(inner, list):
            yield from (_head(each) for each in inner[:1] if isinstance(each, Message))
        elif kind in HEADS and isinstance(part, MIMEPart):
            yield _head(email.message_from_string(_content(part), policy=_POLICY))


def _head(message: Message) -> Head:
    return Head(_header(message, "Message-ID"), parseaddr(_header(message, "Reply-To"))[1])


def _is_automatic(message: EmailMessage) -> bool:
    """By RFC 3834, and by what programs did before it.

    Not by Feedback-ID, which services put on all that they relay, nor by X-Auto-Response-Suppress, which asks for
    something: people's mail has both.
    """
    submitted = _header(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"} or _header(message, "Precedence").lower() in AUTOMATIC_PRECEDENCE:
        return True
    others = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "List-Id")
    return any(message.get(name) is not None for name in others)


def _text(message: EmailMessage, *, whole: bool) -> str:
    """What the mail itself says, all of it: programs break it where a picture stands. `whole`: also what is quoted."""
    texts, left = [], MOST_HTML
    for part in _body(message):
        content = _content(part).replace("\r\n", "\n").replace("\r", "\n")
        if str(part.get_param("format", "")).lower() == "flowed":
            content = quotes.unflowed(content, deletes=str(part.get_param("delsp", "")).lower() == "yes")
        if part.get_content_type() == "text/html":
            content, left = markdown.markdown(content[:left], whole=whole), max(0, left - len(content))
        if content.strip():
            texts.append(content.strip("\n"))
    return "\n\n".join(texts)


def _body(message: EmailMessage) -> list[MIMEPart]:
    """The parts with the mail's own words, in their order; one that has a name only where there is no other."""
    found: list[MIMEPart] = []
    _gather(message, found)
    named = message.get_body(("plain", "html")) if not found else None
    return found if named is None else [named]


def _gather(part: MIMEPart, found: list[MIMEPart], *, among: bool = False) -> bool:
    """Add a part's parts with such words, and give whether any is plain text.

    Of alternatives one is taken: the first with plain text, or else the first. `among`: whether the part is one.
    """
    kind = part.get_content_type()
    if part.is_attachment() or (kind in TEXTS and part.get_filename() and not among):
        return False
    if kind in TEXTS:
        plain = kind == "text/plain"
        blank = plain and not _content(part).strip()  # some programs write only the HTML beside it
        found += [] if blank else [part]
        return plain and not blank
    if part.get_content_maintype() != "multipart":
        return False
    if kind != ALTERNATIVE:
        return True in [_gather(each, found) for each in _inner(part)]
    start = len(found)
    for each in _inner(part):
        end = len(found)
        if _gather(each, found, among=True):
            del found[start:end]
            return True
        if end > start:
            del found[end:]
    return False


def _inner(part: MIMEPart) -> list[MIMEPart]:
    """The parts of a part; of what belongs together only that which the rest belongs to."""
    parts = list(part.iter_parts())
    if part.get_content_subtype() != "related":
        return parts
    start = part.get_param("start")
    return [each for each in parts if start and each["Content-ID"] == start][:1] or parts[:1]


def _content(part: MIMEPart) -> str:
    """A part's text, whatever it claims to be written in."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_content_charset("utf-8")
    try:
        name = codecs.lookup(charset).name
        if name in NOT_FOR_MAIL:
            return _guessed(payload)
        return payload.decode(WIDER.get(name, name), "strict" if name == "ascii" else "replace")
    except (LookupError, UnicodeError):  # none that there is, or that it is written in
        return _guessed(payload)


def _guessed(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return payload.decode("cp1252", "replace")


def _files(message: EmailMessage) -> list[File]:
    """All parts that are no text of the mail itself, nor its seal; a picture within it is a file as well, and so is
    another mail.
    """
    body = {id(part) for part in _body(message)}
    found = []
    for part in _parts(message):
        if part.get_content_type() == ALTERNATIVE:  # the others say the same
            body |= {id(each) for each in part.iter_parts() if each.get_content_type() in TEXTS}
        if part.get_content_type() in RETURNED and isinstance(inner := part.get_payload(), list):
            found += [_mail(part, each) for each in inner[:1] if isinstance(each, EmailMessage)]
        if part.is_multipart() or id(part) in body or part.get_content_type() in SEALS:
            continue
        content = part.get_payload(decode=True)
        name = part.get_filename()
        kept = name or part.is_attachment() or part.get_content_maintype() != "text"
        if isinstance(content, bytes) and content and kept:
            found.append(File(_name(name), part.get_content_type(), content))
    return found


def _parts(part: EmailMessage) -> Iterator[EmailMessage]:
    """The part and all within it, but what is within another mail."""
    waiting = [part]
    while waiting:
        yield (here := waiting.pop())
        if here.get_content_maintype() == "multipart" and isinstance(inner := here.get_payload(), list):
            waiting += [each for each in reversed(inner) if isinstance(each, EmailMessage)]


def _mail(part: EmailMessage, inner: EmailMessage) -> File:
    """A mail that came with the mail, as a mail program opens it."""
    about = re.sub(r"[/\\]", "-", words.visible(_header(inner, "Subject")))
    return File(
        _name(part.get_filename() or (about and f"{about}.eml")), "text/plain", inner.as_bytes(policy=_AS_IT_IS)
    )


def _name(given: str | None) -> str:
    return " ".join(words.filename(given or "").split()) or UNNAMED
