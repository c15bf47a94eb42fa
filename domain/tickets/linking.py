"""Tickets that belong together: linked with one another, or merged into one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select

from domain import access, escalations, history, sla, tickets
from domain.access import Viewer
from domain.happenings import TicketLinked, TicketMerged, TicketUnlinked
from domain.refusals import Conflict, ConflictReason, InvalidInput, NotFound, Problems
from domain.tickets import actions, search, statuses, watching
from domain.tickets.actions import TicketAction
from infra.unit import Unit
from models import UNRESOLVED, Attachment, Comment, Person, Role, Ticket, TicketLink, TicketLinkKind, TicketStatus

MOST_MERGED = 20
INVERSE = {
    TicketLinkKind.RELATED: TicketLinkKind.RELATED,
    TicketLinkKind.BLOCKED_BY: TicketLinkKind.BLOCKS,
    TicketLinkKind.BLOCKS: TicketLinkKind.BLOCKED_BY,
}

# --- Reading ----------------------------------------------------------------------------------------------------------


def links(viewer: Viewer, ticket: Any, most: int) -> Select[TicketLink]:
    """The links of a ticket to others that the viewer sees, oldest first."""
    seen = tickets.visible(viewer).where(Ticket.id == TicketLink.other_id).exists()
    rows = select(TicketLink).where(TicketLink.ticket_id == ticket.id, seen)
    return rows.order_by(TicketLink.created_at, TicketLink.other_id).limit(most)


def merged(viewer: Viewer, ticket: Any) -> Select[Ticket]:
    """The tickets that this one took in and the viewer sees."""
    return tickets.visible(viewer).where(Ticket.merged_into_id == ticket.id)


def _links_between(ticket_id: Any, other_id: Any) -> Select[TicketLink]:
    here = sa.and_(TicketLink.ticket_id == ticket_id, TicketLink.other_id == other_id)
    there = sa.and_(TicketLink.ticket_id == other_id, TicketLink.other_id == ticket_id)
    return select(TicketLink).where(sa.or_(here, there)).order_by(TicketLink.ticket_id)


# --- Linking ----------------------------------------------------------------------------------------------------------


async def link(unit: Unit, viewer: Viewer, ticket_id: UUID, other_id: UUID, kind: TicketLinkKind) -> UUID:
    """Link two tickets; one link between them says what they are to each other, and another kind replaces it.

    Raises InvalidInput, NotFound, NotAllowed.
    """
    if ticket_id == other_id:
        access.require(viewer, Role.AGENT)
        raise InvalidInput(("otherTicketId", "A ticket can't be linked to itself."))
    ticket, other = await _both(unit, viewer, ticket_id, other_id)
    before = await unit.lock_all(_links_between, ticket.id, other.id)
    known = next((row.kind for row in before if row.ticket_id == ticket.id), None)
    if known is kind:
        return ticket.id
    _cut(unit, viewer, before, ticket, other)
    tie(unit, viewer.id, ticket, other, kind, before)
    return ticket.id


def tie(
    unit: Unit,
    actor_id: UUID | None,
    ticket: Ticket,
    other: Ticket,
    kind: TicketLinkKind,
    before: Sequence[TicketLink] = (),
) -> None:
    """Say on both sides what two locked tickets are to each other; `before`: the links that there were between them."""
    for one, another, seen in ((ticket, other, kind), (other, ticket, INVERSE[kind])):
        row = next((row for row in before if row.ticket_id == one.id), None)
        if row is None:
            unit.insert(TicketLink, ticket_id=one.id, other_id=another.id, kind=seen, created_at=unit.now)
        else:
            unit.change(row, kind=seen, created_at=unit.now)
        history.record(unit, actor_id, one, TicketLinked(seen, another.id))


async def unlink(unit: Unit, viewer: Viewer, ticket_id: UUID, other_id: UUID) -> UUID:
    """Remove the link between two tickets. Raises NotFound, NotAllowed."""
    ticket, other = await _both(unit, viewer, ticket_id, other_id)
    before = await unit.lock_all(_links_between, ticket.id, other.id)
    _cut(unit, viewer, before, ticket, other)
    for row in before:
        unit.delete(row)
    return ticket.id


async def _both(unit: Unit, viewer: Viewer, ticket_id: UUID, other_id: UUID) -> tuple[Ticket, Ticket]:
    """Both tickets, locked: the viewer works on the first and sees the second."""
    access.require(viewer, Role.AGENT)
    found = {row.id: row for row in await unit.lock_all(tickets.some, viewer, sorted({ticket_id, other_id}))}
    ticket = access.found(found.get(ticket_id), "ticketId", "ticket")
    other = access.found(found.get(other_id), "otherTicketId", "ticket")
    works = await tickets.is_worked_on(unit, viewer, ticket)
    actions.require(viewer, ticket, TicketAction.LINK, works=works, now=unit.now)
    return ticket, other


def _cut(unit: Unit, viewer: Viewer, before: list[TicketLink], ticket: Ticket, other: Ticket) -> None:
    """Tell both histories that the links that there were are gone."""
    for row in before:
        one, another = (ticket, other) if row.ticket_id == ticket.id else (other, ticket)
        history.record(unit, viewer.id, one, TicketUnlinked(row.kind, another.id))


# --- Merging ----------------------------------------------------------------------------------------------------------


def _moved(model: Any) -> Any:
    def move(from_ids: Any, into_id: Any) -> sa.Update:
        return sa.update(model).where(model.ticket_id == func.any(from_ids)).values(ticket_id=into_id)

    return move


_move_comments, _move_files = _moved(Comment), _moved(Attachment)


def _first_answer(from_ids: Any, since: Any, requester_id: Any) -> Select[Comment]:
    """What the desk first said in public on one of these tickets since then."""
    rows = select(Comment).join(Person, Person.id == Comment.author_id)
    ours = sa.and_(Person.role != Role.CUSTOMER, Person.id != requester_id)
    said = sa.and_(~Comment.internal, Comment.deleted_at.is_(None), Comment.created_at >= since)
    return rows.where(Comment.ticket_id == func.any(from_ids), ours, said).order_by(Comment.created_at).limit(1)


async def merge(unit: Unit, viewer: Viewer, into_id: UUID, ticket_ids: list[UUID]) -> UUID:
    """Take tickets of the same customer into one: comments, files and watchers move there, the others are closed.

    What the desk has answered there since this one came in is an answer to it, too. One that waits for its customer
    opens where they wait for an answer to another.

    Raises InvalidInput, NotFound, NotAllowed, Conflict WRONG_STATE.
    """
    access.require(viewer, Role.AGENT)
    if not 1 <= len(ticket_ids) <= MOST_MERGED:
        raise InvalidInput(("ticketIds", f"Name 1 to {MOST_MERGED} tickets."))
    if into_id in ticket_ids:
        raise InvalidInput((f"ticketIds.{ticket_ids.index(into_id)}", "A ticket can't go into itself."))
    wanted = list(dict.fromkeys(ticket_ids))
    found = {row.id: row for row in await unit.lock_all(tickets.some, viewer, sorted({into_id, *wanted}))}
    into = access.found(found.get(into_id), "intoTicketId", "ticket")
    sources = []
    for ticket_id in wanted:
        if ticket_id not in found:
            raise NotFound(f"ticketIds.{ticket_ids.index(ticket_id)}", "ticket")
        sources.append(found[ticket_id])
    for ticket in (into, *sources):
        works = await tickets.is_worked_on(unit, viewer, ticket)
        actions.require(viewer, ticket, TicketAction.LINK, works=works, now=unit.now)
    _fitting(into, sources, ticket_ids)
    answer = None
    if into.first_responded_at is None:
        answer = await unit.read(_first_answer, wanted, into.created_at, into.requester_id)
    await unit.run(_move_comments, wanted, into.id)
    await unit.run(_move_files, wanted, into.id)
    followers = await watching.move(unit, viewer, sources, into)
    await search.move(unit, wanted, into)
    if answer is not None:
        unit.change(into, first_responded_at=answer.created_at)
    opens = into.status is TicketStatus.PENDING and any(_waits(source) for source in sources)
    for source in sources:
        answered_by_id = answer.author_id if answer is not None and answer.ticket_id == source.id else None
        # Who asked for it or has it is told that it went.
        told = [each for each in followers[source.id] if each not in (source.requester_id, source.assignee_id)]
        await _take_in(unit, viewer, source, into, TicketMerged(source.id, True, answered_by_id, told))
    if opens:
        await statuses.move(unit, viewer.id, into, TicketStatus.OPEN)
    await sla.follow(unit, into)
    return into.id


def _waits(ticket: Ticket) -> bool:
    """Whether its customer waits for the desk, and not the desk for them."""
    return ticket.waiting_since is not None and ticket.status is not TicketStatus.PENDING


def _fitting(into: Ticket, sources: list[Ticket], ticket_ids: list[UUID]) -> None:
    for ticket in (into, *sources):
        if ticket.status is TicketStatus.CLOSED:
            message = f"Ticket #{ticket.number} is closed."
            raise Conflict(ConflictReason.WRONG_STATE, message, current=(Ticket, ticket.id))
    problems = Problems()
    for source in sources:
        if source.requester_id != into.requester_id:
            problems.add(f"ticketIds.{ticket_ids.index(source.id)}", "This is the ticket of another customer.")
    problems.refuse()


async def _take_in(unit: Unit, viewer: Viewer, source: Ticket, into: Ticket, merged: TicketMerged) -> None:
    await escalations.end_in_force(unit, viewer.id, source)
    if source.status is TicketStatus.RESOLVED:
        await statuses.give_up_waiting(unit, source)
    waiting = [since for since in (into.waiting_since, source.waiting_since) if since is not None]
    if waiting and min(waiting) != into.waiting_since and into.status in UNRESOLVED:
        unit.change(into, waiting_since=min(waiting))
    unit.change(
        source,
        status=TicketStatus.CLOSED,
        closed_at=unit.now,
        merged_into_id=into.id,
        waiting_since=None,
        resumes_at=None,
    )
    history.record(unit, viewer.id, source, TicketMerged(into.id, took_in=False))
    history.record(unit, viewer.id, into, merged)
    await sla.follow(unit, source)
