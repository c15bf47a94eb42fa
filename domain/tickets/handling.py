"""Who has a ticket and in which state it waits: giving it to an agent, taking the next one, moving it by hand."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, select

from domain import access, departments, people, routing, sla, tickets, words
from domain.access import Viewer
from domain.refusals import InvalidInput, NotAllowed, Problems
from domain.tickets import actions, assigning, conflicts, statuses
from domain.tickets.actions import TicketAction
from infra.unit import Unit
from models import Department, Person, Role, Ticket, TicketStatus

MOST_REASON = 500
TRIED = (20, 1_000)  # tickets of each department among which one is taken that nobody else is taking

# --- State ------------------------------------------------------------------------------------------------------------


async def change_status(
    unit: Unit,
    viewer: Viewer,
    ticket_id: UUID,
    status: TicketStatus,
    *,
    reason: str | None = None,
    resumes_at: dt.datetime | None = None,
    if_seq: int | None = None,
) -> UUID:
    """Move a ticket between open, pending and on hold. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    access.require_account(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    actions.require(viewer, ticket, TicketAction.CHANGE_STATUS, works=works, now=unit.now)
    problems = Problems()
    said = words.optional_line(problems, "reason", reason, most=MOST_REASON, what="The reason")
    if resumes_at is not None and status is not TicketStatus.ON_HOLD:
        problems.add("resumesAt", "Only a ticket on hold opens again by itself.")
    elif resumes_at is not None and resumes_at <= unit.now:
        problems.add("resumesAt", "This moment has passed.")
    problems.refuse()
    await conflicts.require_unchanged(unit, viewer, ticket, if_seq, works=works)
    await move(unit, viewer, ticket, status, reason=said, resumes_at=resumes_at)
    return ticket.id


async def move(
    unit: Unit,
    viewer: Viewer,
    ticket: Ticket,
    status: TicketStatus,
    *,
    reason: str | None = None,
    resumes_at: dt.datetime | None = None,
) -> None:
    """Move a locked unresolved ticket by hand; to where it is already changes nothing."""
    if (ticket.status, ticket.resumes_at) != (status, resumes_at):
        await statuses.move(unit, viewer.id, ticket, status, reason=reason, resumes_at=resumes_at)


# --- Agent ------------------------------------------------------------------------------------------------------------


async def assign(
    unit: Unit, viewer: Viewer, ticket_id: UUID, assignee_id: UUID | None, *, if_seq: int | None = None
) -> UUID:
    """Give a ticket to an agent of its department, or put it back.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.require_account(viewer)
    ticket, works = await tickets.locked(unit, viewer, ticket_id)
    actions.require(viewer, ticket, TicketAction.ASSIGN, works=works, now=unit.now)
    await conflicts.require_unchanged(unit, viewer, ticket, if_seq, works=works)
    if await give(unit, viewer, ticket, assignee_id):
        await sla.follow(unit, ticket)
    return ticket.id


async def give(unit: Unit, viewer: Viewer, ticket: Ticket, assignee_id: UUID | None) -> bool:
    """Give a locked ticket to an agent, or put it back; gives whether that changed anything."""
    if ticket.assignee_id == assignee_id:
        return False
    if assignee_id is not None and await unit.read(routing.agent_of, assignee_id, ticket.department_id) is None:
        access.found(await unit.read(people.one, viewer, assignee_id), "assigneeId", "person")
        raise InvalidInput(("assigneeId", "This person does not work in the ticket's department."))
    assigning.hand(unit, viewer.id, ticket, assignee_id)
    return True


# --- Taking the next one ----------------------------------------------------------------------------------------------


def order() -> list[Any]:
    """What should be worked on next, as the index of what can be taken says."""
    due, waiting = (
        sa.func.coalesce(column, sa.literal_column("'infinity'::timestamptz"))
        for column in (Ticket.due_at, Ticket.waiting_since)
    )
    return [Ticket.escalation_rank.desc(), due, Ticket.priority_rank.desc(), waiting, Ticket.id]


def takeable() -> list[ColumnElement[bool]]:
    """What can be taken: open tickets that nobody has."""
    return [Ticket.status == TicketStatus.OPEN, Ticket.assignee_id.is_(None)]


def _waiting(viewer: Viewer, department_id: Any, most: Any) -> Select[Ticket]:
    """The ticket to be worked on next that nobody else is taking now, locked."""
    theirs = select(Department.id).where(Department.archived_at.is_(None))
    if not viewer.has(Role.DIRECTOR):
        theirs = theirs.where(Department.id.in_(access.departments_of(viewer)))
    if department_id is not None:
        theirs = theirs.where(Department.id == department_id)
    places = theirs.subquery()
    theirs_to_take = (*takeable(), Ticket.requester_id != viewer.id)
    first = select(Ticket.id).where(Ticket.department_id == places.c.id, *theirs_to_take).order_by(*order()).limit(most)
    found = first.correlate(places).lateral()
    ids = select(found.c.id).select_from(places.join(found, sa.true()))
    rows = select(Ticket).where(Ticket.id.in_(ids), *theirs_to_take)
    return rows.order_by(*order()).limit(1).with_for_update(skip_locked=True, key_share=True, of=Ticket)


async def take_next(unit: Unit, viewer: Viewer, department_id: UUID | None) -> UUID | None:
    """Give the viewer what should be worked on next; None when nothing waits. No two agents get the same.

    What the viewer asked for themselves is left to others. Raises NotFound, NotAllowed.
    """
    access.require(viewer, Role.AGENT)
    if department_id is not None:
        await departments.in_use(unit, viewer, department_id)
        if await unit.read(_self_in, viewer, department_id) is None:
            raise NotAllowed("You don't work in this department.")
    for most in TRIED:
        found = await unit.read_all(_waiting, viewer, department_id, most)
        if found:
            assigning.hand(unit, viewer.id, found[0], viewer.id)
            await sla.follow(unit, found[0])
            return found[0].id
    return None


def _self_in(viewer: Viewer, department_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == viewer.id, access.works_in(Person, department_id))
