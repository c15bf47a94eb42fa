"""Comments on tickets: who reads which, and how one is added."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from domain import access, attachments, attempts, history, sla, tickets, words
from domain.access import Viewer
from domain.happenings import CommentAdded
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from domain.tickets import conflicts, search, statuses
from infra.unit import Unit
from models import (
    Comment,
    Message,
    Role,
    Ticket,
    TicketChannel,
    TicketStatus,
    Upload,
)

EDITABLE_SECONDS = 15 * 60  # by whoever wrote it

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer, ticket: Any, *, internal: bool | None = None) -> Select[Comment]:
    """The comments on a ticket that the viewer reads; with `internal` only those, or only the others."""
    rows = select(Comment).where(Comment.ticket_id == ticket.id)
    if internal is not None:
        rows = rows.where(Comment.internal if internal else ~Comment.internal)
    return rows.where(access.unless_internal(viewer, ticket, ~Comment.internal))


def of_event(viewer: Viewer, event: Any) -> Select[Comment]:
    """The comment that an event names, as it is now: on the event's ticket for whoever does not see the one into which
    a merge has taken it.
    """
    seen = sa.or_(Comment.ticket_id == event.ticket_id, tickets.one(viewer, Comment.ticket_id).exists())
    place = sa.case((seen, Comment.ticket_id), else_=event.ticket_id).label("ticket_id")
    columns = [place if column.name == place.name else column for column in Comment.__table__.c]
    found = select(*columns).where(Comment.id == history.id_in(event, "comment_id")).subquery()
    return select(aliased(Comment, found, adapt_on_names=True))


def can_edit(viewer: Viewer, comment: Any) -> Any:
    """Whether the viewer may edit or delete it: authors for 15 minutes, leads always."""
    if viewer.role is None or viewer.ticket_id is not None or viewer.only_reads:
        return False
    fresh = comment.created_at > func.now() - dt.timedelta(seconds=EDITABLE_SECONDS)
    may = sa.and_(func.coalesce(comment.author_id == viewer.id, sa.false()), fresh)
    if viewer.has(Role.TEAM_LEAD):
        may = sa.or_(may, tickets.worked_on(viewer, comment.ticket_id).exists())
    return sa.and_(comment.deleted_at.is_(None), may)


def email_status(viewer: Viewer, comment: Any) -> Any:
    """What became of the email about it to the requester, for whoever works on the ticket."""
    if not viewer.is_staff:
        return None
    rows = tickets.worked_on(viewer, comment.ticket_id).join(Message, Message.recipient_id == Ticket.requester_id)
    return rows.where(Message.comment_id == comment.id).with_only_columns(Message.status).scalar_subquery()


# --- Adding -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody wants to add."""

    ticket_id: UUID
    body: str
    upload_ids: tuple[UUID, ...] = ()
    if_seq: int | None = None
    then: TicketStatus | None = None  # the status afterwards
    channel: TicketChannel | None = None  # None: as the viewer came in


async def add(unit: Unit, viewer: Viewer, said: Words) -> Comment:
    """Add a comment that the customer reads. Theirs open a pending or resolved ticket; the desk's may set the status.

    Raises InvalidInput, NotFound, NotAllowed, Conflict, RateLimited.
    """
    access.sign_in_required(viewer)
    limit = attempts.COMMENT_BY_STAFF if viewer.is_staff else attempts.COMMENT_BY_CUSTOMER
    ticket, works = await tickets.counted(unit, viewer, said.ticket_id, limit)
    if said.then is not None and not works:
        raise NotAllowed("Only the desk sets the status.")
    await _require_open(unit, viewer, ticket, works=works, said=said)
    comment = await _write(unit, viewer, ticket, said, internal=False)
    of_desk = viewer.is_staff and viewer.id != ticket.requester_id
    if of_desk and works:
        await _answered(unit, ticket)
    elif not of_desk:  # who works elsewhere and watches is neither its customer nor who answers for it
        await _asked_again(unit, viewer, ticket, said.then)
    if said.then is not None and said.then is not ticket.status:
        await statuses.move(unit, viewer.id, ticket, said.then)
    return comment


