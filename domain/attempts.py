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
from infra.desk import Desk
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
# Whoever has to wait was sent a link less than a quarter of an hour ago, which still signs in: nobody locks others out.
LINK_BY_EMAIL = Limit("link:email", 3, 10 * 60)
LINK_BY_NETWORK = Limit("link:network", 30, 60 * 60)
INVITATION_BY_STAFF = Limit("invitation:staff", 100, 60 * 60)
SIGN_UP_BY_NETWORK = Limit("sign-up:network", 5, 60 * 60)
PASSWORD_BY_PERSON = Limit("password:person", 10, 15 * 60)
TOKEN_BY_NETWORK = Limit("token:network", 120, 15 * 60)
SUBMIT_BY_CUSTOMER = Limit("submit:customer", 60, 60 * 60)
SUBMIT_BY_STAFF = Limit("submit:staff", 1_000, 60 * 60)  # for whoever calls, and by programs
COMMENT_BY_CUSTOMER = Limit("comment:customer", 60, 60 * 60)
COMMENT_BY_STAFF = Limit("comment:staff", 1_000, 60 * 60)
RATING_BY_TICKET = Limit("rating:ticket", 10, 60 * 60)  # staff hear of each
CHANGE_BY_CUSTOMER = Limit("change:customer", 60, 60 * 60)  # of what is no comment, and stands in a history as well
STRAY_MAIL_BY_TICKET = Limit("stray-mail:ticket", 20, 60 * 60)
UPLOAD_BY_PERSON = Limit("upload:person", 200, 60 * 60)
PRESENCE_BY_PERSON = Limit("presence:person", 3_600, 60 * 60)
FEEDBACK_BY_NETWORK = Limit("feedback:network", 10, 60 * 60)
FEEDBACK_BY_PERSON = Limit("feedback:person", 60, 60 * 60)
VIEW_BY_NETWORK = Limit("view:network", 1_000, 60 * 60)
VIEW_BY_PERSON = Limit("view:person", 1_000, 60 * 60)
EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
SWEPT_AFTER = dt.timedelta(days=1)


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


def _less(key: Any, starts_at: Any) -> Any:
    here = sa.update(Attempt).where(Attempt.key == key, Attempt.window_starts_at == starts_at)
    return here.where(Attempt.count > sa.literal_column("0")).values(count=Attempt.count - sa.literal_column("1"))


class Attempts:
    """What a subject attempts within a unit, in a sliding window, weighed between two fixed ones: the last one counts
    by the share of it that is still in sight.
    """

    __slots__ = ("_in_sight", "_key", "_limit", "_span", "_starts_at", "_unit")

    def __init__(self, unit: Unit, limit: Limit, subject: str) -> None:
        """`subject`: who attempts it, or what it is attempted for."""
        self._unit, self._limit = unit, limit
        self._span = dt.timedelta(seconds=limit.seconds)
        past = (unit.now - EPOCH) % self._span
        self._starts_at, self._in_sight = unit.now - past, 1 - past / self._span
        known = network(subject) if limit.of_networks else subject
        self._key = f"{limit.name}:{hashlib.sha256(known.encode()).hexdigest()}"

    @property
    def so_far(self) -> tuple[Any, ...]:
        """What reads how often it was attempted, for `read_together`; `add` must see what it gives."""
        return _so_far, self._key, self._starts_at, self._span

    def add(self, found: list[Any]) -> None:
        """Count one more than was found if the unit is committed. Raises RateLimited when it is one too many.

        Many at once are not let in by having read the same: the last of them are Overtaken.
        """
        here, before = map(int, found[0])
        if wait := self.wait(here + 1, before):
            raise RateLimited(wait)
        most = math.floor(self._limit.most - before * self._in_sight)
        self._unit.count(Attempt, "count", most, key=self._key, window_starts_at=self._starts_at)

    async def counted(self) -> tuple[int, int]:
        """Count one at once, in the unit's transaction; gives how many there were in this window and in the last."""
        [(here, before)] = await self._unit.run(_count, self._key, self._starts_at, self._span)
        return int(here), int(before)

    async def give_back(self) -> None:
        """Have one that was taken not count after all, if the unit is committed: it was none of what is limited."""
        await self._unit.run(_less, self._key, self._starts_at)

    def wait(self, here: int, before: int) -> int:
        """Seconds to wait, 0 for none, with so many attempts in this window, the new one included, and in the last.

        The new one does not count where it has to wait.
        """
        most = self._limit.most
        if here + before * self._in_sight <= most:
            return 0
        # It fits once enough of the last window is out of sight, or else of this one.
        spans = 1 - (most - here) / before if here <= most else 2 - (most - 1) / (here - 1)
        return max(1, math.ceil((spans - 1 + self._in_sight) * self._limit.seconds))


async def take(writes: Writes, limit: Limit, subject: str) -> None:
    """Count one attempt, whatever comes of it afterwards. Raises RateLimited when it was one too many.

    That one does not count: who tries again and again for somebody else would keep them out for as long.
    """
    async with writes.begin() as unit:
        attempts = Attempts(unit, limit, subject)
        if wait := attempts.wait(*await attempts.counted()):
            raise RateLimited(wait)


async def count_change(unit: Unit, viewer: Viewer) -> None:
    """Count a change by a customer that is no comment, as `count` does. Staff may change as much as they like."""
    if not viewer.is_staff:
        await count(unit, CHANGE_BY_CUSTOMER, str(viewer.id))


async def count(unit: Unit, limit: Limit, subject: str) -> None:
    """Count one attempt if the unit is committed. Raises RateLimited when it is one too many."""
    attempts = Attempts(unit, limit, subject)
    [found] = await unit.read_together(attempts.so_far)
    attempts.add(found)


def of_reader(viewer: Viewer, network: str, limits: tuple[Limit, Limit]) -> tuple[Limit, str]:
    """Which of both holds for a reader, and its subject: the first for visitors.

    They can be as many as somebody likes, but all from one network.
    """
    of_networks, of_people = limits
    return (of_networks, network) if viewer.role is None else (of_people, str(viewer.id))


def _old(moment: Any) -> Any:
    return sa.delete(Attempt).where(Attempt.window_starts_at < moment)


async def sweep(desk: Desk) -> None:
    """Forget what no limit asks for any more."""
    await desk.writes.forget(_old, now() - SWEPT_AFTER)
