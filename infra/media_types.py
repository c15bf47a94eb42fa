"""What kind of file some bytes are, found in the bytes: what a sender claims is a hint among what fits, no more."""

import codecs
import re
from pathlib import PurePosixPath
from typing import Final

import puremagic

HEAD_BYTES: Final = 8192  # enough for every signature that we accept
UNKNOWN: Final = "application/octet-stream"
PLAIN: Final = "text/plain"

# What a browser shows as a picture, and never runs.
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

# Text that a browser or a shell would run: accepted only when it is named in full, never by a wildcard.
ACTIVE: Final = frozenset(
    {
        "text/html",
        "image/svg+xml",
        "application/xml",
        "application/xhtml+xml",
        "text/javascript",
        "text/x-script",
        "text/vbscript",
        "application/hta",
    }
)
TEXT_BY_ENDING: Final = {
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".json": "application/json",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".svg": "image/svg+xml",
    ".xml": "application/xml",
    ".xsl": "application/xml",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".vbs": "text/vbscript",
    ".hta": "application/hta",
    ".sh": "text/x-script",
    ".bat": "text/x-script",
    ".cmd": "text/x-script",
    ".ps1": "text/x-script",
    ".py": "text/x-script",
    ".pl": "text/x-script",
    ".rb": "text/x-script",
    ".php": "text/x-script",
}
TEXT_BY_CLAIM: Final = frozenset({"text/csv", "text/markdown", "application/json"})
ALIASES: Final = {
    "application/excel": "application/vnd.ms-excel",
    "application/mspowerpoint": "application/vnd.ms-powerpoint",
    "application/powerpoint": "application/vnd.ms-powerpoint",
    "application/x-gzip": "application/gzip",
    "application/x-zip-compressed": "application/zip",  # as browsers on Windows say
    "audio/wave": "audio/wav",
    "image/x-ms-bmp": "image/bmp",
}

# Formats that may consist of printable characters alone.
PRINTABLE: Final = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
    (b"#!", "text/x-script"),
)
# What browsers take for HTML: https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type
HTML: Final = re.compile(
    rb"\s*+(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|link|base"
    rb"|object|embed|form|img|math|template|noscript)[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
SVG: Final = re.compile(rb"<(?:\w+:)?svg[\s>/]", re.IGNORECASE)
XHTML: Final = re.compile(rb"<(?:\w+:)?html[\s>/]", re.IGNORECASE)
XML: Final = re.compile(rb"\s*<(?:\?xml|!doctype|!entity)", re.IGNORECASE)
# What no text has, in whatever charset of those in which a letter is a byte or two.
NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
PROGRAM: Final = re.compile(rb"MZ[^ -~\s]")  # of Windows: not even one that does without such bytes is a text
JSON_START: Final = re.compile(rb'\s*(?:[\[{"\d-]|true|false|null)')


class Reading:
    """Reads a file's chunks as they come, and says in the end what type it is.

    The first `HEAD_BYTES` decide; text has to stay text to its last byte, in UTF-8 or as older programs write it.
    """

    def __init__(self, filename: str, claimed: str) -> None:
        self._ending = PurePosixPath(filename.lower()).suffix
        self._claimed = usual(claimed)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_text = True
        self._is_older_text = True

    def add(self, chunk: bytes, *, last: bool = False) -> None:
        """Take the next bytes into account."""
        self._is_older_text = self._is_older_text and NO_TEXT.search(chunk) is None
        if self._is_text:
            try:
                self._decoder.decode(chunk, last)
            except UnicodeDecodeError:
                self._is_text = False
            else:
                self._is_text = b"\0" not in chunk

    def found(self, head: bytes) -> str:
        """The media type, by what was read so far, of a file that begins with `head` (`HEAD_BYTES`, or all of it)."""
        head = head.removeprefix(codecs.BOM_UTF8)
        if HTML.match(head):
            return "text/html"
        is_text = self._is_text or (self._is_older_text and PROGRAM.match(head) is None)
        return self._text(head) if is_text else self._binary(head)

    def _text(self, head: bytes) -> str:
        for start, name in PRINTABLE:
            if head.startswith(start):
                return name
        if XML.match(head) or SVG.match(head.lstrip()):
            return "image/svg+xml" if SVG.search(head) else "text/html" if XHTML.search(head) else "application/xml"
        name = TEXT_BY_ENDING.get(self._ending) or (self._claimed if self._claimed in TEXT_BY_CLAIM else PLAIN)
        return PLAIN if name == "application/json" and not JSON_START.match(head) else name

    def _binary(self, head: bytes) -> str:
        try:
            matches = puremagic.magic_string(head)
        except (puremagic.PureError, ValueError):
            return UNKNOWN
        # Many formats share a signature: the file's name chooses among those that fit, or else the claim.
        fits = [(f".{m.extension.lstrip('.')}", ALIASES.get(m.mime_type, m.mime_type)) for m in matches if m.mime_type]
        names = [name for _, name in fits]
        for ending, name in fits:
            if ending == self._ending:
                return str(name)
        if self._claimed in names:
            return self._claimed
        if head.startswith(b"PK\x03\x04"):
            return "application/zip"
        return str(names[0]) if names else UNKNOWN


def usual(name: str) -> str:
    """A media type without parameters, by the name that it has here."""
    plain = name.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def accepted(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a media type is one of `allowed`, where `image/*` stands for every image that can't run anything."""
    return any(
        name == pattern or (pattern.endswith("*") and name not in ACTIVE and name.startswith(pattern[:-1]))
        for pattern in allowed
    )
