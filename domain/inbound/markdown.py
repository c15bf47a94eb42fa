"""A mail's HTML as Markdown: the words and their plain forms, nothing that runs, loads or was quoted."""

import re
from collections import Counter
from html.parser import HTMLParser

from domain import words
from domain.inbound import quotes

SKIPPED = {"head", "style", "script", "title", "template", "object", "svg", "math", "noscript"}
VOID = {"br", "hr", "img", "meta", "link", "input", "area", "base", "col", "embed", "source", "track", "wbr"}
BLOCKS = {
    "p",
    "pre",
    "div",
    "tr",
    "table",
    "ul",
    "ol",
    "section",
    "article",
    "header",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
}
MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "s": "~~", "del": "~~"}
LEAST_ANSWERS = 2  # to parts of a mail, for it to be quoted with them
# What mail programs put around what they quote: its class or id, or its name.
QUOTES = re.compile(
    r"gmail_quote|gmail_attr|moz-cite-prefix|yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|divRplyFwdMsg|"
    r"appendonsend|mail-editor-reference-message-container|ms-outlook-mobile-reference-message",
    re.IGNORECASE,
)
QUOTE_NAMES = {"quote", "messageReplySection"}
# Of these, what goes around who wrote it and the quote itself: below that, answers may follow within.
AROUND = re.compile(r"gmail_quote|protonmail_quote", re.IGNORECASE)
# Marks within the text until all of it is there: of what its author quotes, and of what a program does.
_BEGIN, _END, _CITED, _OWN = "\x01", "\x02", "\x03", "\x04"
_MARKS = str.maketrans("", "", _BEGIN + _END + _CITED + _OWN)
_UNSHOWN = re.compile(r"<!--|<!|<\?")
_SPACE = re.compile(r"[ \t\n\r\f\v\xa0]+")
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


