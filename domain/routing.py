"""Rules that send new tickets where they belong: deciding by them, and how an admin keeps them."""

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, categories, departments, positions, services, words
from domain.access import Viewer
from domain.refusals import Conflict, ConflictReason, InvalidInput, Problems
from infra.unit import Unit
from models import Person, Role, RoutingRule, TicketPriority

MOST_CONDITIONS = 50

# --- Reading ----------------------------------------------------------------------------------------------------------


def visible(viewer: Viewer) -> Select[RoutingRule]:
    """The rules, for admins alone."""
    access.require(viewer, Role.ADMIN)
    return select(RoutingRule)


def seen(viewer: Viewer) -> Select[RoutingRule]:
    """The rules where a history or an id names one: nothing unless the viewer is an admin."""
    return select(RoutingRule) if viewer.has(Role.ADMIN) else select(RoutingRule).where(sa.false())


def one(viewer: Viewer, rule_id: Any) -> Select[RoutingRule]:
    """The rule."""
    return visible(viewer).where(RoutingRule.id == rule_id)


def active() -> Select[RoutingRule]:
    """The rules in force, in the order in which they are tried; for deciding alone."""
    return select(RoutingRule).where(RoutingRule.active).order_by(RoutingRule.position, RoutingRule.id)


def _all_in_order() -> Select[RoutingRule]:
    return select(RoutingRule).order_by(RoutingRule.position, RoutingRule.id)


def agent_of(person_id: Any, department_id: Any) -> Select[Person]:
    """This active member of staff, if they can work on the department's tickets."""
    return select(Person).where(Person.id == person_id, access.works_in(Person, department_id))


# --- Deciding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may ask of a new ticket."""

    category_id: UUID
    priority: TicketPriority
    service_id: UUID | None
    text: str  # subject, body and topic
    email: str  # the customer's


@dataclass(frozen=True, slots=True)
class Decision:
    """What the deciding rule says; all of it open when none decides."""

    rule_id: UUID | None = None
    department_id: UUID | None = None
    assignee_id: UUID | None = None
    priority: TicketPriority | None = None
    tags: list[str] = field(default_factory=list)


def decide(rules: list[RoutingRule], facts: Facts) -> Decision:
    """What the first of these rules whose conditions all hold says."""
    for rule in rules:
        if holds(rule, facts):
            return Decision(rule.id, rule.department_id, rule.assignee_id, rule.priority, list(rule.add_tags))
    return Decision()


def holds(rule: RoutingRule, facts: Facts) -> bool:
    """Whether all conditions of the rule hold; one that is empty does."""
    domain = facts.email.rpartition("@")[2]
    return (
        (not rule.category_ids or facts.category_id in rule.category_ids)
        and (not rule.priorities or facts.priority.name in rule.priorities)
        and (not rule.service_ids or facts.service_id in rule.service_ids)
        and (not rule.words or any(_contains(facts.text, word) for word in rule.words))
        and (
            not rule.email_domains
            or any(domain == known or domain.endswith(f".{known}") for known in rule.email_domains)
        )
    )


def _contains(text: str, word: str) -> bool:
    """Whether the word or phrase stands in the text as a whole, in whatever case."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


# --- Writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """All that a rule is, as an admin fills it in."""

    name: str
    position: int | None
    active: bool
    category_ids: list[UUID]
    priorities: list[TicketPriority]
    service_ids: list[UUID]
    words: list[str]
    email_domains: list[str]
    department_id: UUID | None
    assignee_id: UUID | None
    priority: TicketPriority | None
    add_tags: list[str]


async def save(unit: Unit, viewer: Viewer, rule_id: UUID | None, form: Form) -> UUID:
    """Make a rule, or replace the one of this id. Raises NotFound for what it names, Conflict TAKEN."""
    access.require(viewer, Role.ADMIN)
    values = _checked(form)
    await _known(unit, viewer, form)
    unit.translate("routing_rules_name_key", Conflict(ConflictReason.TAKEN, "Another rule has this name."))
    await positions.hold(unit, RoutingRule)
    rows = await unit.lock_all(_all_in_order)
    if rule_id is None:
        row = unit.insert(RoutingRule, position=0, **values)
    else:
        row = access.found(next((r for r in rows if r.id == rule_id), None), "routingRuleId", "rule")
        unit.change(row, **values)
    positions.place(unit, rows, row, form.position)
    return row.id


def _checked(form: Form) -> dict[str, Any]:
    problems = Problems()
    for name, items in (
        ("categoryIds", form.category_ids),
        ("serviceIds", form.service_ids),
        ("words", form.words),
        ("emailDomains", form.email_domains),
    ):
        if len(items) > MOST_CONDITIONS:
            problems.add(name, f"At most {MOST_CONDITIONS} are possible.")
    if form.position is not None and form.position < 0:
        problems.add("position", "Places are counted from 0.")
    domains = [words.domain(problems, f"emailDomains.{n}", domain) for n, domain in enumerate(form.email_domains)]
    values = {
        "name": words.line(problems, "name", form.name, most=100, what="The name"),
        "active": form.active,
        "category_ids": list(dict.fromkeys(form.category_ids)),
        "priorities": list(dict.fromkeys(priority.name for priority in form.priorities)),
        "service_ids": list(dict.fromkeys(form.service_ids)),
        "words": list(
            dict.fromkeys(
                words.line(problems, f"words.{number}", word, most=100, what="A word")
                for number, word in enumerate(form.words)
            )
        ),
        "email_domains": list(dict.fromkeys(domains)),
        "department_id": form.department_id,
        "assignee_id": form.assignee_id,
        "priority": form.priority,
        "add_tags": words.tags(problems, "addTags", form.add_tags),
    }
    problems.refuse()
    return values


async def _known(unit: Unit, viewer: Viewer, form: Form) -> None:
    """Raises NotFound, with the field's path, for the first id that names nothing."""
    lists: tuple[tuple[str, Any, list[UUID], str], ...] = (
        ("categoryIds", categories.named, form.category_ids, "category"),
        ("serviceIds", services.named, form.service_ids, "service"),
    )
    for name, build, wanted, what in lists:
        known = {row.id for row in await unit.read_all(build, wanted)}
        for number, wanted_id in enumerate(wanted):
            access.found(wanted_id if wanted_id in known else None, f"{name}.{number}", what)
    if form.department_id is not None:
        department = access.found(
            await unit.read(departments.one, viewer, form.department_id), "departmentId", "department"
        )
        if department.archived_at is not None:
            raise InvalidInput(("departmentId", "This department is archived."))
    if form.assignee_id is not None:
        agent = await unit.read(_staff, form.assignee_id)
        access.found(agent, "assigneeId", "agent")
        if form.department_id and await unit.read(agent_of, form.assignee_id, form.department_id) is None:
            raise InvalidInput(("assigneeId", "This agent does not work in the department."))


def _staff(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, access.works_here(Person))


async def delete(unit: Unit, viewer: Viewer, rule_id: UUID) -> UUID:
    """Delete a rule; what it decided stays."""
    access.require(viewer, Role.ADMIN)
    await positions.hold(unit, RoutingRule)
    rows = await unit.lock_all(_all_in_order)
    row = access.found(next((r for r in rows if r.id == rule_id), None), "routingRuleId", "rule")
    positions.remove(unit, rows, row)
    return rule_id
