"""What the clock does about maintenance: it reminds, begins and ends as planned, late rather than never.

But nobody is reminded of what was to begin before.
"""

import datetime as dt
from typing import Any

from sqlalchemy import Select, select

from domain.maintenance import announcing
from infra.desk import Desk
from infra.logs import report
from infra.postgres import Unavailable
from infra.unit import Unit
from models import HappeningKind, MaintenanceNotice, MaintenanceStatus

AFTER_A_FAULT = dt.timedelta(minutes=5)


def _due(moment: Any) -> Select[MaintenanceNotice]:
    rows = select(MaintenanceNotice).where(MaintenanceNotice.timer_at <= moment)
    return rows.order_by(MaintenanceNotice.timer_at).limit(1).with_for_update(skip_locked=True, key_share=True)


def _notice(notice_id: Any) -> Select[MaintenanceNotice]:
    return select(MaintenanceNotice).where(MaintenanceNotice.id == notice_id)


async def sweep(desk: Desk) -> None:
    """Do what is due, a step of one notice in each transaction; other workers take other notices."""
    found = True
    while found:
        notice = None
        try:
            async with desk.writes.begin() as unit:
                notice = await unit.read(_due, unit.now)
                found = notice is not None
                if notice is not None:
                    step(unit, notice)
        except Unavailable:
            raise
        except Exception as error:  # one notice's fault must not hold up the others
            if notice is None:
                raise
            report(error, notice=str(notice.id))
            async with desk.writes.begin() as unit:
                if notice := await unit.lock(_notice, notice.id):
                    unit.change(notice, timer_at=unit.now + AFTER_A_FAULT)


def step(unit: Unit, notice: MaintenanceNotice) -> None:
    """Do what is due first for a locked notice: each step sets when the next one is."""
    scheduled = notice.status is MaintenanceStatus.SCHEDULED
    reminds = notice.reminder_at is not None and notice.reminder_at <= unit.now
    if reminds and notice.starts_at > unit.now:
        announcing.record(unit, notice, HappeningKind.REMINDED, values={"reminder_at": None})
    elif notice.automatic and scheduled and notice.starts_at <= unit.now:
        announcing.move(unit, notice, MaintenanceStatus.IN_PROGRESS)
    elif notice.automatic and notice.status is MaintenanceStatus.IN_PROGRESS and notice.ends_at <= unit.now:
        announcing.move(unit, notice, MaintenanceStatus.COMPLETED)
    else:  # it was put off after a fault, and something else has been done since; or it is too late to remind
        if reminds:
            unit.change(notice, reminder_at=None)
        announcing.look_later(unit, notice)
