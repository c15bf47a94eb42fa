"""How texts are searched: what PostgreSQL takes for words in them, and the type of the columns that hold these."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

CONFIGURATION: sa.ColumnElement[Any] = sa.literal_column("'simple'::regconfig")
# Beyond ASCII: what ends a word, what is a space, and what can't be seen within a word. To PostgreSQL's parser all of
# them are letters where its database has no locale of an operating system.
_QUOTES, _APOSTROPHES, _OTHERS = "“”„«»「」《》", "’‘", "–—…•¿¡、。（）！？：；，"  # noqa: RUF001 # these are meant
SIGNS = _QUOTES + _APOSTROPHES + _OTHERS
SPACES, UNSEEN = "\u00a0\u2009\u202f\u3000", "\u00ad\u200b\ufeff"
# Letters of which each can be a word, as nothing stands between words: a phrase of them is what people look for.
IDEOGRAPHS = "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PLAIN = '"' * len(_QUOTES) + "''" * len(_APOSTROPHES) + " " * len(_OTHERS + SPACES)  # in SQL an apostrophe is two
_AS_ASCII = [sa.literal_column(f"'{each}'", sa.Text()) for each in (SIGNS + SPACES + UNSEEN, _PLAIN)]


def normalized(text: Any) -> Any:
    """A text as it is searched: with its signs and spaces as ASCII has them, and each ideograph a word of its own."""
    return unless_ascii(text, _parted(text))


def unless_ascii(text: Any, otherwise: Any) -> Any:
    """A text that is of ASCII alone, or else what is made of it: `translate` takes longer than making words of it."""
    return sa.case((sa.func.octet_length(text) == sa.func.length(text), text), else_=otherwise)


def _parted(text: Any) -> Any:
    return _replaced(sa.func.translate(text, *_AS_ASCII), f"([{IDEOGRAPHS}])", r" \1 ")


def normalized_query(text: Any) -> Any:
    """The same of what is looked for in such a text: ideographs that stand together are to stand so there too."""
    return _parted(_replaced(text, f"([{IDEOGRAPHS}]{{2,}})", r'"\1"'))


def _replaced(text: Any, pattern: str, by: str) -> Any:
    return sa.func.regexp_replace(text, *(sa.literal_column(f"'{each}'", sa.Text()) for each in (pattern, by, "g")))


def words_of_heading(heading: Any) -> Any:
    """What a heading is found by: it counts most."""
    return _weighted(heading, "A")


def words_of(heading: Any, text: Any) -> Any:
    """What a heading and a text are found by."""
    return words_of_heading(heading).op("||")(_weighted(text, "B"))


def _weighted(text: Any, weight: str) -> Any:
    words = sa.func.to_tsvector(CONFIGURATION, normalized(text))
    return sa.func.setweight(words, sa.literal_column(f"'{weight}'"))


class Words(sa.types.UserDefinedType[list[str]]):
    """Text as it is searched: written as a heading and a text, of which PostgreSQL makes words and their places.

    Words are kept as they are written, without the forms of one language, since people write in many.
    """

    cache_ok = True
    written_as = ARRAY(sa.Text())

    def get_col_spec(self, **_: Any) -> str:
        """The type's name."""
        return "tsvector"

    def bind_expression(self, bindvalue: sa.BindParameter[list[str]]) -> Any:
        """Has PostgreSQL make the words of what is written."""
        texts: Any = sa.sql.elements.Grouping(sa.type_coerce(bindvalue, self.written_as))
        return words_of(*(texts[sa.literal_column(place)] for place in ("1", "2")))
