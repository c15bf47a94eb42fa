"""Cursors: which texts are read as a place in a list, and what no list can be ordered by."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from planner.cursors import Order, mark_of, orders, reading
from planner.errors import BadRequest

MOMENT = sa.DateTime(timezone=True)
KEY = UUID("01930000-0000-7000-8000-000000000001")
UTC = dt.UTC


def place(text, *types):
    """What is read out of a cursor of a list that is ordered by values of these types."""
    order = [Order(sa.column(f"c{number}"), type_, False) for number, type_ in enumerate(types)]
    mark = mark_of("Ticket", order)
    return reading(mark, order)(mark + text)


@pytest.mark.parametrize(
    ("text", "types", "values"),
    [
        (",32767", [sa.SmallInteger()], [32_767]),
        (",-32768", [sa.SmallInteger()], [-32_768]),
        (",2147483647", [sa.Integer()], [2**31 - 1]),
        (",-2147483648", [sa.Integer()], [-(2**31)]),
        (",9223372036854775807", [sa.BigInteger()], [2**63 - 1]),
        (",-9223372036854775808", [sa.BigInteger()], [-(2**63)]),
        (",1e+20", [sa.Float()], [1e20]),
        (",12.50", [sa.Numeric()], [Decimal("12.50")]),
        (",true,false", [sa.Boolean(), sa.Boolean()], [True, False]),
        (",2026-11-24 09:30:00.25+00", [MOMENT], [dt.datetime(2026, 11, 24, 9, 30, 0, 250_000, UTC)]),
        (",infinity,-infinity", [MOMENT, MOMENT], [dt.datetime.max, dt.datetime.min]),  # noqa: DTZ901 - asyncpg's signs
        (",2026-11-24", [sa.Date()], [dt.date(2026, 11, 24)]),
        (f",5:a,b:1,{KEY}", [sa.Text(), sa.Uuid()], ["a,b:1", KEY]),
        (f",0:,{KEY}", [sa.Text(), sa.Uuid()], ["", KEY]),
        (",2:ü€", [sa.Text()], ["ü€"]),
    ],
)
def test_what_postgresql_writes_is_read(text, types, values):
    assert place(text, *types) == values


@pytest.mark.parametrize(
    ("text", "types"),
    [
        (",32768", [sa.SmallInteger()]),
        (",-32769", [sa.SmallInteger()]),
        (",2147483648", [sa.Integer()]),
        (",-2147483649", [sa.Integer()]),
        (",9223372036854775808", [sa.BigInteger()]),
        (",-9223372036854775809", [sa.BigInteger()]),
        (",1.5", [sa.Integer()]),
        (",", [sa.Integer()]),
        ("1", [sa.Integer()]),
        ("", [sa.Integer()]),
        (",1,", [sa.Integer()]),
        (",1,2", [sa.Integer()]),
        (",1", [sa.Integer(), sa.Integer()]),
        (",maybe", [sa.Boolean()]),
        (",2026-11-24 09:30:00", [MOMENT]),
        (",2026-02-30", [sa.Date()]),
        (",two", [sa.Numeric()]),
        (",3:ab", [sa.Text()]),
        (",1:ab", [sa.Text()]),
        (",ab", [sa.Text()]),
        (",1:\0", [sa.Text()]),
        (",1:\ud800", [sa.Text()]),
        (f",4:ab,{KEY}", [sa.Text(), sa.Uuid()]),
        (",1\0", [sa.Uuid()]),
    ],
)
def test_any_other_text_is_refused(text, types):
    with pytest.raises(BadRequest, match="This is not a cursor of this list"):
        place(text, *types)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (sa.column("a", sa.Integer()).nulls_last(), "say it with coalesce"),
        (sa.column("a", sa.Integer()).desc().nulls_first(), "say it with coalesce"),
        (sa.column("a"), "give types"),
    ],
)
def test_what_cannot_be_turned_round_orders_no_list(given, said):
    with pytest.raises(TypeError, match=said):
        orders([given], None)


def test_what_has_no_cursor_orders_no_list():
    with pytest.raises(TypeError, match="can't be ordered by values of type"):
        place("", sa.LargeBinary())
