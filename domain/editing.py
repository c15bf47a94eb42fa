"""Changing comments afterwards: editing one, taking it back, or a file of it."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, attempts, comments, history, mentions, tickets, words
from domain.access import Viewer
from domain.happenings import CommentDeleted, CommentEdited, TicketReopened
from domain.jobs import EraseFiles
from domain.refusals import Conflict, ConflictReason, NotAllowed, NotFound, Problems
from domain.tickets import search
from infra.unit import Unit
from models import Attachment, Comment, Event, EventText, Role, Ticket, TicketStatus

EDITABLE = dt.timedelta(seconds=comments.EDITABLE_SECONDS)


def _comment(comment_id: Any) -> Select[Comment]:
    return select(Comment).where(Comment.id == comment_id)


_seen = tickets.hanging(Comment, comments.visible)


def _files(comment_id: Any) -> Select[Attachment]:
    return select(Attachment).where(Attachment.comment_id == comment_id).order_by(Attachment.id)


def _reasons(ticket_id: Any, author_id: Any, moment: Any, text: Any) -> sa.Update:
    """Has a reason to open the ticket again, which was written as a comment too, say this. A merge moves the comment
    alone.
    """
    its = select(Ticket.id).where(Ticket.id == ticket_id).cte("its", recursive=True)
    its = its.union(select(Ticket.id).join(its, Ticket.merged_into_id == its.c.id))
    opened = select(Event.id).where(Event.ticket_id.in_(select(its.c.id)), Event.kind == TicketReopened.__name__)
    opened = opened.where(Event.actor_id == author_id, Event.at == moment)
    reason = sa.and_(EventText.event_id.in_(opened), EventText.name == "reason")
    return sa.update(EventText).where(reason).values(text=text)


async def edit(unit: Unit, viewer: Viewer, comment_id: UUID, body: str) -> UUID:
    """Change what a comment says: its author within 15 minutes, leads always.

    Raises InvalidInput, NotFound, NotAllowed, RateLimited, Conflict WRONG_STATE.
    """
    ticket, comment = await _own(unit, viewer, comment_id)
    problems = Problems()
    text = words.body(problems, "body", body, what="The comment")
    problems.refuse()
    if ticket.status is TicketStatus.CLOSED:
        raise Conflict(ConflictReason.WRONG_STATE, "This ticket is closed.", current=(Ticket, ticket.id))
    if comment.deleted_at is not None:
        raise Conflict(ConflictReason.WRONG_STATE, "This comment was taken back.", current=(Comment, comment.id))
    if comment.body == text:
        return comment.id
    await attempts.count_change(unit, viewer)
    made = await words.beside(words.html, text)
    called = await mentions.added(unit, ticket.id, comment.body or "", text) if comment.internal else []
    unit.change(comment, body=text, body_html=made, edited_at=unit.now)
    await unit.run(_reasons, ticket.id, comment.author_id, comment.created_at, text)
    await search.forget(unit, comment.id, internal=comment.internal)
    search.index(unit, comment.id, ticket, text, internal=comment.internal)
    edited = CommentEdited(comment.id, called)
    history.record(unit, viewer.id, ticket, edited, internal=comment.internal)
    return comment.id


async def delete(unit: Unit, viewer: Viewer, comment_id: UUID, attachment_id: UUID | None) -> UUID:
    """Erase what a comment says and its files, or one of its files: its author within 15 minutes, leads always.

    Of a comment without words the last file is all that it says. What was erased before stays so.

    Raises NotFound, NotAllowed, RateLimited.
    """
    ticket, comment = await _own(unit, viewer, comment_id)
    files = await unit.lock_all(_files, comment.id)
    if attachment_id is not None and attachment_id not in {file.id for file in files}:
        raise NotFound("attachmentId", "attachment")
    if attachment_id is not None and (comment.body or len(files) > 1):
        files = [file for file in files if file.id == attachment_id]
    elif comment.deleted_at is not None:
        return comment.id
    else:
        attachment_id = None
        unit.change(comment, body=None, body_html=None, deleted_at=unit.now)
        await unit.run(_reasons, ticket.id, comment.author_id, comment.created_at, "")
        await search.forget(unit, comment.id, internal=comment.internal)
    await attempts.count_change(unit, viewer)
    for file in files:
        unit.delete(file)
    if files:
        unit.enqueue(EraseFiles([file.key for file in files]))
    history.record(unit, viewer.id, ticket, CommentDeleted(comment.id, attachment_id), internal=comment.internal)
    return comment.id


async def _own(unit: Unit, viewer: Viewer, comment_id: UUID) -> tuple[Ticket, Comment]:
    """The locked ticket and comment, when the viewer may change it. Raises NotFound, NotAllowed."""
    access.require_account(viewer)
    known = access.found(await unit.read(_seen, viewer, comment_id), "commentId", "comment")
    ticket = access.found(await unit.lock(tickets.one, viewer, known.ticket_id), "commentId", "comment")
    works = await tickets.is_worked_on(unit, viewer, ticket)
    comment = access.found(await unit.lock(_comment, comment_id), "commentId", "comment")
    # Merging may have taken it to another ticket since it was read.
    if comment.ticket_id != ticket.id or (comment.internal and not works):
        raise NotFound("commentId", "comment")
    fresh = comment.author_id == viewer.id and comment.created_at > unit.now - EDITABLE
    if not fresh and not (works and viewer.has(Role.TEAM_LEAD)):
        raise NotAllowed("Comments are changed by their authors, for 15 minutes, and by leads.")
    return ticket, comment
