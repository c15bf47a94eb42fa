"""Rules by which tickets are escalated by themselves: who reads them, and how an admin keeps them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, departments, waking, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, Problems
from infra.unit import Unit
from models import (
    Department,
    EscalationLevel,
    EscalationRule,
    EscalationTrigger,
    Role,
    TicketPriority,
)

MOST_DEPARTMENTS, MOST_SECONDS = 50, 31_536_000

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[EscalationRule]:
    """The rules, for leads and above."""
    access.require(viewer, Role.TEAM_LEAD)
    return select(EscalationRule)


def seen(viewer: Viewer) -> Select[EscalationRule]:
    """The rules where an escalation or an id names one: for staff."""
    return select(EscalationRule) if viewer.is_staff else select(EscalationRule).where(sa.false())


def one(viewer: Viewer, rule_id: Any) -> Select[EscalationRule]:
    """The rule."""
    return visible(viewer).where(EscalationRule.id == rule_id)


def order() -> list[Any]:
    """What rules are ordered by: level, then time."""
    ranks = ((EscalationRule.level == level, sa.literal_column(str(level.value), sa.Integer())) for level in _LEVELS)
    return [sa.case(*ranks), EscalationRule.after_seconds, EscalationRule.id]


_LEVELS = tuple(EscalationLevel)


def departments_of(rule: Any) -> Select[Department]:
    """The departments of a rule's condition, archived or not."""
    return departments.named(rule.department_ids)


def active() -> Select[EscalationRule]:
    """The rules in force; for deciding alone."""
    return select(EscalationRule).where(EscalationRule.active).order_by(EscalationRule.id)


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a rule is, as an admin fills it in."""

    name: str
    active: bool
    trigger: EscalationTrigger
    after_seconds: int
    level: EscalationLevel
    priorities: list[TicketPriority]
    department_ids: list[UUID]


async def save(unit: Unit, viewer: Viewer, rule_id: UUID | None, form: Form) -> UUID:
    """Make a rule, or replace the one of this id. Raises InvalidInput, NotFound for what it names, Conflict TAKEN."""
    access.require(viewer, Role.ADMIN)
    values = _checked(form)
    known = {row.id for row in await unit.read_all(departments.named, form.department_ids)}
    for number, wanted_id in enumerate(form.department_ids):
        access.found(wanted_id if wanted_id in known else None, f"departmentIds.{number}", "department")
    unit.translate("escalation_rules_name_key", Conflict(ConflictReason.TAKEN, "Another rule has this name."))
    if rule_id is None:
        row = unit.insert(EscalationRule, changed_at=unit.now, **values)
        _look_again(unit, [row])
        return row.id
    row = access.found(await unit.lock(one, viewer, rule_id), "escalationRuleId", "rule")
    was = _Scope.of(row)
    unit.change(row, changed_at=unit.now, **values)
    _look_again(unit, [was, row])
    return row.id


def _checked(form: Form) -> dict[str, Any]:
    problems = Problems()
    name = words.line(problems, "name", form.name, most=100, what="The name")
    if not 0 <= form.after_seconds <= MOST_SECONDS:
        problems.add("afterSeconds", f"The time is between 0 and {MOST_SECONDS:,} seconds.")
    if form.trigger is EscalationTrigger.NOT_ACKNOWLEDGED and form.level is EscalationLevel.TEAM_LEAD:
        problems.add("trigger", "Below this level there is none that could be acknowledged.")
    if len(form.department_ids) > MOST_DEPARTMENTS:
        problems.add("departmentIds", f"At most {MOST_DEPARTMENTS} are possible.")
    problems.refuse()
    return {
        "name": name,
        "active": form.active,
        "trigger": form.trigger,
        "after_seconds": form.after_seconds,
        "level": form.level,
        "priorities": list(dict.fromkeys(priority.name for priority in form.priorities)),
        "department_ids": list(dict.fromkeys(form.department_ids)),
    }


async def delete(unit: Unit, viewer: Viewer, rule_id: UUID) -> UUID:
    """Delete a rule; escalations that it made stay."""
    access.require(viewer, Role.ADMIN)
    row = access.found(await unit.lock(one, viewer, rule_id), "escalationRuleId", "rule")
    unit.delete(row)
    _look_again(unit, [row])
    return rule_id


# --- Looking again ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scope:
    """For which tickets a rule speaks."""

    active: bool
    priorities: list[str]
    department_ids: list[UUID]

    @classmethod
    def of(cls, rule: EscalationRule) -> "_Scope":
        return cls(rule.active, rule.priorities, rule.department_ids)


def _look_again(unit: Unit, scopes: list[Any]) -> None:
    """Have the clock look at all for which a rule spoke or speaks: one may fall due sooner, or another one now may."""
    speaking = [scope for scope in scopes if scope.active]
    if not speaking:
        return
    anywhere = any(not scope.department_ids for scope in speaking)
    any_priority = any(not scope.priorities for scope in speaking)
    waking.wake(
        unit,
        department_ids=[] if anywhere else [key for scope in speaking for key in scope.department_ids],
        priorities=[] if any_priority else [name for scope in speaking for name in scope.priorities],
    )
