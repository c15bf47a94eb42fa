"""What becomes of notices, for whoever watches them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from domain import access, maintenance, services
from domain.access import Viewer
from domain.maintenance import announcing
from models import MaintenanceNotice

MOST_RECENT = 500  # that are looked at after messages may have been lost


def channels(viewer: Viewer) -> Select[Any]:
    """Where it is told that something happened to a notice, or that the viewer has subscribed to a service."""
    access.sign_in_required(viewer)
    name = select(sa.literal(announcing.CHANNEL).label("name"))
    person = select((services.CHANNEL + ":" + sa.cast(viewer.id, sa.Text)).label("name"))
    found = sa.union_all(name, person).subquery("channels")
    return select(found.c.name)


def recent(viewer: Viewer, moment: Any) -> Select[Any]:
    """The notices that are scheduled or in progress, or have changed since."""
    visible = maintenance.visible(viewer).with_only_columns(MaintenanceNotice.id, maintain_column_froms=True)
    ahead = visible.where(MaintenanceNotice.status.in_(maintenance.AHEAD)).order_by(*maintenance.order())
    changed = visible.where(MaintenanceNotice.changed_at >= moment).order_by(MaintenanceNotice.changed_at.desc())
    parts = [part.limit(MOST_RECENT).subquery() for part in (ahead, changed)]
    rows = sa.union(*(select(part.c.id) for part in parts)).subquery("recent")
    return select(rows.c.id)


def changes(viewer: Viewer, service_ids: Any, told: Any, began: Any) -> Select[Any]:
    """What became of notices for whoever was `told` of them before: each is told once for all that happened to it.

    One that had ended before the watching `began` is told once something happens to it.
    """
    notice = MaintenanceNotice
    rows = maintenance.visible(viewer).where(notice.id == told.c.key)
    if service_ids is not None:
        rows = rows.where(maintenance.concerns(notice, service_ids))
    rows = rows.where(sa.or_(notice.status.in_(maintenance.AHEAD), told.c.known, notice.changed_at >= began))
    now = rows.correlate(told).lateral("now")
    here = aliased(notice, now)
    to_tell = sa.and_(here.version.is_not(None), here.version.is_distinct_from(told.c.place))
    found = select(here, told.c.key.label("key"), here.version.label("place"), to_tell.label("to_tell"))
    return found.select_from(told.outerjoin(now, sa.true()))
