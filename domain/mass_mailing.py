"""Emails about maintenance, to very many: several at once, over their share of the connections, in jobs of seconds."""

import asyncio
import datetime as dt
import time
from collections import deque
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import broadcasting, drafting, drafts, mailing, maintenance
from domain.access import Viewer
from domain.jobs import SendMaintenance
from domain.maintenance import saying
from domain.wording import Wording
from infra.desk import Desk
from infra.faults import told
from infra.jobs import Work, storable
from infra.letters import Later, Letter
from infra.logs import report
from infra.unit import Unit
from models import (
    DeliveryStatus,
    MaintenanceHappening,
    MaintenanceNotice,
    Message,
    MessageTemplate,
    NotificationKind,
    Person,
    Role,
)

MOST_SENT, MOST_SKIPPED = 200, 500  # by one job
BULK_SECONDS = 5.0  # after which a job begins no other, so that it ends long before anybody else may take it over
IN_A_ROW = 3  # letters that could not be sent, after which the next ones wait too
BREATH = dt.timedelta(seconds=10)
EVERYTHING = Viewer(Role.ADMIN)  # what happened is the same for all; who of them may read it is asked for each


async def deliver_some(work: Work[SendMaintenance]) -> None:
    """Send some of the emails about what happened to a notice, and ask for the rest.

    A crash repeats at most those that were being handed over, under the same Message-ID. What need
    not be told any more is not.
    """
    desk, happening_id = work.desk, work.job.happening_id
    async with desk.writes.begin() as unit:
        stand = await unit.run(broadcasting.stand_of, happening_id)
        over = bool(stand) and broadcasting.over(stand[0])
        waiting = await unit.run(broadcasting.waiting, happening_id, MOST_SKIPPED if over else MOST_SENT)
        sending = None
        if over and waiting:
            await unit.run(broadcasting.skipped, [record["id"] for record in waiting])
        elif due := [record["id"] for record in waiting if record["not_before"] <= unit.now]:
            sending = await _read(unit, desk, happening_id, due)
    held_up = sending is not None and await sending.all()
    async with work.settle() as unit:
        # In this order: what was written before the telling was over is among what is left.
        stand = await unit.run(broadcasting.stand_of, happening_id)
        left = await unit.run(broadcasting.waiting, happening_id, 1)
        if left:
            soonest = max(left[0]["not_before"], unit.now + (BREATH if held_up else dt.timedelta(0)))
            unit.enqueue(SendMaintenance(happening_id), delay=(soonest - unit.now).total_seconds())
        elif stand and stand[0]["told_at"] is None:  # more are being written; or nobody writes them, and less is looked
            going_on = (unit.now - stand[0]["at"]).total_seconds()
            unit.enqueue(SendMaintenance(happening_id), delay=max(1.0, going_on / 60))


# --- What they say ----------------------------------------------------------------------------------------------------


def _readers(happening_id: Any, message_ids: Any) -> Select[*tuple[Any, ...]]:
    """Whom these emails are for, as far as they still may see what they tell of."""
    notice = select(MaintenanceHappening.notice_id).where(MaintenanceHappening.id == happening_id).scalar_subquery()
    sees = [
        sa.and_(
            Person.role == role,
            maintenance.visible(Viewer(role, Person.id))
            .where(MaintenanceNotice.id == notice)
            .correlate(Person)
            .exists(),
        )
        for role in Role
    ]
    columns = Person.id, Person.name, Person.email, Person.locale, Person.time_zone
    rows = select(Message.id.label("message_id"), *columns).join(Person, Person.id == Message.recipient_id)
    return rows.where(Message.id == func.any(message_ids), Person.active, sa.or_(*sees))


async def _read(unit: Unit, desk: Desk, happening_id: UUID, message_ids: list[UUID]) -> "Sending":
    """All that is needed for these emails, by few statements however many they are."""
    facts = await unit.run(saying.of, EVERYTHING, happening_id)
    readers = {each["message_id"]: each for each in await unit.run(_readers, happening_id, message_ids)}
    own = await unit.read_all(drafts.all_own, [NotificationKind.MAINTENANCE.name])
    return Sending(desk, happening_id, facts[0] if facts else None, readers, own, message_ids)


