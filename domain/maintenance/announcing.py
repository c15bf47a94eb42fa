"""How maintenance is announced, changed and moved on; each of these happens to a locked notice, and is kept."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from domain import access, maintenance, services, templates, words
from domain.access import Viewer
from domain.jobs import TellMaintenance
from domain.refusals import Conflict, ConflictReason, NotFound, Problems
from infra.unit import Unit
from models import (
    HappeningKind,
    MaintenanceAudience,
    MaintenanceHappening,
    MaintenanceNotice,
    MaintenanceService,
    MaintenanceSeverity,
    MaintenanceStatus,
    MessageChannel,
    Service,
)

CHANNEL = "maintenance"  # where it is told that something happened to a notice, by its key
MOST_TITLE, MOST_MESSAGE, MOST_SERVICES = 200, 10_000, 50
LONGEST = dt.timedelta(days=30)
REMINDERS = (600, 604_800)  # seconds before the beginning
GRACE = dt.timedelta(seconds=10)  # who begins at once takes a moment to say so
MOVES = {
    MaintenanceStatus.SCHEDULED: (MaintenanceStatus.IN_PROGRESS, MaintenanceStatus.CANCELLED),
    MaintenanceStatus.IN_PROGRESS: (MaintenanceStatus.COMPLETED, MaintenanceStatus.CANCELLED),
}


@dataclass(frozen=True, slots=True)
class Form:
    """All that a notice says, as a manager fills it in."""

    title: str
    message: str
    severity: MaintenanceSeverity
    service_ids: Sequence[UUID]
    starts_at: dt.datetime
    ends_at: dt.datetime
    audience: MaintenanceAudience
    channels: Sequence[MessageChannel]
    remind_before_seconds: int | None
    automatic: bool


async def schedule(unit: Unit, viewer: Viewer, form: Form) -> UUID:
    """Announce maintenance. Raises InvalidInput, NotFound, NotAllowed."""
    maintenance.require_manager(viewer)
    problems = Problems()
    values = {
        "title": _title(problems, form.title),
        "message": _message(problems, form.message),
        "severity": form.severity,
        "audience": form.audience,
        "channels": [channel.name for channel in dict.fromkeys(form.channels)],
        "starts_at": form.starts_at,
        "ends_at": form.ends_at,
        "remind_before_seconds": form.remind_before_seconds,
        "automatic": form.automatic,
    }
    if not form.channels:
        problems.add("channels", "At least one way is needed.")
    _check_services(problems, form.service_ids)
    _check_window(problems, form.starts_at, form.ends_at)
    if form.starts_at < unit.now - GRACE:
        problems.add("startsAt", "The beginning can't be in the past.")
    _check_reminder(problems, form.remind_before_seconds)
    problems.refuse()
    concerned = await _services(unit, viewer, form.service_ids, ())
    notice = unit.insert(
        MaintenanceNotice,
        **values,
        status=MaintenanceStatus.SCHEDULED,
        started_at=None,
        ended_at=None,
        reminder_at=_reminder(unit, form.starts_at, form.remind_before_seconds),
        timer_at=None,
        version=0,
        changed_at=unit.now,
        created_by_id=viewer.id,
        created_at=unit.now,
    )
    for service_id in concerned:
        unit.insert(MaintenanceService, notice_id=notice.id, service_id=service_id)
    record(unit, notice, HappeningKind.ANNOUNCED, author_id=viewer.id)
    return notice.id


def _concerned(notice_id: Any) -> Select[MaintenanceService]:
    rows = select(MaintenanceService).where(MaintenanceService.notice_id == notice_id)
    return rows.order_by(MaintenanceService.service_id)


async def change(unit: Unit, viewer: Viewer, notice_id: UUID, wanted: dict[str, Any], *, notify: bool) -> UUID:
    """Change what a notice says that is scheduled or in progress; what isn't named stays.

    Raises InvalidInput, NotFound, NotAllowed, Conflict WRONG_STATE.
    """
    maintenance.require_manager(viewer)
    notice = access.found(await unit.lock(maintenance.one, viewer, notice_id), "noticeId", "notice")
    values, service_ids = _wanted(unit, notice, wanted)
    if notice.status not in maintenance.AHEAD:
        raise _wrong_state(notice, "It has ended.")
    if "starts_at" in values and notice.status is not MaintenanceStatus.SCHEDULED:
        raise _wrong_state(notice, "It has begun already.")
    replaced = service_ids is not None and await _replace_services(unit, viewer, notice, service_ids)
    if not values and not replaced:
        return notice.id
    if notice.status is MaintenanceStatus.SCHEDULED and values.keys() & {"starts_at", "remind_before_seconds"}:
        seconds = values.get("remind_before_seconds", notice.remind_before_seconds)
        values["reminder_at"] = _reminder(unit, values.get("starts_at", notice.starts_at), seconds)
    told = notify and (replaced or bool(values.keys() - UNTOLD))
    record(unit, notice, HappeningKind.CHANGED, author_id=viewer.id, notify=told, values=values)
    return notice.id


UNTOLD = {"automatic", "remind_before_seconds", "reminder_at"}  # how the desk goes about it is nobody's news


# What must be there when it is named, and the field's name in the API.
EMPTY = {
    "title": "title",
    "message": "message",
    "severity": "severity",
    "service_ids": "serviceIds",
    "starts_at": "startsAt",
    "ends_at": "endsAt",
    "automatic": "automatic",
}


def _wanted(unit: Unit, notice: MaintenanceNotice, wanted: dict[str, Any]) -> tuple[dict[str, Any], list[UUID] | None]:
    """What of a notice is to have other values, and the services that it is to concern if they are named."""
    problems, values = Problems(), dict(wanted)
    for name, field in EMPTY.items():
        if name in wanted and wanted[name] is None:
            problems.add(field, "This can't be empty.")
            del values[name]
    service_ids = values.pop("service_ids", None)
    if "title" in values:
        values["title"] = _title(problems, values["title"])
    if "message" in values:
        values["message"] = _message(problems, values["message"])
    if service_ids is not None:
        _check_services(problems, service_ids)
    _check_reminder(problems, values.get("remind_before_seconds"))
    values = {name: value for name, value in values.items() if value != getattr(notice, name)}
    window = values.get("starts_at", notice.starts_at), values.get("ends_at", notice.ends_at)
    _check_window(problems, *window, notice.started_at)
    for name in values.keys() & {"starts_at", "ends_at"}:
        if values[name] < unit.now - GRACE:
            problems.add(EMPTY[name], "This can't be in the past.")
    problems.refuse()
    return values, service_ids


async def _replace_services(unit: Unit, viewer: Viewer, notice: MaintenanceNotice, service_ids: list[UUID]) -> bool:
    """Whether it concerns others now."""
    rows = await unit.lock_all(_concerned, notice.id)
    known = {row.service_id for row in rows}
    wanted = await _services(unit, viewer, service_ids, known)
    for row in rows:
        if row.service_id not in wanted:
            unit.delete(row)
    for service_id in wanted:
        if service_id not in known:
            unit.insert(MaintenanceService, notice_id=notice.id, service_id=service_id)
    return set(wanted) != known


async def post(
    unit: Unit,
    viewer: Viewer,
    notice_id: UUID,
    *,
    status: MaintenanceStatus | None,
    message: str | None,
    notify: bool,
) -> MaintenanceHappening:
    """Post an update: words, another status, or both.

    Raises InvalidInput, NotFound, NotAllowed, Conflict WRONG_STATE.
    """
    maintenance.require_manager(viewer)
    notice = access.found(await unit.lock(maintenance.one, viewer, notice_id), "noticeId", "notice")
    problems = Problems()
    said = words.text(problems, "message", message or "", most=MOST_MESSAGE, what="The message") or None
    if said is None and status is None:
        problems.add("message", "Say something, or name another status.")
    problems.refuse()
    if status is None or (status is notice.status and said is not None):
        return record(unit, notice, HappeningKind.POSTED, author_id=viewer.id, message=said, notify=notify)
    if status not in MOVES.get(notice.status, ()):
        raise _wrong_state(notice, _ways_on(notice.status))
    return move(unit, notice, status, author_id=viewer.id, message=said, notify=notify)


def _ways_on(status: MaintenanceStatus) -> str:
    """What a notice in this state can become, for whoever asked for something else."""
    now, *possible = (each.name.lower().replace("_", " ") for each in (status, *MOVES.get(status, ())))
    goes_on = f"it can become {' or '.join(possible)}" if possible else "it stays so"
    return f"This notice is {now}: {goes_on}."


def move(
    unit: Unit,
    notice: MaintenanceNotice,
    status: MaintenanceStatus,
    *,
    author_id: UUID | None = None,
    message: str | None = None,
    notify: bool = True,
) -> MaintenanceHappening:
    """Take a locked notice to another state, which the caller knows to follow the one before."""
    when = "started_at" if status is MaintenanceStatus.IN_PROGRESS else "ended_at"
    values = {"status": status, when: unit.now, "reminder_at": None}
    return record(
        unit, notice, HappeningKind.POSTED, author_id=author_id, message=message, notify=notify, values=values
    )


def record(
    unit: Unit,
    notice: MaintenanceNotice,
    kind: HappeningKind,
    *,
    author_id: UUID | None = None,
    message: str | None = None,
    notify: bool = True,
    values: dict[str, Any] | None = None,
) -> MaintenanceHappening:
    """Keep what happened to a locked notice, which has these values from now on; who watches it is told."""
    unit.change(notice, **(values or {}), version=notice.version + 1, changed_at=unit.now)
    look_later(unit, notice)
    unit.publish(CHANNEL, str(notice.id))
    happening = unit.insert(
        MaintenanceHappening,
        notice_id=notice.id,
        kind=kind,
        status=notice.status,
        message=message,
        message_html=None if message is None else words.html(message),
        author_id=author_id,
        at=unit.now,
        told_at=None if notify else unit.now,
    )
    if notify:
        unit.enqueue(TellMaintenance(happening.id, None))
    return happening


def look_later(unit: Unit, notice: MaintenanceNotice) -> None:
    """Have the clock look at a locked notice when something is to be done."""
    unit.change(notice, timer_at=_timer(notice))


def _timer(notice: MaintenanceNotice) -> dt.datetime | None:
    """When the clock has something to do about it next."""
    instants = [notice.reminder_at]
    if notice.automatic and notice.status is MaintenanceStatus.SCHEDULED:
        instants.append(notice.starts_at)
    if notice.automatic and notice.status is MaintenanceStatus.IN_PROGRESS:
        instants.append(notice.ends_at)
    return min((each for each in instants if each is not None), default=None)


def _reminder(unit: Unit, starts_at: dt.datetime, seconds: int | None) -> dt.datetime | None:
    """When to remind; not when that has gone by, since whoever hears of it just now needs no reminder."""
    if seconds is None:
        return None
    moment = starts_at - dt.timedelta(seconds=seconds)
    return moment if moment > unit.now else None


# --- What is wrong ----------------------------------------------------------------------------------------------------


def _wrong_state(notice: MaintenanceNotice, message: str) -> Conflict:
    return Conflict(ConflictReason.WRONG_STATE, message, current=(MaintenanceNotice, notice.id))


def _title(problems: Problems, title: str) -> str:
    return words.line(problems, "title", title, most=MOST_TITLE, what="The title")


def _message(problems: Problems, message: str) -> str:
    said = words.text(problems, "message", message, most=MOST_MESSAGE, what="The message", may_be_empty=False)
    templates.check_placeholders(problems, "message", said, templates.OF_NOTICES)
    return said


def _check_services(problems: Problems, service_ids: Sequence[UUID]) -> None:
    if not 1 <= len(service_ids) <= MOST_SERVICES:
        problems.add("serviceIds", f"1 to {MOST_SERVICES} services are possible.")


def _check_window(
    problems: Problems, starts_at: dt.datetime, ends_at: dt.datetime, started_at: dt.datetime | None = None
) -> None:
    """`started_at`: when it began, which may have been before it was to, and then it may also end before that."""
    if ends_at <= min(starts_at, started_at or starts_at):
        problems.add("endsAt", "The end must come after the beginning.")
    elif ends_at - starts_at > LONGEST:
        problems.add("endsAt", f"The end can come at most {LONGEST.days} days after the beginning.")


def _check_reminder(problems: Problems, seconds: int | None) -> None:
    least, most = REMINDERS
    if seconds is not None and not least <= seconds <= most:
        problems.add("remindBeforeSeconds", f"A reminder can come {least:,} to {most:,} seconds before the beginning.")


def _usable(viewer: Viewer, service_ids: Any) -> Select[Service]:
    return services.visible(viewer).where(Service.id == func.any(service_ids))


async def _services(unit: Unit, viewer: Viewer, service_ids: Sequence[UUID], known: Any) -> list[UUID]:
    """The services named, each once: those in use, and those that it concerned before. Raises NotFound."""
    usable = {row.id for row in await unit.read_all(_usable, viewer, list(service_ids))} | set(known)
    for number, service_id in enumerate(service_ids):
        if service_id not in usable:
            raise NotFound(f"serviceIds.{number}", "service")
    return list(dict.fromkeys(service_ids))
