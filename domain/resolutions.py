"""How a ticket ends: resolved, confirmed and rated by its customer, opened again, closed."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, articles, attempts, comments, escalations, history, sla, tickets, words
from domain.access import Viewer
from domain.happenings import ResolutionConfirmed, TicketResolved
from domain.refusals import Conflict, ConflictReason, InvalidInput, NotAllowed, Problems
from domain.tickets import conflicts, ratings, statuses
from domain.tickets.actions import AFTER_CLOSING
from infra.settings import Settings
from infra.unit import Unit
from models import (
    UNRESOLVED,
    Article,
    ArticleAudience,
    ArticleStatus,
    Resolution,
    ResolutionState,
    Ticket,
    TicketStatus,
)

MOST_FEEDBACK, MOST_REASON, MOST_CLOSE_REASON = 2_000, 2_000, 500
WORST, BEST = 1, 5  # of ratings
TOO_LATE = "This ticket was closed more than 30 days ago."

# --- Reading ----------------------------------------------------------------------------------------------------------


def last(ticket: Any) -> Select[Resolution]:
    """The last resolution of a ticket."""
    return statuses.last_resolution(ticket.id)


def article(viewer: Viewer, ticket_id: Any) -> Select[*tuple[Any, ...]]:
    """The title and the HTML of the article that answers a ticket, as its last resolution says, if the viewer may see
    both.
    """
    rows = tickets.one(viewer, ticket_id).with_only_columns(Ticket.id)
    latest = statuses.last_resolution(rows.scalar_subquery()).with_only_columns(Resolution.article_id)
    return articles.one(viewer, latest.scalar_subquery()).with_only_columns(Article.title, Article.body_html)


def of_event(event: Any) -> Select[Resolution]:
    """The resolution that an event of a ticket tells of."""
    return select(Resolution).where(Resolution.id == history.id_in(event, "resolution_id"))


def event_text(event: Any, column: Any) -> Any:
    """A column of the resolution that an event tells of."""
    return of_event(event).with_only_columns(column).scalar_subquery()


def event_rating(viewer: Viewer, event: Any) -> Any:
    """The rating that the event tells, for whoever may read it."""
    return ratings.if_seen(viewer, event.ticket_id, sa.cast(event.data["rating"].astext, sa.Integer()))


def event_feedback(viewer: Viewer, event: Any) -> Any:
    """The feedback that the event tells, for whoever may read it."""
    return ratings.if_seen(viewer, event.ticket_id, history.words_of(event, "feedback"))


# --- Resolving --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Solution:
    """What is said of how a ticket was solved."""

    ticket_id: UUID
    summary: str | None = None
    article_id: UUID | None = None
    if_seq: int | None = None


async def resolve(unit: Unit, viewer: Viewer, settings: Settings, said: Solution) -> UUID:
    """Declare a ticket solved and ask its customer to confirm; gives the ticket's id.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.sign_in_required(viewer)
    ticket = await tickets.locked_to_work_on(unit, viewer, said.ticket_id)
    if ticket.status is TicketStatus.RESOLVED:
        raise _conflict(ticket, "This ticket is resolved already.", ConflictReason.ALREADY_DONE)
    _require_unresolved(ticket)
    await conflicts.require_unchanged(unit, viewer, ticket, said.if_seq, works=True)
    problems = Problems()
    text = words.body(problems, "summary", said.summary or "", what="The summary", may_be_empty=True) or None
    problems.refuse()
    if said.article_id is not None:
        await _answering(unit, viewer, said.article_id)

    resolution = unit.insert(
        Resolution,
        ticket_id=ticket.id,
        summary=text,
        summary_html=text and await words.beside(words.html, text),
        article_id=said.article_id,
        resolved_at=unit.now,
        resolved_by_id=viewer.id,
        assignee_id=ticket.assignee_id,
        department_id=ticket.department_id,
        escalation_level=statuses.level_of(ticket),
        state=ResolutionState.AWAITING,
        confirm_by=unit.now + dt.timedelta(seconds=settings.confirmation_seconds),
        reminded_at=None,
        answered_at=None,
        rating=None,
        feedback=None,
        rated_at=None,
    )
    unit.change(
        ticket, status=TicketStatus.RESOLVED, resolved_at=unit.now, resumes_at=None, waiting_since=None, rating=None
    )
    # Whoever asked does not answer themselves, also where they work on it.
    if text and ticket.first_responded_at is None and ticket.requester_id != viewer.id:
        unit.change(ticket, first_responded_at=unit.now)
    history.record(unit, viewer.id, ticket, TicketResolved(resolution.id))
    await escalations.end_in_force(unit, viewer.id, ticket)
    await sla.follow(unit, ticket)
    return ticket.id