async def add_internal(unit: Unit, viewer: Viewer, said: Words) -> Comment:
    """Add a comment that only those read who work on the ticket.

    Raises InvalidInput, NotFound, NotAllowed, Conflict, RateLimited.
    """
    access.require(viewer, Role.AGENT)
    ticket, works = await tickets.counted(unit, viewer, said.ticket_id, attempts.COMMENT_BY_STAFF)
    if not works:
        raise NotAllowed(access.WORKING)
    return await _write(unit, viewer, ticket, said, internal=True)


async def _require_open(unit: Unit, viewer: Viewer, ticket: Ticket, *, works: bool, said: Words) -> None:
    if ticket.status is TicketStatus.CLOSED:
        raise await conflicts.closed(unit, viewer, ticket)
    if said.then is not None and ticket.status is TicketStatus.RESOLVED:
        message = "This ticket is resolved. Reopen it, then set its status."
        raise Conflict(ConflictReason.WRONG_STATE, message, current=(Ticket, ticket.id))
    await conflicts.require_unchanged(unit, viewer, ticket, said.if_seq, works=works, kinds=conflicts.COMMENTS)


async def _write(unit: Unit, viewer: Viewer, ticket: Ticket, said: Words, *, internal: bool) -> Comment:
    problems = Problems()
    body = words.body(problems, "body", said.body, what="The comment", may_be_empty=bool(said.upload_ids))
    problems.refuse()
    uploads = await attachments.finished(unit, viewer, list(said.upload_ids))
    return await write(unit, viewer, ticket, body, uploads, internal=internal, channel=said.channel)


async def write(
    unit: Unit,
    viewer: Viewer,
    ticket: Ticket,
    body: str,
    uploads: Sequence[Upload] = (),
    *,
    internal: bool = False,
    channel: TicketChannel | None = None,
) -> Comment:
    """Put checked words on a locked ticket, with what follows from that; its status stays."""
    usual = TicketChannel.PORTAL if viewer.scope is None else TicketChannel.API
    comment = unit.insert(
        Comment,
        ticket_id=ticket.id,
        author_id=viewer.id,
        body=body,
        body_html=await words.beside(words.html, body),
        internal=internal,
        channel=channel or usual,
        created_at=unit.now,
        edited_at=None,
        deleted_at=None,
    )
    attachments.attach(unit, ticket, list(uploads), comment_id=comment.id, internal=internal)
    if body:
        search.index(unit, comment.id, ticket, body, internal=internal)
    history.record(unit, viewer.id, ticket, CommentAdded(comment.id, viewer.is_staff), internal=internal)
    return comment


async def _answered(unit: Unit, ticket: Ticket) -> None:
    """The desk has written: nobody waits for it any more."""
    if ticket.timer_at is not None and (ticket.waiting_since is not None or ticket.first_responded_at is None):
        unit.change(ticket, timer_at=unit.now)  # rules that counted until now kept others waiting
    unit.change(ticket, waiting_since=None)
    if ticket.first_responded_at is None:
        unit.change(ticket, first_responded_at=unit.now)
        await sla.follow(unit, ticket)


async def _asked_again(unit: Unit, viewer: Viewer, ticket: Ticket, then: TicketStatus | None) -> None:
    """The customer's side has written: somebody waits for the desk. `then`: the status that it has by that."""
    if ticket.waiting_since is None:
        unit.change(ticket, waiting_since=unit.now, timer_at=unit.now)
    if ticket.status is TicketStatus.RESOLVED:
        await statuses.reopen(unit, viewer.id, ticket, None)
    elif ticket.status is TicketStatus.PENDING and then is None:
        await statuses.move(unit, viewer.id, ticket, TicketStatus.OPEN)
