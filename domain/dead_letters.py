"""Dead letters: jobs and emails that were given up after all retries wait for an admin, who has them tried or left."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access
from domain.access import Viewer
from domain.jobs import SendMessage
from domain.refusals import Conflict, ConflictReason, InvalidInput
from domain.spans import within
from infra.unit import Unit
from models import (
    DeadLetter,
    DeadLetterKind,
    DeadLetterStatus,
    DeliveryStatus,
    JobRow,
    JobState,
    Message,
    MessageKind,
    Person,
    Role,
)

MOST = 100
UNDECIDED = (DeadLetterStatus.WAITING,)
# What an email is called: its own subject may quote what people wrote.
SUBJECTS = {
    kind: kind.name.replace("_", " ").replace("SLA", "sla").capitalize().replace("Sla", "SLA") for kind in MessageKind
}
_CODE = re.compile(r"\b[45]\d\d\b")

# --- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which letters to list: all that is given must hold."""

    kind: DeadLetterKind | None = None
    statuses: Sequence[DeadLetterStatus] = UNDECIDED
    name: Any = None
    failed: tuple[Any, Any] = (None, None)


def listed(viewer: Viewer, asked: Conditions) -> Select[DeadLetter]:
    """The letters for which all conditions hold, for admins. Raises NotAllowed."""
    access.require(viewer, Role.ADMIN)
    rows = select(DeadLetter).where(DeadLetter.status.in_(asked.statuses))
    if asked.kind is not None:
        rows = rows.where(DeadLetter.kind == asked.kind)
    if asked.name is not None:
        rows = rows.where(DeadLetter.name == asked.name)
    return within(rows, DeadLetter.failed_at, asked.failed)


def seen(viewer: Viewer, letter_id: Any) -> Select[DeadLetter]:
    """The letter, for admins; none for others."""
    rows = select(DeadLetter).where(DeadLetter.id == letter_id)
    return rows if viewer.has(Role.ADMIN) else rows.where(sa.false())


def recipient(letter: Any) -> Any:
    """The address that an email was for, which may be one of former times; none for jobs."""
    rows = select(sa.func.coalesce(Message.address, Person.email)).select_from(Person)
    rows = rows.outerjoin(Message, Message.id == letter.source_id)
    return rows.where(Person.id == letter.recipient_id).scalar_subquery()


# --- Writing ----------------------------------------------------------------------------------------------------------


def give_up(unit: Unit, message: Message, error: str) -> None:
    """An email was given up. Of what the mail server said only its code is kept, since the rest may quote anything."""
    code = _CODE.search(error)
    unit.insert(
        DeadLetter,
        kind=DeadLetterKind.EMAIL,
        source_id=message.id,
        name=SUBJECTS[message.kind],
        recipient_id=message.recipient_id,
        ticket_id=message.ticket_id,
        attempt_count=message.attempts,
        error=f"The mail server did not take it: {code[0]}." if code else "It could not be handed to a mail server.",
        first_tried_at=message.not_before,
        failed_at=unit.now,
        status=DeadLetterStatus.WAITING,
        settled_by_id=None,
        settled_at=None,
    )


def _some(ids: Any) -> Select[DeadLetter]:
    return select(DeadLetter).where(DeadLetter.id == sa.func.any(ids)).order_by(DeadLetter.id)


def _jobs(ids: Any) -> Select[JobRow]:
    return select(JobRow).where(JobRow.id == sa.func.any(ids), JobRow.state == JobState.DEAD).order_by(JobRow.id)


def _messages(ids: Any) -> Select[Message]:
    return select(Message).where(Message.id == sa.func.any(ids)).order_by(Message.id)


async def retry(unit: Unit, viewer: Viewer, ids: list[UUID]) -> list[UUID]:
    """Have them tried anew, with all retries. Raises Conflict ALREADY_DONE for one that was settled."""
    letters = await _settled(unit, viewer, ids, DeadLetterStatus.RETRIED)
    for job in await _sources(unit, _jobs, letters, DeadLetterKind.JOB):
        # Another row: whoever held this one and was lost may still come back to it.
        again = unit.insert(
            JobRow,
            kind=job.kind,
            payload=job.payload,
            state=JobState.QUEUED,
            attempts=0,
            due_at=unit.now,
            last_error=None,
            created_at=unit.now,
            settled_at=None,
        )
        unit.jobs.append((again.id, unit.now))
        unit.delete(job)
    for message in await _sources(unit, _messages, letters, DeadLetterKind.EMAIL):
        unit.change(message, status=DeliveryStatus.QUEUED, attempts=0, not_before=unit.now, last_error=None)
        unit.enqueue(SendMessage(message.id))
    return ids


async def discard(unit: Unit, viewer: Viewer, ids: list[UUID]) -> list[UUID]:
    """Leave them. Raises Conflict ALREADY_DONE for one that was settled."""
    letters = await _settled(unit, viewer, ids, DeadLetterStatus.DISCARDED)
    for job in await _sources(unit, _jobs, letters, DeadLetterKind.JOB):
        unit.delete(job)
    return ids


async def _sources(unit: Unit, build: Any, letters: list[DeadLetter], kind: DeadLetterKind) -> list[Any]:
    """The jobs or messages that letters of a kind are about, locked."""
    return await unit.lock_all(build, [row.source_id for row in letters if row.kind is kind])


async def _settled(unit: Unit, viewer: Viewer, ids: list[UUID], status: DeadLetterStatus) -> list[DeadLetter]:
    access.require(viewer, Role.ADMIN)
    if not 1 <= len(ids) <= MOST:
        raise InvalidInput(("deadLetterIds", f"Name 1 to {MOST} of them."))
    rows = {row.id: row for row in await unit.lock_all(_some, ids)}
    for number, letter_id in enumerate(ids):
        row = access.found(rows.get(letter_id), f"deadLetterIds.{number}", "dead letter")
        if row.status is not DeadLetterStatus.WAITING:
            raise Conflict(ConflictReason.ALREADY_DONE, "This is settled already.", current=(DeadLetter, row.id))
    for row in rows.values():
        unit.change(row, status=status, settled_by_id=viewer.id, settled_at=unit.now)
    return list(rows.values())
