"""People's languages and zones: what we say, put into the words of whoever reads it.

English stands in the code, each text as the argument of `marked` or `said`. Translations are the .po files in
`locales`, read as they are at the start.
"""

import contextlib
import datetime as dt
import zoneinfo
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_gmt, get_timezone_name
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from domain import zones

DESK = "en"  # the desk's language, which everybody reads who has none of their own
LOCALES = Path(__file__).with_name("locales")
KEPT = 1_000  # of what anybody may call their language, or their zone
KILOBYTE, MEGABYTE = 1_000, 1_000_000


def marked(text: str) -> str:
    """The text, which is to be translated wherever it is said."""
    return text


def _read() -> dict[str, dict[str, str]]:
    found = {}
    for path in sorted(LOCALES.glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem)
        found[path.stem] = {str(each.id): str(each.string) for each in catalog if each.id and each.string}
    return found


TRANSLATIONS = _read()  # the texts of each language besides English, by their English


@lru_cache(maxsize=KEPT)
def locale_of(wanted: str | None) -> Locale:
    """The language that somebody reads, with its region: theirs if we speak it, else the desk's."""
    locale = _known(wanted or DESK)
    return locale if locale and locale.language in {DESK, *TRANSLATIONS} else Locale.parse(DESK)


def _known(tag: str) -> Locale | None:
    for each in (tag, tag.partition("-")[0]):  # of a region where few speak it, such as de-FR, nobody knows anything
        with contextlib.suppress(ValueError, TypeError, UnknownLocaleError):
            return Locale.parse(each, sep="-")
    return None


@lru_cache(maxsize=KEPT)
def direction_of(tag: str) -> str:
    """Which way a language is written: `ltr` or `rtl`."""
    locale = _known(tag)
    return locale.text_direction if locale else "ltr"


@lru_cache(maxsize=KEPT)
def zone_of(name: str | None) -> dt.tzinfo:
    """The time zone of this name; UTC for none, or for one that nobody knows any more."""
    try:
        return zones.zone(name or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return zones.zone("UTC")


class Wording:
    """How one reader is spoken to."""

    def __init__(self, locale: str | None, zone: str | None = None) -> None:
        """`locale`: as BCP 47 has it; `zone`: as IANA has it."""
        self.locale, self._zone = locale_of(locale), zone_of(zone)
        self._texts = TRANSLATIONS.get(self.locale.language, {})

    @property
    def tag(self) -> str:
        """The language's BCP 47 tag."""
        return str(self.locale).replace("_", "-")

    def said(self, text: str, **values: object) -> str:
        """The text in the reader's language, with these values in place of its {placeholders}."""
        return self._texts.get(text, text).format(**values)

    def size(self, count: int) -> str:
        """How large a file of so many bytes is."""
        if count < MEGABYTE:
            return self.said("{number} kB", number=max(1, count // KILOBYTE))
        return self.said("{number} MB", number=format_decimal(round(count / MEGABYTE, 1), locale=self.locale))

    def moment(self, moment: dt.datetime) -> str:
        """A moment as the reader's clock and calendar have it."""
        try:
            local = moment.astimezone(self._zone)
        except OverflowError:  # on the last day of all, to the east
            local = moment
        day, time = format_date(local, "long", self.locale), format_time(local, "short", locale=self.locale)
        zone = get_timezone_name(local, "short", locale=self.locale)
        if zone[:1] in "+-":  # it has no short name in this language
            zone = get_timezone_gmt(local, "long", locale=self.locale)
        return f"{day}, {time} {zone}"
