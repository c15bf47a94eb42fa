"""Reading figures: which tickets are meant, and their sums over a span, its periods, and for each part of a key."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array

from domain import access
from domain.access import Viewer
from domain.metrics.facts import GAMMA
from domain.metrics.sums import NOBODY, NOTHING, Grain, Split, split_of
from infra.statements import refused
from models import HISTOGRAMS, MEASURES, Department, Fact, JobRow, Person, Role, Sums, Ticket, TicketPriority

LONGEST = dt.timedelta(days=731)  # two years, one of them with a leap day
MOST_PERIODS = 400
NINES = 99_999_999  # what is left of a histogram's number after a division by it is the sum of its digits
QUARTER = dt.timedelta(minutes=15)
MONTH: Any = sa.literal_column("interval '1 month'")
MOMENT: Any = sa.DateTime(timezone=True)
SPAN = ("first", "last")
ALL = (*MEASURES, *HISTOGRAMS)
LEFT = ("opened",)  # all that counts of the time before a span: what is left is what ever became so
SCOPE = ("department_ids", "agent_ids", "category_ids", "priorities")
# Before all that was ever counted.
EVER: Any = sa.literal_column("'2000-01-01Z'::timestamptz", MOMENT)


class Interval(enum.Enum):
    """The length of a period; the value is PostgreSQL's."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which tickets, and when. Ids are arrays, priorities plain; None: all."""

    start: Any
    end: Any = None
    department_ids: Any = None
    agent_ids: Any = None
    category_ids: Any = None
    priorities: Sequence[TicketPriority] | None = None


# --- What is meant ----------------------------------------------------------------------------------------------------


def one(viewer: Viewer, asked: Asked) -> Select[Any]:
    """The span and the tickets that are meant, as far as the viewer may measure them, as one row.

    Raises Unauthenticated, NotAllowed. A span that ends before it begins, or is too long, is refused when it is read.
    """
    access.require(viewer, Role.AGENT)
    start, now = quarter(asked.start), func.date_trunc("milliseconds", func.now())
    end = now if asked.end is None else quarter(asked.end)
    last = quarter(now) + QUARTER if asked.end is None else end
    # Nothing has happened yet that is to come: up to now is as far as whole months go.
    until = func.date_trunc("month", now + MONTH, "UTC", type_=MOMENT) if asked.end is None else end
    agents: Any = asked.agent_ids
    if agents is not None and not viewer.has(Role.TEAM_LEAD):
        agents = sa.func.array(
            select(viewer.id).where(viewer.id == func.any(agents)).scalar_subquery(), type_=ARRAY(sa.Uuid())
        )
    ranks = None if asked.priorities is None else sorted({each.value for each in asked.priorities})
    rows = select(
        start.label("from_at"),
        end.label("to_at"),
        start.label("first"),
        last.label("last"),
        until.label("until"),
        _departments(viewer, asked).label("department_ids"),
        _array(agents, sa.Uuid()).label("agent_ids"),
        _array(asked.category_ids, sa.Uuid()).label("category_ids"),
        _array(ranks, sa.Integer()).label("priorities"),
    )
    return rows.where(
        sa.not_(refused(start >= last, "`to` must be after `from`.")),
        sa.not_(refused(start < last - LONGEST, "At most two years can be measured at once.")),
    )


def quarter(moment: Any) -> Any:
    """The beginning of its quarter of an hour."""
    return func.date_bin(QUARTER, moment, EVER, type_=MOMENT)


def _array(value: Any, item: Any) -> Any:
    return sa.cast(sa.null() if value is None else value, ARRAY(item))


def _departments(viewer: Viewer, asked: Asked) -> Any:
    """The departments that count; NULL: all."""
    if viewer.has(Role.DIRECTOR) and asked.department_ids is None:
        return _array(None, sa.Uuid())
    rows = select(Department.id)
    if not viewer.has(Role.DIRECTOR):
        rows = rows.where(Department.id.in_(access.departments_of(viewer)))
    if asked.department_ids is not None:
        rows = rows.where(Department.id == func.any(asked.department_ids))
    return func.array(rows.scalar_subquery(), type_=ARRAY(sa.Uuid()))


