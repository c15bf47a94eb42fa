"""Whether a ticket is still as a client saw it, and where one that is closed goes on."""

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import aliased

from domain import history, tickets
from domain.access import Viewer
from domain.happenings import (
    CommentAdded,
    MessageSent,
    StatusChanged,
    TicketAssigned,
    TicketClosed,
    TicketMerged,
    TicketReopened,
    TicketRouted,
)
from domain.refusals import Conflict, ConflictReason
from infra.unit import Unit
from models import Event, Ticket

MOST_MISSED = 50  # events that a conflict tells
CLOSED = "This ticket is closed. Submit a new one, and name its number if it is about the same matter."
COMMENTS = (CommentAdded.__name__,)
# What conflicts even though Deskwire did it by itself.
BY_ITSELF = tuple(
    kind.__name__ for kind in (TicketAssigned, TicketRouted, StatusChanged, TicketClosed, TicketReopened, TicketMerged)
)


async def require_unchanged(
    unit: Unit,
    viewer: Viewer,
    ticket: Ticket,
    if_seq: int | None,
    *,
    works: bool,
    kinds: Collection[str] | None = None,
) -> None:
    """Raises Conflict CHANGED_MEANWHILE, with what was missed, when the ticket has gone past this seq.

    What the viewer did does not count, nor what Deskwire did by itself unless it moved the ticket. `works`: whether the
    viewer works on it, which decides how they count; `kinds`: only events of these kinds conflict. A seq to which the
    ticket has not come is of the other side's count: nobody knows what was missed.
    """
    last = ticket.last_seq if works else ticket.public_seq
    if if_seq is None or last == if_seq:
        return
    missed = await unit.run(_since, viewer, ticket.id, if_seq)
    if if_seq > last or any(_conflicts(viewer, record["kind"], record["actor_id"], kinds) for record in missed):
        commented = kinds == COMMENTS and if_seq < last
        message = "Somebody has commented meanwhile." if commented else "The ticket has changed meanwhile."
        raise Conflict(
            ConflictReason.CHANGED_MEANWHILE,
            message,
            current=(Ticket, ticket.id),
            missed=[record["id"] for record in missed[:MOST_MISSED]],
        )


async def last_of_merged(
    unit: Unit, ticket_id: UUID, one: Callable[..., Select[Ticket]], *who: Any, lock: bool = False
) -> Ticket | None:
    """The ticket that `one` finds for `who`, or the one that took it in; None when that is not found.

    `lock`: it is, so that no other one takes it in before the end of the unit.
    """
    while True:  # not without end: one that was taken in takes in no more
        ticket = await unit.read(one, *who, ticket_id)
        if lock and ticket is not None and ticket.merged_into_id is None:
            ticket = await unit.lock(one, *who, ticket_id)  # which may have been taken in since
        if ticket is None or ticket.merged_into_id is None:
            return ticket
        ticket_id = ticket.merged_into_id


async def closed(unit: Unit, viewer: Viewer, ticket: Ticket) -> Conflict:
    """The refusal of what a closed ticket takes no more, which says what to do instead."""
    if ticket.merged_into_id is None:
        return Conflict(ConflictReason.WRONG_STATE, CLOSED, current=(Ticket, ticket.id))
    into = await last_of_merged(unit, ticket.merged_into_id, tickets.one, viewer)
    if into is None:
        message = "This ticket was merged into another one, which you can't see."
        return Conflict(ConflictReason.WRONG_STATE, message, current=(Ticket, ticket.id))
    message = f"This ticket was merged into #{into.number}, where it goes on."
    return Conflict(ConflictReason.WRONG_STATE, message, current=(Ticket, into.id))


def _conflicts(viewer: Viewer, kind: str, actor_id: Any, kinds: Collection[str] | None) -> bool:
    if kind == TicketMerged.__name__:
        return True
    if kind == MessageSent.__name__ or (kinds is not None and kind not in kinds):
        return False
    return actor_id != viewer.id if actor_id is not None else kind in BY_ITSELF


def _since(viewer: Viewer, ticket_id: Any, if_seq: Any) -> Select[*tuple[Any, ...]]:
    ticket = aliased(Ticket)
    rows = history.visible(viewer, ticket).join(ticket, ticket.id == Event.ticket_id)
    rows = rows.where(ticket.id == ticket_id, history.seq(viewer, Event) > if_seq).order_by(Event.seq)
    return rows.with_only_columns(Event.id, Event.kind, Event.actor_id)
