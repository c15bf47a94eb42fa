"""What every table has in common: its types, its naming of constraints and its key."""

import datetime as dt
import enum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CONFIGURATION: sa.ColumnElement[Any] = sa.literal_column("'simple'::regconfig")  # of full-text search
# Beyond ASCII: what ends a word, what is a space, and what can't be seen within a word. To PostgreSQL's parser all of
# them are letters where its database has no locale of an operating system.
_QUOTES, _APOSTROPHES, _OTHERS = "“”„«»「」《》", "’‘", "–—…•¿¡、。（）！？：；，"  # noqa: RUF001 # these are meant
SIGNS = _QUOTES + _APOSTROPHES + _OTHERS
SPACES, UNSEEN = "\u00a0\u2009\u202f\u3000", "\u00ad\u200b\ufeff"
# Letters of which each can be a word, as nothing stands between words: a phrase of them is what people look for.
IDEOGRAPHS = "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PLAIN = '"' * len(_QUOTES) + "''" * len(_APOSTROPHES) + " " * len(_OTHERS + SPACES)  # in SQL an apostrophe is two
_AS_ASCII = [sa.literal_column(f"'{each}'", sa.Text()) for each in (SIGNS + SPACES + UNSEEN, _PLAIN)]

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def parted(text: Any) -> Any:
    """A text as it is searched: with its signs and spaces as ASCII has them, and each ideograph a word of its own."""
    return _replaced(sa.func.translate(text, *_AS_ASCII), f"([{IDEOGRAPHS}])", r" \1 ")


def sought(text: Any) -> Any:
    """The same of what is looked for in such a text: ideographs that stand together are to stand so there too."""
    return parted(_replaced(text, f"([{IDEOGRAPHS}]{{2,}})", r'"\1"'))


def _replaced(text: Any, pattern: str, by: str) -> Any:
    return sa.func.regexp_replace(text, *(sa.literal_column(f"'{each}'", sa.Text()) for each in (pattern, by, "g")))


def words_of(heading: Any, text: Any) -> sa.ColumnElement[Any]:
    """What a heading and a text are found by."""
    weighted = [
        sa.func.setweight(sa.func.to_tsvector(CONFIGURATION, parted(said)), sa.literal_column(weight))
        for said, weight in ((heading, "'A'"), (text, "'B'"))
    ]
    return weighted[0].op("||")(weighted[1])


class Choice(enum.Enum):
    """One of a few values that a column may hold."""

    # A member is itself and no other. Enum's own hash is made of its name, in Python, again and again.
    __hash__ = object.__hash__


class Words(sa.types.UserDefinedType[list[str]]):
    """Text as it is searched: written as a heading and a text, of which PostgreSQL makes words and their places.

    Words are kept as they are written, without the forms of one language, since people write in many.
    """

    cache_ok = True
    written_as = ARRAY(sa.Text())

    def get_col_spec(self, **_: Any) -> str:
        """The type's name."""
        return "tsvector"

    def bind_expression(self, bindvalue: sa.BindParameter[list[str]]) -> sa.ColumnElement[list[str]]:
        """Has PostgreSQL make the words of what is written."""
        texts: Any = sa.sql.elements.Grouping(sa.type_coerce(bindvalue, self.written_as))
        return words_of(*(texts[sa.literal_column(place)] for place in ("1", "2")))


class Base(DeclarativeBase):
    """A table. Enums are text that holds the name of the value, so a new value changes no type."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        str: sa.Text(),
        dt.datetime: sa.DateTime(timezone=True),
        enum.Enum: sa.Enum(enum.Enum, native_enum=False, length=32),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(sa.Text()),
        list[UUID]: ARRAY(sa.Uuid()),
    }


class Record(Base):
    """A table whose rows have a uuid of version 7 as their key, so keys sort by time."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True)
