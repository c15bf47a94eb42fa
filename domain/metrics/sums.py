"""The sums that figures are read from: how facts are spread over spans and keys, and added to what is there."""

import enum
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from models import HISTOGRAMS, MEASURES, Sums

NOTHING: Any = sa.literal_column("0")
NOBODY: Any = sa.literal_column("'00000000-0000-0000-0000-000000000000'::uuid", sa.Uuid())


class Grain(enum.IntEnum):
    """How long a span is that something was summed up for."""

    QUARTER = 0
    DAY = 1
    MONTH = 2


class Split(enum.IntEnum):
    """Which parts of a key something was summed up for."""

    ALL = 0
    DEPARTMENT = 1
    AGENT = 2  # and department
    CATEGORY = 3  # and department
    PRIORITY = 4  # and department
    EVERYTHING = 5


FIXED = ("split", "grain")
KEYS = (*FIXED, "department_id", "start", "agent_id", "category_id", "priority")
PARTS: dict[Split, tuple[str, ...]] = {
    Split.ALL: (),
    Split.DEPARTMENT: ("department_id",),
    Split.AGENT: ("department_id", "agent_id"),
    Split.CATEGORY: ("department_id", "category_id"),
    Split.PRIORITY: ("department_id", "priority"),
    Split.EVERYTHING: ("department_id", "agent_id", "category_id", "priority"),
}
# Quarters of one part beside the department are nearly as many as those of all four, which stand for them.
_GRAINS = {
    Split.EVERYTHING: (Grain.QUARTER,),
    Split.DEPARTMENT: tuple(Grain),
    Split.ALL: tuple(Grain),
    Split.AGENT: (Grain.DAY, Grain.MONTH),
    Split.CATEGORY: (Grain.DAY, Grain.MONTH),
    Split.PRIORITY: (Grain.DAY, Grain.MONTH),
}
# Each comes after that of which it can be made.
KINDS = [(split.value, grain.value) for split, grains in _GRAINS.items() for grain in grains]
WHOLE = KINDS[0]
_BY_ONE = (Split.AGENT, Split.PRIORITY)  # with what lies between them


def spread(fact: Any, kinds_: Sequence[tuple[int, int]] = KINDS) -> Select[Any]:
    """Facts under every key and span that they count for, of these splits and grains."""
    kinds = sa.values(sa.column("split", sa.SmallInteger), sa.column("grain", sa.SmallInteger), name="kinds")
    kinds = kinds.data(list(kinds_))
    kind = kinds.c

    def part(name: str) -> Any:
        having = [split.value for split, parts in PARTS.items() if name in parts]
        return sa.case((kind.split.in_(having), fact[name]), else_=_nothing(name)).label(name)

    start = sa.case(
        (kind.grain == Grain.QUARTER.value, fact.start),
        (kind.grain == Grain.DAY.value, func.date_trunc("day", fact.start, "UTC")),
        else_=func.date_trunc("month", fact.start, "UTC"),
    )
    key = (
        kind.split,
        kind.grain,
        part("department_id"),
        start.label("start"),
        *(part(name) for name in ("agent_id", "category_id", "priority")),
    )
    return select(*key, fact.measure, fact.bucket, fact.amount).select_from(fact.start.table.join(kinds, sa.true()))


def _nothing(name: str) -> Any:
    """What stands in a key for a part that does not count."""
    return NOTHING if name == "priority" else NOBODY


def split_of(which: Any, grain: Any) -> Any:
    """The split in which the sums of another one and of this grain are found."""
    apart = sa.and_(grain == Grain.QUARTER.value, which.between(*(split.value for split in _BY_ONE)))
    return sa.case((apart, sa.literal_column(str(Split.EVERYTHING.value))), else_=which)


def made(split: int, grain: int) -> Any:
    """Makes the sums of a split and a grain from those of a finer one, where there are none of them yet."""
    finer = (split, grain - 1)
    if finer not in KINDS:
        finer = (Split.DEPARTMENT.value, grain) if split == Split.ALL.value else WHOLE
    rows = select(Sums).where(Sums.split == finer[0], Sums.grain == finer[1]).subquery("finer").c
    places = {name: rows[name] if name in PARTS[Split(split)] else _nothing(name) for name in KEYS if name not in FIXED}
    places["start"] = func.date_trunc(Grain(grain).name.lower(), rows.start, "UTC") if grain else rows.start
    keys: list[Any] = [*(sa.literal_column(str(each)) for each in (split, grain)), *places.values()]
    each = [_sum(name, rows[name], rows[name].is_not(None)) for name in (*MEASURES, *HISTOGRAMS)]
    numbers = [sa.text(str(number)) for number in range(1, len(KEYS) + 1)]
    found = select(*keys, *each).group_by(*numbers).order_by(*numbers)
    return insert(Sums).from_select([*KEYS, *MEASURES, *HISTOGRAMS], found)


def filled(spread_: Any) -> Any:
    """Makes the sums of what was spread, where there are none of them yet."""
    return insert(Sums).from_select([*KEYS, *MEASURES, *HISTOGRAMS], _summed(spread_))


def added(spread_: Any) -> Any:
    """Adds what was spread to the sums."""
    fresh = filled(spread_)
    together = {
        # What comes to nothing is nothing, so that a sum which was taken back is as if it had never been.
        name: func.nullif(
            func.coalesce(getattr(Sums, name), NOTHING) + func.coalesce(fresh.excluded[name], NOTHING), NOTHING
        )
        for name in (*MEASURES, *HISTOGRAMS)
    }
    return fresh.on_conflict_do_update(index_elements=list(KEYS), set_=together).returning(sa.literal_column("1"))


def _summed(spread_: Any) -> Select[Any]:
    """What was spread, a row for each key and span."""
    keys = [spread_[name] for name in KEYS]
    plain, drawn = spread_.bucket.is_(None), spread_.bucket.is_not(None)
    each = [_sum(name, spread_.amount, plain, spread_.measure == name) for name in MEASURES]
    each += [
        _sum(name, spread_.amount * _digit(spread_.bucket, width), drawn, spread_.measure == measure)
        for name, (measure, width) in HISTOGRAMS.items()
    ]
    return select(*keys, *each).group_by(*keys).order_by(*keys)


def _sum(name: str, amount: Any, *counting: Any) -> Any:
    """The sum of amounts of a measure or of histograms, of rows that count; NULL where it is nothing.

    PostgreSQL adds short integers at a fraction of what long ones cost, and a filter is cheaper than a `sum` of NULL.
    """
    if name in HISTOGRAMS:
        total = func.deskwire_total(amount)
    else:
        total = func.sum(amount if name.endswith("_seconds") else sa.cast(amount, sa.Integer))
    return func.nullif(total.filter(*counting), NOTHING)


def _digit(bucket: Any, width: int) -> Any:
    """One in a histogram's digit for a bucket."""
    zeros = sa.literal_column("8") * (bucket // sa.literal_column(str(width), sa.SmallInteger))
    return sa.cast(func.concat("1e", zeros), sa.Numeric)
