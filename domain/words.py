"""What people write: checked, tidied, and made into safe HTML."""

import asyncio
import importlib
import re
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import nh3
import sqlalchemy as sa
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.token import Token

from domain.refusals import Problems

MOST_SUBJECT, MOST_BODY, MOST_NAME, MOST_TOPIC, MOST_TAGS = 200, 20_000, 200, 200, 20
MOST_REMOVED = 100  # tags at once
MOST_TAG = 50  # characters
LONG = 2_000  # characters: whatever they are, they take no more than some 20 ms

_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # which would turn around what stands beside a name or subject
_UNSEEN = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_TAG = re.compile(r"<[^>]+>")
_INLINE = re.compile(r"</?(?:a|code|del|em|s|strong)(?: [^>]*)?>")
# What Markdown reads as more than the sign that it is; and the beginnings of lines that it reads so.
_SPECIAL = re.compile(r"([\\`*_\[\]<>~|]|&(?=#?\w+;))")
_AT_START = re.compile(r"^([ \t]*)(?:([#+-])|(\d+)([.)]))(?=\s)", re.MULTILINE)
_BREAKS = re.compile(r"[\t\n\r\x85\u2028\u2029]+")
# Domains of mail that never leaves its organisation, or a desk that is tried out: our mail server knows the way there.
for inside in ("local", "test"):
    SPECIAL_USE_DOMAIN_NAMES.remove(inside)  # as the package says to


_linking: Any = importlib.import_module("markdown_it.rules_inline.linkify")  # its package has a function of this name


class _Links(LinkifyIt):  # type: ignore[misc] # it comes without types
    """Finds what is to be a link, in text without spaces as far as it is this long: the package looks for the end of
    each link to the end of that.
    """

    MOST = 2_048
    _without_spaces = re.compile(rf"\S{{{MOST + 1}}}")

    def test(self, text: str) -> bool:
        return self._without_spaces.search(text) is None and bool(super().test(text))

    def match_at_start(self, text: str) -> Any:
        return super().match_at_start(text[: self.MOST])


class _Scheme:
    """Finds the scheme of what is to be a link, at the end of the text before its colon: the package searches all of
    that, once for each colon.
    """

    MOST = 32  # characters: more than any scheme has
    _usual: re.Pattern[str] = _linking.SCHEME_RE

    def search(self, text: str) -> re.Match[str] | None:
        return self._usual.search(text[-self.MOST :])


_linking.SCHEME_RE = _Scheme()


def _pictures(state: Any) -> None:
    """What was written as a picture is read as a link: without the sign before it, and with its address where nothing
    was said of it.
    """
    for block in state.tokens:
        run = block.children or []
        places = [n for n, token in enumerate(run) if token.type == "link_open" and n and token.info != "auto"]
        for n in reversed(places):  # from the end, so that places stay
            before, link, after = run[n - 1 : n + 2]
            if before.type != "text" or not before.content.endswith("!"):
                continue
            before.content = before.content[:-1]
            if after.type == "link_close":
                run.insert(n + 1, Token("text", "", 0, content=link.attrs["href"]))


# Raw HTML is shown as text, and a picture as a link, since fetching it would tell who reads. Line breaks stay as people
# wrote them. The result is sanitised again: the renderer is not the last line of defence.
class _Renderer(threading.local):
    """Each thread's own, as it keeps what it is at."""

    def __init__(self) -> None:
        self.markdown = (
            MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True})
            .enable(["table", "strikethrough", "linkify"])
            .disable("image")
        )
        self.markdown.core.ruler.after("inline", "pictures", _pictures)  # before addresses in text become links
        self.markdown.linkify = _Links()


