"""What an article's text becomes: its address, its HTML with anchors, its summary, the language it is searched in."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Container

from domain import words

MOST_TITLE, MOST_SUMMARY, MOST_BODY, MOST_SLUG = 200, 300, 100_000, 80

# PostgreSQL's configurations of full-text search, by what a language tag begins with. Others: words as they are.
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
WITHOUT_FORMS = "simple"

# As it stands in addresses: letters that no accent can be taken from.
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d"})
_ACCENTS = re.compile(r"(?<=[a-z\u0180-\u02af\u0370-\u03ff])[\u0300-\u036f]+")  # of Latin and Greek letters
_UNSEEN = re.compile(r"[\xad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")  # within words
_TAG = re.compile(r"<[^>]+>")
_HEADING = re.compile(r"<(h[1-6])>(.*?)</\1>", re.DOTALL)


def language(locale: str) -> str:
    """The configuration of full-text search for a language tag."""
    return LANGUAGES.get(locale.partition("-")[0].lower(), WITHOUT_FORMS)


def slug(title: str, otherwise: str = "article") -> str:
    """The title as part of an address: words of plain letters and digits, between hyphens.

    Letters of other scripts stay as they are, with their marks, since people who read them read them in addresses too.
    """
    plain = unicodedata.normalize("NFKD", title.lower().translate(_LETTERS))
    found = ""
    for letter in unicodedata.normalize("NFC", _ACCENTS.sub("", _UNSEEN.sub("", plain))):
        begun = found[-1:] not in {"", "-"}
        if letter.isalnum() or (begun and unicodedata.category(letter) in {"Mn", "Mc"}):
            found += letter
        elif begun:
            found += "-"
    return found[:MOST_SLUG].rstrip("-") or otherwise


def free(name: str, taken: Container[str]) -> str:
    """The name, or, where that is taken, the first that is not of those with a number behind it."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def rendered(markdown: str) -> str:
    """The Markdown as HTML that is safe to insert, each heading with an anchor of its own."""
    used: set[str] = set()
    again: Counter[str] = Counter()  # how many more have the same words, so that no number is tried twice

    def anchored(found: re.Match[str]) -> str:
        name, inner = found.groups()
        anchor = words_of_it = slug(html.unescape(_TAG.sub("", inner)), "section")
        while anchor in used:
            again[words_of_it] += 1
            anchor = f"{words_of_it}-{again[words_of_it] + 1}"
        used.add(anchor)
        return f'<{name} id="{html.escape(anchor)}">{inner}</{name}>'

    return _HEADING.sub(anchored, words.html(markdown))


def summary(body_html: str) -> str:
    """The beginning of a text in plain words, as far as a summary goes."""
    without = re.sub(r"<(h[1-6]|pre)[^>]*>.*?</\1>", " ", body_html, flags=re.DOTALL)
    return words.beginning(words.line_of(without), MOST_SUMMARY)
