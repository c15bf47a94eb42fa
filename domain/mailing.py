"""Emails handed over, put into words as things are then, and what became of them."""

import asyncio
import contextlib
import datetime as dt
from collections import Counter, defaultdict, deque
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from domain import dead_letters, drafting, drafts, messages
from domain.jobs import SendMessage
from domain.news import events
from infra.desk import Desk
from infra.jobs import LostClaim, Work, storable
from infra.letters import Later, Letter, Undeliverable
from infra.unit import Unit
from models import Comment, DeliveryStatus, Message, MessageKind, MessageTemplate, Person, Ticket, TicketChannel

# Of what nobody wrote, and of what came by mail, as many emails about a ticket go to one person in so long; and as many
# that confirm tickets which came by mail: whose address that has may not be who sent them, or a program that answers.
MOST_AUTOMATIC, AUTOMATIC_WITHIN = 5, dt.timedelta(hours=1)
SETTLED_AFTER = 0.5  # seconds, at most, from when the first of several letters went until that is written down
AUTOMATIC = (MessageKind.TICKET_RECEIVED, MessageKind.STATUS_CHANGED, MessageKind.TICKET_REOPENED)

Outcome = tuple[DeliveryStatus, str | None]  # and why it failed


def row(message_id: Any) -> Select[Message]:
    """The message, whoever it is for."""
    return select(Message).where(Message.id == message_id)


def _queued(message_ids: Any) -> Select[Message]:
    rows = select(Message).where(Message.id == sa.func.any(message_ids), Message.status == DeliveryStatus.QUEUED)
    return rows.order_by(Message.id)


def _people(person_ids: Any) -> Select[Person]:
    return select(Person).where(Person.id == sa.func.any(person_ids))


async def deliver(work: Work[SendMessage]) -> None:
    """Put messages into words as things are now, hand them over, and say what became of each.

    A crash between handing one over and saying so repeats it, under the same Message-ID.
    """
    desk, row_ids = work.desk, {job.message_id: row_id for row_id, job in work.jobs.items()}
    async with desk.writes.begin() as unit:
        queued = await unit.lock_all(_queued, list(row_ids))
        due = await _begun(unit, queued)
        early = [message for message in queued if message not in due]
        unsaid = await _unsaid(unit, due)
        letters, failed = await _letters(unit, desk, [message for message in due if message not in unsaid])
        letters |= dict.fromkeys([message.id for message in unsaid])
    for message_id, error in failed.items():
        await work.fail(row_ids[message_id], error)
    if early:
        async with work.settle(*(row_ids[message.id] for message in early)) as unit:
            for message in early:
                if row_ids[message.id] in work.jobs:
                    delay = (message.not_before - unit.now).total_seconds()
                    unit.enqueue(SendMessage(message.id), delay=max(0.0, delay))
    sending = {asyncio.create_task(handed_over(desk, letter)): message_id for message_id, letter in letters.items()}
    try:
        while sending:
            # Nobody knows of one that went until it is settled: those that are quick do not wait for long.
            ended, _ = await asyncio.wait(sending, timeout=SETTLED_AFTER)
            await _settle(work, row_ids, {sending.pop(task): task for task in ended})
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


async def _settle(work: Work[SendMessage], row_ids: dict[UUID, UUID], ended: dict[UUID, asyncio.Task[Outcome]]) -> None:
    """Say what became of messages that were handed over, or were not."""
    became_of: dict[UUID, Outcome] = {}
    for message_id, task in ended.items():
        error = task.exception()
        if error is None:
            became_of[message_id] = task.result()
        elif isinstance(error, Later) and work.last_attempt:
            became_of[message_id] = DeliveryStatus.FAILED, str(error)
        elif isinstance(error, Exception):
            await work.fail(row_ids[message_id], error)
        else:
            raise error
    if not became_of:
        return
    with contextlib.suppress(LostClaim):
        async with work.settle(*map(row_ids.__getitem__, became_of)) as unit:
            ours = [message_id for message_id in became_of if row_ids[message_id] in work.jobs]
            for message in await unit.lock_all(_queued, ours):  # one may have come back meanwhile
                await became(unit, message, *became_of[message.id])


