"""What somebody wrote in a mail, without what they quoted and signed with."""

import re

_HEADERS = (
    r"(from|von|de|da|van|od|från|fra|sent|gesendet|envoyé|enviado|inviato|date|datum|fecha|data|to|an|à|para|"
    r"subject|betreff|objet|asunto|oggetto)"
)
_HEADER = re.compile(rf"^[>*_\s]*{_HEADERS}\s*:[*_]*\s*\S", re.IGNORECASE)
_RULE = re.compile(
    r"^\s*(-{2,}\s*(original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|"
    r"forwarded message|weitergeleitete nachricht)\s*-{2,}|_{20,})\s*$",
    re.IGNORECASE,
)
_SENT_FROM = re.compile(
    r"^\s*(sent from my |get outlook for |von meinem .{1,40} gesendet|envoyé de mon |enviado desde mi |inviato da )",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^-- ?$")
# How "On Monday, somebody wrote:" begins, and what it has besides.
_OPENING = re.compile(r"^\s*(on|am|le|el|il|em|op|den|w dniu)\s", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[./:-]\d{1,2}|\b(19|20)\d\d\b")
MOST_ATTRIBUTION = 4  # lines of it, since programs break them
LEAST_HEADERS = 3  # of a mail that is quoted with its headers


def written(text: str) -> str:
    """The new words of a plain text; all of it where nothing else would be left."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = _without_quote_at_end(_until_signature(_until_headers(lines)))  # a signature may stand below the quote
    while lines and (not lines[-1].strip() or _SENT_FROM.match(lines[-1])):
        lines.pop()
    return "\n".join(lines).strip() or text.strip()


def _until_headers(lines: list[str]) -> list[str]:
    """Without a mail that is quoted as it was, with its headers, and all that follows."""
    for number, line in enumerate(lines):
        if _RULE.match(line):
            return lines[:number]
        following = lines[number : number + LEAST_HEADERS + 3]
        if _HEADER.match(line) and sum(_HEADER.match(each) is not None for each in following) >= LEAST_HEADERS:
            return lines[:number]
    return lines


def _until_signature(lines: list[str]) -> list[str]:
    """Without what somebody signed with, and all that follows."""
    for number, line in enumerate(lines):
        if _SIGNATURE.match(line):
            return lines[:number]
    return lines


def _without_quote_at_end(lines: list[str]) -> list[str]:
    """Without quoted lines that nothing follows, and who is said to have written them."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    if not any(line.lstrip().startswith(">") for line in lines[end:]):
        return lines
    return lines[: end - _attribution(lines[:end])]


def _attribution(lines: list[str]) -> int:
    """How many lines at the end say who wrote what is quoted below them.

    Only with a date or an address: a sentence that ends in a colon is somebody's own. Where its beginning can't be
    told, as few as possible: better a line too many is kept than a word of theirs lost.
    """
    if not lines or not lines[-1].rstrip().endswith(":"):
        return 0
    fewest = 0
    for count, line in enumerate(reversed(lines[-MOST_ATTRIBUTION:]), 1):
        if not line.strip():
            break
        dated = _DATE.search(line) is not None
        if dated and _OPENING.match(line):
            return count
        if not fewest and (dated or "@" in line):
            fewest = count
    return fewest