_renderer = _Renderer()
_beside = ThreadPoolExecutor(1, "words")  # one after the other: more would take turns with all else, and be no sooner
# Cells that the rows of a table may leave out, which are made all the same: the 65,536 of the renderer take seconds.
_tables: Any = importlib.import_module("markdown_it.rules_block.table")  # as above
_tables.MAX_AUTOCOMPLETED_CELLS = 1_000
_cleaner = nh3.Cleaner(
    tags={
        "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
        "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
    },
    attributes={"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}, "td": {"align"}, "th": {"align"}},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel="nofollow noopener noreferrer",
)  # fmt: skip


def line(problems: Problems, field: str, value: str, *, most: int, what: str) -> str:
    """One line of 1 to `most` characters, without what can't be seen; adds a problem when it is none."""
    tidy = _BREAKS.sub(" ", _TURNING.sub("", _UNSAFE.sub("", value))).strip()
    if _empty(tidy):
        problems.add(field, f"{what} can't be empty.")
    elif len(tidy) > most:
        problems.add(field, f"{what} has {len(tidy):,} characters; at most {most:,} are possible.")
    return tidy


def optional_line(problems: Problems, field: str, value: str | None, *, most: int, what: str) -> str | None:
    """A line or nothing; an empty one is nothing."""
    if value is None or _empty(value):
        return None
    return line(problems, field, value, most=most, what=what)


def body(problems: Problems, field: str, value: str, *, what: str = "The text", may_be_empty: bool = False) -> str:
    """Markdown of 1 to 20,000 characters, or of none if it may be."""
    return text(problems, field, value, most=MOST_BODY, what=what, may_be_empty=may_be_empty)


def text(
    problems: Problems, field: str, value: str, *, most: int, what: str = "The text", may_be_empty: bool = True
) -> str:
    """Plain text of several lines, of at most `most` characters, or of none if it may be.

    What can't be seen is none.
    """
    tidy = _UNSAFE.sub("", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if _empty(tidy):
        tidy = ""
        if not may_be_empty:
            problems.add(field, f"{what} can't be empty.")
    elif len(tidy) > most:
        problems.add(field, f"{what} has {len(tidy):,} characters; at most {most:,} are possible.")
    return tidy


def _empty(tidy: str) -> bool:
    return all(unicodedata.category(letter) in _UNSEEN for letter in tidy)


def visible(value: str) -> str:
    """The text without characters that can't be stored or seen."""
    return _UNSAFE.sub("", value)


def filename(path: str) -> str:
    """What a file is called, without the folders it lay in and without what can't be seen; nothing if that is all."""
    name = _TURNING.sub("", visible(re.split(r"[/\\]", path)[-1]))
    return "" if name.strip() in {".", ".."} else name


def escaped(plain: str, *, begins: bool = True) -> str:
    """Plain text as Markdown that says the same; `begins`: whether it may stand at the beginning of a line."""
    text = _SPECIAL.sub(r"\\\1", plain)
    return _AT_START.sub(r"\1\3\\\2\4", text) if begins else text


def html(markdown: str) -> str:
    """The Markdown as HTML that is safe to insert."""
    return _cleaner.clean(_renderer.markdown.render(markdown)).strip()


async def beside(make: Callable[[str], str], markdown: str) -> str:
    """What `make` makes of a text; of a long one beside all else, so that nobody waits for it but who said it."""
    if len(markdown) <= LONG:
        return make(markdown)
    return await asyncio.get_running_loop().run_in_executor(_beside, make, markdown)


def line_of(made: str) -> str:
    """Safe HTML as one line of plain text."""
    return " ".join(unescape(_TAG.sub(" ", _INLINE.sub("", made))).split())


def beginning(plain: str, most: int) -> str:
    """As much of one line as fits, up to the end of a word."""
    if len(plain) <= most:
        return plain
    cut = plain[: most - 1]
    end = cut.rfind(" ", most // 2)  # not long before: there are languages that have hardly any spaces
    return (cut if end < 0 else cut[:end].rstrip()) + "…"


def email(problems: Problems, field: str, value: str) -> str:
    """An email address as it is kept; adds a problem when it is none."""
    found = address(value.strip())
    if found is None:
        problems.add(field, "This is not an email address.")
    return found or ""


def address(value: str) -> str | None:
    """An email address as it is kept, in lower case and its domain not in ASCII's disguise; None when it is none."""
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


def domain(problems: Problems, field: str, value: str) -> str:
    """The domain of email addresses, as those have it that are kept; adds a problem when it is none."""
    wrong = Problems()
    address = email(wrong, field, f"anybody@{value.strip().removeprefix('@')}")
    if wrong:
        problems.add(field, "This is not a domain. Name one such as example.com.")
    return address.rpartition("@")[2]


def tags(problems: Problems, field: str, values: list[str], *, most: int = MOST_TAGS) -> list[str]:
    """Tags in lower case, each once, in the order given: at most 20, of 1 to 50 characters."""
    found = [
        line(problems, f"{field}.{n}", value.lower(), most=MOST_TAG, what="A tag") for n, value in enumerate(values)
    ]
    unique = list(dict.fromkeys(found))
    if len(unique) > most:
        problems.add(field, f"At most {most} tags are possible.")
    return unique


def as_tags(asked: Any) -> Any:
    """An array of words that tags are looked for by, in SQL: in lower case, as tags are kept. None stays so."""
    if asked is None:
        return None
    # As one text, since a loop over its words would be looked at as a query of its own.
    return sa.cast(sa.func.lower(sa.cast(sa.cast(asked, sa.ARRAY(sa.Text())), sa.Text())), sa.ARRAY(sa.Text()))


def too_long_for_tags(values: list[str]) -> str | None:
    """Says so when one of these can't be a tag: who asks for tags may keep a stream, or a list, for as long as they
    want.
    """
    return f"Each has at most {MOST_TAG} characters." if any(len(value) > MOST_TAG for value in values) else None


def locale(problems: Problems, field: str, value: str | None) -> str | None:
    """A language by BCP 47, such as en or pt-BR, in the case that it recommends, so that one language has one name."""
    if value is None:
        return None
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}", value):
        problems.add(field, "This is not a language. Name one such as en or pt-BR.")
    language, *others = value.lower().split("-")
    cased = {2: str.upper, 4: str.title}  # regions, scripts
    return "-".join([language, *(cased.get(len(part), str)(part) for part in others)])
