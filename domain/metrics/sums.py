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


KEYS = ("split", "grain", "department_id", "start", "agent_id", "category_id", "priority")


# Of all four parts of a key there are quarters alone.
KINDS = [(split.value, grain.value) for split in Split for grain in Grain if split != Split.EVERYTHING or grain == 0]


def spread(fact: Any, pairs: Sequence[tuple[int, int]] = KINDS) -> Select[Any]:
    """Facts under every key and span that they count for, of these splits and grains."""
    kinds = sa.values(sa.column("split", sa.SmallInteger), sa.column("grain", sa.SmallInteger), name="kinds")
    kinds = kinds.data(list(pairs))
    kind = kinds.c

    def part(column: Any, *splits: Split, other: Any = NOBODY) -> Any:
        return sa.case((kind.split.in_([each.value for each in (*splits, Split.EVERYTHING)]), column), else_=other)

    by_department = (Split.DEPARTMENT, Split.AGENT, Split.CATEGORY, Split.PRIORITY)
    start = sa.case(
        (kind.grain == Grain.QUARTER.value, fact.start),
        (kind.grain == Grain.DAY.value, func.date_trunc("day", fact.start, "UTC")),
        else_=func.date_trunc("month", fact.start, "UTC"),
    )
    key = (
        kind.split,
        kind.grain,
        part(fact.department_id, *by_department).label("department_id"),
        start.label("start"),
        part(fact.agent_id, Split.AGENT).label("agent_id"),
        part(fact.category_id, Split.CATEGORY).label("category_id"),
        part(fact.priority, Split.PRIORITY, other=sa.literal_column("0")).label("priority"),
    )
    rows = select(*key, fact.measure, fact.bucket, func.sum(fact.amount).label("amount")).select_from(
        fact.start.table.join(kinds, sa.true())
    )
    return rows.group_by(*(sa.text(str(number)) for number in range(1, len(KEYS) + 3)))


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