class _Reader(HTMLParser):
    """Collects the text, with its marks."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.whole = whole  # what is quoted, too
        self.parts: list[str] = []
        self.open: list[tuple[str, str]] = []  # elements, and what stands at their end
        self.names: Counter[str] = Counter()  # of these
        self.skipping = 0  # how deep in what is left out
        self.citing: int | None = None  # the place among the open elements of the one that is cited
        self.citing_around = False
        self.lists: list[int | None] = []  # the numbers of ordered lists, None for others
        self.over = False  # all that follows is quoted

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        given = {name: value or "" for name, value in attrs}
        if tag in VOID:
            self._void(tag)
            return
        self.names[tag] += 1
        called = f"{given.get('class', '')} {given.get('id', '')}"
        quoted = not self.whole and (QUOTES.search(called) or given.get("name") in QUOTE_NAMES)
        if quoted and given.get("id") in {"divRplyFwdMsg", "appendonsend"}:
            self.over = True  # Outlook puts it before, not around
        if self.skipping or tag in SKIPPED:
            self.skipping += 1
            self.open.append((tag, "skip"))
        elif quoted or (given.get("type") == "cite" and not self.whole):
            self._cite(tag, around=tag != "blockquote" and AROUND.search(called) is not None)
        else:
            self.open.append((tag, self._begin(tag, given)))

    def _cite(self, tag: str, *, around: bool) -> None:
        """What is quoted begins; what stands `around` a quote is so up to there alone: answers may follow within."""
        if self.citing is not None and self.citing_around and tag == "blockquote":
            self.open[self.citing] = (self.open[self.citing][0], "")
            self._add(_OWN)
            self.citing = None
        if self.citing is None:
            self.citing, self.citing_around = len(self.open), around
            self._add(_CITED)
            self.open.append((tag, _OWN))
        else:
            self.open.append((tag, self._begin(tag, {})))

    def _begin(self, tag: str, given: dict[str, str]) -> str:
        """What stands at the element's beginning is written; gives what stands at its end."""
        if tag in MARKS:
            self._add(MARKS[tag])
            return MARKS[tag]
        href = given.get("href", "")
        if tag == "a" and href.startswith(("http://", "https://", "mailto:")) and not re.search(r"[\s<>()]", href):
            self._add("[")
            return f"]({href})"
        if tag in {"ul", "ol"}:
            self.lists.append(1 if tag == "ol" else None)
        if tag == "li":
            self._add("\n" + self._bullet())
        elif tag == "blockquote":
            self._add(f"\n\n{_BEGIN}")
            return f"{_END}\n\n"
        elif tag in BLOCKS:
            self._add("\n" if tag in {"div", "tr"} else "\n\n")
            return "\n" if tag in {"div", "tr"} else "\n\n"
        return " " if tag in {"td", "th"} else ""

    def _bullet(self) -> str:
        number = self.lists[-1] if self.lists else None
        if number is None:
            return "- "
        self.lists[-1] = number + 1
        return f"{number}. "

    def _void(self, tag: str) -> None:
        if not self.skipping:
            self._add({"br": "\n", "hr": "\n\n---\n\n"}.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        """An element ends, and with it those within that nobody closed."""
        if not self.names[tag]:
            return
        while self.open:
            name, end = self.open.pop()
            self.names[name] -= 1
            if end == "skip":
                self.skipping -= 1
            elif end:
                self._add(end)
            if len(self.open) == self.citing:
                self.citing = None
            if name in {"ul", "ol"} and end != "skip" and self.lists:
                self.lists.pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        """Text."""
        if self.skipping:
            return
        data = data.translate(_MARKS)
        if self.names["pre"]:  # such as a log: its lines and how far they stand to the right
            said = _INDENT.sub(lambda found: "\xa0" * len(found[0].expandtabs()), data.replace("\r\n", "\n"))
        else:
            said = _SPACE.sub(" ", data)
        self._add(words.escaped(said))

    def _add(self, text: str) -> None:
        if not self.over:
            self.parts.append(text)


def markdown(html: str, *, whole: bool = False) -> str:
    """The HTML as Markdown, without what is quoted, unless the `whole` is wanted."""
    reader = _Reader(whole=whole)
    reader.feed(_elements_and_text(html))
    reader.close()
    text = "\n".join([line.strip(" ") for line in _answered("".join(reader.parts)).split("\n")])
    return re.sub(r"\n{3,}", "\n\n", _quoted(text)).strip()


def _answered(text: str) -> str:
    """The text with what a program cited where it is answered bit by bit, and else without."""
    own = re.split(f"[{_CITED}{_OWN}]", text)  # and between, what is cited
    if sum(bool(each.strip()) for each in own[2::2]) < LEAST_ANSWERS:
        return "\n\n".join([*map(quotes.unattributed, own[:-1:2]), own[-1] if len(own) % 2 else ""])
    return "".join(f"\n\n{_BEGIN}{each}{_END}\n\n" if number % 2 else each for number, each in enumerate(own))


def _elements_and_text(html: str) -> str:
    """The HTML without comments, declarations and instructions, and up to the end of its last element.

    The parser would look for the end of each, and where there is none, to the end of the text for each of them.
    """
    kept, at, end = [], 0, html.rfind(">") + 1
    while (found := _UNSHOWN.search(html, at, end)) is not None:
        kept.append(html[at : found.start()])
        closing = "-->" if found[0] == "<!--" else ">"
        at = html.find(closing, found.end(), end)
        if at < 0:
            return "".join(kept)
        at += len(closing)
    return "".join(kept) + html[at:end] + html[end:].replace("<", "&lt;")


def _quoted(text: str) -> str:
    """With each line of what is quoted behind a mark."""
    lines, depth = [], 0
    for line in text.split("\n"):
        depth += line.count(_BEGIN)
        bare = line.replace(_BEGIN, "").replace(_END, "")
        lines.append("> " * min(depth, 5) + bare if depth and bare.strip() else bare)
        depth = max(0, depth - line.count(_END))
    return "\n".join(lines)
