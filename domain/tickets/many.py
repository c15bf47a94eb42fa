"""Doing the same to many tickets, each for itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from domain import access, departments, people, sla, tickets
from domain.access import Viewer
from domain.refusals import InvalidInput, NotAllowed, Refusal
from domain.tickets import actions, changing, handling
from domain.tickets.actions import TicketAction
from domain.tickets.changing import Changes
from infra.unit import Unit
from models import Role, TicketStatus

MOST = 100


class Outcome(NamedTuple):
    """What became of many tickets, in the order in which they were named."""

    updated: list[UUID]
    refused: list[tuple[UUID, Refusal]]


async def update(unit: Unit, viewer: Viewer, ticket_ids: list[UUID], wanted: Mapping[str, Any]) -> Outcome:
    """Change each ticket as `changing.update` would, with its agent (`assignee_id`) and `status` where they are named.

    What is refused for one leaves that one as it was. Raises InvalidInput, NotAllowed, and NotFound for what all of
    them are to have.
    """
    access.require(viewer, Role.AGENT)
    if not 1 <= len(ticket_ids) <= MOST:
        raise InvalidInput(("ticketIds", f"Name 1 to {MOST} tickets."))
    changes = changing.checked(wanted)
    if "category_id" in wanted:
        await changing.found_category(unit, viewer, wanted["category_id"])
    if "department_id" in wanted:
        await departments.in_use(unit, viewer, wanted["department_id"])
    if wanted.get("assignee_id") is not None:
        access.found(await unit.read(people.one, viewer, wanted["assignee_id"]), "assigneeId", "person")
    places = {ticket_id: place for place, ticket_id in reversed(list(enumerate(ticket_ids)))}
    refused: dict[UUID, Refusal] = {}
    # By id, and all of them before agents are looked for, so that two who do that can't wait for each other.
    await unit.lock_all(tickets.some, viewer, sorted(places))
    for ticket_id in sorted(places):
        try:
            async with unit.part():
                await _one(unit, viewer, ticket_id, f"ticketIds.{places[ticket_id]}", changes)
        except Refusal as refusal:
            refused[ticket_id] = refusal
    in_order = sorted(places, key=places.__getitem__)
    return Outcome(
        [ticket_id for ticket_id in in_order if ticket_id not in refused],
        [(ticket_id, refused[ticket_id]) for ticket_id in in_order if ticket_id in refused],
    )


async def _one(unit: Unit, viewer: Viewer, ticket_id: UUID, path: str, changes: Changes) -> None:
    ticket, works = await tickets.locked(unit, viewer, ticket_id, path)
    changed = False
    if changes.wanted.keys() - {"assignee_id", "status"}:
        actions.require(viewer, ticket, TicketAction.UPDATE, works=works, now=unit.now)
        if not works:  # its requester changes the subject, which is none of these
            raise NotAllowed(access.WORKING)
        changed = await changing.apply(unit, viewer, ticket, changes)
    if "assignee_id" in changes.wanted:
        actions.require(viewer, ticket, TicketAction.ASSIGN, works=works, now=unit.now)
        changed = await handling.give(unit, viewer, ticket, changes.wanted["assignee_id"]) or changed
    if "status" in changes.wanted:
        status: TicketStatus = changes.wanted["status"]
        actions.require(viewer, ticket, TicketAction.CHANGE_STATUS, works=works, now=unit.now)
        # On hold it stays for as long as was said before.
        until = ticket.resumes_at if ticket.status is status else None
        await handling.move(unit, viewer, ticket, status, resumes_at=until)
    if changed:
        await sla.follow(unit, ticket)
