"""What somebody wrote in a mail, without what they quoted and signed with. What they pass on is no quote."""

import re

_SUBJECT = r"(subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat)"
_HEADERS = (
    r"(from|von|de|da|van|od|från|fra|"
    r"sent|gesendet|envoyé|enviado|enviada em|inviato|verzonden|skickat|sendt|wysłano|date|datum|fecha|data|"
    rf"to|an|à|a|para|aan|till|til|do|cc|kopia|kopi|{_SUBJECT})"
)
_HEADER = re.compile(rf"^[>*_\s]*{_HEADERS}\s*:[*_]*\s*\S", re.IGNORECASE)
_OF_SUBJECT = re.compile(rf"^[>*_\s]*{_SUBJECT}\s*:", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^\s*-{2,}\s*(original message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale)"
    r"\s*-{2,}\s*$",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*_{20,}\s*$")  # which Outlook draws above the headers of what it quotes
# What stands above a mail that is passed on, and how its subject begins.
_PASSED_ON = re.compile(
    r"^\s*(-{2,}\s*(forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado|"
    r"messaggio inoltrato|doorgestuurd bericht|mensagem encaminhada)\s*-{2,}|"
    r"begin forwarded message:|anfang der weitergeleiteten nachricht:)\s*$",
    re.IGNORECASE,
)
_FORWARD = re.compile(r"^\s*(fwd?|wg|tr|rv|enc)\s*:", re.IGNORECASE)
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


def unflowed(text: str, *, deletes: bool) -> str:
    """A text in which lines that end in a space go on in the next one (RFC 3676), with each paragraph on one line.

    `deletes`: whether that space is none of the words, as in languages without spaces.
    """
    paragraphs: list[list[str]] = []
    going_on: str | None = None  # the marks of the quote within which a line goes on
    for line in text.split("\n"):
        rest = line.lstrip(">")
        marks, rest = line[: len(line) - len(rest)], rest.removeprefix(" ")
        signs = _SIGNATURE.match(rest) is not None
        flows = rest.endswith(" ") and not signs
        said = rest[:-1] if flows and deletes else rest
        if going_on == marks and not signs:
            paragraphs[-1].append(said)
        else:
            paragraphs.append([marks + " " if marks else "", said])
        going_on = marks if flows else None
    return "\n".join(["".join(parts) for parts in paragraphs])


def passes_on(subject: str) -> bool:
    """Whether a mail with this subject passes another one on, and so does not quote it."""
    return _FORWARD.match(subject) is not None


def written(text: str) -> str:
    """The new words of a plain text; all of it where nothing else would be left.

    What is passed on within it stays, too, from where that is said.
    """
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines) if _PASSED_ON.match(line)), len(lines))
    own = _until_headers(lines[:end])
    passed_on = lines[end:] if len(own) == end else []  # else it stands within a quote
    kept = _without_quote_at_end(_until_signature(own))  # a signature may stand below the quote
    while kept and (not kept[-1].strip() or _SENT_FROM.match(kept[-1])):
        kept.pop()
    if passed_on:
        kept += ["", *passed_on]
    return "\n".join(kept).strip() or text.strip()


def _until_headers(lines: list[str]) -> list[str]:
    """Without a mail that is quoted as it was, with its headers, and all that follows.

    Three lines could be a list of somebody's own: they are headers where a subject is among them, or a line above.
    """
    for number, line in enumerate(lines):
        if _ORIGINAL.match(line):
            return lines[:number]
        following = lines[number : number + LEAST_HEADERS + 3]
        if not _HEADER.match(line) or sum(_HEADER.match(each) is not None for each in following) < LEAST_HEADERS:
            continue
        before = number
        while before and not lines[before - 1].strip():
            before -= 1
        ruled = before > 0 and _LINE.match(lines[before - 1]) is not None
        if ruled or any(_OF_SUBJECT.match(each) for each in following):
            return lines[: before - 1 if ruled else number]
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
