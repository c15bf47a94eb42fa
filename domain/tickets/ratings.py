"""Who may read how a ticket was rated."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func, select

from domain import access
from domain.access import Viewer, Works
from models import Role, Ticket


def are_seen(viewer: Viewer, ticket: Any, works: Works | None = None) -> ColumnElement[bool]:
    """Whether the viewer may read how the ticket was rated: its requester, its assignee, leads who work on it.

    `works`: whether the viewer is known to work on it.
    """
    if viewer.has(Role.DIRECTOR):
        return sa.true()
    requested: ColumnElement[bool] = ticket.requester_id == viewer.id
    if not viewer.is_staff:
        return requested
    if viewer.has(Role.TEAM_LEAD):
        its = access.works_on(viewer, ticket) if works is None else works
        return sa.true() if its is True else sa.or_(its, requested)
    return sa.or_(requested, func.coalesce(ticket.assignee_id == viewer.id, sa.false()))


def if_seen(viewer: Viewer, ticket_id: Any, value: Any) -> Any:
    """What hangs on a rating, for whoever may read it; NULL for everyone else."""
    if viewer.has(Role.DIRECTOR):
        return value
    return select(value).where(Ticket.id == ticket_id, are_seen(viewer, Ticket)).scalar_subquery()
