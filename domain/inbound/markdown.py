"""A mail's HTML as Markdown: the words and their plain forms, nothing that runs, loads or was quoted."""

import re
from collections import Counter
from html.parser import HTMLParser

from domain import words

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
# What mail programs put around what they quote.
QUOTES = re.compile(
    r"gmail_quote|gmail_attr|moz-cite-prefix|yahoo_quoted|protonmail_quote|divRplyFwdMsg|appendonsend", re.IGNORECASE
)
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
        self.lists: list[int | None] = []  # the numbers of ordered lists, None for others
        self.over = False  # all that follows is quoted

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        given = {name: value or "" for name, value in attrs}
        if tag in VOID:
            self._void(tag)
            return
        self.names[tag] += 1
        quoted = not self.whole and QUOTES.search(f"{given.get('class', '')} {given.get('id', '')}")
        if quoted and given.get("id") in {"divRplyFwdMsg", "appendonsend"}:
            self.over = True  # Outlook puts it before, not around
        cited = given.get("type") == "cite" and not self.whole
        if self.skipping or tag in SKIPPED or quoted or cited:
            self.skipping += 1
            self.open.append((tag, "skip"))
            return
        self.open.append((tag, self._begin(tag, given)))

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
            self._add("\n\n\x01")
            return "\x02\n\n"
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
            if name in {"ul", "ol"} and end != "skip" and self.lists:
                self.lists.pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        """Text."""
        if self.skipping:
            return
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
    text = "\n".join([line.strip(" ") for line in "".join(reader.parts).split("\n")])
    text = re.sub(r"\n{3,}", "\n\n", text)
    return _quoted(text).strip()


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
        depth += line.count("\x01")
        bare = line.replace("\x01", "").replace("\x02", "")
        lines.append("> " * min(depth, 5) + bare if depth and bare.strip() else bare)
        depth = max(0, depth - line.count("\x02"))
    return "\n".join(lines)
