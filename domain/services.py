"""Services that a ticket may concern."""

from typing import Any

from sqlalchemy import Select, func, select

from domain import access
from domain.access import Viewer
from models import Role, Service


def visible(viewer: Viewer, *, include_archived: bool = False) -> Select[Service]:
    """Services in use, for everyone; archived ones for admins."""
    rows = select(Service)
    if include_archived:
        access.require(viewer, Role.ADMIN)
        return rows
    return rows.where(Service.archived_at.is_(None))


def one(viewer: Viewer, service_id: Any) -> Select[Service]:
    """The service; for staff even when archived, since old tickets concern it."""
    rows = select(Service) if viewer.is_staff else visible(viewer)
    return rows.where(Service.id == service_id)


def usable(viewer: Viewer, service_id: Any) -> Select[Service]:
    """The service, if new tickets can concern it."""
    return visible(viewer).where(Service.id == service_id)


def some(service_ids: Any) -> Select[Service]:
    """These services, archived ones included, by name."""
    return select(Service).where(Service.id == func.any(service_ids)).order_by(Service.name)
