"""Who is on a ticket's page now: rows of a table that is not logged, forgotten after half a minute."""

import datetime as dt
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain import access, attempts, tickets
from domain.access import Viewer
from domain.refusals import NotAllowed
from infra.desk import Desk
from infra.unit import Unit, now
from models import Presence, PresenceActivity, Role, Ticket

CHANNEL = "presence"  # with the ticket's id behind a colon
KEPT = dt.timedelta(seconds=30)
MOST = 50

# --- Reading ----------------------------------------------------------------------------------------------------------


def one(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    """The ticket whose page it is, for whoever works on it. Raises NotAllowed."""
    access.require(viewer, Role.AGENT)
    return tickets.worked_on(viewer, ticket_id)


def people(ticket: Any) -> Select[Presence]:
    """Who is on the ticket's page, in the order in which they came."""
    rows = select(Presence).where(Presence.ticket_id == ticket.id, Presence.expires_at > func.now())
    return rows.order_by(Presence.arrived_at, Presence.person_id).limit(MOST)


# --- Writing ----------------------------------------------------------------------------------------------------------


def _seen(viewer: Viewer, ticket_id: Any) -> Select[Ticket]:
    return tickets.one(viewer, ticket_id)


def _there(ticket_id: Any, person_id: Any, activity: PresenceActivity, moment: Any, until: Any) -> Any:
    fresh = insert(Presence).values(
        ticket_id=ticket_id,
        person_id=person_id,
        activity=activity,
        arrived_at=moment,
        since=moment,
        expires_at=until,
    )
    gone = Presence.expires_at <= moment
    same = sa.and_(Presence.activity == activity, sa.not_(gone))
    return fresh.on_conflict_do_update(
        index_elements=[Presence.ticket_id, Presence.person_id],
        set_={
            "activity": activity,
            "arrived_at": sa.case((gone, moment), else_=Presence.arrived_at),
            "since": sa.case((same, Presence.since), else_=moment),
            "expires_at": until,
        },
    )


def _left(ticket_id: Any, person_id: Any) -> sa.Delete:
    return sa.delete(Presence).where(Presence.ticket_id == ticket_id, Presence.person_id == person_id)


async def save(unit: Unit, viewer: Viewer, ticket_id: UUID, activity: PresenceActivity | None) -> UUID:
    """Say what the viewer does on the ticket's page; None: they have left. Raises NotFound, NotAllowed, RateLimited."""
    access.require(viewer, Role.AGENT)
    await attempts.count(unit, attempts.PRESENCE_BY_PERSON, str(viewer.id))
    ticket = access.found(await unit.read(_seen, viewer, ticket_id), "ticketId", "ticket")
    if not await tickets.is_worked_on(unit, viewer, ticket):
        raise NotAllowed(access.WORKING)
    if activity is None:
        await unit.run(_left, ticket.id, viewer.id)
    else:
        await unit.run(_there, ticket.id, viewer.id, activity, unit.now, unit.now + KEPT)
    unit.publish(f"{CHANNEL}:{ticket.id}")
    return ticket.id


def _over(moment: Any) -> Any:
    return sa.delete(Presence).where(Presence.expires_at <= moment).returning(Presence.ticket_id)


async def sweep(desk: Desk) -> None:
    """Forget who has said nothing for half a minute, and tell those who watch."""
    async with desk.writes.begin() as unit:
        for record in await unit.run(_over, now()):
            unit.publish(f"{CHANNEL}:{record['ticket_id']}")
