"""SLA policies: who sees them, and how an admin keeps them. What one asks for stands in its versions."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, calendars, categories, departments, positions, words
from domain.access import Viewer
from domain.jobs import RecalculateSla
from domain.refusals import Conflict, ConflictReason, Problems
from infra.unit import Unit
from models import BusinessCalendar, Role, SlaPolicy, SlaTargetKind, SlaVersion, TicketPriority

MOST_CONDITIONS = 50
SHORTEST, LONGEST = 60, 31_536_000  # seconds of a target

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[SlaPolicy]:
    """The policies, for staff."""
    access.require(viewer, Role.AGENT)
    return select(SlaPolicy)


def seen(viewer: Viewer) -> Select[SlaPolicy]:
    """The policies where a history or an id names one: nothing unless the viewer is staff."""
    return select(SlaPolicy) if viewer.is_staff else select(SlaPolicy).where(sa.false())


def one(viewer: Viewer, policy_id: Any) -> Select[SlaPolicy]:
    """The policy."""
    return visible(viewer).where(SlaPolicy.id == policy_id)


def order() -> list[Any]:
    """The order in which they are tried."""
    return [SlaPolicy.position, SlaPolicy.id]


def version_of(policy_id: Any) -> Select[SlaVersion]:
    """What a policy asks for now."""
    rows = select(SlaVersion).where(SlaVersion.policy_id == policy_id)
    return rows.order_by(SlaVersion.number.desc()).limit(1)


def present(policy: Any, column: Any) -> Any:
    """A column of what the policy asks for now."""
    return version_of(policy.id).with_only_columns(column).scalar_subquery()


def calendar_of(policy: Any) -> Select[BusinessCalendar]:
    """The calendar that the policy names."""
    return select(BusinessCalendar).where(BusinessCalendar.id == present(policy, SlaVersion.calendar_id))


@dataclass(frozen=True, slots=True)
class Target:
    """The targets for one priority, in seconds of working time."""

    priority: TicketPriority
    first_response_seconds: int | None
    resolution_seconds: int | None


def targets_in(stored: dict[str, dict[str, int | None]]) -> list[Target]:
    """The targets that a version's column holds, most urgent first."""
    kinds = [kind.name for kind in (SlaTargetKind.FIRST_RESPONSE, SlaTargetKind.RESOLUTION)]
    in_order = sorted((TicketPriority[name] for name in stored), key=lambda priority: -priority.value)
    return [Target(priority, *(stored[priority.name][kind] for kind in kinds)) for priority in in_order]


def _all_in_order() -> Select[SlaPolicy]:
    return select(SlaPolicy).order_by(SlaPolicy.position, SlaPolicy.id)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a policy is, as an admin fills it in."""

    name: str
    description: str | None
    position: int | None
    active: bool
    department_ids: list[UUID]
    category_ids: list[UUID]
    targets: list[Target]
    calendar_id: UUID | None
    pauses_on_hold: bool


async def save(unit: Unit, viewer: Viewer, policy_id: UUID | None, form: Form, *, recalculate: bool) -> UUID:
    """Make a policy, or replace the one of this id. Tickets keep the version that they got unless `recalculate`.

    Raises NotFound for what it names, Conflict TAKEN.
    """
    access.require(viewer, Role.ADMIN)
    values, asked = _checked(form)
    await _known(unit, viewer, form)
    unit.translate("sla_policies_name_key", Conflict(ConflictReason.TAKEN, "Another policy has this name."))
    await positions.hold(unit, SlaPolicy)
    rows = await unit.lock_all(_all_in_order)
    if policy_id is None:
        row = unit.insert(SlaPolicy, position=0, **values)
        unit.insert(SlaVersion, policy_id=row.id, number=1, created_at=unit.now, **asked)
    else:
        row = access.found(next((r for r in rows if r.id == policy_id), None), "slaPolicyId", "policy")
        unit.change(row, **values)
        before = await unit.read(version_of, row.id)
        number = 0 if before is None else before.number
        if before is None or any(getattr(before, name) != value for name, value in asked.items()):
            unit.insert(SlaVersion, policy_id=row.id, number=number + 1, created_at=unit.now, **asked)
        if recalculate:
            unit.enqueue(RecalculateSla(policy_id=row.id, calendar_id=None, department_id=None))
    positions.place(unit, rows, row, form.position)
    return row.id


def _checked(form: Form) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the policy's row holds, and what its version does."""
    problems = Problems()
    for field, ids in (("departmentIds", form.department_ids), ("categoryIds", form.category_ids)):
        if len(ids) > MOST_CONDITIONS:
            problems.add(field, f"At most {MOST_CONDITIONS} are possible.")
    if form.position is not None and form.position < 0:
        problems.add("position", "Places are counted from 0.")
    _check_targets(problems, form.targets)
    what = "The description"
    values = {
        "name": words.line(problems, "name", form.name, most=100, what="The name"),
        "description": words.optional_line(problems, "description", form.description, most=500, what=what),
        "active": form.active,
        "department_ids": list(dict.fromkeys(form.department_ids)),
        "category_ids": list(dict.fromkeys(form.category_ids)),
    }
    problems.refuse()
    targets = {
        target.priority.name: {
            SlaTargetKind.FIRST_RESPONSE.name: target.first_response_seconds,
            SlaTargetKind.RESOLUTION.name: target.resolution_seconds,
        }
        for target in form.targets
    }
    return values, {"targets": targets, "calendar_id": form.calendar_id, "pauses_on_hold": form.pauses_on_hold}


def _check_targets(problems: Problems, targets: list[Target]) -> None:
    if not targets:
        problems.add("targets", "A policy has at least one target.")
    seen_: set[TicketPriority] = set()
    for number, target in enumerate(targets):
        if target.priority in seen_:
            problems.add(f"targets.{number}.priority", "This priority is there already.")
        seen_.add(target.priority)
        given = {
            "firstResponseSeconds": target.first_response_seconds,
            "resolutionSeconds": target.resolution_seconds,
        }
        if all(seconds is None for seconds in given.values()):
            problems.add(f"targets.{number}", "Give a time to the first answer, to the resolution, or both.")
        for name, seconds in given.items():
            if seconds is not None and not SHORTEST <= seconds <= LONGEST:
                message = f"The time is between {SHORTEST:,} and {LONGEST:,} seconds."
                problems.add(f"targets.{number}.{name}", message)


async def _known(unit: Unit, viewer: Viewer, form: Form) -> None:
    """Raises NotFound, with the field's path, for the first id that names nothing."""
    conditions: tuple[tuple[str, tuple[Any, ...], str], ...] = (
        ("departmentIds", (departments.named, form.department_ids), "department"),
        ("categoryIds", (categories.named, form.category_ids), "category"),
    )
    for field, (build, *arguments), what in conditions:
        wanted: list[UUID] = arguments[-1]
        known = {row.id for row in await unit.read_all(build, *arguments)}
        for number, wanted_id in enumerate(wanted):
            access.found(wanted_id if wanted_id in known else None, f"{field}.{number}", what)
    if form.calendar_id is not None:
        access.found(await unit.read(calendars.one, viewer, form.calendar_id), "calendarId", "calendar")
