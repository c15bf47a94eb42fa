"""Counting attempts, in PostgreSQL, so that a restart of anything else forgets none."""

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain.access import Viewer
from domain.refusals import RateLimited
from infra.networks import network
from infra.unit import Unit, now
from infra.writes import Writes
from models import Attempt


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many attempts of one name within so many seconds."""

    name: str
    most: int
    seconds: int

    @property
    def of_networks(self) -> bool:
        """Whether those who attempt are known by their address alone."""
        return self.name.endswith(":network")


# By whom, and by what for, so that neither one address nor one network can try without end.
SIGN_IN_BY_EMAIL = Limit("sign-in:email", 10, 15 * 60)
SIGN_IN_BY_NETWORK = Limit("sign-in:network", 100, 15 * 60)
LINK_BY_EMAIL = Limit("link:email", 5, 60 * 60)
LINK_BY_NETWORK = Limit("link:network", 30, 60 * 60)
SIGN_UP_BY_NETWORK = Limit("sign-up:network", 5, 60 * 60)
PASSWORD_BY_PERSON = Limit("password:person", 10, 15 * 60)
TOKEN_BY_NETWORK = Limit("token:network", 120, 15 * 60)
SUBMIT_BY_PERSON = Limit("submit:person", 60, 60 * 60)
COMMENT_BY_CUSTOMER = Limit("comment:customer", 60, 60 * 60)
COMMENT_BY_STAFF = Limit("comment:staff", 1_000, 60 * 60)
STRAY_MAIL_BY_TICKET = Limit("stray-mail:ticket", 20, 60 * 60)
UPLOAD_BY_PERSON = Limit("upload:person", 200, 60 * 60)
PRESENCE_BY_PERSON = Limit("presence:person", 3_600, 60 * 60)
FEEDBACK_BY_NETWORK = Limit("feedback:network", 10, 60 * 60)
FEEDBACK_BY_PERSON = Limit("feedback:person", 60, 60 * 60)
VIEW_BY_NETWORK = Limit("view:network", 1_000, 60 * 60)
VIEW_BY_PERSON = Limit("view:person", 1_000, 60 * 60)
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
SWEPT_AFTER = dt.timedelta(days=1)


def _digest(limit: Limit, subject: str) -> str:
    if limit.of_networks:
        subject = network(subject)
    return f"{limit.name}:{hashlib.sha256(subject.encode()).hexdigest()}"


def _in_window(key: Any, starts_at: Any) -> Any:
    rows = select(Attempt.count).where(Attempt.key == key, Attempt.window_starts_at == starts_at)
    return func.coalesce(rows.scalar_subquery(), sa.literal_column("0"))


def _so_far(key: Any, starts_at: Any, span: Any) -> Select[*tuple[Any, ...]]:
    return select(_in_window(key, starts_at).label("here"), _in_window(key, starts_at - span).label("before"))


def _count(key: Any, starts_at: Any, span: Any) -> Any:
    fresh = insert(Attempt).values(key=key, window_starts_at=starts_at, count=1)
    return fresh.on_conflict_do_update(
        index_elements=[Attempt.key, Attempt.window_starts_at], set_={"count": Attempt.count + 1}
    ).returning(Attempt.count, _in_window(key, starts_at - span))


async def take(writes: Writes, limit: Limit, subject: str) -> None:
    """Count one attempt, whatever comes of it afterwards. Raises RateLimited when it was one too many."""
    async with writes.begin() as unit:
        wait = _wait(unit, limit, *await counted(unit, limit, subject))
    if wait:
        raise RateLimited(wait)


async def count(unit: Unit, limit: Limit, subject: str) -> None:
    """Count one attempt if the unit is committed. Raises RateLimited when it is one too many."""
    [found] = await unit.read_together(so_far(unit, limit, subject))
    add(unit, limit, subject, found)


def of_reader(viewer: Viewer, network: str, limits: tuple[Limit, Limit]) -> tuple[Limit, str]:
    """Which of both holds for a reader, and its subject: the first for visitors.

    They can be as many as somebody likes, but all from one network.
    """
    of_networks, of_people = limits
    return (of_networks, network) if viewer.role is None else (of_people, str(viewer.id))


def so_far(unit: Unit, limit: Limit, subject: str) -> tuple[Any, ...]:
    """What reads how often it was attempted, for `read_together`; `add` must see what it gives."""
    starts_at, span = _window(unit, limit)
    return _so_far, _digest(limit, subject), starts_at, span


def add(unit: Unit, limit: Limit, subject: str, found: list[Any]) -> None:
    """Count one more than was found if the unit is committed. Raises RateLimited when it is one too many.

    Many at once are not let in by having read the same: the last of them are Overtaken.
    """
    here, before = map(int, found[0])
    if wait := _wait(unit, limit, here + 1, before):
        raise RateLimited(wait)
    starts_at, _ = _window(unit, limit)
    most = math.floor(limit.most - before * _in_sight(unit, limit))
    unit.count(Attempt, "count", most, key=_digest(limit, subject), window_starts_at=starts_at)


async def counted(unit: Unit, limit: Limit, subject: str) -> tuple[int, int]:
    """Count one attempt at once, in the unit's transaction; gives how many there were, of late and shortly before."""
    starts_at, span = _window(unit, limit)
    [(here, before)] = await unit.run(_count, _digest(limit, subject), starts_at, span)
    return int(here), int(before)


def _window(unit: Unit, limit: Limit) -> tuple[dt.datetime, dt.timedelta]:
    span = dt.timedelta(seconds=limit.seconds)
    return EPOCH + (unit.now - EPOCH) // span * span, span


def _in_sight(unit: Unit, limit: Limit) -> float:
    """The share of the last window that still counts."""
    starts_at, span = _window(unit, limit)
    return 1 - (unit.now - starts_at) / span


def _wait(unit: Unit, limit: Limit, here: int, before: int) -> int:
    """Seconds to wait, 0 for none. A sliding window, weighed between two fixed ones: the last one counts by the share
    of it that is still in sight. `here`, `before`: so many attempts of this window, this one included, and of the last.
    """
    in_sight = _in_sight(unit, limit)
    if here + before * in_sight <= limit.most:
        return 0
    # The next attempt counts too. It fits once enough of the last window is out of sight, or else of this one.
    spans = 1 - (limit.most - here - 1) / before if here < limit.most else 2 - (limit.most - 1) / here
    return max(1, math.ceil((spans - 1 + in_sight) * limit.seconds))


def _old(moment: Any) -> Any:
    return sa.delete(Attempt).where(Attempt.window_starts_at < moment)


async def sweep(writes: Writes) -> None:
    """Forget what no limit asks for any more."""
    async with writes.begin() as unit:
        await unit.run(_old, now() - SWEPT_AFTER)