def computed_at(viewer: Viewer) -> Any:
    """Up to when everything is counted in, of what the viewer may measure."""
    waiting = select(func.min(JobRow.created_at)).where(
        sa.literal_column("jobs.state IN ('QUEUED', 'RUNNING')", sa.Boolean()), JobRow.kind == "Count"
    )
    counted = select(func.min(Fact.made_at))
    if not viewer.has(Role.DIRECTOR):
        named = func.jsonb_array_elements_text(JobRow.payload["ticket_ids"]).column_valued("named")
        theirs = select(Ticket.id).where(
            Ticket.id == sa.cast(named, sa.Uuid()), Ticket.department_id.in_(access.departments_of(viewer))
        )
        waiting = waiting.where(select(named).where(theirs.exists()).exists())
        counted = counted.where(Fact.department_id.in_(access.departments_of(viewer)))
    return func.coalesce(func.least(waiting.scalar_subquery(), counted.scalar_subquery()), func.now(), type_=MOMENT)


# --- Sums -------------------------------------------------------------------------------------------------------------


class By(enum.Enum):
    """The part of a key for each of whose values there are figures; the value is its column."""

    DEPARTMENT = "department_id"
    AGENT = "agent_id"
    CATEGORY = "category_id"
    PRIORITY = "priority"


def total(scope: Any) -> Select[Any]:
    """The figures of the whole span."""
    return _of_one(scope, scope.first, scope.until)


def before(scope: Any) -> Select[Any]:
    """Those of the span of the same length before it."""
    return _of_one(scope, scope.first - (scope.last - scope.first), scope.first)


def series(viewer: Viewer, scope: Any, interval: Interval, zone: Any) -> Select[Any]:
    """The figures of each period of the span, oldest first. More than 400 are refused when they are read."""
    own = select(Person.time_zone).where(Person.id == viewer.id).scalar_subquery()
    named = func.coalesce(zone, own, "UTC") if zone is not None else func.coalesce(own, "UTC")
    columns = (sa.column("first", MOMENT), sa.column("last", MOMENT))
    periods = func.deskwire_periods(scope.first, scope.last, interval.value, named, MOST_PERIODS)
    period = periods.table_valued(*columns).render_derived(name="p")
    ends = (sa.literal_column(f"p.{name}", MOMENT) for name in SPAN)
    found = _sums(scope, *ends).lateral("s")
    # Each period's is that of the one before it and what became of it since.
    base = select(_sums(scope, EVER, scope.first, names=LEFT).subquery("s").c.opened).scalar_subquery()
    opened = func.sum(func.coalesce(found.c.opened, 0)).over(order_by=period.c.first)
    rows = _labelled(scope, found.c, func.coalesce(base, 0) + opened)
    end = func.least(period.c.last, scope.to_at, type_=MOMENT).label("to_at")
    rows = rows.add_columns(period.c.first.label("from_at"), end)
    return rows.select_from(period.join(found, sa.true())).order_by(period.c.first)


def split(viewer: Viewer, scope: Any, by: By, first: int) -> Select[Any]:
    """The figures for each department, agent or category, those with most first, or for each priority."""
    mine = viewer.id if _own_alone(viewer, by) else None
    now = _sums(scope, scope.first, scope.until, by=by, mine=mine)
    found = _with_backlog(now, _sums(scope, EVER, scope.until, by=by, mine=mine, names=LEFT), by)
    if by is By.PRIORITY:  # each has a line, whether or not there is something in it
        ranks = sa.values(sa.column("rank", sa.Integer), name="r").data([(each.value,) for each in TicketPriority])
        source: Any = ranks.outerjoin(found, found.c.key == ranks.c.rank)
        key: Any = ranks.c.rank
        order = [key.desc()]
    else:
        most = found.c.submitted if by is By.CATEGORY else found.c.resolved
        source, key = found, found.c.key
        order = [func.coalesce(most, 0).desc(), key]
    rows = _labelled(scope, found.c, found.c.backlog, by=by)
    return rows.add_columns(key.label("key")).select_from(source).order_by(*order).limit(first)