async def became(unit: Unit, message: Message, status: DeliveryStatus, error: str | None) -> None:
    """Say what became of the message, to those who look at its tickets too."""
    sent_at = unit.now if status is DeliveryStatus.SENT else None
    unit.change(message, status=status, sent_at=sent_at, last_error=error and storable(error))
    if error is not None:
        dead_letters.give_up(unit, message, error)
    await messages.tell(unit, message)


async def handed_over(desk: Desk, letter: Letter | None, *, bulk: bool = False) -> Outcome:
    """What became of a letter, and why it failed. Raises Later when it may still be sent."""
    if letter is None:
        return DeliveryStatus.SKIPPED, None
    try:
        await desk.mail.send(letter, bulk=bulk)
    except Undeliverable as refused:
        return DeliveryStatus.FAILED, str(refused)
    return DeliveryStatus.SENT, None


def _turns(keys: Any) -> Select[*tuple[Any, ...]]:
    """Have others with one of the keys wait; each is taken in the same order, so that no two wait for each other."""
    key = sa.func.unnest(keys).column_valued("key")
    taken = select(key.label("key")).order_by(key).subquery()
    return select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(taken.c.key, 0)))


def _came_by_mail(comment_ids: Any) -> Select[*tuple[Any, ...]]:
    return select(Comment.id).where(Comment.id == sa.func.any(comment_ids), Comment.channel == TicketChannel.EMAIL)


def _went(ticket_ids: Any, recipient_ids: Any, since: Any) -> Select[*tuple[Any, ...]]:
    """When such messages of each ticket went to each recipient since then: the last of them, if there are so many."""
    columns = sa.column("ticket_id", sa.Uuid()), sa.column("recipient_id", sa.Uuid())
    of = sa.func.unnest(ticket_ids, recipient_ids).table_valued(*columns).render_derived(name="those")
    by_itself = sa.or_(Message.kind.in_(AUTOMATIC), Comment.channel == TicketChannel.EMAIL)
    at = sa.func.coalesce(Message.sent_at, sa.func.now())
    rows = select(at.label("at")).select_from(Message).outerjoin(Comment, Comment.id == Message.comment_id)
    rows = rows.where(Message.ticket_id == of.c.ticket_id, Message.recipient_id == of.c.recipient_id, by_itself)
    rows = rows.where(Message.attempts > 0, Message.status.in_((DeliveryStatus.SENT, DeliveryStatus.QUEUED)))
    last = rows.where(at > since).order_by(at.desc()).limit(MOST_AUTOMATIC).correlate(of).lateral("last")
    return select(*of.c, last.c.at).join_from(of, last, sa.true()).order_by(last.c.at)


async def _begun(unit: Unit, queued: list[Message]) -> list[Message]:
    """Those that go out now, counted as tried. Put off is what would be one too many that nobody wrote, or that answers
    a mail.

    Two programs that answer each other, of which neither says that it is one, are slowed down so; nothing is lost.
    """
    fresh = [each for each in queued if each.ticket_id and not each.attempts and each.not_before <= unit.now]
    comments = list({each.comment_id for each in fresh if each.comment_id})
    by_mail = {record[0] for record in await unit.run(_came_by_mail, comments)} if comments else set()
    automatic = [each for each in fresh if each.kind in AUTOMATIC or each.comment_id in by_mail]
    if automatic:
        pairs = list({(each.ticket_id, each.recipient_id) for each in automatic})
        await unit.run(_turns, [f"mails {ticket_id} {recipient_id}" for ticket_id, recipient_id in pairs])
        went: dict[Any, deque[dt.datetime]] = defaultdict(partial(deque, maxlen=MOST_AUTOMATIC))
        for *pair, at in await unit.run(_went, *map(list, zip(*pairs, strict=True)), unit.now - AUTOMATIC_WITHIN):
            went[tuple(pair)].append(at)
        for message in automatic:
            times = went[message.ticket_id, message.recipient_id]
            if len(times) < MOST_AUTOMATIC:
                times.append(unit.now)
            else:
                unit.change(message, not_before=times[0] + AUTOMATIC_WITHIN)
    due = [each for each in queued if each.not_before <= unit.now]
    for message in due:
        unit.change(message, attempts=message.attempts + 1)
    return due


