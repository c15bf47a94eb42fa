"""What a mail consists of: the parts with its own words, what a part says, and its files."""

import codecs
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage, Message, MIMEPart
from typing import Any

from domain import words

MAILS = {"message/rfc822", "message/global"}
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
# The charset of an encoded word (RFC 2047).
_CLAIMED = re.compile(r"=\?([^?*\s]{1,40})(?=\?[bq]\?)", re.IGNORECASE)


class _AsItIs(email.policy.Compat32):
    verify_generated_headers = False  # they came so

    def fold_binary(self, name: str, value: Any) -> bytes:
        """A header as it came."""
        return f"{name}: {value}{self.linesep}".encode("utf-8", "surrogateescape")


_AS_IT_IS = _AsItIs()


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a mail."""

    name: str
    content_type: str
    content: bytes


def header(message: Message, name: str) -> str:
    """What a header says, on one line; empty when there is none."""
    return " ".join(str(message.get(name, "")).split())


def as_meant(value: str) -> str:
    """A header as it was meant whose bytes are no UTF-8, or whose words have more than the charsets they claim."""
    text = value if value.isascii() else _guessed(value.encode("utf-8", "surrogateescape"))
    text = text.replace("\0", "")  # which no mail may have, and the package fails at
    return _CLAIMED.sub(lambda claimed: f"=?{_wider(claimed[1])}", text)


def _wider(charset: str) -> str:
    """The charset that programs write in where they claim this one."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return charset
    return WIDER.get(name, charset)


def body(message: EmailMessage) -> list[MIMEPart]:
    """The parts with the mail's own words, in their order; one that has a name only where there is no other."""
    found: list[MIMEPart] = []
    _gather(message, found)
    named = message.get_body(("plain", "html")) if not found else None
    return found if named is None else [named]


def _gather(part: MIMEPart, found: list[MIMEPart], *, among: bool = False) -> bool:
    """Add a part's parts with such words, and give whether any is plain text.

    Of alternatives one is taken: the first with plain text, or else the first. `among`: whether the part is one.
    """
    kind = "text/plain" if _is_broken(part) else part.get_content_type()  # so it is all text
    if part.is_attachment() or (kind in TEXTS and part.get_filename() and not among):
        return False
    if kind in TEXTS:
        plain = kind == "text/plain"
        blank = plain and not content_of(part).strip()  # some programs write only the HTML beside it
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


def _is_broken(part: MIMEPart) -> bool:
    """Whether it should have parts, of which none is found."""
    return part.get_content_maintype() == "multipart" and not part.is_multipart()


def _inner(part: MIMEPart) -> list[MIMEPart]:
    """The parts of a part; of what belongs together only that which the rest belongs to."""
    parts = list(part.iter_parts())
    if part.get_content_subtype() != "related":
        return parts
    start = part.get_param("start")
    return [each for each in parts if start and each["Content-ID"] == start][:1] or parts[:1]


def content_of(part: MIMEPart) -> str:
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


def files(message: EmailMessage, its_own: list[MIMEPart]) -> list[File]:
    """All parts that are none of the mail's own words, nor its seal; a picture within it is a file as well, and so is
    another mail.
    """
    no_files = {id(part) for part in its_own}
    found = []
    for part in _parts(message):
        if part.get_content_type() == ALTERNATIVE:  # the others say the same
            no_files |= {id(each) for each in part.iter_parts() if each.get_content_type() in TEXTS}
        if part.get_content_type() in MAILS and isinstance(inner := part.get_payload(), list):
            found += [_mail(part, each) for each in inner[:1] if isinstance(each, EmailMessage)]
        if part.is_multipart() or _is_broken(part) or id(part) in no_files or part.get_content_type() in SEALS:
            continue
        content = part.get_payload(decode=True)
        name = part.get_filename()
        kept = name or part.is_attachment() or part.get_content_maintype() != "text"
        if isinstance(content, bytes) and content and kept:
            found.append(File(_name(name), part.get_content_type().split()[0], content))  # some leave out a semicolon
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
    about = re.sub(r"[/\\]", "-", words.visible(header(inner, "Subject")))
    return File(
        _name(part.get_filename() or (about and f"{about}.eml")), "text/plain", inner.as_bytes(policy=_AS_IT_IS)
    )


def _name(given: str | None) -> str:
    return " ".join(words.filename(given or "").split()) or UNNAMED
