"""What somebody wrote in a mail, without what they quoted and signed with. What they pass on is no quote."""

import re

_SUBJECT = (
    r"(subject|betreff|objet|sujet|asunto|assunto|oggetto|onderwerp|ämne|emne|temat|aihe|předmět|predmet|tárgy|konu|"
    r"тема|主题|主旨|件名|제목)"
)
_HEADERS = (
    r"(from|von|de|da|van|od|från|fra|lähettäjä|odesílatel|feladó|kimden|от|від|发件人|寄件者|差出人|보낸 사람|"
    r"sent|gesendet|envoyé|enviado|enviada em|inviato|verzonden|skickat|sendt|wysłano|date|datum|fecha|data|dato|"
    r"message du|päivämäärä|lähetetty|odesláno|dátum|elküldve|tarih|gönderildi|отправлено|надіслано|дата|"
    r"发送时间|日期|寄件日期|送信日時|日付|보낸 날짜|"
    r"to|an|à|a|para|aan|till|til|do|vastaanottaja|komu|címzett|kime|кому|收件人|收件者|宛先|받는 사람|"
    rf"cc|kopia|kopi|kopio|kopie|copie à|копия|копія|抄送|副本|참조|{_SUBJECT})"
)
_HEADER = re.compile(rf"^(?=[^:\uff1a]{{1,40}}[:\uff1a])[>*_\s]*{_HEADERS}\s*[:\uff1a][*_]*\s*\S", re.IGNORECASE)
_OF_SUBJECT = re.compile(rf"^[>*_\s]*{_SUBJECT}\s*[:\uff1a]", re.IGNORECASE)
# Around a title above a mail. Some titles say that it is quoted; below any other one stands what is passed on.
_DASHES = "-=\u2013\u2014"
_ORIGINAL = re.compile(
    r"(original message|ursprüngliche nachricht|originalnachricht|message d['\u2019]origine|message original|"
    r"mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|ursprungligt meddelande|"
    r"originalmeddelande|oprindelig (meddelelse|besked)|opprinnelig melding|"
    r"wiadomość oryginalna|oryginalna wiadomość|alkuperäinen viesti|původní zpráva|eredeti üzenet|"
    r"исходное сообщение|原始邮件|原始郵件|元のメッセージ|원본 메시지)",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*_{20,}\s*$")  # which Outlook draws above the headers of what it quotes
_RULE = re.compile(r"^\s*\\?[-_=*]{3,}\s*$")  # any such line
# How a subject begins of a mail that passes another one on; VS does so in Danish, and answers in Finnish.
_FORWARD = re.compile(
    r"^\s*(fwd?|wg|tr|rv|enc|vs|vl|vb|pd|i|ilt|doorst|videresend|redir|转发|轉寄)\s*\.?\s*[:\uff1a]", re.IGNORECASE
)
_LINKED = re.compile(r"\]?[(<]+https?://[^\s<>()]*[)>]*|https?://\S+")
_SENT_FROM = re.compile(
    r"^[\W_]*(sent from my |"
    r"sent (from|with|via) (the )?\[?(outlook|mail for|windows mail|yahoo|samsung|proton|blackberry|mailbox|airmail)\b|"
    r"get \[?outlook for |"
    r"von meinem .{1,40} gesendet|gesendet (von|mit) (meinem |\[?outlook|\[?mail für|der (gmx|web\.de))|"
    r"envoyé (de|depuis) mon |envoyé à partir d|télécharger \[?outlook |enviado (desde mi|do meu|a partir d) ?|"
    r"enviado desde outlook|obtener \[?outlook |inviato da |scarica \[?outlook |verzonden (vanaf|met|vanuit) |"
    r"verstuurd vanaf |skickat från m|skickades från |hämta \[?outlook |sendt fra (min|mit|outlook)|hent \[?outlook |"
    r"wysłan[eo] z |lähetetty (outlook|iphone|laitteesta)|отправлено \w{1,2} |надіслано \w{1,2} |odesláno z |"
    r"iphoneから送信|从我的.{1,20}发送|發自我的|发自我的|從我的.{1,20}傳送)[^,;:!?]{0,60}$",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^-- ?$")
# How "On Monday, somebody wrote:" begins and ends, and what it has besides.
_OPENING = re.compile(r"^\s*(on|am|le|el|il|em|op|den|w dniu|dnia|in data)\s", re.IGNORECASE)
_CLOSING = re.compile(r"[:\uff1a]\s*$|\bwrote[\s-]*$")
_DATE = re.compile(r"\d{1,4}[./:-]\d{1,2}|\b(19|20)\d\d\b")
_ADDRESS = re.compile(r"<\s*\[?(mailto:)?[^\s<>@]+@")
# An address whose end stands on the next line, where it looks like the mark of a quote.
_BROKEN = re.compile(r"(<[^<>\s@]*@[^<>\s@]*)\n>([^<>\n]{0,20}:[ \t]*)$", re.MULTILINE)
MOST_LINE = 500  # characters of what is no paragraph
FULL = 60  # characters after which a program breaks a line
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
    own, passed_on = _own(_BROKEN.sub(r"\1>\2", text).split("\n"))
    kept = _without_quote_at_end(_until_signature(own))  # a signature may stand below the quote
    while kept and _says_nothing(kept[-1]):
        kept.pop()
    if passed_on:
        kept += ["", *passed_on]
    return "\n".join(kept).strip() or text.strip()


def unattributed(text: str) -> str:
    """A text that a quote follows, without who is said to have written that."""
    lines = text.rstrip().split("\n")
    return "\n".join(lines[: len(lines) - _attribution(lines)])


def _says_nothing(line: str) -> bool:
    """Whether a line at the end is none of theirs: empty, a rule, or what a program signed with."""
    if not line.strip() or _RULE.match(line):
        return True
    return len(line) <= MOST_LINE and _SENT_FROM.match(_LINKED.sub("", line)) is not None


def _own(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines before a mail that is quoted without marks, with all that follows it; and one that is passed on."""
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith(">") or len(line) > MOST_LINE:
            continue
        if title := _title(line):
            if _ORIGINAL.fullmatch(title):
                return lines[:number], []
            if any(_HEADER.match(each) for each in lines[number + 1 : number + 1 + LEAST_HEADERS]):
                return lines[:number], lines[number:]
        if _begins_with_headers(lines, number):
            above = _above(lines, number)
            if above >= 0 and _CLOSING.search(lines[above]):  # somebody's own words: "See what they wrote:"
                return lines[:above], lines[above:]
            return lines[: above if above >= 0 and _LINE.match(lines[above]) else number], []
        if (count := _attribution_without_marks(lines, number)) > 0:
            return lines[: number + 1 - count], []
    return lines, []


def _title(line: str) -> str:
    """What stands between dashes; empty: nothing."""
    bare = line.strip(" \t\xa0*\\")
    return bare.strip(f" {_DASHES}") if set(bare[:2]) | set(bare[-2:]) <= set(_DASHES) else ""


def _begins_with_headers(lines: list[str], number: int) -> bool:
    """Whether a mail stands here as it was, with its headers.

    Three lines could be a list of somebody's own: they are headers where a subject is among them, or a line above.
    """
    if not _HEADER.match(lines[number]):
        return False
    following = lines[number : number + LEAST_HEADERS + 3]
    if sum(_HEADER.match(each) is not None for each in following) < LEAST_HEADERS:
        return False
    above = _above(lines, number)
    return (above >= 0 and _LINE.match(lines[above]) is not None) or any(_OF_SUBJECT.match(each) for each in following)


def _above(lines: list[str], number: int) -> int:
    """The number of the line above that is not empty; -1: none."""
    above = number - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    return above


def _attribution_without_marks(lines: list[str], number: int) -> int:
    """How many lines to this one say who wrote all that follows; 0 where marks tell it from what somebody answers.

    Only with a date and an address as programs write it: people write "On Monday Ada wrote:" as well.
    """
    if not _CLOSING.search(lines[number]):
        return 0
    count = _attribution(lines[max(0, number + 1 - MOST_ATTRIBUTION) : number + 1])
    said = " ".join(lines[number + 1 - count : number + 1])
    if not _DATE.search(said) or not _ADDRESS.search(said):
        return 0
    below = next((each for each in range(number + 1, len(lines)) if lines[each].strip()), None)
    return 0 if below is None or lines[below].lstrip().startswith(">") else count


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
    if not lines or len(lines[-1]) > MOST_LINE or not _CLOSING.search(lines[-1]):
        return 0
    said, broken, whole, fewest = "", True, 0, 0
    for count, line in enumerate(reversed(lines[-MOST_ATTRIBUTION:]), 1):
        if not line.strip():
            break
        dated = _DATE.search(line) is not None
        broken = count == 1 or (broken and _goes_on(line, lines[1 - count]))
        if dated and _OPENING.match(line) and (broken or not line.rstrip().endswith((".", "!", "?"))):
            return count
        said = f"{line} {said}"
        if broken and not whole and "@" in said and _DATE.search(said):
            whole = count
        if not fewest and (dated or "@" in line):
            fewest = count
    return whole or fewest


def _goes_on(line: str, below: str) -> bool:
    """Whether a program broke a line here: within an address, or where the next word was too much."""
    first = below.split(maxsplit=1)[0] if below.strip() else ""
    return line.rfind("<") > line.rfind(">") or len(line) + len(first) >= FULL