def _confirmed(message_ids: Any, since: Any) -> Select[*tuple[Any, ...]]:
    """Of these messages those that confirm tickets which came by mail, with how many like them went to the same
    recipient since then.
    """
    confirms, other = (aliased(Message) for _ in range(2))
    its, others = (aliased(Ticket) for _ in range(2))
    went = select(sa.func.count()).select_from(other).join(others, others.id == other.ticket_id)
    went = went.where(other.recipient_id == confirms.recipient_id, other.kind == confirms.kind, other.sent_at > since)
    went = went.where(others.channel == TicketChannel.EMAIL, other.status == DeliveryStatus.SENT)
    rows = select(confirms.id, confirms.recipient_id, went.scalar_subquery()).join(its, its.id == confirms.ticket_id)
    return rows.where(confirms.id == sa.func.any(message_ids), its.channel == TicketChannel.EMAIL).order_by(confirms.id)


async def _unsaid(unit: Unit, due: list[Message]) -> list[Message]:
    """Those that would confirm one ticket too many that came by mail from the same address."""
    confirming = {each.id: each for each in due if each.kind is MessageKind.TICKET_RECEIVED and each.attempts == 1}
    if not confirming:
        return []
    recipients = list({each.recipient_id for each in confirming.values()})
    await unit.run(_turns, [f"confirmations {recipient_id}" for recipient_id in recipients])
    unsaid, here = [], Counter[UUID]()
    for message_id, recipient_id, went in await unit.run(_confirmed, list(confirming), unit.now - AUTOMATIC_WITHIN):
        here[recipient_id] += 1
        if went + here[recipient_id] > MOST_AUTOMATIC:
            unsaid.append(confirming[message_id])
    return unsaid


async def _letters(
    unit: Unit, desk: Desk, messages: list[Message]
) -> tuple[dict[UUID, Letter | None], dict[UUID, Exception]]:
    """The emails as things are now, None where there is no point in one any more; and what went wrong with others."""
    if not messages:
        return {}, {}
    readers = list({each.recipient_id for each in messages})
    people = {person.id: person for person in await unit.read_all(_people, readers)}
    about = [
        each
        for each in messages
        if each.kind not in drafting.OF_OTHERS and each.event_ids and each.recipient_id in people
    ]
    told: dict[UUID, list[Any]] = defaultdict(list)
    for role in {people[each.recipient_id].role for each in about}:
        theirs = [each.id for each in about if people[each.recipient_id].role is role]
        for record in await unit.run(events.of_messages, role, theirs):
            told[record["message_id"]].append(record)
    own = await unit.read_all(drafts.all_own, list({each.kind.name for each in about})) if about else []
    letters: dict[UUID, Letter | None] = {}
    failed: dict[UUID, Exception] = {}
    for message in messages:
        person = people.get(message.recipient_id)
        try:
            its = told[message.id]
            letters[message.id] = await _letter(unit, desk, message, person, its, own) if person else None
        except Exception as error:  # noqa: BLE001 # which is its alone: what fails in the database has the unit fail
            failed[message.id] = error
    return letters, failed


async def _letter(
    unit: Unit, desk: Desk, message: Message, person: Person, told: list[Any], own: list[MessageTemplate]
) -> Letter | None:
    if not person.active and message.address is None:
        return None
    draft = await drafting.drafted(unit, desk, message, person, told, own)
    if draft is None:
        return None
    answers = bool(message.event_ids) and message.address is None
    letter = drafts.written(desk, message.id, person, draft, answers=answers)
    return letter if message.address is None else replace(letter, to=message.address)