async def _answering(unit: Unit, viewer: Viewer, article_id: UUID) -> None:
    """Raises NotFound, and InvalidInput unless customers can read the article."""
    article = access.found(await unit.read(articles.one, viewer, article_id), "articleId", "article")
    if article.status is not ArticleStatus.PUBLISHED or article.audience is ArticleAudience.STAFF:
        raise InvalidInput(("articleId", "Customers can't read this article."))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a customer says to a resolution."""

    ticket_id: UUID
    rating: int | None = None
    feedback: str | None = None


async def confirm(unit: Unit, viewer: Viewer, said: Answer) -> UUID:
    """Confirm that a ticket is solved, which closes it, and rate the help; gives the ticket's id.

    Until 30 days after closing it replaces what was said before. The same again changes nothing.

    Raises InvalidInput, NotFound, NotAllowed, Conflict, RateLimited.
    """
    ticket = await _of_requester(unit, viewer, said.ticket_id)
    if ticket.resolved_at is None or ticket.merged_into_id is not None:
        raise _conflict(ticket, "This ticket is not resolved.")
    _require_in_time(unit, ticket)
    problems = Problems()
    if said.rating is not None and not WORST <= said.rating <= BEST:
        problems.add("rating", f"A rating is {WORST} to {BEST}.")
    feedback = words.text(problems, "feedback", said.feedback or "", most=MOST_FEEDBACK, what="The feedback") or None
    problems.refuse()
    resolution = access.found(await unit.lock(statuses.last_resolution, ticket.id), "ticketId", "ticket")

    first = resolution.state is ResolutionState.AWAITING
    rated = (said.rating, feedback) != (resolution.rating, resolution.feedback)
    if not first and not rated:
        return ticket.id
    await attempts.count(unit, attempts.RATING_BY_TICKET, str(ticket.id))
    if first:
        unit.change(resolution, state=ResolutionState.CONFIRMED, confirm_by=None)
    if rated:
        unit.change(resolution, rating=said.rating, feedback=feedback, rated_at=unit.now)
    if resolution.answered_at is None:
        unit.change(resolution, answered_at=unit.now)
    unit.change(ticket, rating=said.rating)
    history.record(unit, viewer.id, ticket, ResolutionConfirmed(resolution.id, said.rating, feedback))
    if ticket.status is not TicketStatus.CLOSED:
        await statuses.close(unit, viewer.id, ticket)
    return ticket.id


async def reopen(unit: Unit, viewer: Viewer, ticket_id: UUID, *, reason: str) -> UUID:
    """Open a ticket that is not solved after all; what its customer says to that is also a comment.

    The requester may until it is closed, the desk within 30 days after. Gives the ticket's id.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.sign_in_required(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    if not works and ticket.requester_id != viewer.id:
        raise NotAllowed(access.CONCERNED)
    if ticket.status in UNRESOLVED:
        raise _conflict(ticket, "This ticket is open.")
    if ticket.merged_into_id is not None or (not works and ticket.status is TicketStatus.CLOSED):
        raise await conflicts.closed(unit, viewer, ticket)
    _require_in_time(unit, ticket)
    problems = Problems()
    text = words.text(problems, "reason", reason, most=MOST_REASON, what="The reason", may_be_empty=False)
    problems.refuse()
    if ticket.requester_id == viewer.id:
        await comments.write(unit, viewer, ticket, text)
    await statuses.reopen(unit, viewer.id, ticket, text)
    return ticket.id


async def close(unit: Unit, viewer: Viewer, ticket_id: UUID, *, reason: str | None) -> UUID:
    """Close a ticket without waiting for its customer; customers withdraw what is not resolved. Gives its id.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.sign_in_required(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    if not works and ticket.requester_id != viewer.id:
        raise NotAllowed(access.CONCERNED)
    if ticket.status is TicketStatus.CLOSED:
        raise _conflict(ticket, "This ticket is closed already.", ConflictReason.ALREADY_DONE)
    if not works and ticket.status is TicketStatus.RESOLVED:
        raise _conflict(ticket, "This ticket is resolved. Confirm that it is solved, or open it again.")
    problems = Problems()
    text = words.optional_line(problems, "reason", reason, most=MOST_CLOSE_REASON, what="The reason")
    problems.refuse()
    if ticket.status is TicketStatus.RESOLVED:
        await statuses.give_up_waiting(unit, ticket)
    await statuses.close(unit, viewer.id, ticket, reason=text)
    return ticket.id


async def _of_requester(unit: Unit, viewer: Viewer, ticket_id: UUID) -> Ticket:
    """The ticket, locked. Raises NotFound, and NotAllowed for whoever did not request it."""
    access.sign_in_required(viewer)
    ticket = access.found(await unit.lock(tickets.one, viewer, ticket_id), "ticketId", "ticket")
    if ticket.requester_id != viewer.id:
        raise NotAllowed(access.ASKING)
    return ticket


def _require_unresolved(ticket: Ticket) -> None:
    if ticket.status not in UNRESOLVED:
        raise _conflict(ticket, "This ticket is closed.")


def _require_in_time(unit: Unit, ticket: Ticket) -> None:
    if ticket.closed_at is not None and ticket.closed_at + AFTER_CLOSING <= unit.now:
        raise _conflict(ticket, TOO_LATE)


def _conflict(ticket: Ticket, message: str, reason: ConflictReason = ConflictReason.WRONG_STATE) -> Conflict:
    return Conflict(reason, message, current=(Ticket, ticket.id))
