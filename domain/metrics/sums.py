"""The sums that figures are read from: how facts are spread over spans and keys, and added to what is there."""

import enum
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from models import HISTOGRAMS, MEASURES, Sums

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
# A smaller split of which one can be made, each after that.
MADE_OF = {
    Split.PRIORITY: Split.EVERYTHING,
    Split.AGENT: Split.EVERYTHING,
    Split.CATEGORY: Split.EVERYTHING,
    Split.DEPARTMENT: Split.PRIORITY,
    Split.ALL: Split.DEPARTMENT,
}
# Of all four parts of a key there are quarters alone.
KINDS = [(split.value, grain.value) for split in Split for grain in Grain if split != Split.EVERYTHING or grain == 0]


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
    rows = select(*key, fact.measure, fact.bucket, func.sum(fact.amount).label("amount")).select_from(
        fact.start.table.join(kinds, sa.true())
    )
    return rows.group_by(*(sa.text(str(number)) for number in range(1, len(KEYS) + 3)))


def _nothing(name: str) -> Any:
    """What stands in a key for a part that does not count."""
    return sa.literal_column("0") if name == "priority" else NOBODY


def made(split: Split, grain: Grain) -> Any:
    """Makes the sums of a split and a grain from those of a finer one, where there are none of them yet."""
    finer = (split, grain - 1) if grain else (MADE_OF[split], grain)
    rows = select(Sums).where(Sums.split == int(finer[0]), Sums.grain == int(finer[1])).subquery("finer").c
    places = {name: rows[name] if name in PARTS[split] else _nothing(name) for name in KEYS if name not in FIXED}
    units = {Grain.DAY: "day", Grain.MONTH: "month"}
    places["start"] = func.date_trunc(units[grain], rows.start, "UTC") if grain in units else rows.start
    keys: list[Any] = [*(sa.literal_column(str(int(each))) for each in (split, grain)), *places.values()]
    each = [func.nullif(func.sum(rows[name]), sa.literal_column("0")) for name in (*MEASURES, *HISTOGRAMS)]
    numbers = [sa.text(str(number)) for number in range(1, len(KEYS) + 1)]
    found = select(*keys, *each).group_by(*numbers).order_by(*numbers)
    return insert(Sums).from_select([*KEYS, *MEASURES, *HISTOGRAMS], found)


def added(spread_: Any) -> Any:
    """Adds what was spread to the sums."""
    keys = [spread_[name] for name in KEYS]
    plain, drawn = spread_.bucket.is_(None), spread_.bucket.is_not(None)
    each = [
        sa.cast(func.sum(spread_.amount).filter(plain, spread_.measure == name), sa.BigInteger).label(name)
        for name in MEASURES
    ]
    each += [
        func.sum(spread_.amount * _digit(spread_.bucket, width)).filter(drawn, spread_.measure == measure).label(name)
        for name, (measure, width) in HISTOGRAMS.items()
    ]
    rows = select(*keys, *each).group_by(*keys).order_by(*keys)
    fresh = insert(Sums).from_select([*KEYS, *MEASURES, *HISTOGRAMS], rows)
    zero: Any = sa.literal_column("0")
    together = {
        # What comes to nothing is nothing, so that a sum which was taken back is as if it had never been.
        name: func.nullif(func.coalesce(getattr(Sums, name), zero) + func.coalesce(fresh.excluded[name], zero), zero)
        for name in (*MEASURES, *HISTOGRAMS)
    }
    return fresh.on_conflict_do_update(index_elements=list(KEYS), set_=together).returning(sa.literal_column("1"))


def _digit(bucket: Any, width: int) -> Any:
    """One in a histogram's digit for a bucket."""
    zeros = sa.literal_column("8") * (bucket // sa.literal_column(str(width), sa.SmallInteger))
    return sa.cast(func.concat("1e", zeros), sa.Numeric)