class Sending:
    """Some emails about one thing that happened, on their way."""

    def __init__(
        self,
        desk: Desk,
        happening_id: UUID,
        fact: Any,
        readers: dict[UUID, Any],
        own: list[MessageTemplate],
        message_ids: Sequence[UUID],
    ) -> None:
        """`fact`: what happened. `readers`: by the email that is for them. `own`: the desk's own words."""
        self.desk, self.happening_id, self.fact, self.readers, self.own = desk, happening_id, fact, readers, own
        self.said: dict[tuple[Any, Any], Any] = {}  # by language and zone: the same for all who share them
        self.waiting = deque(message_ids)
        self.until = time.monotonic() + BULK_SECONDS
        self.failed = 0  # in a row
        self.settled: list[tuple[DeliveryStatus, UUID]] = []  # and not written down yet
        self.writing = asyncio.Lock()

    async def all(self) -> bool:
        """Send them. Whether it stopped because none could be sent."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(self.waiting), self.desk.mail.most_in_bulk)):
                    group.create_task(self._one_by_one())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return self.failed >= IN_A_ROW

    async def _one_by_one(self) -> None:
        while self.waiting and self.failed < IN_A_ROW and time.monotonic() < self.until:
            message_id = self.waiting.popleft()
            reader = self.readers.get(message_id)
            try:
                letter = None if reader is None or self.fact is None else self._letter(message_id, reader)
                status, error = await mailing.handed_over(self.desk, letter, bulk=True)
            except Exception as fault:  # noqa: BLE001 # which is its alone: one letter's fault must not hold up the others
                self.failed += 1
                why = str(fault) if isinstance(fault, Later) else f"{told(fault)} ({report(fault)})"
                await self._not_sent(message_id, why, again=True)
                continue
            self.failed = 0
            if error is None:
                await self._settle(status, message_id)
            else:
                await self._not_sent(message_id, error, again=False)

    def _letter(self, message_id: UUID, reader: Any) -> Letter | None:
        person, key = SimpleNamespace(**reader), (reader["locale"], reader["time_zone"])
        if key not in self.said:
            self.said[key] = drafting.said_of_maintenance(Wording(*key), self.fact)
        said = self.said[key]
        if said is None:
            return None
        own = drafts.nearest(self.own, person.locale)
        draft = drafting.about_maintenance(self.desk, self.fact, said, person, own)
        return drafts.written(self.desk, message_id, person, draft, answers=True)

    async def _settle(self, status: DeliveryStatus, message_id: UUID) -> None:
        """Write down what became of it, before the next one goes the same way. Whoever has its turn writes for all."""
        self.settled.append((status, message_id))
        async with self.writing:
            settled, self.settled = self.settled, []
            for each in {status for status, _ in settled}:
                await self.desk.writes.alone(_became, each, [key for status, key in settled if status is each])

    async def _not_sent(self, message_id: UUID, error: str, *, again: bool) -> None:
        async with self.desk.writes.begin() as unit:
            message = await unit.lock(mailing.row, message_id)
            if message is None or message.status is not DeliveryStatus.QUEUED:
                return
            attempts = message.attempts + 1
            unit.change(message, attempts=attempts, last_error=storable(error))
            if again and attempts <= SendMaintenance.retries:
                wait = dt.timedelta(seconds=min(2.0 ** min(attempts, 12), SendMaintenance.longest_wait))
                unit.change(message, not_before=unit.now + wait)
            else:
                await mailing.became(unit, message, DeliveryStatus.FAILED, error)


def _became(status: DeliveryStatus, message_ids: Any) -> Any:
    """All of these were sent, or need not be."""
    rows = sa.update(Message).where(Message.id == func.any(message_ids), Message.status == DeliveryStatus.QUEUED)
    sent_at = func.date_trunc("milliseconds", func.now()) if status is DeliveryStatus.SENT else None
    attempts = Message.attempts + sa.literal_column("1", sa.Integer())
    return rows.values(status=status, sent_at=sent_at, attempts=attempts, last_error=None).returning(Message.id)