def _own_alone(viewer: Viewer, by: By) -> bool:
    return by is By.AGENT and not viewer.has(Role.TEAM_LEAD)


def _of_one(scope: Any, first: Any, last: Any) -> Select[Any]:
    found = _with_backlog(_sums(scope, first, last), _sums(scope, EVER, last, names=LEFT))
    return _labelled(scope, found.c, found.c.backlog).select_from(found)


def _with_backlog(within: Select[Any], ever: Select[Any], by: By | None = None) -> Any:
    """The sums of a span, with what is left at its end of all that ever came. What comes to nothing has no line."""
    now, then = within.subquery("n"), ever.subquery("e")
    backlog = then.c.opened.label("backlog")
    columns = [now.c[name] for name in (*MEASURES, *HISTOGRAMS)]
    if by is None:
        return select(*columns, backlog).select_from(now.join(then, sa.true())).subquery("s")
    rows = select(func.coalesce(now.c.key, then.c.key).label("key"), *columns, backlog)
    rows = rows.select_from(now.join(then, now.c.key == then.c.key, full=True))
    each: Any = array([*(now.c[name] for name in MEASURES), then.c.opened], type_=sa.Numeric())
    return rows.where(sa.literal_column("0") != func.any(each)).subquery("s")


def _labelled(scope: Any, found: Any, backlog: Any, *, by: By | None = None) -> Select[Any]:
    """A row of figures."""
    each = [func.coalesce(getattr(found, name), 0).label(name) for name in MEASURES]
    each += [getattr(found, name).label(name) for name in HISTOGRAMS]
    each += [sa.cast(func.coalesce(backlog, 0), sa.Integer).label("backlog")]
    # No ticket that an article saved is an agent's, or has a priority.
    parts = ((By.AGENT, scope.agent_ids), (By.PRIORITY, scope.priorities))
    whole = [sa.false() if by is part else asked.is_(None) for part, asked in parts]
    return select(
        *each, sa.case((sa.and_(*whole), sa.cast(func.coalesce(found.deflected, 0), sa.Integer))).label("saved")
    )


def _sums(
    scope: Any, first: Any, last: Any, *, by: By | None = None, mine: Any = None, names: Sequence[str] = ALL
) -> Select[Any]:
    """The sums of these names over a span: one row, or one for each key. `mine`: of this agent alone."""
    which = _split(scope, by)
    given = (
        (scope.agent_ids, Sums.agent_id),
        (scope.category_ids, Sums.category_id),
        (scope.priorities, Sums.priority),
    )
    within = [sa.or_(asked.is_(None), column == func.any(asked)) for asked, column in given]
    within += [] if mine is None else [Sums.agent_id == mine]
    # By their names: SQLAlchemy would add the tables to the innermost SELECT that speaks of their columns.
    table_ = Sums.__table__.c
    rows = select(*(table_[name] for name in (*names, *([by.value] if by else [])))).where(
        Sums.split == split_of(which, sa.literal_column("b.grain", sa.SmallInteger())),
        Sums.grain == sa.literal_column("b.grain", sa.SmallInteger()),
        Sums.department_id == sa.literal_column("d.id", sa.Uuid()),
        Sums.start >= sa.literal_column("b.first", MOMENT),
        Sums.start < sa.literal_column("b.last", MOMENT),
        *within,
    )
    # As a sub-select that can't be pulled up: PostgreSQL then looks each block up by its beginning and end.
    found = rows.offset(sa.literal_column("0")).lateral("m")
    place = func.unnest(_places(scope, which)).table_valued(sa.column("id", sa.Uuid)).render_derived(name="d")
    columns = (
        sa.column("grain", sa.SmallInteger),
        sa.column("first", MOMENT),
        sa.column("last", MOMENT),
        sa.column("weight", sa.Integer),
    )
    quarters = which == Split.EVERYTHING.value
    blocks = func.deskwire_blocks(first, last, quarters).table_valued(*columns).render_derived(name="b")
    table = place.join(blocks, sa.true()).join(found, sa.true())
    added = blocks.c.weight > NOTHING

    def weighed(name: str) -> Any:
        """An amount, added or taken off. A histogram is long: another sign costs less than to multiply it."""
        amount = found.c[name]
        return sa.case((added, amount), else_=-amount) if name in HISTOGRAMS else amount * blocks.c.weight

    named = [func.sum(weighed(name)).label(name) for name in names]
    if by is None:
        return select(*named).select_from(table)
    key = found.c[by.value]
    rows = select(key.label("key"), *named).select_from(table).group_by(key)
    return rows if by is By.PRIORITY else rows.where(key != NOBODY)


