"""Maintenance notices: who sees which, and what they say of services."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select, func, select

from domain import access
from domain.access import Viewer
from models import (
    HappeningKind,
    MaintenanceAudience,
    MaintenanceHappening,
    MaintenanceNotice,
    MaintenanceRecipient,
    MaintenanceService,
    MaintenanceSeverity,
    MaintenanceStatus,
    Person,
    Role,
    Service,
    ServiceSubscription,
)

AHEAD = (MaintenanceStatus.SCHEDULED, MaintenanceStatus.IN_PROGRESS)
UNDER = "UNDER_MAINTENANCE"  # how a service is while maintenance of it goes on

# --- Who sees what ----------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[MaintenanceNotice]:
    """The notices in whose audience the viewer is. Whoever was told of one goes on seeing what becomes of it."""
    rows = select(MaintenanceNotice)
    if viewer.role is None or viewer.ticket_id is not None:
        return rows.where(sa.false())
    if viewer.is_staff:
        return rows
    notice = MaintenanceNotice
    told = sa.exists().where(MaintenanceRecipient.notice_id == notice.id, MaintenanceRecipient.person_id == viewer.id)
    meant = sa.or_(subscribed(notice, viewer.id), told)
    for_them = sa.and_(notice.audience == MaintenanceAudience.SUBSCRIBERS, meant)
    return rows.where(sa.or_(notice.audience == MaintenanceAudience.EVERYONE, for_them))


def subscribed(notice: Any, person_id: Any) -> ColumnElement[bool]:
    """Whether somebody is subscribed to one of the services that it concerns."""
    return sa.exists().where(
        MaintenanceService.notice_id == notice.id,
        ServiceSubscription.service_id == MaintenanceService.service_id,
        ServiceSubscription.person_id == person_id,
    )


def one(viewer: Viewer, notice_id: Any) -> Select[MaintenanceNotice]:
    """The notice, if the viewer can see it."""
    return visible(viewer).where(MaintenanceNotice.id == notice_id)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which notices to list: all that is given must hold."""

    statuses: Sequence[MaintenanceStatus] | None = None
    severities: Sequence[MaintenanceSeverity] | None = None
    service_ids: Any = None
    since: Any = None
    until: Any = None


def listed(viewer: Viewer, asked: Conditions) -> Select[MaintenanceNotice]:
    """The notices that the viewer sees and for which all conditions hold."""
    notice = MaintenanceNotice
    rows = visible(viewer).where(notice.status.in_(AHEAD if asked.statuses is None else asked.statuses))
    if asked.severities is not None:
        rows = rows.where(notice.severity.in_(asked.severities))
    if asked.service_ids is not None:
        rows = rows.where(concerns(notice, asked.service_ids))
    if asked.since is not None:
        rows = rows.where(_lasts_until(notice) > asked.since)
    if asked.until is not None:
        rows = rows.where(func.coalesce(notice.started_at, notice.starts_at) < asked.until)
    return rows


def _lasts_until(notice: Any) -> Any:
    """When what has begun ended, whatever was planned, or when it will: not before now. For the rest what was planned,
    also where it was cancelled before.
    """
    going_on = func.coalesce(notice.ended_at, func.greatest(notice.ends_at, func.now()))
    return sa.case((notice.started_at.is_(None), notice.ends_at), else_=going_on)


def concerns(notice: Any, service_ids: Any) -> ColumnElement[bool]:
    """Whether it concerns one of these services."""
    return sa.exists().where(
        MaintenanceService.notice_id == notice.id, MaintenanceService.service_id == func.any(service_ids)
    )


def of_service(viewer: Viewer, service: Any, asked: Conditions) -> Select[MaintenanceNotice]:
    """Those of them that concern the service."""
    those = select(MaintenanceService.notice_id).where(MaintenanceService.service_id == service.id)
    return listed(viewer, asked).where(MaintenanceNotice.id.in_(those))


def order() -> list[Any]:
    """What notices are ordered by."""
    return [MaintenanceNotice.starts_at, MaintenanceNotice.id]


def services_of(notice: Any) -> Select[Service]:
    """The services that it concerns, archived ones too, by name."""
    rows = select(Service).join(MaintenanceService, MaintenanceService.service_id == Service.id)
    return rows.where(MaintenanceService.notice_id == notice.id).order_by(Service.name)


def updates_of(notice: Any) -> Select[MaintenanceHappening]:
    """The updates that were posted on a notice."""
    happening = MaintenanceHappening
    return select(happening).where(happening.notice_id == notice.id, happening.kind == HappeningKind.POSTED)


def update(viewer: Viewer, happening_id: Any) -> Select[MaintenanceHappening]:
    """The update, if the viewer can see its notice."""
    happening = MaintenanceHappening
    seen = visible(viewer).where(MaintenanceNotice.id == happening.notice_id).correlate(happening).exists()
    return select(happening).where(happening.id == happening_id, happening.kind == HappeningKind.POSTED, seen)


# --- What services are like -------------------------------------------------------------------------------------------


def status_of(viewer: Viewer, service: Any) -> Any:
    """How a service is, by name: what is for staff alone shows to staff alone, all else to everyone."""
    under = _there_is(viewer, service, MaintenanceNotice.status == MaintenanceStatus.IN_PROGRESS)
    near = MaintenanceNotice.starts_at <= func.now() + sa.literal_column("interval '24 hours'")
    soon = _there_is(viewer, service, sa.and_(MaintenanceNotice.status == MaintenanceStatus.SCHEDULED, near))
    names = [sa.literal_column(f"'{name}'", sa.Text()) for name in (UNDER, "MAINTENANCE_SOON")]
    return sa.case((under, names[0]), (soon, names[1]), else_=sa.literal_column("'OPERATIONAL'", sa.Text()))


def _there_is(viewer: Viewer, service: Any, condition: Any) -> Any:
    rows = select(MaintenanceService.notice_id).join(
        MaintenanceNotice, MaintenanceNotice.id == MaintenanceService.notice_id
    )
    rows = rows.where(MaintenanceService.service_id == service.id, condition)
    if not viewer.is_staff:
        rows = rows.where(MaintenanceNotice.audience != MaintenanceAudience.STAFF)
    return rows.exists()


# --- Whom it reaches --------------------------------------------------------------------------------------------------


def meant(audience: MaintenanceAudience, service_ids: Any) -> Select[*tuple[Any, ...]]:
    """Ids of the active people whom an audience means now."""
    people = select(Person.id).where(Person.active)
    if audience is MaintenanceAudience.EVERYONE:
        return people
    staff = Person.role != Role.CUSTOMER
    if audience is MaintenanceAudience.STAFF:
        return people.where(staff)
    subscribers = select(ServiceSubscription.person_id).where(ServiceSubscription.service_id == func.any(service_ids))
    return people.where(sa.or_(staff, Person.id.in_(subscribers)))


def require_manager(viewer: Viewer) -> None:
    """Raises Unauthenticated or NotAllowed unless the viewer announces maintenance."""
    access.require(viewer, Role.MANAGER)
