"""Where words were found in a text: its passages as HTML that is safe to insert."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import array

from models.full_text import IDEOGRAPHS, SIGNS, SPACES, UNSEEN, unless_ascii

# Characters for private use stand around what was found until all else is escaped.
BEGIN, END = "\ue000", "\ue001"
# Each stands for one of the signs, which would be letters to PostgreSQL; a sign before it ends the word there.
_CONTROLS = "".join(map(chr, (*range(0x01, 0x09), *range(0x0E, 0x20))))
_STAND_INS = _CONTROLS[: len(SIGNS)]
_ANY = r"([\x01-\x08\x0e-\x1f])"
_BETWEEN = '"\x7f'  # around each ideograph


def options(**given: int | str) -> str:
    """What `ts_headline` is told, and how what was found is to be marked."""
    return ", ".join(f"{name}={value}" for name, value in {"StartSel": BEGIN, "StopSel": END, **given}.items())


def marked(configuration: Any, said: Any, asked: Any, how: str) -> Any:
    """The passages of a text that have what is asked for, which stands in `<mark>`; `how`: of `options`."""
    apart = func.regexp_replace(_clean(said), _ANY, r'"\1', "g")
    apart = func.regexp_replace(apart, f"([{IDEOGRAPHS}])", rf"{_BETWEEN}\1{_BETWEEN}", "g")
    found = func.replace(func.ts_headline(configuration, apart, asked, how), _BETWEEN, "")
    found = func.translate(func.regexp_replace(found, f'"{_ANY}', r"\1", "g"), _STAND_INS, SIGNS)
    found = func.replace(found, END + BEGIN, "")
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), (BEGIN, "<mark>"), (END, "</mark>")):
        found = func.replace(found, mark, safe)
    return found


def _clean(said: Any) -> Any:
    """A text, which takes time to be made and so is made once, with stand-ins for its signs."""
    once = func.unnest(array([said]), type_=sa.Text()).column_valued("said")
    translated = func.translate(once, SIGNS + SPACES + UNSEEN + BEGIN + END, _STAND_INS + " " * len(SPACES))
    return select(unless_ascii(once, translated)).scalar_subquery()