def _places(scope: Any, which: Any) -> Any:
    """The departments whose sums are read: those that count, or the one that stands for all."""
    return func.deskwire_places(which, scope.department_ids, type_=ARRAY(sa.Uuid()))


def _split(scope: Any, by: By | None) -> Any:
    """The split that has what is asked for, and least beside it."""
    part = sa.null() if by is None else sa.literal_column(f"'{by.value}'")
    asked = (getattr(scope, name) for name in SCOPE)
    return func.deskwire_split(part, *asked, type_=sa.Integer())


# --- Durations --------------------------------------------------------------------------------------------------------


def undrawn() -> Any:
    """Months in which more was measured than their histograms have, as by code of before there were any."""
    measured = {Sums.first_responses: Sums.first_response_groups, Sums.resolved: Sums.resolution_groups}
    drawn = (func.coalesce(func.mod(groups, NINES), 0) for groups in measured.values())
    short = [func.coalesce(count, 0) != each for count, each in zip(measured, drawn, strict=True)]
    rows = select(func.count()).select_from(Sums)
    return rows.where(Sums.split == Split.ALL.value, Sums.grain == Grain.MONTH.value, sa.or_(*short))


def percentile(count: Any, groups: Any, buckets: Any, share: float) -> Any:
    """The duration that this share of those measured took at most, in seconds, within 2 %; NULL when there are none.

    DDSketch by Masson, Rim and Lee (2019), section 2.2: the middle of the bucket in which that one lies.
    """
    return func.deskwire_percentile(sa.cast(count, sa.BigInteger), groups, buckets, share, GAMMA, type_=sa.Integer())


def mean(seconds: Any, count: Any) -> Any:
    """The mean in whole seconds; NULL when there are none."""
    return sa.cast(func.round(sa.cast(seconds, sa.Numeric) / func.nullif(count, 0)), sa.Integer)


def share(part: Any, whole: Any) -> Any:
    """The share; NULL of nothing."""
    return sa.cast(part, sa.Float) / func.nullif(whole, 0)


def ratings(row: Any) -> Any:
    """How many rated."""
    return row.rated_1 + row.rated_2 + row.rated_3 + row.rated_4 + row.rated_5


def rating_counts(row: Any) -> Any:
    """How many gave each rating, the worst first."""
    return array([row.rated_1, row.rated_2, row.rated_3, row.rated_4, row.rated_5], type_=sa.Integer())


def average_rating(row: Any) -> Any:
    """The mean of the ratings; NULL when there are none."""
    weighed = row.rated_1 + 2 * row.rated_2 + 3 * row.rated_3 + 4 * row.rated_4 + 5 * row.rated_5
    return share(weighed, ratings(row))


def priority_of(rank: Any) -> Any:
    """The priority of this rank, by its name."""
    return sa.case(*((rank == each.value, each.name) for each in TicketPriority))
